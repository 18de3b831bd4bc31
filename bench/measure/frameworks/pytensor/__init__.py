"""PyTensor: its profiler."""
