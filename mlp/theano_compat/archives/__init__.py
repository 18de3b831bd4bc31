"""Theano 1.0.5 and Lasagne 0.1 from their source archives, in which alone they are published."""
