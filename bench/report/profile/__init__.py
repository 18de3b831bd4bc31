"""Where the time goes: one table of operations for every backend, what compiling costs, and what that means.

* ``operations``: the values, ``Profile`` and what it is made of, and their file
* ``collect``: the measuring side, one module for each framework, in a fresh process for each stack
"""
