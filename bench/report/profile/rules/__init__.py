"""Rules of ``bench.report.profile.findings``, grouped by topic."""
