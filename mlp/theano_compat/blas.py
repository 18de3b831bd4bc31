"""Choice of the BLAS of Theano's C++ code: the user's, else SciPy's own OpenBLAS, else NumPy's through its C API.

SciPy's wheel, which Theano requires anyway, ships a multi-threaded OpenBLAS whose symbols carry a prefix; macros give
Theano's code the prefixed names.  NumPy's C API is Theano's own default when nothing is linked: it works everywhere
and costs about 6 % of a training step (measured on two Zen 3 cores).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mlp.theano_compat.dialect import THEANO, Dialect

# Functions called by gemm.c, gemv.c, ger.c and dot of Theano and PyTensor.
ROUTINES = ("sgemm", "dgemm", "sgemv", "dgemv", "sger", "dger", "sdot", "ddot", "saxpy", "daxpy")


@dataclass(frozen=True)
class Blas:
    """Chosen BLAS: ``ldflags`` for Theano ("" means NumPy's C API), the ``library`` file if known, and the reason."""

    name: str
    ldflags: str
    library: Path | None
    note: str


def choose_blas(dialect: Dialect = THEANO) -> Blas:
    """Return the first available BLAS (see above), without importing SciPy or the framework."""
    asked = dialect.asked(dialect.blas_flag)
    if asked is not None and "scipy_openblas" not in asked:
        return Blas(f"from {dialect.variable}", asked, None, f"chosen by the user: {dialect.blas_flag}={asked}")
    library = scipy_openblas()
    if library is not None:
        return Blas("SciPy's OpenBLAS", _ldflags(library), library, f"multi-threaded, linked from {library.name}")
    return Blas("NumPy's C API", "", None, "SciPy's OpenBLAS was not found; a training step takes about 6 % longer")


def scipy_openblas() -> Path | None:
    """Return the OpenBLAS of the installed SciPy wheel; None if SciPy was not installed from such a wheel."""
    import importlib.util

    spec = importlib.util.find_spec("scipy")
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    for folder in (package.parent / "scipy.libs", package / ".dylibs"):  # Linux, macOS
        for library in sorted(folder.glob("libscipy_openblas*")):
            return library
    return None


def _ldflags(library: Path) -> str:
    folder = library.parent
    name = re.sub(r"^lib|\.(so|dylib).*$", "", library.name)
    macros = [f"-D{routine}_=scipy_{routine}_" for routine in ROUTINES]
    # Theano and PyTensor add an rpath for every -L.
    return " ".join([f"-L{folder}", f"-l{name}", *macros])
