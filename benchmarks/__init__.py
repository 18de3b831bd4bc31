"""Benchmarks of the suite itself, of reading and reporting; not part of a run."""
