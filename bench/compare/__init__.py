"""Several runs, machines or software versions side by side: ``compare`` gives values, the rest reads and writes them.

* ``comparable``: what a side of a comparison is; ``runs`` makes it from a run folder
* ``refusal``: what may not be compared, and why
* ``ratios``: ratios of processes that were not interleaved, with their intervals
* ``comparison``: the ratios, scores, costs, and hardware against use, as values
* ``sides``: the words of the command line -> what they name
* ``sections``, ``tables``: as text, as CSV and JSON
"""

from bench.compare.comparable import Comparable, Metric
from bench.compare.comparison import Comparison, compare

__all__ = ["Comparable", "Comparison", "Metric", "compare"]
