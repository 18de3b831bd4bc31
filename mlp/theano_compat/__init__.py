"""Compatibility of the unmodified Theano 1.0.5 and Lasagne 0.1 with current Python and NumPy.

The first ``import theano`` after ``import mlp`` installs it; ``install(device)`` is that import, for a device.  No file
on disk is edited: names that Python and NumPy have dropped since 2019 are restored in the running process, Theano's
configuration gets defaults through THEANO_FLAGS (a user's own flags win), and a header is prepended to every C++ file
that Theano generates.

* ``finder``: the hook in the import of Theano
* ``python_names``: names missing in Python 3.11 to 3.13
* ``numpy_names``: names missing in NumPy 1.24 to 2.x
* ``dialect``, ``blas``, ``compiler``: flags of the environment, choice of the BLAS, search for a compiler
* ``toolchain``: test of the compiler, linker and headers
* ``cache``: integrity of the compile cache
* ``device``: selection and check of Theano's device
* ``theano_names``: names of Theano in 2015 that Lasagne 0.1 expects
"""

from __future__ import annotations

from mlp.theano_compat import finder


def install(device: str | None = None) -> None:
    """Prepare this process for Theano on ``device`` and import it; a second call only checks the device.

    None is the device that Theano was imported for, and the CPU if it has not been.

    Raises
    ------
    BackendError
        If there is no C++ compiler (Theano would fall back to Python, a hundred times slower, with only a warning), if
        the compile directory cannot be written or repaired, if ``device`` cannot be started, or if Theano was imported
        for another device.
    """
    finder.add()
    finder.asked_device = device or "cpu"
    import theano

    from mlp.theano_compat.device import check_device

    check_device(device or finder.device_of(theano))


__all__ = ["install"]
