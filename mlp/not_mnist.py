"""Detection of files that are not MNIST: other formats, placeholders, error messages, other data sets.

Detection is by content, as file names are unreliable, and runs only after a file was found not to be IDX, so that no
timed path depends on it.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

ANOTHER = "name another directory with --data or MNIST_DIR"
FETCH_AGAIN = f"fetch it again, or {ANOTHER}"
UNPACK = f"unpack it, and keep the four IDX files, or {ANOTHER}"

# (offset, signature, description, remedy)
SIGNATURES = (
    (0, b"\x1f\x8b", "a gzip file inside a gzip file", f"decompress it once, or {FETCH_AGAIN}"),
    (0, b"PK\x03\x04", "a zip archive", UNPACK),
    (0, b"PK\x05\x06", "an empty zip archive", FETCH_AGAIN),
    (257, b"ustar", "a tar archive", UNPACK),
    (0, b"\xfd7zXZ\x00", "an xz file", UNPACK),
    (0, b"BZh", "a bzip2 file", UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "a zstd file", UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (0, b"Rar!", "a rar archive", UNPACK),
    (0, b"\x1f\x9d", "a file of compress (.Z)", UNPACK),
    (0, b"\x93NUMPY", "a NumPy array (.npy)", FETCH_AGAIN),
    (0, b"\x89HDF", "an HDF5 file", FETCH_AGAIN),
    (0, b"PAR1", "a Parquet file", FETCH_AGAIN),
    (0, b"MATLAB", "a MATLAB file", FETCH_AGAIN),
    (0, b"\x89PNG", "a picture (PNG)", FETCH_AGAIN),
    (0, b"\xff\xd8\xff", "a picture (JPEG)", FETCH_AGAIN),
    (0, b"%PDF", "a PDF document", FETCH_AGAIN),
    (0, b"\x04\x22\x4d\x18", "an LZ4 file", UNPACK),
    (0, b"LZIP", "an lzip file", UNPACK),
    (0, b"\x5d\0\0", "an LZMA file", UNPACK),
    (0, b"ARROW1", "an Arrow file", FETCH_AGAIN),
    (0, b"SQLite format 3\0", "an SQLite database", FETCH_AGAIN),
    (0, b"\x7fELF", "a program or library", FETCH_AGAIN),
)
# Programs write zip archives, too: (part of the first name in one, description)
ZIPPED = ((b".npy", "a NumPy archive (.npz)"), (b"data.pkl", "a file of PyTorch (.pt)"))
ENCODINGS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
HEAD_BYTES = 4096  # enough to recognise a format by
PICKLE = re.compile(rb"\x80[\x02-\x05]|\(lp|\(dp|c(numpy|copy_reg|__builtin__)")  # protocols 2 to 5, and 0
# Other data sets in MNIST's format, by the number of examples of their training or test file.
KIN = {
    697_932: "EMNIST ByClass or ByMerge",
    116_323: "EMNIST ByClass or ByMerge",
    112_800: "EMNIST Balanced",
    18_800: "EMNIST Balanced",
    124_800: "EMNIST Letters",
    88_800: "EMNIST Letters",
    20_800: "EMNIST Letters",
    14_800: "EMNIST Letters",
    240_000: "EMNIST Digits",
    40_000: "EMNIST Digits",
    232_365: "Kuzushiji-49",
    38_547: "Kuzushiji-49",
}
# Of the same shape as MNIST: MD5 of t10k-labels-idx1-ubyte.gz as published (torchvision/datasets/mnist.py).
TWINS = {
    "bb300cfdad3c16e7a12a480ee83cd310": "Fashion-MNIST",
    "7320c461ea6c1c855c0b718fb2a4b134": "Kuzushiji-MNIST",
}
MOST_NAMES, MOST_FOLDERS, MOST_DEPTH = 8, 1000, 4


def what_it_is(content: bytes | memoryview) -> tuple[str, str] | None:
    """Return description and remedy of ``content``; None if not recognised."""
    head = bytes(content[:HEAD_BYTES])
    if not head:
        return "empty", FETCH_AGAIN
    for offset, signature, what, remedy in SIGNATURES:
        if head.startswith(signature, offset):
            known = next((known for name, known in ZIPPED if signature.startswith(b"PK") and name in head[:256]), None)
            return (known, FETCH_AGAIN) if known else (what, remedy)
    if PICKLE.match(head):
        return "a Python pickle, which is never opened here", FETCH_AGAIN
    text = _text(head)
    return None if text is None else _kind_of_text(text)


def twin(labels_file: bytes) -> str | None:
    """Return the name of the data set with these compressed test labels; None if unknown."""
    return TWINS.get(hashlib.md5(labels_file, usedforsecurity=False).hexdigest())


def _text(head: bytes) -> str | None:
    """Return ``head`` as stripped text; None if it is not text."""
    mark, encoding = next((known for known in ENCODINGS if head.startswith(known[0])), (b"", "utf-8"))
    if not mark and not any(head[1:64:2]):
        encoding = "utf-16-le"  # without its mark: every second byte of English is zero
    elif not mark and not any(head[0:64:2]):
        encoding = "utf-16-be"
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head[len(mark) :]).strip()
    except UnicodeDecodeError:
        text = head.decode("latin-1").strip()
    printable = sum(char.isprintable() or char.isspace() for char in text)
    return text if text and printable >= 0.95 * len(text) else None


def _kind_of_text(text: str) -> tuple[str, str]:
    if text.startswith("version https://git-lfs"):
        return "a Git-LFS pointer, and not the file it stands for", f"run git lfs pull, or {ANOTHER}"
    if re.match(r"/?(.*/)?annex/objects/\S+$", text):
        return "a git-annex pointer, and not the file it stands for", f"run git annex get, or {ANOTHER}"
    if text.startswith("<"):
        is_page = re.search(r"<!doctype html|<(html|head|body|script|title)\b", text, re.IGNORECASE)
        what = "a web page (HTML)" if is_page else "an XML document"
    elif text.startswith(("{", "[")):
        what = "a JSON document" if _is_json(text) else "text like JSON"
    elif re.match(r"[^,;\t\n]*([,;\t][^,;\t\n]*){9,}", text):
        what = "a table of text (CSV)"
    else:
        what = "text"
    return f"{what}, which begins with {shown(text)!r}", FETCH_AGAIN


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError as error:
        return getattr(error, "pos", 0) >= len(text) - 1  # truncated document
    except RecursionError:
        return False
    return True


def shown(text: str, most: int = 60) -> str:
    """Return one short printable line of ``text``."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= most else f"{line[:most]}…"


# --- folders -------------------------------------------------------------------------------------------------------


def contents_of(directory: Path) -> str:
    """Describe the contents of a directory: some names, with remarks on unusual entries."""
    names = sorted(os.listdir(directory))
    if not names:
        return "it is empty"
    some = ", ".join(_entry(directory / name) for name in names[:MOST_NAMES])
    return f"it holds {some}" + (f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")


def _entry(path: Path) -> str:
    name = shown(os.fsencode(path.name).decode("utf-8", "replace"))
    if path.is_symlink() and not os.path.exists(path):
        target = os.readlink(path)
        if "annex/objects" in target:
            return f"{name} (a git-annex link without its object: run git annex get)"
        return f"{name} (a link to {shown(target)}, which does not exist)"
    if path.is_dir():
        return f"{name} (a folder)"
    return name if path.is_file() else f"{name} (a pipe, socket or device, and no file)"


def below(directory: Path) -> Iterator[Path]:
    """Yield the folders below ``directory``, breadth first, to a limited depth."""
    level, seen = [directory], 0
    for _ in range(MOST_DEPTH):
        folders = []
        for parent in level:
            try:
                folders += sorted(Path(entry) for entry in os.scandir(parent) if entry.is_dir(follow_symlinks=False))
            except OSError:
                continue  # unreadable folder
        yield from folders[: MOST_FOLDERS - seen]
        seen, level = seen + len(folders), folders
        if seen >= MOST_FOLDERS:
            return
