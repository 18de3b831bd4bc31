"""Theano itself: import it quietly, and give Lasagne 0.1 the names it knew in 2015."""

from __future__ import annotations

import warnings

from mlp.theano_compat.modules import provide
from mlp.theano_compat.numpy_names import IS_NUMPY_2


def import_theano() -> None:
    """Import theano and bridge what can be bridged only afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # `is` with a literal, invalid escapes
        warnings.simplefilter("ignore", DeprecationWarning)
        import theano
        import theano.tensor.signal.pool

        # Lasagne 0.1 imports theano.tensor.signal.downsample, which Theano 1.0 renamed to pool.
        provide("theano.tensor.signal.downsample", max_pool_2d=theano.tensor.signal.pool.pool_2d)
        if IS_NUMPY_2:
            # NumPy 2 made its C map iterator private: x[indices] += y takes Theano's own Python code.  The MLP has
            # no such operation; other graphs do.
            from theano.tensor.subtensor import AdvancedIncSubtensor1

            AdvancedIncSubtensor1.c_code = theano.gof.Op.c_code
