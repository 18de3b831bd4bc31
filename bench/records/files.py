"""Writing of output files: atomically for regular files, directly for links, devices, pipes and stdout.

A regular file is written under a temporary name beside it, flushed to the disk and renamed; it keeps its mode.  A link
is followed.  Other kinds of files are opened and written, never replaced.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import socket
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bench.errors import RecordError
from bench.records.streams import PLAIN, to_nowhere

STDOUT = "-"
STDOUT_NUMBER = 1
NAMED_DESCRIPTORS = {STDOUT: STDOUT_NUMBER, "/dev/stdout": STDOUT_NUMBER, "/dev/stderr": 2}
ELSEWHERE = "name another place"
# Errors of fsync, chmod and chown on file systems without them: shares, FUSE, bind mounts of containers.
UNSUPPORTED = {errno.EPERM, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOTTY}
_noticed: set[str] = set()


def write(target: str | Path, content: str | bytes, remedy: str = ELSEWHERE) -> None:
    """Write ``content``, text as UTF-8, to a file, a link, a device, a pipe, a socket, or stdout (``-``).

    Raises RecordError, which ends in ``remedy``, if it cannot be written; a regular file is then unchanged.
    """
    data = content if isinstance(content, bytes) else content.encode("utf-8", PLAIN)
    with _one_sentence(target, remedy):
        descriptor = _descriptor(target)
        if descriptor == STDOUT_NUMBER:
            _to_stdout(data)
        elif descriptor is not None:
            with os.fdopen(os.dup(descriptor), "wb") as file:
                file.write(data)
        else:
            _to_path(Path(target), data)


def make_folder(folder: Path, remedy: str = ELSEWHERE) -> None:
    """Make a folder, unless it exists, and those above it; raise RecordError if one of them cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordError(f"{folder} cannot be made ({error.strerror}): {remedy}.") from error


def write_with_folders(path: Path, content: str | bytes, remedy: str = ELSEWHERE) -> None:
    """Write a file, and make the folders above it; raise RecordError if one of them cannot be."""
    make_folder(path.parent, remedy)
    write(path, content, remedy)


def append(target: str | Path, text: str, remedy: str = ELSEWHERE) -> None:
    """Append ``text`` to a file, which may be new; raise RecordError if it cannot be written."""
    with _one_sentence(target, remedy), open(target, "ab") as file:
        file.write(text.encode("utf-8", PLAIN))


def check(targets: Mapping[str, str | Path | None], sources: Iterable[Path] = ()) -> bool:
    """Check before measuring that each target can be written; {option: target}.

    Returns True if one is stdout, which must then be used exclusively.  Raises RecordError for the first that cannot be
    written, for two equal ones, and for one of ``sources``, the files and folders that are read.
    """
    named: dict[str, str] = {}
    read = {os.path.realpath(source) for source in sources}
    for option, target in targets.items():
        if target is None:
            continue
        where = STDOUT if is_stdout(target) else os.path.realpath(target)
        if where in named:
            raise RecordError(f"{named[where]} and {option} both name {target}: give each a file of its own.")
        folder = os.path.dirname(where)
        if where in read or (folder in read and os.path.isdir(folder)):
            raise RecordError(f"{option} names {target}, which is read: name another file, or it would be lost.")
        named[where] = option
        if where != STDOUT:
            with _one_sentence(target, f"name another file with {option}"):
                _check(Path(target))
    return STDOUT in named


def is_stdout(target: str | Path | None) -> bool:
    return target is not None and _descriptor(target) == STDOUT_NUMBER


def open_new(target: Path) -> IO[str]:
    """Open a text stream for line-wise output to a new file, a device, a pipe or stdout.

    Raises OSError if it cannot be opened, or the file exists.
    """
    descriptor, old = _descriptor(target), _state(target)
    if descriptor is not None:
        return os.fdopen(os.dup(descriptor), "w", encoding="utf-8", errors=PLAIN)
    mode = "x" if old is None or stat.S_ISREG(old.st_mode) else "w"
    return open(target, mode, encoding="utf-8", errors=PLAIN)


def new_folder(path: Path, remedy: str = ELSEWHERE) -> Path:
    """Make a folder at ``path``, or at ``path-2``, ``path-3`` and so on if it exists.

    Raises RecordError if it cannot be made.
    """
    with _one_sentence(path, remedy):
        path.parent.mkdir(parents=True, exist_ok=True)
        return _first_free(path, Path.mkdir)


def new_file(path: Path, remedy: str = ELSEWHERE) -> Path:
    """Make an empty file at ``path``, or one beside it whose stem ends in ``-2``, ``-3`` and so on.

    Raises RecordError if it cannot be made.
    """
    with _one_sentence(path, remedy):
        return _first_free(path, lambda free: open(free, "x").close())


def _first_free(path: Path, make: Callable[[Path], object]) -> Path:
    number, free = 1, path
    while True:
        try:
            make(free)
        except FileExistsError:
            number += 1
            free = path.with_name(f"{path.stem}-{number}{path.suffix}")
        else:
            return free


@contextmanager
def _one_sentence(target: str | Path, remedy: str) -> Iterator[None]:
    name = "stdout" if is_stdout(target) else target
    try:
        yield
    except BrokenPipeError as error:
        raise RecordError(f"cannot write {name} (its reader has left): {remedy}.") from error
    except OSError as error:
        raise RecordError(f"cannot write {name} ({error.strerror or error}): {remedy}.") from error


def _descriptor(target: str | Path) -> int | None:
    """Return the descriptor of the open file that ``target`` denotes; reopening it would start at its beginning."""
    name = str(target)
    numbered = re.fullmatch(r"/(?:dev|proc/self)/fd/(\d+)", name)
    return int(numbered[1]) if numbered else NAMED_DESCRIPTORS.get(name)


def _to_stdout(data: bytes) -> None:
    try:
        sys.stdout.flush()
        binary = getattr(sys.stdout, "buffer", None)
        if binary is None:  # stdout of a notebook
            sys.stdout.write(data.decode("utf-8", "replace"))
        else:
            binary.write(data)
        sys.stdout.flush()
    except OSError as error:
        to_nowhere(sys.stdout)  # what is left of it would fail again when Python ends
        if not isinstance(error, BrokenPipeError):
            raise


def _to_path(path: Path, data: bytes) -> None:
    old = _state(path)
    if old is None or stat.S_ISREG(old.st_mode):
        _replace(Path(os.path.realpath(path)), data, old)
    elif stat.S_ISSOCK(old.st_mode):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            connection.sendall(data)
    else:  # a folder is refused by open
        with open(path, "wb", buffering=0) as file:
            file.write(data)


def _state(path: Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _replace(path: Path, data: bytes, old: os.stat_result | None) -> None:
    """Replace the file or, if its folder is not writable (e.g. a bind mount of this file alone), its content."""
    try:
        temporary, descriptor = _temporary(path.parent)
    except OSError:
        if old is None:
            raise
        return _overwrite(path, data)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            _or_notice(lambda: os.fsync(descriptor), path, "flushes no file to the disk")
            if old is not None:
                _keep(descriptor, old, path)
        os.replace(temporary, path)
    except OSError as error:  # a mount of this file alone, or another user's in a sticky folder, may still be written
        if old is None or error.errno not in (errno.EBUSY, errno.EXDEV, errno.EPERM, errno.EACCES):
            raise
        _overwrite(path, data)
    finally:
        temporary.unlink(missing_ok=True)


def _temporary(folder: Path) -> tuple[Path, int]:
    """Create a file with the default mode of the umask; return its name and descriptor."""
    path = folder / f".{secrets.token_hex(8)}.partial"
    return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)


def _keep(descriptor: int, old: os.stat_result, path: Path) -> None:
    new = os.fstat(descriptor)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        _or_notice(lambda: os.fchown(descriptor, old.st_uid, old.st_gid), path, "lets no file keep its owner")
    if new.st_mode != old.st_mode:
        _or_notice(lambda: os.fchmod(descriptor, stat.S_IMODE(old.st_mode)), path, "lets no file keep its mode")


def _or_notice(action: Callable[[], None], path: Path, lacks: str) -> None:
    try:
        action()
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        notice = f"notice: the file system of {path.parent} {lacks} ({error.strerror})"
        if notice not in _noticed:
            _noticed.add(notice)
            print(notice, file=sys.stderr)


def _overwrite(path: Path, data: bytes) -> None:
    with open(path, "r+b") as file:
        file.write(data)
        file.truncate()


def _check(path: Path) -> None:
    """Raise OSError unless ``path`` can be written; a pipe is not opened, which would block until it is read."""
    old = _state(path)
    if old is not None and stat.S_ISDIR(old.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if old is not None and not stat.S_ISREG(old.st_mode):
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return
    try:
        temporary, descriptor = _temporary(Path(os.path.realpath(path)).parent)
    except OSError:
        if old is None:
            raise
        open(path, "r+b").close()
    else:
        os.close(descriptor)
        temporary.unlink()
