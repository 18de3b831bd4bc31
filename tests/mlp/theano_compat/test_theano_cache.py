"""The compile cache is repaired before Theano reads it; folders stand in for what Theano has compiled."""

import os
import pickle
import shutil
from pathlib import Path

import pytest

from mlp import backends
from mlp.errors import BackendError
from mlp.theano_compat import cache


@pytest.fixture
def directory(tmp_path):
    """A compile directory with two finished modules, one of Theano's own, and one that is still being compiled."""
    directory = tmp_path / "compiledir_Linux"
    for name in ("tmp1", "tmp2", "tmp_unfinished", "lazylinker_ext"):
        folder = directory / name
        folder.mkdir(parents=True)
        (folder / f"{name}.so").write_bytes(name.encode() * 100)
        if name in ("tmp1", "tmp2"):
            (folder / "key.pkl").write_bytes(b"key")
    return directory


def names(folders):
    return sorted(folder.name for folder in folders)


def test_a_sound_cache_is_left_alone(directory):
    cache.seal(directory)
    assert cache.discard_damaged(directory.parent) == []
    assert names(directory.iterdir()) == ["lazylinker_ext", "tmp1", "tmp2", "tmp_unfinished"]


def test_only_finished_modules_are_sealed(directory):
    cache.seal(directory)
    sealed = {path.parent.name for path in directory.glob("*/*.sha256")}
    assert sealed == {"tmp1", "tmp2", "lazylinker_ext"}


@pytest.mark.parametrize("name", ["tmp1", "lazylinker_ext"])
@pytest.mark.parametrize("change", [lambda content: content[:50], lambda content: b"X" + content[1:], lambda _: b""])
def test_a_module_that_changed_after_it_was_sealed_is_removed(directory, name, change):
    cache.seal(directory)
    path = directory / name / f"{name}.so"
    path.write_bytes(change(path.read_bytes()))
    assert names(cache.discard_damaged(directory.parent)) == [name]
    assert not path.parent.exists() and (directory / "tmp2").exists()


def test_a_seal_is_not_renewed_when_the_module_changes(directory):
    """Otherwise the next process that seals would vouch for the damage."""
    cache.seal(directory)
    (directory / "tmp1" / "tmp1.so").write_bytes(b"short")
    cache.seal(directory)
    assert names(cache.discard_damaged(directory)) == ["tmp1"]


def test_a_damaged_seal_costs_the_module(directory):
    cache.seal(directory)
    (directory / "tmp1" / "tmp1.so.sha256").write_bytes(b"\xff\xfe")
    assert names(cache.discard_damaged(directory)) == ["tmp1"]


def test_a_module_without_a_seal_is_theanos_business(directory):
    assert cache.discard_damaged(directory.parent) == []


def test_a_folder_that_cannot_be_read_is_removed(directory, monkeypatch):
    listdir = os.listdir

    def denied(folder):  # root may read everything, so permissions alone cannot show it
        if os.path.basename(folder) == "tmp2":
            raise PermissionError(13, "Permission denied")
        return listdir(folder)

    monkeypatch.setattr(os, "listdir", denied)
    assert names(cache.discard_damaged(directory)) == ["tmp2"]
    assert not (directory / "tmp2").exists()


def test_damage_that_cannot_be_removed_is_one_sentence(directory, monkeypatch):
    cache.seal(directory)
    (directory / "tmp1" / "tmp1.so").write_bytes(b"short")

    def denied(folder):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(shutil, "rmtree", denied)
    with pytest.raises(BackendError, match=r"tmp1 is damaged and cannot be removed .*: delete it") as caught:
        cache.discard_damaged(directory)
    assert "\n" not in str(caught.value)


def test_an_empty_or_missing_cache_is_fine(tmp_path):
    assert cache.discard_damaged(tmp_path / "nowhere") == []
    cache.seal(tmp_path / "nowhere")


def test_a_key_file_is_never_seen_half_written(tmp_path, monkeypatch):
    """A process that reads half a key file removes the module, which the writer is about to use."""
    backends.load("theano").import_framework()
    from theano.gof.cmodule import KeyData

    path = tmp_path / "key.pkl"
    data = KeyData(keys={"one"}, module_hash="hash", key_pkl=str(path), entry="module.so")
    data.save_pkl()
    seen = []

    def reading_meanwhile(write):
        def wrapped(self, *arguments, **options):
            seen.append(pickle.loads(path.read_bytes()).keys)
            done = write(self, *arguments, **options)
            seen.append(pickle.loads(path.read_bytes()).keys)
            return done

        return wrapped

    monkeypatch.setattr(Path, "write_bytes", reading_meanwhile(Path.write_bytes))
    data.add_key("two")
    assert seen == [{"one"}, {"one"}]
    assert pickle.loads(path.read_bytes()).keys == {"one", "two"}
    assert os.listdir(tmp_path) == ["key.pkl"]


def test_a_key_that_cannot_be_pickled_leaves_the_old_ones(tmp_path):
    backends.load("theano").import_framework()
    from theano.gof.cmodule import KeyData

    path = tmp_path / "key.pkl"
    data = KeyData(keys={"one"}, module_hash="hash", key_pkl=str(path), entry="module.so")
    data.save_pkl()
    with pytest.raises((pickle.PicklingError, AttributeError)):
        data.add_key(lambda: None)
    assert pickle.loads(path.read_bytes()).keys == {"one"}
