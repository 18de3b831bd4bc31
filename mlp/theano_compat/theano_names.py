"""Names of 2015 that Lasagne 0.1 expects in Theano."""

from __future__ import annotations

from mlp.theano_compat.modules import provide
from mlp.theano_compat.numpy_names import IS_NUMPY_2


def bridge() -> None:
    """Add the names to the imported Theano, and disable C code that does not compile with NumPy 2."""
    import theano
    import theano.tensor.signal.pool

    # Lasagne 0.1 imports theano.tensor.signal.downsample, which Theano 1.0 renamed to pool.
    provide("theano.tensor.signal.downsample", max_pool_2d=theano.tensor.signal.pool.pool_2d)
    if IS_NUMPY_2:
        # NumPy 2 made its C map iterator private: x[indices] += y uses Theano's Python code.  The MLP has no such
        # operation; other graphs do.
        from theano.tensor.subtensor import AdvancedIncSubtensor1

        AdvancedIncSubtensor1.c_code = theano.gof.Op.c_code
