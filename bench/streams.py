"""stdout and stderr as they come: without some signs of a text, or without a reader.

Text goes to an ASCII terminal with ``-`` and ``us``, and never as half a table.
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
    """``text`` in ASCII: known signs by their ASCII spelling, letters without their accents, ``?`` for the rest."""
    return "".join(char if char.isascii() else SIGNS.get(char) or _without_accent(char) for char in text)


def one_line(text: str) -> str:
    """Return ``text`` with its control characters escaped: names may hold line ends, and what moves a cursor."""
    return "".join(
        char if char.isprintable() or _is_byte(char) else char.encode("unicode_escape").decode() for char in text
    )


def _is_byte(char: str) -> bool:
    """Tell whether ``char`` stands for a byte of a file's name that is no text."""
    return "\udc80" <= char <= "\udcff"


def _without_accent(char: str) -> str:
    """NFKD writes an ellipsis as three dots, and a letter before its accents."""
    return unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode() or "?"


def _replace(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    char = error.object[error.start]
    if _is_byte(char):  # as it was
        return bytes([ord(char) - 0xDC00]), error.start + 1
    return plain(char), error.start + 1


codecs.register_error(PLAIN, _replace)


def never_fail(*streams: Any) -> None:
    """Let ``streams`` replace the signs that their encoding lacks, whatever the locale or PYTHONIOENCODING say."""
    for stream in streams:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=PLAIN)


def open_closed() -> None:
    """Let what goes to a stdout or stderr that the caller closed go nowhere, and not into the next file opened."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))


def to_nowhere(stream: Any) -> None:
    """Discard all that follows on ``stream``, which has lost its reader or its disk, and Python's own flush at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
