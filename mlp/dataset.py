"""MNIST as six arrays: location, reading and verification of its files.

Search order of ``load_data``: an explicit directory (argument or MNIST_DIR), the user's cache directory, a verified
download, and only if all fail, the surrogate.  A damaged explicit directory is an error.

IDX, the format of the files (Y. LeCun, "The MNIST database"): two zero bytes, a type byte (8 = unsigned byte), the
number of dimensions, each dimension as a big-endian 32-bit integer, then the bytes in row-major order.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mlp import surrogate
from mlp.download import download, is_offline
from mlp.errors import DatasetError
from mlp.inflate import MAGIC, Stream, gunzip
from mlp.not_mnist import ANOTHER, FETCH_AGAIN, KIN, below, contents_of, twin, what_it_is
from mlp.recipe import TEST_EXAMPLES, TRAINING_EXAMPLES, VALIDATION_EXAMPLES

STEMS = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
IMAGE_SHAPE = (28, 28)
HEADER_BYTES = {1: 8, 3: 16}  # of IDX, by its dimensions
KNOWN_MAGIC = {0x0801: "labels", 0x0803: "images", 0x0C02: "the labels of QMNIST"}
# (images, labels, examples) of the training and of the test files.
PAIRS = (
    (*STEMS[:2], TRAINING_EXAMPLES + VALIDATION_EXAMPLES),
    (*STEMS[2:], TEST_EXAMPLES),
)
# {beginning of a part of a path that is not what was meant: reason}; shells and tools leave such words.
NO_PATHS = {
    "~": "~ was not expanded: unknown user, or no home",
    "$": "$ was not expanded, as only a shell does",
    '"': "quotation marks are a part of the name",
    "'": "quotation marks are a part of the name",
    "file:": "a path is needed, not a URL",
}
CACHED_BYTES = 512 * 1024  # of pixels decompressed and converted at a time, which stay in a core's own cache

# SHA-256 of the decompressed files: compressed ones differ between mirrors.
MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)
# Time limit of a file from one mirror: the small files come first, so that a dead or slow network is abandoned soon.
DOWNLOAD_LIMITS_SECONDS = {
    "t10k-labels-idx1-ubyte": 10.0,
    "train-labels-idx1-ubyte": 10.0,
    "t10k-images-idx3-ubyte": 30.0,
    "train-images-idx3-ubyte": 90.0,
}


class Dataset(NamedTuple):
    """Images float32 (n, 1, 28, 28), pixel / 256, so in [0, 1); labels uint8 (n,), 0 to 9."""

    X_train: np.ndarray  # n = 50,000
    y_train: np.ndarray
    X_val: np.ndarray  # n = 10,000: the last ones of the training file
    y_val: np.ndarray
    X_test: np.ndarray  # n = 10,000
    y_test: np.ndarray


@dataclass(frozen=True)
class Source:
    """Directory of the four files, and its origin: directory, cache, download or surrogate."""

    directory: Path
    origin: str


@dataclass(frozen=True)
class Identity:
    """Identity of the files: ``mnist``, ``surrogate`` or ``custom``, by the SHA-256 of their decompressed bytes.

    ``digest`` is the SHA-256 of all four files on disk, which is faster to recompute; ``twin`` is the name of a known
    data set in MNIST's format.
    """

    name: str
    sha256: dict[str, str]
    digest: str | None = None
    twin: str | None = None


def load_data(directory: str | os.PathLike | None = None, progress: bool | None = None) -> Dataset:
    """Load the six arrays of the tutorial; see ``locate`` for their source.

    Raises
    ------
    DatasetError
        If the files are missing from an explicit directory, damaged, or of another format.
    """
    source = locate(directory, progress)
    if source.origin == "surrogate":
        print("MNIST is not available: using the surrogate, whose accuracy means nothing for MNIST.", file=sys.stderr)
    return load_files(source.directory)


def locate(directory: str | os.PathLike | None = None, progress: bool | None = None) -> Source:
    """Find the four files; download or generate them if necessary.

    ``progress`` shows a bar while downloading (default: if stderr is a terminal).  Cached files are verified each
    time; a damaged one is discarded and fetched again.  MLP_BENCH_OFFLINE=1 disables downloads, and
    MLP_BENCH_CACHE names another cache directory.

    Raises
    ------
    DatasetError
        If an explicit directory lacks a file, the cache directory cannot be written, or MLP_BENCH_OFFLINE is invalid.
    """
    explicit = directory or os.environ.get("MNIST_DIR")
    if explicit:
        return Source(_explicit(_absolute(explicit)), "directory")
    offline = is_offline()
    cache = cache_directory() / "mnist"
    missing = [stem for stem in DOWNLOAD_LIMITS_SECONDS if not _is_verified(cache, stem, MNIST_SHA256[stem])]
    if not missing:
        return Source(cache, "cache")
    if not offline and _download(missing, cache, sys.stderr.isatty() if progress is None else progress):
        return Source(cache, "download")
    return Source(_surrogate_files(), "surrogate")


def _absolute(path: str | os.PathLike) -> Path:
    return Path(os.path.abspath(os.path.expanduser(path)))


def _explicit(directory: Path) -> Path:
    """Return ``directory`` if it has four files of the right names; raise DatasetError otherwise."""
    try:
        if not directory.is_dir():
            raise DatasetError(f"{directory} {_no_directory(directory)}: name one that holds the four MNIST files.")
        for stem in STEMS:
            find_file(directory, stem)
    except OSError as error:
        raise DatasetError(f"{directory} cannot be read ({error.strerror}): check its permissions.") from error
    return directory


def _no_directory(path: Path) -> str:
    """Return the reason why ``path`` is not a directory, as the end of a sentence."""
    if path.is_file():
        with open(path, "rb") as file:
            head = file.read(512)
        found = None if head[:2] == MAGIC else what_it_is(head)
        return f"is not a directory, but {found[0]}" if found else "is a file and not a directory"
    why = next((why for begins, why in NO_PATHS.items() if any(part.startswith(begins) for part in path.parts)), None)
    return f"is not a directory ({why})" if why else "is not a directory"


def cache_directory() -> Path:
    """Return MLP_BENCH_CACHE, or the platform's cache directory of this user."""
    chosen = os.environ.get("MLP_BENCH_CACHE")
    if chosen:
        return _absolute(chosen)
    import platformdirs

    return Path(platformdirs.user_cache_dir("mlp-bench"))


def identify(directory: str | os.PathLike) -> Identity:
    """Hash the four files, and check their format and shapes; takes a tenth of a second, outside of timed loading.

    Raises
    ------
    DatasetError
        If a file is missing, damaged, not IDX, or of another shape than MNIST's.
    """
    directory, sha256, on_disk = _explicit(_absolute(directory)), {}, hashlib.sha256()
    for images_stem, labels_stem, num_examples in PAIRS:
        arrays, paths = [], []
        for stem, ndim in ((images_stem, 3), (labels_stem, 1)):
            path = find_file(directory, stem)
            raw = read_bytes(path)
            content = _sound(raw, path, directory, stem)
            on_disk.update(raw)
            sha256[stem] = hashlib.sha256(content).hexdigest()
            arrays.append(parse_idx(content, path, ndim))
            paths.append(path)
        _check_pair(*arrays, *paths, num_examples)
    names = {"mnist": MNIST_SHA256, "surrogate": surrogate.SHA256}
    name = next((name for name, known in names.items() if known == sha256), "custom")
    return Identity(name, sha256, on_disk.hexdigest(), twin(raw) if name == "custom" else None)  # raw: the test labels


def check_unchanged(directory: Path, digest: str) -> None:
    """Raise DatasetError if the files of ``directory`` have changed since ``identify``; for measuring processes."""
    on_disk = hashlib.sha256()
    for stem in STEMS:
        on_disk.update(read_bytes(find_file(directory, stem)))
    if on_disk.hexdigest() != digest:
        raise DatasetError(
            f"{directory} holds other data than when this was planned: nothing measured on it counts; measure again."
        )


def _sound(raw: bytes, path: Path, directory: Path, stem: str) -> bytes:
    """Decompress; on failure the error names an alternative file of the same data."""
    try:
        return decompress(raw, path)
    except DatasetError as error:
        others = [other.name for other in _candidates(directory, stem) if other != path]
        if not others:
            raise
        beside = f"{others[0]} lies beside it, and is read once {path.name} is moved elsewhere"
        raise DatasetError(f"{str(error).rstrip('.')}; {beside}.") from error


# --- the steps of loading, each timed by bench/harness/bench_data.py -------------------------------------------


def find_file(directory: Path, stem: str) -> Path:
    """Return the file of ``stem`` in ``directory``: gzip or plain, with ``-idx`` or ``.idx`` in its name.

    Of several, the first of MNIST's length, which skips a truncated download beside a complete file.
    """
    found = _candidates(directory, stem)
    if not found:
        raise DatasetError(_not_found(directory, stem))
    return found[0] if len(found) == 1 else next((path for path in found if _has_right_size(path, stem)), found[0])


def _candidates(directory: Path, stem: str) -> list[Path]:
    names = (stem, stem.replace("-idx", ".idx"))
    return [path for name in names for suffix in (".gz", "") if (path := directory / (name + suffix)).is_file()]


def _has_right_size(path: Path, stem: str) -> bool:
    """Return True if the content has MNIST's length, which a gzip file stores in its last four bytes."""
    images, count = "images" in stem, PAIRS[0][2] if stem in PAIRS[0] else PAIRS[1][2]
    expected = HEADER_BYTES[3] + count * math.prod(IMAGE_SHAPE) if images else HEADER_BYTES[1] + count
    try:
        with open(path, "rb") as file:
            if file.read(2) != MAGIC:
                return path.stat().st_size == expected
            file.seek(-4, os.SEEK_END)
            return int.from_bytes(file.read(4), "little") == expected
    except OSError:
        return False


def _not_found(directory: Path, stem: str) -> str:
    """Return a sentence on the contents of the directory, and on matching files below it."""
    missing = f"{directory} has no file {stem}.gz (nor {stem}); {contents_of(directory)}"
    seen = None
    for folder in below(directory):
        if all(_candidates(folder, one) for one in STEMS):
            return f"{missing}. All four lie in {folder}: name that directory with --data or MNIST_DIR."
        seen = seen or next(iter(_candidates(folder, stem)), None)
    if seen is not None:
        return f"{missing}. {seen} was seen: put the four files into one directory, and name that."
    return f"{missing}: put the four MNIST files there, or {ANOTHER}."


def read_bytes(path: Path) -> bytes:
    """Read the file unchanged."""
    try:
        return path.read_bytes()
    except MemoryError as error:
        raise DatasetError(f"{path} does not fit into memory, so it is not MNIST: {FETCH_AGAIN}.") from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}): check its permissions.") from error


def decompress(raw: bytes, path: Path) -> bytes:
    """Return the IDX bytes of a gzip file, whose CRC and length are checked, or of a plain file."""
    if raw[:2] != MAGIC:
        return raw
    try:
        return gunzip(raw)
    except (EOFError, OSError, zlib.error) as error:
        cut = ", cut short" if isinstance(error, EOFError) else ""
        raise DatasetError(f"{path} is a damaged gzip file{cut} ({error}): {FETCH_AGAIN}.") from error


def parse_idx(content: bytes | memoryview, path: Path, ndim: int) -> np.ndarray:
    """Return the uint8 array of ``ndim`` dimensions in ``content``: a read-only view, not a copy."""
    expected_magic = 0x800 + ndim
    header_bytes = 4 + 4 * ndim
    if bytes(content[:2]) != b"\0\0" and (found := what_it_is(content)) is not None:
        raise DatasetError(f"{path} is {found[0]}: {found[1]}.")
    if len(content) < header_bytes:
        raise DatasetError(f"{path} ends after {len(content)} bytes, within its IDX header: {FETCH_AGAIN}.")
    magic, *shape = struct.unpack(f">{1 + ndim}I", content[:header_bytes])
    if magic != expected_magic:
        known = f" (as {KNOWN_MAGIC[magic]} have)" if magic in KNOWN_MAGIC else ""
        right = f"{ndim}-dimensional bytes have {expected_magic:#010x}"
        raise DatasetError(f"{path} has the magic number {magic:#010x}{known}, but {right}: {FETCH_AGAIN}.")
    expected, actual = math.prod(shape), len(content) - header_bytes
    if actual > expected:
        raise DatasetError(f"{path} has {actual - expected} trailing bytes after {expected} of data: {FETCH_AGAIN}.")
    if actual < expected:
        dimensions = " x ".join(map(str, shape))
        raise DatasetError(f"{path} promises {dimensions} = {expected} bytes of data but has {actual}: {FETCH_AGAIN}.")
    return np.frombuffer(content, np.uint8, offset=header_bytes).reshape(shape)


def convert(images: np.ndarray) -> np.ndarray:
    """Convert uint8 (n, 28, 28) to float32 (n, 1, 28, 28), pixel / 256 as in the tutorial (not 255)."""
    result = np.empty((len(images), 1, *IMAGE_SHAPE), np.float32)
    _scale(images.reshape(-1), result.reshape(-1))
    return result


def _scale(pixels: np.ndarray, out: np.ndarray) -> None:
    # Cast, then scale while the values are in the cache: two plain loops are faster than one that makes NumPy buffer
    # its casts.  1/256 is a power of two, so the multiplication is exact.
    for start in range(0, pixels.size, CACHED_BYTES):
        block = out[start : start + CACHED_BYTES]
        np.copyto(block, pixels[start : start + CACHED_BYTES])
        np.multiply(block, np.float32(1 / 256), out=block)


def decompress_and_convert(raw: bytes, num_images: int) -> np.ndarray | None:
    """Decompress and convert the images of a gzip file block by block, while the pixels are in the cache.

    Returns None unless the file is one valid gzip member with exactly ``num_images`` images of 28 x 28 and ISA-L is
    installed; ``decompress`` and ``parse_idx`` then report errors, if any.
    """
    stream = Stream(raw)
    header = struct.pack(">4I", 0x803, num_images, *IMAGE_SHAPE)
    if stream.read(len(header)) != header:
        return None
    result = np.empty((num_images, 1, *IMAGE_SHAPE), np.float32)
    scaled, filled = result.reshape(-1), 0
    while block := stream.read(min(CACHED_BYTES, scaled.size - filled + 1)):  # one more byte, to detect trailing data
        if filled + len(block) > scaled.size:
            return None
        _scale(np.frombuffer(block, np.uint8), scaled[filled : filled + len(block)])
        filled += len(block)
    return result if stream.is_sound and filled == scaled.size else None


def load_files(directory: str | os.PathLike) -> Dataset:
    """Read, decompress, check and convert the four files of ``directory``."""
    return _assemble(directory, read_bytes)


def load_memory_mapped(directory: str | os.PathLike) -> Dataset:
    """Load plain IDX files by memory mapping, without reading them into memory first."""

    def mapped(path: Path) -> memoryview:
        if path.suffix == ".gz":
            raise DatasetError(f"{path} is compressed and cannot be memory-mapped: decompress it first.")
        return memoryview(np.memmap(path, np.uint8, "r")).cast("B")

    return _assemble(directory, mapped)


def _assemble(directory: str | os.PathLike, read: Callable[[Path], bytes | memoryview]) -> Dataset:
    directory = _explicit(_absolute(directory))
    (X, y), (X_test, y_test) = (_load_pair(directory, *pair, read) for pair in PAIRS)
    n = TRAINING_EXAMPLES
    return Dataset(X[:n], y[:n], X[n:], y[n:], X_test, y_test)


def _load_pair(
    directory: Path, images_stem: str, labels_stem: str, num_examples: int, read: Callable[[Path], bytes | memoryview]
) -> tuple[np.ndarray, np.ndarray]:
    """Return images float32 (num_examples, 1, 28, 28) and labels uint8 (num_examples,)."""
    images_path, labels_path = find_file(directory, images_stem), find_file(directory, labels_stem)
    raw = read(images_path)
    images = decompress_and_convert(raw, num_examples) if raw[:2] == MAGIC else None
    pixels = parse_idx(decompress(raw, images_path), images_path, 3) if images is None else images[:, 0]
    labels = parse_idx(decompress(read(labels_path), labels_path), labels_path, 1)
    _check_pair(pixels, labels, images_path, labels_path, num_examples)
    return convert(pixels) if images is None else images, labels.copy()


def _check_pair(images: np.ndarray, labels: np.ndarray, images_path: Path, labels_path: Path, expected: int) -> None:
    if images.shape[1:] != IMAGE_SHAPE:
        rows, columns = images.shape[1:]
        raise DatasetError(f"{images_path} has images of {rows} x {columns} pixels, not 28 x 28: {FETCH_AGAIN}.")
    if len(images) != len(labels):
        raise DatasetError(
            f"{images_path} has {len(images)} images{_kin(images)} but {labels_path.name} has {len(labels)} labels"
            f"{_kin(labels)}: {FETCH_AGAIN}."
        )
    if len(images) != expected:
        raise DatasetError(f"{images_path} has {len(images)} images{_kin(images)}, not {expected}: {FETCH_AGAIN}.")
    if labels.max(initial=0) > 9:
        raise DatasetError(f"{labels_path} has the label {labels.max()}; labels are 0 to 9: {FETCH_AGAIN}.")


def _kin(array: np.ndarray) -> str:
    return f" (as {KIN[len(array)]} has)" if len(array) in KIN else ""


# --- the cache: only verified files are added ---------------------------------------------------------------------


def _is_verified(directory: Path, stem: str, sha256: str) -> bool:
    path = directory / f"{stem}.gz"
    try:
        content = decompress(read_bytes(path), path)
    except DatasetError:
        return False
    return hashlib.sha256(content).hexdigest() == sha256


def _download(stems: list[str], cache: Path, progress: bool) -> bool:
    """Fetch each file from the first mirror with the correct hash; return True if all succeeded.

    A mirror that failed once is not tried again, and the first file that all mirrors lack ends the download.
    """
    mirrors = list(MIRRORS)
    for stem in stems:
        while mirrors and not _download_from(mirrors[0], stem, cache, progress):
            del mirrors[0]
    return bool(mirrors)


def _download_from(mirror: str, stem: str, cache: Path, progress: bool) -> bool:
    with _scratch_in(cache) as scratch:
        if not download(f"{mirror}{stem}.gz", Path(scratch), progress, DOWNLOAD_LIMITS_SECONDS[stem]):
            return False
        if not _is_verified(Path(scratch), stem, MNIST_SHA256[stem]):
            return False
        os.replace(Path(scratch) / f"{stem}.gz", cache / f"{stem}.gz")
    return True


def _surrogate_files() -> Path:
    """Return the surrogate's four files in the cache, generated if missing, so that they load like MNIST's."""
    cache = cache_directory() / f"surrogate-{surrogate.VERSION}"
    if not all(_is_verified(cache, stem, surrogate.SHA256[stem]) for stem in STEMS):
        with _scratch_in(cache) as scratch:  # before seconds go into what could not be kept
            arrays = surrogate.make()
            for stem in STEMS:
                path = Path(scratch) / f"{stem}.gz"
                path.write_bytes(gzip.compress(surrogate.to_idx(arrays[stem]), compresslevel=6, mtime=0))
                os.replace(path, cache / path.name)
    return cache


def _scratch_in(cache: Path) -> tempfile.TemporaryDirectory:
    """Return a scratch folder on the cache's own file system, from which a file can be moved atomically."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(dir=cache, prefix="incoming-", ignore_cleanup_errors=True)
    except OSError as error:
        raise DatasetError(
            f"the cache directory {cache} cannot be written ({error.strerror}): name another with MLP_BENCH_CACHE, "
            "or give the MNIST files with --data or MNIST_DIR."
        ) from error
