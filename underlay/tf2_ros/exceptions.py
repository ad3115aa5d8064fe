"""Why a transform cannot be had."""


class TransformException(Exception):
    """Base of all errors of this package."""


class LookupException(TransformException):
    """A frame does not exist, or the frames form a loop."""


class ConnectivityException(TransformException):
    """Two frames are in different trees."""


class ExtrapolationException(TransformException):
    """The time asked for lies outside of what is known."""


class InvalidArgumentException(TransformException):
    """A frame's name is empty or begins with a slash."""
