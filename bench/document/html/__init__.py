"""Report as one self-contained HTML file: no network, no second file, all contents escaped.

``Page`` holds the contents, ``Chart`` a plot; ``to_html`` renders the file, for one run or for several.
"""

from bench.document.chart import Chart
from bench.document.html.page import Page, to_html

__all__ = ["Chart", "Page", "to_html"]
