"""Profiles: one table of operations for every backend, compilation times, and findings."""
