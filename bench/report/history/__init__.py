"""Many runs over time: ``history`` returns series, the other modules analyse and show them.

* ``series``: run folders -> one series for each machine, stack and measurement
* ``sections``, ``tables``, ``plot``: as text, as CSV and JSON, as SVG
"""

from bench.report.history.series import History, Series, find_runs, history

__all__ = ["History", "Series", "find_runs", "history"]
