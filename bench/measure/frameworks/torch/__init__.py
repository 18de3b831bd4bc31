"""PyTorch: its engine for the ceilings and its profiler."""
