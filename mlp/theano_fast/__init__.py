"""Theano's functions compiled sooner: the same C code, by the same g++, at the same level of optimisation.

``fast_compilation()`` is put around ``theano.function``.  It replaces a few of Theano's methods while it lasts and
puts them back afterwards; nothing on disk is edited, and the functions compiled inside know nothing of it.

* ``keys``: a module that was compiled once is found again by every later process
* ``folding``: constants are computed by Python, without a module for each kind of node
* ``ahead``: a function's missing modules are compiled side by side, by the compilers of ``workshop``
* ``header``: what every module includes is parsed once, where many modules are missing

On the graph of ``as_published`` all modules have the same source and, compared by disassembly, the same instructions
with and without it; only the debugging information is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from mlp.theano_fast.ahead import compiling_ahead
from mlp.theano_fast.folding import python_constant_folding
from mlp.theano_fast.keys import stable_keys


@contextmanager
def fast_compilation() -> Iterator[None]:
    """Inside the block, ``theano.function`` takes less time, above all with a cold compile cache.

    Theano must have been imported.
    """
    with ExitStack() as stack:
        for lever in (stable_keys, python_constant_folding, compiling_ahead):
            stack.enter_context(lever())
        yield
