"""Digests of the source code that a measured process executed: of ``mlp``, and of the plugin of its backend."""

from __future__ import annotations

import ast
import hashlib
import io
import re
import sys
import tokenize
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "mlp"
# Files that find or check something before a measurement, and that no measured call executes.
NOT_MEASURED = {
    *("availability.py", "cuda_driver.py", "download.py", "errors.py", "not_mnist.py", "registry.py", "surrogate.py"),
    *("backends/__init__.py", "backends/__main__.py", "backends/gpu.py", "backends/theano/gpu.py"),
    "theano_compat/toolchain.py",
}
SOURCES = (".py", ".h")
DIGITS = 12
_C_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


def code_digest(modules: Iterable[str] | None = None, package: Path = PACKAGE) -> str:
    """Return the first 12 hexadecimal digits of the SHA-256 of the code.

    The code is that of every folder of ``package`` from which one of ``modules`` (dotted names; default: those of this
    process) was imported, without comments, docstrings, blank lines and the files in ``NOT_MEASURED``.  Whole folders,
    so that the digest does not depend on the harness that imported them.
    """
    names = list(sys.modules if modules is None else modules)
    digest = hashlib.sha256()
    for folder in sorted({folder for name in names if (folder := _folder(name, package)) is not None}):
        for path in sorted(folder.iterdir()):
            place = path.relative_to(package).as_posix()
            if path.suffix in SOURCES and place not in NOT_MEASURED:
                digest.update(f"{place}\n{essence(path)}\n".encode())
    return digest.hexdigest()[:DIGITS]


def suite_files() -> list[Path]:
    """Return all files of the suite's two packages."""
    found = [path for package in (PACKAGE, PACKAGE.with_name("bench")) for path in sorted(package.rglob("*"))]
    return [path for path in found if path.is_file() and "__pycache__" not in path.parts]


def suite_digest() -> str:
    """Return the first 12 hexadecimal digits of the SHA-256 of all files of the suite, byte by byte."""
    digest = hashlib.sha256()
    for path in suite_files():
        digest.update(f"{path.relative_to(PACKAGE.parent).as_posix()}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:DIGITS]


def plugin_digest(implementation: str) -> str | None:
    """Return the same digits for the source of a plugin, whose backend is ``module:CLASS``; None if it has no files.

    It covers every file of the top-level package, or the one file of a module: of Python as ``code_digest``, of other
    files their bytes, because a kernel may be in any of them.
    """
    place = getattr(sys.modules.get(implementation.partition(".")[0].partition(":")[0]), "__file__", None)
    if place is None:
        return None
    file = Path(place)
    files = [path for path in file.parent.rglob("*") if path.is_file()] if file.name == "__init__.py" else [file]
    digest = hashlib.sha256()
    for path in sorted(one for one in files if "__pycache__" not in one.parts):
        content = essence(path).encode() if path.suffix in SOURCES else path.read_bytes()
        digest.update(f"{path.relative_to(file.parent).as_posix()}\n".encode() + content + b"\n")
    return digest.hexdigest()[:DIGITS]


def _folder(module: str, package: Path) -> Path | None:
    """Return the folder of a module of ``package``; None if it is of another package, or of none."""
    first, *rest = module.split(".")
    if first != package.name:
        return None
    path = package.joinpath(*rest)
    return path if path.is_dir() else path.parent


def essence(path: Path) -> str:
    """Return the source in ``path`` without comments, docstrings and blank lines; of C also without indentation."""
    text = path.read_text(encoding="utf-8")
    is_python = path.suffix == ".py"
    text = _without_comments(text) if is_python else _C_COMMENT.sub("", text)
    return "\n".join(line for line in map(str.rstrip if is_python else str.strip, text.splitlines()) if line)


@lru_cache(maxsize=512)  # files, of which tokenizing one takes 10 ms
def _without_comments(text: str) -> str:
    lines = text.splitlines(keepends=True)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column] + "\n"
    for first, last in _docstrings(ast.parse(text)):
        lines[first - 1 : last] = [""] * (last - first + 1)
    return "".join(lines)


def _docstrings(tree: ast.Module) -> list[tuple[int, int]]:
    """Return the first and last line of each docstring, from 1."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, documented) and ast.get_docstring(node, False)]
    return [(body[0].lineno, body[0].end_lineno or body[0].lineno) for body in bodies]
