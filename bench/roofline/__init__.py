"""Lower bounds of a training step: its work, the machine's ceilings, and the time that follows from both."""
