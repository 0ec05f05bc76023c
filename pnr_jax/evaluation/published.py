"""The rows of the paper's Tables 1 and 2, on Market-1501: as published, not run here.

They compare with SSIM, masked SSIM, IS and masked IS of the columns so named, and with no other;
`docs/evaluation.md` says how far.
"""

from typing import Any

_COLUMNS = ("inception_score", "ssim", "masked_inception_score", "masked_ssim")

# Method: IS, SSIM, mask-IS, mask-SSIM. *: unsupervised training.
_TABLE_1 = {
    "PG2": (3.460, 0.253, 3.435, 0.792),
    "Def-GAN": (3.185, 0.290, 3.502, 0.805),
    "PATN": (3.323, 0.311, 3.773, 0.811),
    "XingGAN": (3.506, 0.313, 3.872, 0.816),
    "pNR (LSE)": (3.435, 0.298, 3.741, 0.802),
    "pNR (LAD)": (3.631, 0.305, 3.796, 0.807),
    "SPT*": (3.449, 0.203, 3.680, 0.758),
    "pNR* (LSE)": (3.688, 0.241, 3.501, 0.783),
    "pNR* (LAD)": (3.681, 0.248, 3.610, 0.789),
}
_TABLE_2 = {
    ("Lathuilière et al.", 1): (3.251, 0.270, 3.614, 0.771),
    ("Lathuilière et al.", 3): (3.442, 0.291, 3.739, 0.783),
    ("Lathuilière et al.", 5): (3.444, 0.306, 3.814, 0.788),
    ("pNR (LAD)", 1): (3.631, 0.305, 3.796, 0.807),
    ("pNR (LAD)", 3): (3.642, 0.311, 3.804, 0.812),
    ("pNR (LAD)", 5): (3.629, 0.313, 3.804, 0.818),
    ("pNR* (LAD)", 1): (3.684, 0.248, 3.610, 0.789),
    ("pNR* (LAD)", 3): (3.640, 0.254, 3.616, 0.801),
    ("pNR* (LAD)", 5): (3.662, 0.259, 3.614, 0.805),
}


def published_rows(which: str) -> list[dict[str, Any]]:
    """The paper's rows for "pairs" (Table 1) or "tuples" (Table 2).

    >>> published_rows("pairs")[2]["ssim"], published_rows("tuples")[0]["sources"]
    (0.311, 1)
    """
    tables = {"pairs": {(name, 1): row for name, row in _TABLE_1.items()}, "tuples": _TABLE_2}
    return [
        {"method": name, "set": which, "sources": M, "published": True}
        | dict(zip(_COLUMNS, scores, strict=True))
        for (name, M), scores in tables[which].items()
    ]
