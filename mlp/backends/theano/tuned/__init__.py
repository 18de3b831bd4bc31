"""Theano tuned for the CPU: the canonical network in fused custom operations.

* ``optimizations``: the optimizations, their availability here, and their ablation
* ``graph``: the network as a graph of these operations
* ``minibatch``, ``product``, ``dropout_relu``, ``softmax_crossentropy``, ``rmsprop``: one operation each, a Python file
  with its Theano Op and a C++ file with the computation (products that skip zeros: ``sparse_product.h``)
* ``tuning``, ``measure``: parameters that a short measurement on this machine chooses; constants are in ``tuning.h``
* ``native``, ``team.h``, ``philox.h``, ``arrays.h``: common parts: base class, threads, random numbers, arrays
* ``backend``: the variant ``tuned`` of the Theano backend

Theano is unmodified: it builds the gradient, orders the operations, links the BLAS and compiles.
"""
