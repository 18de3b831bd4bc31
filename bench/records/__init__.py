"""Records on disk: runs, replicates, profiles and the files of other tools, written and read."""
