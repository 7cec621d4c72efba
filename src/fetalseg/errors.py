"""The one family of errors. Each is a sentence that a person can act on."""

from __future__ import annotations


class FetalSegError(Exception):
    """Base of every error that this package raises on purpose.

    The text is one or two plain sentences: which file, what is wrong, what to do. Doors (dock,
    command line) show it as it is, without a traceback.
    """


class UnreadableError(FetalSegError):
    """An input can't be read, or what was read is no scan."""


class SpacingError(FetalSegError):
    """A pixel spacing was given that can't be right, or two sources contradict each other."""


class ModelError(FetalSegError):
    """A model is unknown, damaged, or does not fit the task."""


class DeviceError(FetalSegError):
    """The chosen device is not there, or its memory does not suffice."""


class BackendError(DeviceError):
    """The chosen backend is not there, or can't run the model."""


class DatasetError(FetalSegError):
    """A training data set is incomplete or contradicts itself."""


class SettingsError(FetalSegError):
    """A setting is outside what can be used."""


class GrowthError(FetalSegError):
    """A size can't be a fetal head's, or a growth chart is unknown or gives nothing for what was asked."""


class DatingError(GrowthError):
    """A pregnancy's dates or ages are impossible, or do not suffice."""


class OutputError(FetalSegError):
    """A result can't be written."""


class ClusterError(FetalSegError):
    """A cluster's scheduler or workers can't be reached, or are not set up as this process is."""


class Cancelled(FetalSegError):
    """The run was stopped by the person; what was finished before stays."""

    def __init__(self, text: str = "Stopped. What was finished is kept.") -> None:
        super().__init__(text)
