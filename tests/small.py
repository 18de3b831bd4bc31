"""A network and a dataset that train in a moment: those of the contract suite."""

from bench.measure.conformance.example import SMALL, make_toy_data

__all__ = ["SMALL", "make_toy_data"]
