"""Theano at the limit of the CPU: the canonical network in fused operations of our own.

* ``levers``: what is tuned, whether it can be used here, how to leave it out
* ``graph``: the network as a graph of these operations
* ``minibatch``, ``product``, ``dropout_relu``, ``softmax_crossentropy``, ``rmsprop``: one operation each, a Python file
  that tells Theano about it and a C++ file that computes it (products without their zeros: ``sparse_product.h``)
* ``native``, ``team.h``, ``philox.h``, ``arrays.h``: what they share: the threads, the random numbers, the arrays
* ``backend``: the variant ``tuned`` of the Theano backend

Nothing of Theano is changed: it builds the gradient, orders the operations, links the BLAS and compiles as ever.
"""
