"""All that lets the unmodified Theano 1.0.5 and Lasagne 0.1 run on today's Python and NumPy, and nothing else.

Call ``install(device)`` before the first ``import theano``.  Nothing on disk is edited: names that Python and NumPy
have dropped since 2019 are put back into the running process, Theano's configuration gets defaults through
THEANO_FLAGS (a user's own flags win), and a header is put in front of every C++ file that Theano generates.

* ``python_names``: what Python 3.11 to 3.13 no longer has
* ``numpy_names``: what NumPy 1.24 to 2.x no longer has
* ``dialect``, ``blas``, ``compiler``: the flags of the environment, which BLAS to link, whether there is a compiler
* ``cache``: whether what was compiled earlier is still what it was
* ``device``: where Theano computes, and the refusal to compute elsewhere
* ``theano_names``: what Lasagne 0.1 expects of a Theano that was current in 2015
"""

from __future__ import annotations

from mlp.theano_compat import blas, cache, flags, numpy_names, python_names, theano_names
from mlp.theano_compat import device as devices

_installed_for: str | None = None


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
    global _installed_for
    if _installed_for is None:
        wanted = device or "cpu"
        python_names.restore()
        numpy_names.restore()
        flags.prepare(wanted)
        with devices.hearing_complaints():
            theano_names.import_theano()
        cache.replace_keys_as_a_whole()
        _installed_for = wanted
    devices.check_device(device or _installed_for)


__all__ = ["blas", "install"]
