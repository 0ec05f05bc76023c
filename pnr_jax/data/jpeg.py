"""How many scans a JPEG file has: each is decoded over the whole picture."""

import re

# All that begins a segment; stuffed bytes, restarts and fill bytes do not.
_MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")
_END, _SCAN = b"\xd9", b"\xda"


def count_scans(data: bytes) -> int:
    """Counts the scans of a JPEG up to its end; what cameras append is not looked at.

    Segments are stepped over, so that neither the preview in an EXIF block nor the video behind a
    motion photo counts.
    """
    at, scans = 2, 0
    while (found := _MARKER.search(data, at)) and found[1] != _END:
        scans += found[1] == _SCAN
        at = found.end() + max(2, int.from_bytes(data[found.end() : found.end() + 2]))
    return scans
