"""Paths on disks and in buckets, against a server of the protocol on this machine."""

from pathlib import Path

import numpy as np
import pytest

from pnr_jax import paths
from pnr_jax.errors import UserError
from pnr_jax.files import Staging, read_text, replacing, write_text
from pnr_jax.paths import absolute, create, local_copy, move, remove_tree, to_path


@pytest.fixture(params=["disk", "bucket"])
def folder(request, tmp_path):
    """A folder on a disk, and one in a bucket: what is written here is the same there."""
    if request.param == "disk":
        return tmp_path
    request.getfixturevalue("bucket")
    return to_path("gs://pnr-test/a folder")


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_name_without_a_scheme_is_on_the_disk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("runs/a", "gs:/a", "C:\\runs", str(tmp_path)):
        assert type(to_path(name)) is type(Path())
    assert absolute("runs") == tmp_path.resolve() / "runs"


def test_a_bucket_that_pathlib_has_made_a_folder_of_is_refused():
    with pytest.raises(UserError, match=r"^gs:/bucket/run: a bucket's address must be a string"):
        to_path(Path("gs://bucket/run"))


def test_a_bucket_keeps_its_two_slashes(bucket):
    path = to_path("gs://pnr-test/runs/a")
    assert str(path / "config.json") == "gs://pnr-test/runs/a/config.json"
    assert str(to_path(path)) == str(absolute(path)) == "gs://pnr-test/runs/a"


@pytest.mark.parametrize("name", ["s3://bucket/run", "http://host/run", "gs://", "gs:///run"])
def test_another_place_is_refused(name):
    with pytest.raises(UserError, match=f"{name}: of places with '://', only gs://BUCKET/..."):
        to_path(name)


def test_what_to_install_is_said_in_one_line(monkeypatch):
    monkeypatch.setattr(paths, "_INSTALLED", False)
    with pytest.raises(UserError) as caught:
        to_path("gs://bucket/run")
    assert str(caught.value) == "gs://bucket/run: buckets need gcsfs; pip install 'pnr-jax[gcs]'"


def test_a_bucket_that_is_not_there_is_named(bucket):
    with pytest.raises(UserError, match=r"^gs://other: cannot be read"):
        to_path("gs://other/run")


def test_a_text_is_written_and_read(folder):
    write_text(folder / "a" / "b.txt", "Φ\n")
    write_text(folder / "a" / "b.txt", "Ψ\n")
    assert read_text(folder / "a" / "b.txt", "text") == "Ψ\n"
    assert files(folder / "a") == {"b.txt": "Ψ\n".encode()}


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # Of gcsfs.
def test_a_large_file_comes_back(folder):
    data = np.random.default_rng(0).bytes(12 << 20)  # Uploaded in pieces of 5 MB.
    with replacing(folder / "a") as temporary:
        temporary.write_bytes(data)
    with local_copy(folder / "a") as copy:
        assert copy.read_bytes() == data


def test_a_failed_block_leaves_the_old_file_alone(folder):
    write_text(folder / "a.png", "old")
    with pytest.raises(KeyboardInterrupt), replacing(folder / "a.png") as temporary:
        assert temporary.suffix == ".png"
        temporary.write_text("ne")
        raise KeyboardInterrupt
    assert files(folder) == {"a.png": b"old"}


def test_only_the_first_creates_a_file(folder):
    folder.mkdir(exist_ok=True)
    assert create(folder / "a", b"1")
    assert not create(folder / "a", b"2")
    assert files(folder) == {"a": b"1"}


def test_a_folder_is_moved_and_removed(folder):
    write_text(folder / "a" / "b" / "c", "1")
    move(folder / "a", folder / "z")
    assert not (folder / "a").exists()
    assert files(folder / "z" / "b") == {"c": b"1"}
    remove_tree(folder / "z")
    remove_tree(folder / "z")
    assert not (folder / "z").exists()


def test_what_is_staged_arrives(folder):
    with Staging(folder / "x") as staging:
        (staging.path / "y").mkdir(parents=True)
        (staging.path / "y" / "a").write_text("1")
        staging.upload()
        (staging.path / "y" / "a").write_text("2")
    assert files(folder / "x" / "y") == {"a": b"2"}


def test_a_refused_write_is_one_line_that_names_the_object(bucket, monkeypatch):
    path = to_path("gs://pnr-test/a.txt")
    monkeypatch.setattr(bucket, "refused", 403)
    with pytest.raises(OSError, match=r"^gs://pnr-test/a.txt: cannot be written .Forbidden"):
        write_text(path, "1")
    assert not bucket.objects


def test_what_another_process_writes_is_seen_at_once(bucket):
    folder = to_path("gs://pnr-test/run")
    assert not folder.is_dir()
    bucket.put("run/a", b"1", {})
    assert files(folder) == {"a": b"1"}
    bucket.put("run/a", b"22", {})
    assert files(folder) == {"a": b"22"}


def test_only_errors_of_a_bucket_are_called_so(bucket, monkeypatch):
    path = to_path("gs://pnr-test/a")
    monkeypatch.setattr(bucket, "unread", 401)
    with pytest.raises(Exception, match="refused by 401") as refused:
        path.read_bytes()
    assert not isinstance(refused.value, OSError)
    assert paths.is_bucket_error(refused.value)
    assert not paths.is_bucket_error(ValueError("refused by 401"))


def test_home_is_found_without_a_shell(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert to_path("~/runs/a") == absolute("~/runs/a") == tmp_path / "runs" / "a"
    assert to_path("~nobody-of-that-name/a") == Path("~nobody-of-that-name/a")
    assert to_path("runs/~") == Path("runs/~")
