"""Comparison of several runs, machines or software versions.

* ``comparable``: the type of a side; ``runs`` makes it from a run folder, ``files`` from another tool's file;
  ``naming`` gives the same work the same name in both; ``sides`` reads the arguments of a command line
* ``refusal``: reasons for which two sides may not be compared
* ``metric_ratios``: the speed ratio of each metric, from processes that were not interleaved;
  ``hardware`` with the ceilings beside it
* ``comparison``: all of it as values, with scores and costs; ``facts``: differences between the machines
* ``sections``, ``page``, ``tables``: as text, as HTML, as CSV and JSON
"""

from bench.report.compare.comparable import Comparable, StackMeasurement
from bench.report.compare.comparison import Comparison, compare

__all__ = ["Comparable", "Comparison", "StackMeasurement", "compare"]
