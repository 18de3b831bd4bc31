"""Bisection under noise: which commit of a range made a metric worse, and how certain that is.

* ``model``: likelihood of a block of measurements; level, step and noise are integrated out
* ``posterior``: probabilities of "no step", of every culprit and of two steps
* ``choice``: the block with the most expected information per second
* ``search``: measure, update, stop; a function of two callbacks, so that recorded noise can replay it
"""
