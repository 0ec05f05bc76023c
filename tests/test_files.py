"""A file is whole or absent, whatever happens while it is written."""

import os
import subprocess
import sys

import pytest

from pnr_jax.errors import UserError
from pnr_jax.files import read_lines, replacing, write_text


def test_writes_into_folders_that_are_not_there_yet(tmp_path):
    write_text(tmp_path / "a" / "b" / "c.txt", "Φ\n")
    assert (tmp_path / "a" / "b" / "c.txt").read_text(encoding="utf-8") == "Φ\n"


def test_leaves_nothing_but_the_file(tmp_path):
    write_text(tmp_path / "a.txt", "1")
    write_text(str(tmp_path / "a.txt"), "2")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.txt": "2"}


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_umask_says_who_may_read_the_file(umask, mode, tmp_path):
    before = os.umask(umask)
    try:
        write_text(tmp_path / "a.txt", "1")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == mode


def test_no_file_system_is_asked_for_modes(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError("Operation not permitted")

    for name in ("chmod", "fchmod"):  # As CIFS and WSL do.
        monkeypatch.setattr(os, name, refuse)
    write_text(tmp_path / "a.txt", "1")
    assert (tmp_path / "a.txt").read_text() == "1"


def test_the_old_file_stands_until_the_block_ends(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == path.parent  # Renaming is atomic only there.
        assert temporary.suffix == ".txt"  # Libraries choose a format by it.
    assert path.read_text() == "new"


def test_a_failed_block_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:
        temporary.write_text("ne")
        raise KeyboardInterrupt
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "old"


def test_a_failed_block_leaves_no_new_file(tmp_path):
    with pytest.raises(RuntimeError), replacing(tmp_path / "a.txt"):
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_reads_lines_of_any_ending(tmp_path):
    (tmp_path / "a.csv").write_bytes("ä,b\r\nc,d\n".encode())
    assert read_lines(tmp_path / "a.csv", "pairs") == ["ä,b", "c,d"]


def test_names_a_file_that_is_not_there(tmp_path):
    for path in (tmp_path / "a.csv", tmp_path):  # A folder is no file either.
        with pytest.raises(UserError) as caught:
            read_lines(path, "pairs")
        assert str(caught.value) == f"pairs file not found: {path}"


def test_names_a_file_that_is_no_text(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(
        UserError, match=rf"{tmp_path / 'a.csv'}: not a text file .* the pairs as UTF-8"
    ):
        read_lines(tmp_path / "a.csv", "pairs")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_only_line_feeds_end_lines(tmp_path, end, mark):
    lines = ["a\u0085b", "c\u2028d", "e\x0bf", "", "ü"]
    (tmp_path / "a.csv").write_bytes((mark + end.join(lines) + end).encode())
    assert read_lines(tmp_path / "a.csv", "pairs") == lines


def test_an_empty_file_has_no_lines(tmp_path):
    (tmp_path / "a.csv").touch()
    assert read_lines(tmp_path / "a.csv", "pairs") == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
def test_another_encoding_is_named(tmp_path, encoding):
    for mark in ("", "\ufeff") if encoding.startswith("utf") else ("",):
        (tmp_path / "a.csv").write_bytes((mark + "a müller").encode(encoding))
        with pytest.raises(UserError, match=r"save (it|the pairs) as UTF-8"):
            read_lines(tmp_path / "a.csv", "pairs")


def test_a_name_that_is_not_utf_8_is_named_and_nothing_written(tmp_path):
    name = os.fsdecode(b"m\xfcller")
    with pytest.raises(UserError, match="not UTF-8; rename it"):
        write_text(tmp_path / "a.csv", f"from,to\n{name},b\n")
    assert list(tmp_path.iterdir()) == []


def test_text_is_utf_8_in_any_locale(tmp_path):
    code = "import sys; from pnr_jax.files import write_text; write_text(sys.argv[1], '— ü')"
    locale = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    code = code.encode("ascii", "backslashreplace").decode()
    subprocess.run([sys.executable, "-c", code, tmp_path / "a.txt"], env=locale, check=True)
    assert (tmp_path / "a.txt").read_bytes() == "— ü".encode()
