"""What makes ``tuned`` faster, item by item: what each lever is, whether it can be used here, and how to leave it out.

Nothing here imports Theano, so that ``doctor`` may ask.  ``MLP_BENCH_TUNED_WITHOUT=update,dropout`` leaves levers out
for an ablation: Theano's own operations, as in ``as_published``, then take their place.  A benchmark run sets it for
each of its processes, whatever the shell says.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass

from mlp.errors import BackendError
from mlp.theano_compat.blas import choose_blas

VARIABLE = "MLP_BENCH_TUNED_WITHOUT"


@dataclass(frozen=True)
class Lever:
    """A change to the published way of computing a step; ``otherwise`` says what happens without it."""

    name: str
    about: str
    otherwise: str


LEVERS = (
    Lever("products", "matrix products cut into parts for the team", "the BLAS's own threads compute the products"),
    Lever("sparsity", "blank pixels and silent units left out of the products", "every zero is multiplied and added"),
    Lever("threads", "the other operations shared by the same team", "one thread does all but the products"),
    Lever("dropout", "bias, ReLU and Philox masks in one pass", "Theano's generator and its elementwise passes"),
    Lever("update", "RMSProp in one pass over all parameters", "one pass for each parameter, as Theano fuses it"),
    Lever("loss", "softmax, loss and gradient in one pass", "Theano's softmax and cross-entropy"),
    Lever("gather", "minibatches gathered inside the function", "NumPy gathers them before each step"),
    Lever("buffers", "memory kept from step to step", "every step allocates and frees its arrays"),
)
NAMES = tuple(lever.name for lever in LEVERS)
NEED_NO_CPLUSPLUS = frozenset({"buffers"})  # they work with Theano's own operations alone


@dataclass(frozen=True)
class LeverState:
    """A lever here and now; ``reason`` says why it is not active, None when it is."""

    lever: Lever
    reason: str | None
    missed: bool  # False where it is active, or was left out on purpose: then nobody needs a warning

    @property
    def active(self) -> bool:
        return self.reason is None


def lever_states(without: str | None = None) -> list[LeverState]:
    """All levers, in the order of LEVERS.

    Parameters
    ----------
    without : names of levers to leave out, separated by commas
        Default: what the environment variable MLP_BENCH_TUNED_WITHOUT says.

    Raises
    ------
    BackendError
        If a name is not a lever's.
    """
    left_out = _left_out(os.environ.get(VARIABLE, "") if without is None else without)
    states: list[LeverState] = []
    for lever in LEVERS:
        if lever.name in left_out:
            states.append(LeverState(lever, f"left out by {VARIABLE}", missed=False))
            continue
        reason, missed = None, False
        if lever.name == "products" and blas_threads() is None:
            reason, missed = f"it needs SciPy's OpenBLAS, and the BLAS is {choose_blas().name}", True
        elif lever.name == "sparsity" and not states[NAMES.index("products")].active:
            reason = "it is a way to compute the team's products (see products)"
            missed = states[NAMES.index("products")].missed
        elif lever.name == "threads" and not states[NAMES.index("products")].active:
            reason = "the BLAS's own threads would fight the team for the cores (see products)"
            missed = states[NAMES.index("products")].missed
        states.append(LeverState(lever, reason, missed))
    return states


def active_levers(without: str | None = None) -> frozenset[str]:
    """The names of the levers that ``tuned`` uses in this process; raises BackendError as ``lever_states``."""
    return frozenset(state.lever.name for state in lever_states(without) if state.active)


def blas_threads() -> int | None:
    """How many threads SciPy's OpenBLAS would use, by its environment variables and the usable cores.

    None if Theano links another BLAS, or if this one cannot be told how many threads to use.
    """
    library = choose_blas().library
    if library is None:
        return None
    try:
        openblas = ctypes.CDLL(str(library))
        openblas.scipy_openblas_set_num_threads  # noqa: B018 (is it there?)
        return int(openblas.scipy_openblas_get_num_threads())
    except (OSError, AttributeError):
        return None


def _left_out(names: str) -> frozenset[str]:
    left_out = frozenset(name.strip() for name in names.split(",") if name.strip())
    unknown = sorted(left_out - set(NAMES))
    if unknown:
        raise BackendError(
            f"theano/tuned has no lever {', '.join(map(repr, unknown))} to leave out: {VARIABLE} takes some of "
            f"{', '.join(NAMES)}, separated by commas."
        )
    return left_out
