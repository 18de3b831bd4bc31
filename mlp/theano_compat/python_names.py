"""Names that Python has dropped since Theano 1.0.5 (2020) and Lasagne 0.1 (2015)."""

from __future__ import annotations

import importlib.metadata
import inspect
import shutil
import sys
import sysconfig
from typing import Any

from mlp.theano_compat.modules import provide


def restore() -> None:
    """Put them back into this process."""
    if not hasattr(inspect, "getargspec"):  # gone in Python 3.11; used by theano.gof.op and lasagne.utils
        inspect.getargspec = lambda function: inspect.getfullargspec(function)[:4]
    if sys.version_info >= (3, 12):  # imp and distutils are gone; theano.configdefaults, .gof.cmodule, .gpuarray
        provide("imp")
        provide("distutils")
        provide("distutils.spawn", find_executable=shutil.which)
        provide(
            "distutils.sysconfig",
            get_config_var=sysconfig.get_config_var,
            get_python_inc=_get_python_inc,
            get_python_lib=_get_python_lib,
        )
    # setuptools 82 dropped pkg_resources; lasagne/__init__.py asks it for its own version.  Where it has been imported,
    # pytest's monkeypatch.syspath_prepend also tells it of the path: there are no such namespace packages to mend.
    provide(
        "pkg_resources",
        get_distribution=importlib.metadata.distribution,
        DistributionNotFound=importlib.metadata.PackageNotFoundError,
        fixup_namespace_packages=lambda path_item, parent=None: None,
    )
    # The C file of scan's inner loop was made by Cython 0.28 for Python up to 3.7; None makes the import fail at
    # once, and Theano then takes its own loop in Python.  The MLP has no scan.
    sys.modules["theano.scan_module.scan_perform_ext"] = None


def _get_python_inc(plat_specific: Any = 0) -> str:
    return sysconfig.get_paths()["platinclude" if plat_specific else "include"]


def _get_python_lib(plat_specific: Any = 0, standard_lib: Any = 0) -> str:
    return sysconfig.get_paths()["platstdlib" if standard_lib else "purelib"]
