"""Several runs, machines or software versions side by side: ``compare`` gives values, the rest reads and writes them.

* ``comparable``: what a side is; ``runs`` makes it from a run folder, ``files`` from another tool's file; ``naming``
  calls the same work the same in both; ``sides`` finds what the words of a command line name
* ``refusal``: what may not be compared, and why
* ``ratios``: processes that were not interleaved -> how many times as fast, with intervals; ``metric_ratios`` for each
  metric, ``hardware`` with the ceilings beside it
* ``comparison``: all of it as values, with scores and costs; ``facts``: in what the machines differ
* ``sections``, ``page``, ``tables``: as text, as HTML, as CSV and JSON
"""

from bench.compare.comparable import Comparable, Metric
from bench.compare.comparison import Comparison, compare

__all__ = ["Comparable", "Comparison", "Metric", "compare"]
