"""Restoration of names that NumPy has dropped since Theano 1.0.5 (2020)."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlp.theano_compat.modules import provide

IS_NUMPY_2 = int(np.__version__.partition(".")[0]) >= 2
RAVEL_AXIS = -(2**31)  # NPY_RAVEL_AXIS, NumPy 2's mark for axis=None; compat.h does the same for C


class _Cast:
    """``np.cast[dtype](value)``; Theano also indexes it with its own types."""

    def __getitem__(self, kind: Any) -> Any:
        # A Theano type names its dtype in a string; a NumPy scalar type has an attribute of that name, too.
        name = getattr(kind, "dtype", None)
        return np.dtype(name if isinstance(name, str) else kind).type


def restore() -> None:
    """Restore the names in this process's NumPy."""
    for builtin in (bool, int, float, complex, object, str):  # aliases, gone in 1.24: theano.scalar, lasagne.layers
        if builtin.__name__ not in vars(np):
            setattr(np, builtin.__name__, builtin)
    # numpy.distutils: deprecated in 1.23, removed on Python 3.12.  Theano uses it only for include folders and for
    # NumPy's BLAS, which mlp.theano_compat.blas replaces.
    provide("numpy.distutils")
    provide("numpy.distutils.__config__", blas_opt_info={})
    provide("numpy.distutils.misc_util", get_numpy_include_dirs=lambda: [np.get_include()])
    if not IS_NUMPY_2:
        return
    np.product = np.prod
    np.MAXDIMS = RAVEL_AXIS  # theano.tensor uses it only for axis=None
    np.ComplexWarning = np.exceptions.ComplexWarning
    np.sctype2char = lambda kind: np.dtype(kind).char
    np.core = np._core  # the public name warns at every access (theano.gof.cc)
    np.cast = _Cast()
    provide("numpy.linalg.linalg", LinAlgError=np.linalg.LinAlgError)
