"""Optimizations of ``tuned``: description, availability here, and ablation.

This module does not import Theano, for ``doctor``.  ``MLP_BENCH_TUNED_WITHOUT=update,dropout`` disables optimizations
for an ablation: they are replaced by Theano's own operations, as in ``as_published``.  A benchmark run sets it for each
of its processes and ignores the caller's value.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass

from mlp.errors import BackendError
from mlp.theano_compat.blas import choose_blas

VARIABLE = "MLP_BENCH_TUNED_WITHOUT"


@dataclass(frozen=True)
class Optimization:
    """Optimization of the published training step; ``otherwise`` describes the fallback."""

    name: str
    about: str
    otherwise: str


OPTIMIZATIONS = (
    Optimization(
        "products", "matrix products cut into parts for the team", "the BLAS's own threads compute the products"
    ),
    Optimization(
        "sparsity", "blank pixels and silent units left out of the products", "every zero is multiplied and added"
    ),
    Optimization("threads", "the other operations shared by the same team", "one thread does all but the products"),
    Optimization("dropout", "bias, ReLU and Philox masks in one pass", "Theano's generator and its elementwise passes"),
    Optimization(
        "update", "RMSProp in one pass over all parameters", "one pass for each parameter, as Theano fuses it"
    ),
    Optimization("loss", "softmax, loss and gradient in one pass", "Theano's softmax and cross-entropy"),
    Optimization("gather", "minibatches gathered inside the function", "NumPy gathers them before each step"),
    Optimization("buffers", "memory kept from step to step", "every step allocates and frees its arrays"),
)
NAMES = tuple(optimization.name for optimization in OPTIMIZATIONS)
NEED_NO_CPLUSPLUS = frozenset({"buffers"})  # these work with Theano's own operations


@dataclass(frozen=True)
class OptimizationState:
    """State of an optimization; ``reason`` is None if active, else the reason why not."""

    optimization: Optimization
    reason: str | None
    missed: bool  # True if unavailable (a warning is due), False if active or disabled on purpose

    @property
    def active(self) -> bool:
        return self.reason is None


def optimization_states(without: str | None = None) -> list[OptimizationState]:
    """Return the state of all optimizations in the order of OPTIMIZATIONS.

    Parameters
    ----------
    without : names of optimizations to disable, separated by commas
        Default: the environment variable MLP_BENCH_TUNED_WITHOUT.

    Raises
    ------
    BackendError
        If a name is unknown.
    """
    left_out = _left_out(os.environ.get(VARIABLE, "") if without is None else without)
    states: list[OptimizationState] = []
    for optimization in OPTIMIZATIONS:
        if optimization.name in left_out:
            states.append(OptimizationState(optimization, f"left out by {VARIABLE}", missed=False))
            continue
        reason, missed = None, False
        if optimization.name == "products" and blas_threads() is None:
            reason, missed = f"it needs SciPy's OpenBLAS, and the BLAS is {choose_blas().name}", True
        elif optimization.name == "sparsity" and not states[NAMES.index("products")].active:
            reason = "it is a way to compute the team's products (see products)"
            missed = states[NAMES.index("products")].missed
        elif optimization.name == "threads" and not states[NAMES.index("products")].active:
            reason = "the BLAS's own threads would fight the team for the cores (see products)"
            missed = states[NAMES.index("products")].missed
        states.append(OptimizationState(optimization, reason, missed))
    return states


def active_optimizations(without: str | None = None) -> frozenset[str]:
    """Return the active optimizations of ``tuned`` in this process; raise BackendError as ``optimization_states``."""
    return frozenset(state.optimization.name for state in optimization_states(without) if state.active)


def blas_threads() -> int | None:
    """Return the number of threads of SciPy's OpenBLAS, from its environment variables and the usable cores.

    None if Theano links another BLAS, or if the number of threads of this one cannot be set.
    """
    library = choose_blas().library
    if library is None:
        return None
    try:
        openblas = ctypes.CDLL(str(library))
        openblas.scipy_openblas_set_num_threads  # noqa: B018 (tests its existence)
        return int(openblas.scipy_openblas_get_num_threads())
    except (OSError, AttributeError):
        return None


def _left_out(names: str) -> frozenset[str]:
    left_out = frozenset(name.strip() for name in names.split(",") if name.strip())
    unknown = sorted(left_out - set(NAMES))
    if unknown:
        raise BackendError(
            f"theano/tuned has no optimization {', '.join(map(repr, unknown))}: {VARIABLE} takes some of "
            f"{', '.join(NAMES)}, separated by commas."
        )
    return left_out
