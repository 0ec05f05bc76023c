"""Reads the frames of a video one by one with FFmpeg."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from pnr_jax.errors import UserError

HIGHEST = 1080  # Pixels; taller frames are shrunk: poses are as good and memory is saved.


def read_frames(path: str | Path, fps: float) -> Iterator[np.ndarray]:
    """Yields a video's frames, uint8 [H, W, 3], upright, at most 1080 pixels high.

    Args:
      path: the video, in any format that FFmpeg reads.
      fps: frames per second of the video's own time; frames are dropped or repeated to match.

    Raises:
      UserError: the file does not exist, FFmpeg is not installed, or it cannot read the file to the
        end.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"video not found: {path}")
    try:
        import imageio_ffmpeg  # An extra: `pip install pnr-jax[video]`.
    except ImportError:
        raise UserError(f"{path}: needs FFmpeg; pip install 'pnr-jax[video]'") from None
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error"]
    # FFmpeg may only open files: some formats refer to others, even on the network.
    command += ["-xerror", "-protocol_whitelist", "file", "-i", f"file:{path}", "-an"]
    command += ["-vf", f"fps={fps},scale=-2:'min({HIGHEST},ih)'", "-f", "image2pipe"]
    count = 0
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(
            [*command, "-c:v", "ppm", "-"], stdout=subprocess.PIPE, stderr=said
        ) as process:
            assert process.stdout is not None
            try:
                while (frame := _read_ppm(process.stdout)) is not None:
                    yield frame
                    count += 1
            except GeneratorExit:
                process.kill()  # The remaining frames are not needed.
                raise
        if process.returncode or not count:
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines() or ["no frame in it"]
            raise UserError(f"{path}: FFmpeg cannot read it as a video ({lines[0][:200]})")


def _read_ppm(stream: IO[bytes]) -> np.ndarray | None:
    """Returns the next picture in a stream of PPMs, or None at its end."""
    if stream.readline() != b"P6\n":
        return None
    width, height = map(int, stream.readline().split())
    stream.readline()  # 255, the highest value.
    data = stream.read(3 * width * height)
    whole = len(data) == 3 * width * height
    return np.frombuffer(data, np.uint8).reshape(height, width, 3) if whole else None
