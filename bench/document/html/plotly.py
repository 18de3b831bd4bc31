"""Plotly's JavaScript as embedded in a page: 5 MB, compressed to 2 MB."""

from __future__ import annotations

import base64
import gzip
from functools import cache


@cache
def plotly_gzip_base64() -> str:
    """Return the library of the installed package ``plotly``, gzipped, as Base64; deterministic.

    Browsers since 2023 decompress it natively (``DecompressionStream``).
    """
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), 4, mtime=0)).decode("ascii")
