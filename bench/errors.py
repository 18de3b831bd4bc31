"""Errors of the measuring and the reading side; each message is one sentence a user can act on."""


class BenchError(Exception):
    """Base of every error this package raises on purpose."""


class RecordError(BenchError):
    """A file or a run folder cannot be written, read or understood."""


class RecordWarning(UserWarning):
    """Part of a record cannot be read; the rest was."""
