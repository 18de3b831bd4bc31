"""Measured processes: the environment they get, how they are run, and the reasons why they fail."""
