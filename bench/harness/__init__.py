"""Benchmarks: one pytest-benchmark file per question.  ``pytest bench/harness`` runs them by hand."""
