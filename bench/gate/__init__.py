"""Measuring half of the regression gate; ``bench/gate/verdict`` is the deciding half.

* ``measures``, ``config``: available metrics and the configured ones (``[tool.bench.gate]`` of pyproject.toml)
* ``sides``: the two sides that are compared
* ``replicate``: the program of a measured process; it executes commands from its standard input
* ``process``, ``launch``: handle of such a process, and how it is started
* ``block``, ``turns``: concurrent processes that measure in turns, and their measurements
* ``session``, ``live``: preparation of both sides; blocks until the decision or the end of the budget
* ``baseline``, ``drift``: comparison with a committed record, without a second side
* ``calibrate``, ``noise``: error rates on this machine; ``instructions``: instruction counts
* ``run_file``, ``report``, ``outputs``, ``emit``: the run as a file; the verdict as table, JSON, JUnit XML and Markdown
* ``commands``: entry points of ``python -m bench gate``
"""
