"""The report of one run: a module for each group of sections."""
