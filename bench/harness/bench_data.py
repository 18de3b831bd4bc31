"""Time of loading the data, in total and by part.

The tutorial's whole loading, then its steps: read the compressed files, decompress them, convert to float32; and
the same from plain IDX files, read or memory-mapped.  Files are in the page cache: the disk itself is not measured.
Two floors for comparison: the fastest maintained library on the same compressed bytes, and a copy of as many bytes as
loading writes.

The first loading of a process touches 220 MB for the first time: the kernel zeroes each page, of 2 MB if available
(transparent huge pages), else of 4 KB, so its distribution is multimodal.  Counted on a busy machine: 7,300 page faults
and 0.11 to 0.31 s of the kernel's CPU time, for the third loading 460 and 0.04 to 0.16 s.  A virtual machine whose host
takes back free memory (docs/tuned.md, "Loading") is slower after some idle seconds, with every stack.  No array is
held twice: the peak is 25 MB above the arrays.
"""

from __future__ import annotations

import time
import zlib

import numpy as np
import pytest

from bench.harness.starting import FIRST_LOAD
from mlp.dataset import STEMS, convert, decompress, find_file, load_files, load_memory_mapped, parse_idx, read_bytes
from mlp.inflate import MAGIC, igzip_lib


@pytest.fixture(scope="module")
def paths(data_directory):
    return [find_file(data_directory, stem) for stem in STEMS]


@pytest.fixture(scope="module")
def raw(paths):
    return [(read_bytes(path), path) for path in paths]


@pytest.fixture(scope="module")
def plain_directory(raw, tmp_path_factory):
    """Return a folder with the four files as plain IDX; writing them is not timed."""
    directory = tmp_path_factory.mktemp("plain")
    for (content, path), stem in zip(raw, STEMS, strict=True):
        (directory / stem).write_bytes(decompress(content, path))
    return directory


@pytest.fixture
def measure(benchmark, case):
    def measure(function, num_bytes: int) -> None:
        benchmark.pedantic(function, rounds=3 if case.quick else 5, iterations=1, warmup_rounds=1)
        benchmark.extra_info["bytes"] = num_bytes

    return measure


def test_load(benchmark, measure, data_directory):
    """Time loading; the first one of the process is a separate measurement, because it touches fresh memory."""
    start = time.perf_counter()
    load_files(data_directory)
    first_seconds = time.perf_counter() - start
    measure(lambda: load_files(data_directory), 70_000 * 784 * 4)
    benchmark.extra_info["parts_seconds"] = {FIRST_LOAD: [first_seconds]}


def test_read(measure, paths, raw):
    measure(lambda: [read_bytes(path) for path in paths], sum(len(content) for content, _ in raw))


def test_decompress(measure, raw):
    num_bytes = sum(len(decompress(content, path)) for content, path in raw)
    measure(lambda: [decompress(content, path) for content, path in raw], num_bytes)


def test_decompress_floor(measure, raw):
    """Time a lower bound of ``load``: decompression alone, from memory into buffers of the final size."""
    sizes = [len(decompress(content, path)) for content, path in raw]
    if not all(content.startswith(MAGIC) for content, _ in raw):
        pytest.skip("the data files are not compressed")

    def fastest_library() -> None:
        for (content, _), size in zip(raw, sizes, strict=True):
            if igzip_lib is not None:
                igzip_lib.decompress(content, igzip_lib.DECOMP_GZIP, zlib.MAX_WBITS, size)
            else:
                zlib.decompress(content, 16 + zlib.MAX_WBITS, size)  # 16: expect a gzip header

    measure(fastest_library, sum(sizes))


def test_convert(measure, raw):
    images = [parse_idx(decompress(*raw[index]), raw[index][1], 3) for index in (0, 2)]
    measure(lambda: [convert(pixels) for pixels in images], 70_000 * 784 * 4)


def test_load_plain_idx(measure, plain_directory):
    measure(lambda: load_files(plain_directory), 70_000 * 784 * 4)


def test_load_memory_mapped(measure, plain_directory):
    measure(lambda: load_memory_mapped(plain_directory), 70_000 * 784 * 4)


def test_copy_floor(measure):
    """Time a lower bound of ``load_memory_mapped``: a copy that reads and writes as many bytes as loading writes."""
    images = np.ones((70_000, 784), np.float32)
    measure(images.copy, images.nbytes)
