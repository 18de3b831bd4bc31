"""The rules behind ``bench.profile.findings``, by what they look at."""
