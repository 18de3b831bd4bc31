"""Benchmarks of the suite itself: what reading and reporting cost.  No part of a run."""
