"""Reports of one run, of several runs, of profiles and of a history, from records alone."""
