"""What is scored must have the sources that are asked for."""

import numpy as np
import pytest

from pnr_jax.config import default_config
from pnr_jax.data.images import Images
from pnr_jax.errors import UserError
from pnr_jax.evaluation import entrants


def test_a_list_of_fewer_sources_than_are_asked_for_is_named(tmp_path, monkeypatch):
    images = Images(np.zeros((3, 128, 64, 3), np.uint8), np.zeros((3, 18, 2), int), list("abc"))
    monkeypatch.setattr(entrants.market1501, "load", lambda *_: images)
    path = tmp_path / "list.csv"
    path.write_text("from_0,from_1,to\na,b,c\n")
    sets = entrants.load_sets(default_config(), str(path), several=True, fewest=2)
    assert sets.multi.examples.tuples.tolist() == [[0, 1, 2]]
    with pytest.raises(UserError) as caught:
        entrants.load_sets(default_config(), str(path), several=True, fewest=5)
    expected = f"{path}: has 2 sources a row, --sources asks for 5; ask for 2 at most"
    assert str(caught.value) == expected
