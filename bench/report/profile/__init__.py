"""Profiles: one table of operations for every backend, compilation times, and findings.

* ``operations``: the value types, ``Profile`` and its parts
* ``collect``: the measuring side, one module for each framework, in a fresh process for each stack
"""
