"""gzip through ISA-L: the same bytes and the same refusals as Python's gzip, with and without the library."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlp import inflate

TEXT = b"a sentence that deflate can shorten, " * 400
ONE = gzip.compress(TEXT, mtime=0)


@pytest.fixture(params=["ISA-L", "zlib"])
def library(request, monkeypatch):
    if request.param == "zlib":
        monkeypatch.setattr(inflate, "igzip_lib", None)
    elif inflate.igzip_lib is None:
        pytest.skip("isal is not installed")
    return request.param


def verdict(decompress, raw):
    try:
        return decompress(raw)
    except (EOFError, OSError, zlib.error) as error:
        return type(error)


def flipped(raw, position):
    content = bytearray(raw)
    content[position] ^= 0xFF
    return bytes(content)


ODD_FILES = {
    "sound": ONE,
    "empty content": gzip.compress(b""),
    "two members": ONE + gzip.compress(b"more"),
    "padded with zeros": ONE + bytes(512),
    "followed by rubbish": ONE + b"rubbish",
    "without its end": ONE[:-20],
    "without its length": ONE[:-3],
    "with a wrong checksum": flipped(ONE, -6),
    "with a wrong length": flipped(ONE, -1),
    "with a damaged stream": flipped(ONE, 30),
    "only a magic number": inflate.MAGIC,
}


@pytest.mark.parametrize("name", ODD_FILES)
def test_the_verdict_is_that_of_pythons_gzip(library, name):
    raw = ODD_FILES[name]
    assert verdict(inflate.gunzip, raw) == verdict(gzip.decompress, raw)


@given(st.binary(max_size=2000), st.integers(0, 9))
def test_what_was_compressed_comes_back(content, level):
    assert inflate.gunzip(gzip.compress(content, level)) == content


@given(st.integers(0, len(ONE) - 1), st.integers(1, 255))
def test_a_changed_byte_never_passes_for_other_content(position, change):
    raw = bytearray(ONE)
    raw[position] ^= change
    assert verdict(inflate.gunzip, bytes(raw)) == verdict(gzip.decompress, bytes(raw))


def test_a_trailer_that_lies_about_the_length_reserves_no_memory_for_it(monkeypatch):
    if inflate.igzip_lib is None:
        pytest.skip("isal is not installed")
    asked, read = [], inflate.Stream.read
    monkeypatch.setattr(inflate.Stream, "read", lambda self, size: asked.append(size) or read(self, size))
    assert verdict(inflate.gunzip, ONE[:-4] + b"\xff\xff\xff\xff") == gzip.BadGzipFile
    assert asked == [inflate.MOST_EXPANSION * len(ONE)]


def test_a_stream_is_sound_only_at_its_end():
    if inflate.igzip_lib is None:
        pytest.skip("isal is not installed")
    stream = inflate.Stream(ONE)
    assert stream.read(10) == TEXT[:10] and not stream.is_sound
    assert stream.read(len(TEXT)) == TEXT[10:] and stream.is_sound
    assert stream.read(10) == b""


def test_without_the_library_there_is_nothing_to_stream(monkeypatch):
    monkeypatch.setattr(inflate, "igzip_lib", None)
    stream = inflate.Stream(ONE)
    assert stream.read(10) == b"" and not stream.is_sound
    assert inflate.library() == "zlib"
