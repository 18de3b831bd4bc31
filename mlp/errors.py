"""Errors a user can act on: each message says what is wrong, where, and what to do next."""


class MlpError(Exception):
    """Base of every error this package raises on purpose; its text is one clear sentence."""


class DatasetError(MlpError):
    """The data files are missing, damaged or not what they claim to be."""


class RecipeError(MlpError):
    """A hyper-parameter is out of range, or does not fit the data."""


class BackendError(MlpError):
    """A backend, variant or device is unknown, unavailable or cannot compile."""


class DivergedError(MlpError):
    """The loss became NaN or infinite, so nothing after it would mean anything."""
