"""gzip, decompressed by the fastest library that is installed: Intel's ISA-L (package ``isal``), else zlib.

On MNIST ISA-L takes less than half of zlib's time.  It only ever accepts: what is not one sound gzip member from the
first byte to the last is left to Python's ``gzip``, so what counts as damaged, and how that is said, is the same
everywhere.
"""

from __future__ import annotations

import gzip
import importlib.metadata

try:
    from isal import igzip_lib
except ImportError:
    igzip_lib = None

MAGIC = b"\x1f\x8b"
MOST_EXPANSION = 1032  # a deflate stream yields at most 1032 bytes for each of its own (zlib's technical notes)


def library() -> str:
    """The library that is used, for people."""
    return "zlib" if igzip_lib is None else f"ISA-L (isal {importlib.metadata.version('isal')})"


def gunzip(raw: bytes) -> bytes:
    """The content of the gzip file ``raw``, its CRC and length checked.

    Raises
    ------
    EOFError, gzip.BadGzipFile, zlib.error
        If it is truncated or damaged.
    """
    if igzip_lib is not None:
        stream = Stream(raw)
        content = stream.read(min(int.from_bytes(raw[-4:], "little"), MOST_EXPANSION * len(raw)))
        if stream.is_sound:
            return content
    return gzip.decompress(raw)


class Stream:
    """Reads a gzip file piece by piece with ISA-L; without it, or where something is wrong, there is nothing to read.

    Only when ``is_sound`` is true, which it can be only at the end, may what was read be used.
    """

    def __init__(self, raw: bytes) -> None:
        self._input = raw
        # This flag has ISA-L check the CRC and the length at the end.
        self._decompressor = igzip_lib and igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_GZIP)
        self._failed = igzip_lib is None

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes of the content, fewer at its end, then none."""
        if self._failed or self._decompressor.eof:
            return b""
        given, self._input = self._input, b""  # the decompressor keeps what it has not used
        try:
            return self._decompressor.decompress(given, size)
        except igzip_lib.error:
            self._failed = True
            return b""

    @property
    def is_sound(self) -> bool:
        """Whether the end was reached, the checks were passed, and the file holds nothing else."""
        return not self._failed and self._decompressor.eof and not self._decompressor.unused_data
