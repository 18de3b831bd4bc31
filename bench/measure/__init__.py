"""Measured processes: environment, execution, and reasons of failures."""
