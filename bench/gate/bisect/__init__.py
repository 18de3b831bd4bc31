"""Bisection of a slowdown: the measuring half; ``bench/gate/verdict/bisection`` is the deciding half.

* ``commits``: the commits of a range that change the measured code
* ``laboratory``: their checkouts and processes, by the means of the gate
* ``record``: the bisection as a file, from which it is resumed
* ``report``: result as tables, JSON, Markdown and a log for ``git bisect replay``
* ``from_history``: the range of the latest step of ``bench history``
* ``commands``: entry points of ``python -m bench bisect``
"""
