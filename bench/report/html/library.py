"""Plotly's own JavaScript as a page carries it: compressed, because all of it is 5 MB, and 2 MB are enough."""

from __future__ import annotations

import base64
import gzip
from functools import cache


@cache
def plotly_gzip_base64() -> str:
    """The library that the installed package ``plotly`` brings, gzipped, as Base64; the same bytes every time.

    Every browser since 2023 decompresses it itself (``DecompressionStream``).
    """
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode("ascii")
