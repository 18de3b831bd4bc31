"""NumPy and SciPy: the engine for the host's ceilings and the profiler."""
