"""Fuzzes one reader guided by the branches it takes, with atheris (pip install atheris, Linux).

python -m tests.faults.coverage_guided images -runs=20000 -max_len=4096

What follows the reader's name goes to libFuzzer. It ends with a traceback and the input's file at
the first outcome that is neither a result nor one line.
"""

import sys
import tempfile
from pathlib import Path


def main() -> None:
    """Fuzzes "images", "annotations" or "tuples"."""
    import atheris  # Not among the requirements: it has no wheels for some machines.

    with atheris.instrument_imports(include=["PIL", "pnr_jax.data", "zipfile", "json"]):
        from pnr_jax.data.annotations import read_annotations
        from pnr_jax.data.pairs import read_tuples
        from tests.faults import test_hostile_images, test_hostile_text
    from tests.faults.hostile import outcome, scratch_file

    name, *arguments = sys.argv[1:]
    readers = {"annotations": read_annotations, "tuples": read_tuples}
    texts = [test_hostile_text.SOUND, test_hostile_text.PAIRS, test_hostile_text.TUPLES]
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        sound = test_hostile_images.FILES.values() if name == "images" else texts
        for i, data in enumerate(sound):
            (corpus / str(i)).write_bytes(data)

        def one(data: bytes) -> None:
            if name == "images":
                outcome(test_hostile_images.read, data)
            else:
                with scratch_file(Path(folder), "input", data) as path:
                    outcome(readers[name], path)

        atheris.Setup([sys.argv[0], *arguments, str(corpus)], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
