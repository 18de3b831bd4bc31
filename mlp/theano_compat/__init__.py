"""All that lets the unmodified Theano 1.0.5 and Lasagne 0.1 run on today's Python and NumPy, and nothing else.

Call ``install()`` before the first ``import theano``.  Nothing on disk is edited: names that Python and NumPy have
dropped since 2019 are put back into the running process, Theano's configuration gets defaults through THEANO_FLAGS
(a user's own flags win), and a header is put in front of every C++ file that Theano generates.

* ``python_names``: what Python 3.11 to 3.13 no longer has
* ``numpy_names``: what NumPy 1.24 to 2.x no longer has
* ``blas``, ``compiler``: which BLAS to link, whether there is a compiler
* ``theano_names``: what Lasagne 0.1 expects of a Theano that was current in 2015
"""

from __future__ import annotations

from mlp.theano_compat import blas, flags, numpy_names, python_names, theano_names

_installed = False


def install() -> None:
    """Prepare this process for Theano and import it; a second call does nothing.

    Raises
    ------
    BackendError
        If there is no C++ compiler (Theano would fall back to Python, a hundred times slower, and only whisper
        about it), or if the compile directory cannot be written.
    """
    global _installed
    if _installed:
        return
    python_names.restore()
    numpy_names.restore()
    flags.prepare()
    theano_names.import_theano()
    _installed = True


__all__ = ["blas", "install"]
