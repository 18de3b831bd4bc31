"""Loading: the tutorial's arrays from good files, one sentence from bad ones, and a safe cache."""

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mlp import dataset, download, surrogate
from mlp.errors import DatasetError

PATH = Path("some-file")
COUNTS = {"train": 60_000, "t10k": 10_000}


def idx(array):
    return surrogate.to_idx(np.asarray(array, np.uint8))


@pytest.fixture(scope="session")
def good_files():
    """Four valid IDX contents whose pixels tell which image they belong to."""
    contents = {}
    for stem in dataset.STEMS:
        count = COUNTS[stem.partition("-")[0]]
        if "images" in stem:
            pixels = np.repeat((np.arange(count) % 256).astype(np.uint8), 784).reshape(count, 28, 28)
            contents[stem] = idx(pixels)
        else:
            contents[stem] = idx(np.arange(count) % 10)
    return contents


@pytest.fixture(scope="session")
def good_directory(tmp_path_factory, good_files):
    folder = tmp_path_factory.mktemp("good")
    for stem, content in good_files.items():
        (folder / stem).write_bytes(content)
    return folder


@pytest.fixture(scope="session")
def gzipped(good_files):
    """Those contents as gzip files."""
    return {stem: gzip.compress(content, 1) for stem, content in good_files.items()}


@pytest.fixture(scope="module")
def loaded(good_directory):
    """The arrays of those files."""
    return dataset.load_data(good_directory)


@pytest.fixture
def directory(tmp_path, good_directory):
    """A directory of links to good files, which ``replace_file`` replaces."""
    for stem in dataset.STEMS:
        (tmp_path / stem).hardlink_to(good_directory / stem)
    return tmp_path


def replace_file(directory, stem, content, suffix=""):
    (directory / stem).unlink()
    (directory / (stem + suffix)).write_bytes(content)


IMAGES, LABELS = dataset.STEMS[0], dataset.STEMS[1]


# --- good files ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_arrays_are_the_tutorials(loaded):
    assert [array.shape for array in loaded] == [
        (50_000, 1, 28, 28),
        (50_000,),
        (10_000, 1, 28, 28),
        (10_000,),
        (10_000, 1, 28, 28),
        (10_000,),
    ]
    assert [array.dtype for array in loaded] == [np.float32, np.uint8] * 3


def test_validation_is_the_end_of_the_training_file_and_pixels_are_divided_by_256(loaded):
    assert loaded.X_train[255, 0, 0, 0] == np.float32(255 / 256)
    assert loaded.X_val[0, 0, 5, 5] == np.float32((50_000 % 256) / 256)
    assert loaded.y_val[7] == (50_007 % 10)


@pytest.mark.slow
def test_gzip_and_plain_files_give_the_same(directory, gzipped, loaded):
    for stem, content in gzipped.items():
        replace_file(directory, stem, content, ".gz")
    for one, other in zip(loaded, dataset.load_files(directory), strict=True):
        assert (one == other).all()


def test_gzipped_images_are_converted_while_they_are_decompressed(directory, gzipped, monkeypatch):
    """Otherwise loading takes half as long again: the pixels go through memory twice."""
    if dataset.Stream(gzip.compress(b"x")).read(1) == b"":
        pytest.skip("isal is not installed")
    for stem, content in gzipped.items():
        replace_file(directory, stem, content, ".gz")
    parsed, parse_idx = [], dataset.parse_idx
    monkeypatch.setattr(dataset, "parse_idx", lambda *given: parsed.append(given[2]) or parse_idx(*given))
    dataset.load_files(directory)
    assert parsed == [1, 1]


def test_every_pixel_value_is_exactly_its_256th():
    pixels = np.arange(784).astype(np.uint8).reshape(1, 28, 28)
    expected = (np.arange(784) % 256 / 256).astype(np.float32)
    assert (dataset.convert(pixels).ravel() == expected).all()
    streamed = dataset.decompress_and_convert(gzip.compress(idx(pixels)), 1)
    assert streamed is None or (streamed.ravel() == expected).all()


def test_memory_mapping_gives_the_same(directory, loaded):
    for one, other in zip(loaded, dataset.load_memory_mapped(directory), strict=True):
        assert (one == other).all()


def test_the_other_spelling_of_file_names_is_found(directory):
    (directory / IMAGES).rename(directory / "train-images.idx3-ubyte")
    assert dataset.find_file(directory, IMAGES).name == "train-images.idx3-ubyte"


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=6)))
def test_parse_idx_reads_what_was_written(array):
    assert (dataset.parse_idx(idx(array), PATH, array.ndim) == array).all()


@given(st.binary(max_size=64), st.integers(1, 3))
def test_arbitrary_bytes_are_parsed_or_refused_but_never_crash(content, ndim):
    try:
        array = dataset.parse_idx(content, PATH, ndim)
    except DatasetError as error:
        assert str(PATH) in str(error)
    else:
        assert array.ndim == ndim and idx(array) == content


def test_real_mnist_is_recognised(mnist_directory):
    assert dataset.identify(mnist_directory).name == "mnist"
    data = dataset.load_data(mnist_directory)
    # Known facts of MNIST: the first training digits, and how often each class occurs in the test set.
    assert list(data.y_train[:10]) == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert list(np.bincount(data.y_test)) == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert data.X_train.max() == np.float32(255 / 256)


def test_other_data_is_custom(directory):
    identity = dataset.identify(directory)
    assert identity.name == "custom"
    assert identity.sha256[LABELS] == hashlib.sha256((directory / LABELS).read_bytes()).hexdigest()


# --- bad files: each one sentence with the file's name and what to do --------------------------------------------


def refusal(directory):
    with pytest.raises(DatasetError) as caught:
        dataset.load_data(directory)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_truncated_gzip(directory, gzipped):
    content = gzipped[IMAGES]
    replace_file(directory, IMAGES, content[: len(content) // 2], ".gz")
    assert "damaged gzip file" in refusal(directory)


def test_a_gzip_with_a_wrong_checksum(directory):
    content = bytearray(gzip.compress((directory / LABELS).read_bytes(), 1))
    content[-6] ^= 0xFF
    replace_file(directory, LABELS, bytes(content), ".gz")
    assert "damaged gzip file" in refusal(directory)


def test_a_wrong_magic_number(directory):
    content = (directory / IMAGES).read_bytes()
    replace_file(directory, IMAGES, struct.pack(">I", 0x0D03) + content[4:])
    assert "0x00000d03" in refusal(directory)


def test_labels_in_place_of_images(directory):
    replace_file(directory, IMAGES, (directory / LABELS).read_bytes())
    assert "magic number 0x00000801" in refusal(directory)


def test_dimensions_that_promise_more_than_there_is(directory):
    replace_file(directory, LABELS, (directory / LABELS).read_bytes()[:-5])
    assert "promises 60000 = 60000 bytes of data but has 59995" in refusal(directory)


def test_trailing_bytes(directory):
    replace_file(directory, LABELS, (directory / LABELS).read_bytes() + b"xyz")
    assert "3 trailing bytes" in refusal(directory)


def test_a_memory_mapped_file_with_trailing_bytes(directory):
    replace_file(directory, LABELS, (directory / LABELS).read_bytes() + b"xyz")
    with pytest.raises(DatasetError, match="3 trailing bytes"):
        dataset.load_memory_mapped(directory)


def test_a_label_above_nine(directory):
    replace_file(directory, LABELS, idx(np.full(60_000, 10)))
    assert "has the label 10" in refusal(directory)


def test_counts_that_differ(directory):
    replace_file(directory, LABELS, idx(np.zeros(59_999)))
    message = refusal(directory)
    assert "60000 images" in message and "59999 labels" in message


@pytest.mark.slow
def test_images_of_another_size(directory):
    replace_file(directory, dataset.STEMS[2], idx(np.zeros((10_000, 14, 14))))
    assert "14 x 14 pixels, not 28 x 28" in refusal(directory)


def test_too_few_examples(directory):
    replace_file(directory, dataset.STEMS[2], idx(np.zeros((10, 28, 28))))
    replace_file(directory, dataset.STEMS[3], idx(np.zeros(10)))
    assert "has 10 images, not 10000" in refusal(directory)


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        lambda content: content[:-1],
        lambda content: content + b"xyz",
        lambda content: struct.pack(">I", 0x0D03) + content[4:],
        lambda content: struct.pack(">4I", 0x803, 2**31, 28, 28) + content[16:],
        lambda content: idx(np.zeros((10_000, 14, 14))),
        lambda content: idx(np.zeros((9_999, 28, 28))),
        lambda content: b"",
    ],
    ids=["one byte less", "three more", "another type", "a count beyond reason", "14 x 14", "an image less", "nothing"],
)
def test_compression_does_not_change_what_is_refused_or_how(directory, change):
    images = dataset.STEMS[2]
    content = change((directory / images).read_bytes())
    replace_file(directory, images, content)
    plainly = refusal(directory)
    replace_file(directory, images, gzip.compress(content, 1), ".gz")
    assert refusal(directory) == plainly.replace(images, f"{images}.gz", 1)


def test_a_gzip_with_something_behind_it(directory, gzipped):
    replace_file(directory, IMAGES, gzipped[IMAGES] + b"rubbish", ".gz")
    assert "damaged gzip file" in refusal(directory)


def test_a_web_page_saved_as_gz(directory):
    replace_file(directory, IMAGES, b"<!DOCTYPE html><html>404 Not Found</html>", ".gz")
    assert "web page" in refusal(directory)


def test_an_empty_file(directory):
    replace_file(directory, IMAGES, b"")
    assert "is empty" in refusal(directory)


def test_a_missing_file(directory):
    (directory / IMAGES).unlink()
    (directory / "mnist_train.csv").touch()
    assert IMAGES in refusal(directory)
    assert "it holds mnist_train.csv, t10k-images-idx3-ubyte" in refusal(directory)


def test_files_below_the_directory_are_pointed_at(directory, tmp_path_factory):
    above = tmp_path_factory.mktemp("above")
    (above / "MNIST").mkdir()
    (above / "MNIST" / "raw").symlink_to(directory)
    assert "it holds MNIST (a folder)" in refusal(above)
    (above / "MNIST" / "raw").unlink()
    (above / "MNIST" / "raw").mkdir()
    for stem in dataset.STEMS:
        (above / "MNIST" / "raw" / stem).symlink_to(directory / stem)
    assert f"All four lie in {above / 'MNIST' / 'raw'}: name that directory" in refusal(above)


def test_a_sound_file_beside_one_that_was_cut_short_is_taken(directory):
    whole = gzip.compress((directory / LABELS).read_bytes(), 1)
    (directory / f"{LABELS}.gz").write_bytes(whole[:100])
    assert dataset.find_file(directory, LABELS) == directory / LABELS
    (directory / f"{LABELS}.gz").write_bytes(whole)
    assert dataset.find_file(directory, LABELS) == directory / f"{LABELS}.gz"


def test_a_damaged_file_that_looks_whole_points_at_the_one_beside_it(directory):
    damaged = bytearray(gzip.compress((directory / LABELS).read_bytes(), 1))
    damaged[-6] ^= 0xFF
    (directory / f"{LABELS}.gz").write_bytes(damaged)
    with pytest.raises(DatasetError, match=f"{LABELS} lies beside it, and is read once {LABELS}.gz is moved"):
        dataset.identify(directory)


def test_what_cannot_be_loaded_has_no_identity(directory):
    replace_file(directory, LABELS, b"<html>")
    with pytest.raises(DatasetError, match="is a web page"):
        dataset.identify(directory)
    replace_file(directory, LABELS, idx(np.zeros(124_800)))
    with pytest.raises(DatasetError, match=r"124800 labels \(as EMNIST Letters has\)"):
        dataset.identify(directory)


def test_files_that_were_exchanged_after_the_plan_are_noticed(directory):
    digest = dataset.identify(directory).digest
    dataset.check_unchanged(directory, digest)
    replace_file(directory, LABELS, idx(np.zeros(60_000)))
    with pytest.raises(DatasetError, match="holds other data than when this was planned"):
        dataset.check_unchanged(directory, digest)


def test_no_sentence_advises_to_delete_a_file(directory):
    replace_file(directory, LABELS, b"<html>")
    assert "delete" not in refusal(directory)


def test_a_missing_directory(tmp_path):
    assert "is not a directory" in refusal(tmp_path / "nowhere")
    assert "~ was not expanded" in refusal("~no-such-user/mnist")
    assert "$ was not expanded" in refusal("$HOME/mnist")
    assert "quotation marks" in refusal(f'"{tmp_path}"')  # as the --env-file of a container keeps them
    assert "not a URL" in refusal(f"file://{tmp_path}")
    (tmp_path / "mnist.zip").write_bytes(b"PK\x03\x04")
    assert "is not a directory, but a zip archive" in refusal(tmp_path / "mnist.zip")


def test_a_file_without_permission(directory, monkeypatch):
    def denied(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", denied)  # root may read everything, so permissions alone cannot show it
    assert "check its permissions" in refusal(directory)


# --- where it looks ----------------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.delenv("MNIST_DIR", raising=False)
    monkeypatch.delenv("MLP_BENCH_OFFLINE", raising=False)
    monkeypatch.setenv("MLP_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


# Files are found and verified by their hashes alone, whatever their size.
SMALL = {
    stem: idx(np.full((2, 28, 28) if "images" in stem else 2, number)) for number, stem in enumerate(dataset.STEMS)
}
GZIPPED = {stem: gzip.compress(content, 1) for stem, content in SMALL.items()}


@pytest.fixture
def known(monkeypatch):
    """Let the small synthetic files count as MNIST."""
    monkeypatch.setattr(dataset, "MNIST_SHA256", sha256_of(SMALL))


def sha256_of(contents):
    return {stem: hashlib.sha256(content).hexdigest() for stem, content in contents.items()}


@pytest.fixture
def quick_surrogate(monkeypatch):
    """``quick_surrogate(contents)``: let the surrogate be these; it is the small files before."""

    def quick_surrogate(contents):
        arrays = {
            stem: np.frombuffer(content, np.uint8, offset=16 if "images" in stem else 8).reshape(
                (-1, 28, 28) if "images" in stem else -1
            )
            for stem, content in contents.items()
        }
        monkeypatch.setattr(surrogate, "make", lambda: arrays)
        monkeypatch.setattr(surrogate, "SHA256", sha256_of(contents))

    quick_surrogate(SMALL)
    return quick_surrogate


def serves(monkeypatch, answer):
    """Replace the network: ``answer(url)`` gives the file's bytes or raises."""
    asked = []

    def fetch(url, directory, progress):
        asked.append(url)
        (directory / url.rpartition("/")[2]).write_bytes(answer(url))

    monkeypatch.setattr(download, "fetch", fetch)
    return asked


def stem_of(url):
    return url.rpartition("/")[2].removesuffix(".gz")


def test_an_explicit_directory_comes_before_the_environment(directory, monkeypatch, tmp_path):
    monkeypatch.setenv("MNIST_DIR", str(tmp_path / "nowhere"))
    assert dataset.locate(directory) == dataset.Source(directory, "directory")
    monkeypatch.setenv("MNIST_DIR", str(directory))
    assert dataset.locate() == dataset.Source(directory, "directory")


def test_a_download_is_verified_and_then_found_in_the_cache(cache, known, monkeypatch):
    asked = serves(monkeypatch, lambda url: GZIPPED[stem_of(url)])
    assert dataset.locate().origin == "download"
    assert len(asked) == 4
    assert dataset.locate() == dataset.Source(cache / "mnist", "cache")
    assert len(asked) == 4
    assert sorted(path.name for path in (cache / "mnist").iterdir()) == sorted(f"{stem}.gz" for stem in dataset.STEMS)


def test_a_mirror_with_something_else_is_passed_over(cache, known, monkeypatch):
    def answer(url):
        if url.startswith(dataset.MIRRORS[0]):
            return b"<html>moved</html>"
        return GZIPPED[stem_of(url)]

    asked = serves(monkeypatch, answer)
    assert dataset.locate().origin == "download"
    assert len(asked) == 5  # and is not asked again


def test_a_download_that_breaks_half_way_leaves_nothing_to_trust(cache, known, monkeypatch, quick_surrogate):
    def answer(url):
        content = GZIPPED[stem_of(url)]
        return content[: len(content) // 2]

    serves(monkeypatch, answer)
    assert dataset.locate().origin == "surrogate"
    assert not list((cache / "mnist").iterdir())


def test_a_damaged_file_in_the_cache_is_fetched_again(cache, known, monkeypatch):
    asked = serves(monkeypatch, lambda url: GZIPPED[stem_of(url)])
    dataset.locate()
    (cache / "mnist" / f"{LABELS}.gz").write_bytes(b"damaged")
    del asked[:]
    assert dataset.locate().origin == "download"
    assert [stem_of(url) for url in asked] == [LABELS]


@pytest.mark.slow
def test_without_a_network_the_surrogate_is_made_once_and_announced(
    cache, good_files, monkeypatch, quick_surrogate, capsys
):
    quick_surrogate(good_files)

    def no_network(url):
        raise ConnectionError("no route")

    serves(monkeypatch, no_network)
    data = dataset.load_data()
    assert data.X_train.shape == (50_000, 1, 28, 28)
    assert "surrogate" in capsys.readouterr().err
    monkeypatch.setattr(surrogate, "make", lambda: pytest.fail("made twice"))
    source = dataset.locate()
    assert source.origin == "surrogate"
    assert dataset.identify(source.directory).name == "surrogate"


@pytest.mark.slow
@pytest.mark.parametrize("value", ["1", "true", "Yes", "ON"])
def test_offline_nothing_is_asked(cache, monkeypatch, quick_surrogate, value):
    monkeypatch.setenv("MLP_BENCH_OFFLINE", value)
    asked = serves(monkeypatch, lambda url: pytest.fail("asked"))
    assert dataset.locate().origin == "surrogate"
    assert asked == []


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_is_one_sentence(monkeypatch, tmp_path, cache):
    blocker = tmp_path / "file"
    blocker.write_text("")
    monkeypatch.setenv("MLP_BENCH_CACHE", str(blocker / "cache"))
    monkeypatch.setenv("MLP_BENCH_OFFLINE", "1")
    with pytest.raises(DatasetError, match="cannot be written"):
        dataset.locate()


# --- folders named by other types, and by mistake ----------------------------------------------------------------


@pytest.mark.parametrize("read", [dataset.load_files, dataset.load_memory_mapped, dataset.identify])
def test_a_folder_is_named_by_text_or_by_a_path(read, tmp_path):
    for name in (str(tmp_path / "nowhere"), tmp_path / "nowhere"):
        with pytest.raises(DatasetError, match="nowhere is not a directory: name one that holds the four MNIST files"):
            read(name)


def test_files_of_a_folder_named_by_text_are_loaded(good_directory):
    assert dataset.load_memory_mapped(str(good_directory)).X_test.shape == (10_000, 1, 28, 28)


def test_swapped_images_and_labels_are_called_so():
    with pytest.raises(DatasetError, match=r"magic number 0x00000801 \(as labels have\), but 3-dimensional"):
        dataset.parse_idx(idx(np.zeros(20)), PATH, 3)
    with pytest.raises(DatasetError, match=r"magic number 0x00000803 \(as images have\), but 1-dimensional"):
        dataset.parse_idx(idx(np.zeros((1, 28, 28))), PATH, 1)
