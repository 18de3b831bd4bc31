"""A file that is not MNIST is called what it is, under whatever name it lies there."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mlp.dataset import decompress, parse_idx
from mlp.errors import DatasetError
from mlp.not_mnist import contents_of, shown, what_it_is

PAGE = "<!DOCTYPE html><html><body>503</body></html>"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9912422\n"
CSV = b"5," + b",".join([b"0"] * 784) + b"\n"


def archive_of(write):
    made = io.BytesIO()
    write(made)
    return made.getvalue()


def zipped(file):
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("train-labels-idx1-ubyte", b"x")


def torch_zip(file):
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("training/data.pkl", b"x")


def tarred(file):
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("train-labels-idx1-ubyte"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xef\xbb\xbf" + PAGE.encode(), "a web page"),
        (PAGE.encode("utf-16"), "a web page"),
        (PAGE.encode("utf-16-le"), "a web page"),
        (PAGE.encode("utf-16-be"), "a web page"),
        (b" \r\n\t" * 300 + PAGE.encode(), "a web page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "an XML document, which begins with"),
        (b'{"message": "Not Found"}', 'a JSON document, which begins with \'{"message"'),
        (b"[" + b'"a", ' * 5000 + b'"b"]', "a JSON document"),
        (b"404: Not Found", "text, which begins with '404: Not Found'"),
        ("Zugriff verweigert: ung\u00fcltig".encode("latin-1"), "text, which begins with 'Zugriff"),
        (LFS, r"a Git-LFS pointer, .*: run git lfs pull"),
        (b"/annex/objects/SHA256E-s9912422--00ff.gz\n", r"a git-annex pointer, .*: run git annex get"),
        (b"", "empty"),
        (gzip.compress(gzip.compress(b"x")), "a gzip file inside a gzip file: decompress it once"),
        (archive_of(zipped), "a zip archive: unpack it"),
        (archive_of(lambda file: np.savez(file, x=np.zeros(3))), r"a NumPy archive \(.npz\)"),
        (archive_of(lambda file: np.save(file, np.zeros(3))), r"a NumPy array \(.npy\)"),
        (archive_of(tarred), "a tar archive"),
        (gzip.compress(archive_of(tarred)), "a tar archive"),
        (lzma.compress(b"x"), "an xz file"),
        (bz2.compress(b"x"), "a bzip2 file"),
        (CSV, r"a table of text \(CSV\)"),
        (b"label," + b",".join(b"%dx%d" % (i // 28, i % 28) for i in range(784)), r"a table of text \(CSV\)"),
        (archive_of(torch_zip), r"a file of PyTorch \(.pt\)"),
        (b"\x04\x22\x4d\x18" + bytes(range(90)), "an LZ4 file"),
        (b"SQLite format 3\0" + bytes(90), "an SQLite database"),
        (pickle.dumps([1]), "a Python pickle"),
        (pickle.dumps([1], 0), "a Python pickle"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_lies_there_is_named_with_what_to_do(content, words):
    with pytest.raises(DatasetError, match=f"some-file is {words}") as caught:
        parse_idx(decompress(content, Path("some-file")), Path("some-file"), 1)
    assert "\n" not in str(caught.value)
    assert "--data or MNIST_DIR" in str(caught.value)


def test_bytes_that_are_nothing_known_are_not_guessed_at():
    assert what_it_is(bytes(range(128, 256)) * 4) is None
    assert what_it_is(np.random.default_rng(0).bytes(4096)) is None


def test_what_is_odd_in_a_folder_is_said(tmp_path):
    assert contents_of(tmp_path) == "it is empty"
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to(".git/annex/objects/x/y")
    (tmp_path / "c").symlink_to("nowhere")
    os.mkdir(os.fsencode(tmp_path) + b"/d\xff\n")
    said = contents_of(tmp_path)
    assert "a (a folder), b (a git-annex link without its object: run git annex get)" in said
    assert "c (a link to nowhere, which does not exist)" in said
    said.encode()
    assert "\n" not in said


def test_a_long_list_is_cut(tmp_path):
    for number in range(20):
        (tmp_path / f"{number:02}").touch()
    assert contents_of(tmp_path) == "it holds 00, 01, 02, 03, 04, 05, 06, 07 and 12 more"


def test_shown_is_one_short_line():
    assert shown("a\x1b[0m\nb" + "c" * 100) == "a [0m b" + "c" * 53 + "\u2026"
