"""The measuring half of the regression gate; what is decided from it is in ``bench/verdict``.

* ``config``: what is judged and the limits, from ``[tool.bench.gate]`` of pyproject.toml
* ``sides``: the two things that are compared, and their checkouts, which never outlive the gate
* ``replicate``: the program that runs inside a side: it prepares, waits, and measures when it is told to
* ``process``: the gate's end of such a process
* ``turns``: the processes of one block measure in turns
* ``live``: block after block until it is decided or the budget is spent
* ``baseline``, ``calibrate``, ``noise``, ``instructions``: the other questions one may ask of the same processes
* ``kept``, ``outputs``: everything measured as JSON, and the verdict as table, JSON, JUnit XML and Markdown
"""
