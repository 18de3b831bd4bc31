"""Theano: its profiler, and the reading of apply nodes that PyTensor shares."""
