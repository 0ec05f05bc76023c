"""Folders and zips: people's own files, links, and what systems leave."""

import os
import zipfile

import pytest

from pnr_jax.walk import list_entries, list_files

OWN = ["anna/1.jpg", "ben/a.b.jpg"]
SYSTEM = [
    ".DS_Store", ".ipynb_checkpoints/anna/1.jpg", "#recycle/1.jpg", "$RECYCLE.BIN/1.jpg",
    "@Recycle/1.jpg", "@eaDir/1.jpg", "__MACOSX/anna/._1.jpg", "anna/.@__thumb/1.jpg",
    "anna/._1.jpg", "ben/Thumbs.db", "desktop.ini", "lost+found/1.jpg",
]  # fmt: skip
PASSED_OVER = [
    "#recycle", "$RECYCLE.BIN", ".DS_Store", ".ipynb_checkpoints", "@Recycle", "@eaDir",
    "__MACOSX", "anna/.@__thumb", "anna/._1.jpg", "ben/Thumbs.db", "desktop.ini", "lost+found",
]  # fmt: skip


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names(folder):
    return [path.relative_to(folder).as_posix() for path in list_files(folder).files]


def test_hidden_names_and_those_of_systems_are_told_from_peoples_own(tmp_path):
    touch(*(tmp_path / name for name in OWN + SYSTEM))
    assert list_files(tmp_path) == ([tmp_path / name for name in OWN], PASSED_OVER)


@pytest.mark.parametrize("slash", ["/", "\\"])
def test_a_zip_goes_by_the_same_rule(tmp_path, slash):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in [*OWN, *SYSTEM, "folder/"]:
            info = zipfile.ZipInfo(name)
            info.filename = name.replace("/", slash)
            archive.writestr(info, b"")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        files, passed_over = list_entries(archive)
    assert ([str(path) for path, _ in files], passed_over) == (OWN, PASSED_OVER)


def test_a_hidden_folder_above_is_nobodys_business(tmp_path):
    touch(tmp_path / ".cache" / "people" / "1.jpg")
    assert list_files(tmp_path / ".cache" / "people").passed_over == []
    assert names(tmp_path / ".cache" / "people") == ["1.jpg"]


def test_a_folder_alone_is_listed_without_those_inside(tmp_path):
    touch(tmp_path / "1.jpg", tmp_path / "evaluation" / "2.png")
    assert list_files(tmp_path, inside=False) == ([tmp_path / "1.jpg"], [])


def test_links_to_folders_and_files_are_followed(tmp_path):
    people, store = tmp_path / "people", tmp_path / ".store"
    touch(store / "a" / "b" / "1.jpg", people / "ben" / "1.jpg")
    (people / "anna").symlink_to(store / "a")
    (people / "ben" / "2.jpg").symlink_to(store / "a" / "b" / "1.jpg")
    (tmp_path / "other").symlink_to(people)
    for folder in (people, tmp_path / "other"):
        assert names(folder) == ["anna/b/1.jpg", "ben/1.jpg", "ben/2.jpg"]


def test_a_link_to_what_is_known_is_passed_over_and_told(tmp_path):
    people, other = tmp_path / "people", tmp_path / "other"
    touch(people / "zoe" / "1.jpg", other / "ben" / "2.jpg", tmp_path / "stranger" / "3.jpg")
    (people / "anna").symlink_to(people / "zoe")  # By its own name, though that comes later.
    (people / "more").symlink_to(other)
    (people / "same").symlink_to(other / "ben")
    (people / "self").symlink_to("self")
    (people / "up").symlink_to(tmp_path)
    (other / "back").symlink_to(people)
    (other / "up").symlink_to(tmp_path)
    (people / "gone.jpg").symlink_to(tmp_path / "nowhere")
    os.mkfifo(people / "pipe.jpg")
    assert names(people) == ["more/ben/2.jpg", "zoe/1.jpg"]
    known, nowhere = "(a link to a folder that is known)", "(a link to nowhere, or no file)"
    assert list_files(people).passed_over == [
        f"anna {known}", f"gone.jpg {nowhere}", f"more/back {known}", f"more/up {known}",
        f"pipe.jpg {nowhere}", f"same {known}", f"self {nowhere}", f"up {known}",
    ]  # fmt: skip


def test_links_from_everywhere_to_everywhere_end(tmp_path):
    letters = "abcdefghij"
    for letter in letters:
        touch(tmp_path / "stores" / letter / "1.jpg")
        for other in letters:
            (tmp_path / "stores" / letter / other).symlink_to(tmp_path / "stores" / other)
    (tmp_path / "people").mkdir()
    (tmp_path / "people" / "anna").symlink_to(tmp_path / "stores" / "a")
    assert len(names(tmp_path / "people")) == len(letters)


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    touch(tmp_path / "anna" / "1.jpg")
    look = os.scandir

    def scandir(path):
        if str(path).endswith("anna"):
            raise PermissionError(13, "Permission denied", str(path))
        return look(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(PermissionError, match="anna"):
        list_files(tmp_path)
