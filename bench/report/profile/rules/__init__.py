"""The rules behind ``bench.report.profile.findings``, by what they look at."""
