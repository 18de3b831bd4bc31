"""Integrity check of the compile cache.

Theano loads any shared object in its compile directory, and a truncated one ends the process with a bus error.  So a
shared object is sealed with its SHA-256 after the process that compiled it has loaded it, and one that no longer
matches its seal is removed before Theano reads the directory: it is then compiled again.

Key files need no seal: Theano recompiles modules whose key cannot be unpickled.  Nor are modules without a seal refused
(made by another program, or a process that was killed): Theano writes the key of a module after it has loaded it.  But
it writes key files in place, and a process that reads a partial one removes the module that the writer is about to use;
so here key files are replaced atomically.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlp.errors import BackendError

SEAL_SUFFIX = ".sha256"
BASE_MODULES = ("cutils_ext", "lazylinker_ext")  # Theano's own, without keys


def discard_damaged(compile_directory: Path) -> list[Path]:
    """Remove the modules whose shared object does not match its seal, or cannot be read; return their folders.

    ``compile_directory`` is a ``base_compiledir`` or one of the directories in it.

    Raises
    ------
    BackendError
        If such a folder cannot be removed.
    """
    damaged = [folder for folder in _module_folders(compile_directory) if not _is_sound(folder)]
    for folder in damaged:
        _remove(folder)
    return damaged


def seal(compile_directory: Path) -> None:
    """Seal the finished modules without a seal, after this process has loaded its compiled modules."""
    for folder in _module_folders(compile_directory):
        if not ((folder / "key.pkl").exists() or folder.name in BASE_MODULES):
            continue  # another process may still be compiling it
        for shared_object in folder.glob("*.so"):
            path = _seal_of(shared_object)
            if not path.exists():
                partial = path.with_name(f"{path.name}.{os.getpid()}")
                partial.write_text(_sha256(shared_object))
                partial.replace(path)


def replace_keys_as_a_whole() -> None:
    """Make Theano replace ``key.pkl`` atomically, so that no process reads a partial file.

    Theano reads key files without its lock, and takes a truncated one for a broken module.
    """
    from theano.gof.cmodule import KeyData

    def save_pkl(self: Any) -> None:
        content = pickle.dumps(self, pickle.HIGHEST_PROTOCOL)  # Theano's callers handle a PicklingError
        partial = Path(f"{self.key_pkl}.{os.getpid()}")
        partial.write_bytes(content)
        partial.replace(self.key_pkl)

    KeyData.save_pkl = save_pkl


def _module_folders(compile_directory: Path) -> Iterator[Path]:
    for pattern in ("tmp*", *BASE_MODULES):
        for folder in (*compile_directory.glob(pattern), *compile_directory.glob(f"compiledir_*/{pattern}")):
            if folder.is_dir():
                yield folder


def _is_sound(folder: Path) -> bool:
    try:
        names = os.listdir(folder)
        sealed = [folder / name for name in names if name + SEAL_SUFFIX in names]
        return all(_sha256(shared_object) == _seal_of(shared_object).read_text() for shared_object in sealed)
    except FileNotFoundError:
        return True  # another process has just removed it
    except (OSError, UnicodeDecodeError):
        return False


def _seal_of(shared_object: Path) -> Path:
    return shared_object.with_name(shared_object.name + SEAL_SUFFIX)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _remove(folder: Path) -> None:
    try:
        folder.chmod(0o700)
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass  # another process was faster
    except OSError as error:
        raise BackendError(
            f"the compiled module {folder} is damaged and cannot be removed ({error.strerror}): delete it, or name "
            "another compile directory with THEANO_FLAGS=base_compiledir=<directory>."
        ) from error
