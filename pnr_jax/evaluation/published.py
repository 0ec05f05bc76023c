"""The rows of the paper's Tables 1 and 2, on Market-1501: as published, not run here.

Table 1 is of the field's 12,000 pairs, Table 2 of tuples like ours.

They compare with SSIM, masked SSIM, IS and masked IS of the columns so named, and with no other;
`docs/evaluation.md` says how far.
"""

from typing import Any

from pnr_jax.evaluation.scorers import Column

_SCORES = ("inception_score", "ssim", "masked_inception_score", "masked_ssim")
# Of scores that ours may lack.
COLUMNS = (Column("inception_score", "IS", 3), Column("masked_inception_score", "masked IS", 3))

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


PUBLISHED = {
    ("market1501", "pairs"): {(name, 1): row for name, row in _TABLE_1.items()},
    ("market1501", "tuples"): _TABLE_2,
}


def published_rows(data: str, which: str) -> list[dict[str, Any]]:
    """Returns a data set's published rows, none where nothing comparable was published.

    Args:
      data: name of the data set.
      which: "pairs", "tuples" or another set.

    >>> published_rows("market1501", "pairs")[2]["ssim"], published_rows("people", "tuples")
    (0.311, [])
    """
    return [
        {"method": name, "set": which, "sources": M, "published": True}
        | dict(zip(_SCORES, scores, strict=True))
        for (name, M), scores in PUBLISHED.get((data, which), {}).items()
    ]
