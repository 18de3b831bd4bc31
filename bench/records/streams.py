"""stdout and stderr with a limited encoding, closed, or without a reader.

An ASCII terminal gets ``-`` and ``us`` in place of dashes and micro signs.
"""

from __future__ import annotations

import codecs
import os
import sys
import unicodedata
from typing import Any

PLAIN = "mlp-bench-plain"  # the name of the error handler, for ``errors=``
SIGNS = {
    **dict.fromkeys("\N{EN DASH}\N{EM DASH}\N{MINUS SIGN}\N{BULLET}\N{BOX DRAWINGS LIGHT HORIZONTAL}", "-"),
    **dict.fromkeys("\N{BOX DRAWINGS HEAVY HORIZONTAL}\N{BOX DRAWINGS HEAVY LEFT}", "-"),
    **dict.fromkeys("\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}", "'"),
    **dict.fromkeys("\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}", '"'),
    **dict(zip("▁▂▃▄▅▆▇█", "_.-~=+*#", strict=True)),  # a bar of rising height for each
    "\N{MICRO SIGN}": "u",
    "\N{GREEK SMALL LETTER MU}": "u",
    "\N{MULTIPLICATION SIGN}": "x",
    "\N{MIDDLE DOT}": ".",
    "\N{DIVISION SIGN}": "/",
    "\N{PLUS-MINUS SIGN}": "+-",
    "\N{RIGHTWARDS ARROW}": "->",
    "\N{LESS-THAN OR EQUAL TO}": "<=",
    "\N{GREATER-THAN OR EQUAL TO}": ">=",
    "\N{ALMOST EQUAL TO}": "~",
    "\N{DEGREE SIGN}": "deg ",
}


def plain(text: str) -> str:
    """Convert to ASCII: known signs by their spelling, letters without accents, ``?`` for the rest."""
    return "".join(char if char.isascii() else SIGNS.get(char) or _without_accent(char) for char in text)


def one_line(text: str) -> str:
    """Escape the control characters of ``text``: names may contain line ends and cursor movements."""
    return "".join(
        char if char.isprintable() or _is_byte(char) else char.encode("unicode_escape").decode() for char in text
    )


def _is_byte(char: str) -> bool:
    """Return whether ``char`` stands for an undecodable byte of a file name."""
    return "\udc80" <= char <= "\udcff"


def _without_accent(char: str) -> str:
    """Strip accents: NFKD writes a letter before its accents, and an ellipsis as three dots."""
    return unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode() or "?"


def _replace(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    char = error.object[error.start]
    if _is_byte(char):  # passed through
        return bytes([ord(char) - 0xDC00]), error.start + 1
    return plain(char), error.start + 1


codecs.register_error(PLAIN, _replace)


def never_fail(*streams: Any) -> None:
    """Let ``streams`` replace characters that their encoding lacks, independent of locale and PYTHONIOENCODING."""
    for stream in streams:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=PLAIN)


def open_closed() -> None:
    """Redirect a closed stdout or stderr to the null device, so that output does not go into the next opened file."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))


def to_nowhere(stream: Any) -> None:
    """Discard further output on ``stream``, whose reader or disk is gone, and Python's flush at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
