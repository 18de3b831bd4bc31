"""The report as one self-contained HTML file: no network, no second file, and everything in it escaped.

``Page`` is what it says, ``Chart`` one of its plots, ``to_html`` makes the text of the file.  Whoever has sections and
charts gets a page from it, be it of one run or of several.
"""

from bench.report.html.chart import Chart
from bench.report.html.page import Page, to_html

__all__ = ["Chart", "Page", "to_html"]
