"""The machine and its state while a run measures: hardware, limits, load, clocks, memory and energy."""
