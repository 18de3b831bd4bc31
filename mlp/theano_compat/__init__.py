"""All that lets the unmodified Theano 1.0.5 and Lasagne 0.1 run on today's Python and NumPy, and nothing else.

The first ``import theano`` after ``import mlp`` does it all; ``install(device)`` is that import, for a device.  Nothing
on disk is edited: names that Python and NumPy have dropped since 2019 are put back into the running process, Theano's
configuration gets defaults through THEANO_FLAGS (a user's own flags win), and a header is put in front of every C++
file that Theano generates.

* ``finder``: the hook in the import of Theano
* ``python_names``: what Python 3.11 to 3.13 no longer has
* ``numpy_names``: what NumPy 1.24 to 2.x no longer has
* ``dialect``, ``blas``, ``compiler``: the flags of the environment, which BLAS to link, whether there is a compiler
* ``toolchain``: whether that compiler makes anything that this Python can load
* ``cache``: whether what was compiled earlier is still what it was
* ``device``: where Theano computes, and the refusal to compute elsewhere
* ``theano_names``: what Lasagne 0.1 expects of a Theano that was current in 2015
"""

from __future__ import annotations

import sys
import warnings

from mlp.theano_compat import finder

_asked_device: str | None = None  # by ``install``, for the import that follows


def install(device: str | None = None) -> None:
    """Prepare this process for Theano on ``device`` and import it; a second call only checks the device.

    None is the device that Theano was imported for, and the CPU if it has not been.

    Raises
    ------
    BackendError
        If there is no C++ compiler (Theano would fall back to Python, a hundred times slower, and only whisper
        about it), if the compile directory cannot be written or repaired, if ``device`` cannot be started, or if
        Theano was imported for another device.
    """
    global _asked_device
    finder.add()
    _asked_device = device or "cpu"
    import theano

    from mlp.theano_compat.device import check_device

    check_device(device or finder.device_of(theano))


def execute_prepared(module, execute) -> None:
    """Prepare this process, ``execute`` the code of the ``module`` theano, and bridge what can be bridged only then.

    Without ``install`` the device is that of the user's THEANO_FLAGS, and the CPU if they name none.
    """
    from contextlib import nullcontext

    from mlp.theano_compat import cache, device, flags, numpy_names, python_names, theano_names
    from mlp.theano_compat.dialect import THEANO

    for name in list(sys.modules):
        if name.startswith("theano."):
            del sys.modules[name]  # left by an import that failed
    wanted = _asked_device or THEANO.asked("device") or "cpu"
    setattr(module.__spec__, finder.DEVICE, wanted)
    python_names.restore()
    numpy_names.restore()
    flags.prepare(wanted)
    with warnings.catch_warnings(), device.hearing_complaints() if _asked_device else nullcontext():
        warnings.simplefilter("ignore", SyntaxWarning)  # `is` with a literal, invalid escapes
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            execute(module)
        except Exception as error:
            _explain(error)
            raise
        if not module.config.cxx:
            _explain(None)
        theano_names.bridge()
    cache.replace_keys_as_a_whole()


def _explain(error: Exception | None) -> None:
    """Raise BackendError if this machine cannot compile C++: Theano would say it in a hundred lines, or fall back to
    Python without a word."""
    from mlp.errors import BackendError
    from mlp.theano_compat.toolchain import toolchain_problem

    problem = toolchain_problem()
    if problem is not None:
        raise BackendError(f"Theano cannot compile: {problem.reason}. {problem.remedy}") from error


__all__ = ["install"]
