"""The error of everything that reads data sets."""

from __future__ import annotations


class DatasetError(ValueError):
    """A file of a data set is missing, cut short or not what its format says; the message names it."""
