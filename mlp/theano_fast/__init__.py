"""Faster compilation of Theano's functions, with the same C code, compiler and level of optimisation.

``fast_compilation()`` is a context manager around ``theano.function``.  It replaces a few of Theano's methods inside
the block and restores them; no file on disk is edited, and the compiled functions are unaffected.

* ``keys``: stable keys, by which later processes find compiled modules
* ``folding``: constants are computed by Python, without a module for each kind of node
* ``ahead``: missing modules of a function are compiled in parallel, by the compilers of ``pool``
* ``header``: common headers are precompiled if many modules are missing

On the graph of ``as_published`` all modules have the same source and, compared by disassembly, the same instructions
with and without it, except for debugging information.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from mlp.theano_fast.ahead import compiling_ahead
from mlp.theano_fast.folding import python_constant_folding
from mlp.theano_fast.keys import stable_keys


@contextmanager
def fast_compilation() -> Iterator[None]:
    """Speed up ``theano.function`` inside the block, mainly for a cold compile cache.

    Theano must have been imported.
    """
    with ExitStack() as stack:
        for speedup in (stable_keys, python_constant_folding, compiling_ahead):
            stack.enter_context(speedup())
        yield
