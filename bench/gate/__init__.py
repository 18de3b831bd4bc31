"""Measuring half of the regression gate; ``bench/gate/verdict`` is the deciding half.

* ``measures``, ``config``: available metrics and the configured ones (``[tool.bench.gate]`` of pyproject.toml)
* ``processes``: the two sides, and their processes, which measure in turns; ``block``: their measurements
* ``live``, ``run``: blocks until the decision or the end of the budget; the run from its start to its end
* ``baseline``, ``drift``: comparison with a committed record, without a second side
* ``error_rates``: error rates on this machine; ``bisect``: the slower commit; ``instructions``: instruction counts
* ``run_file``, ``report``, ``outputs``, ``emit``: the run as a file; the verdict as table, JSON, JUnit XML and Markdown
* ``commands``: entry points of ``python -m bench gate``
"""
