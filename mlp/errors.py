"""User-facing exceptions: each message has the fact, the place and a remedy."""


class MlpError(Exception):
    """Base class of the user-facing errors of this package; the message is one sentence."""


class DatasetError(MlpError):
    """The data files are missing, damaged or of another format."""


class RecipeError(MlpError):
    """A hyper-parameter is out of range, or does not fit the data."""


class BackendError(MlpError):
    """A backend, variant or device is unknown, unavailable or cannot compile."""


class DivergedError(MlpError):
    """The loss became NaN or infinite."""
