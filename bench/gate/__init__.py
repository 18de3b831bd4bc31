"""The measuring half of the regression gate; what is decided from it is in ``bench/gate/verdict``.

* ``measures``, ``config``: what can be judged, and what is: ``[tool.bench.gate]`` of pyproject.toml
* ``sides``: the two things that are compared
* ``replicate``: the program that runs inside a side: it prepares, waits, and measures when it is told to
* ``process``, ``launch``: the gate's end of such a process, and how one is started
* ``block``, ``turns``: processes that live side by side and measure in turns; what they measured
* ``session``, ``live``: both sides made ready; block after block until it is decided or the budget is spent
* ``baseline``, ``drift``: against a record of the past, where no second side can be had
* ``calibrate``, ``noise``: how often the gate is wrong here; ``instructions``: a second opinion
* ``kept``, ``report``, ``outputs``, ``emit``: the run as a file; the verdict as table, JSON, JUnit XML and Markdown
* ``commands``: what ``python -m bench gate`` does with its options
"""
