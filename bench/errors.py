"""Exceptions of the suite; each message is one actionable sentence."""


class BenchError(Exception):
    """Base class of the user-facing errors of this package."""


class RecordError(BenchError):
    """A file or a run folder cannot be written, read or decoded."""


class RecordWarning(UserWarning):
    """Part of a record cannot be read and was skipped."""
