"""How long a person has looked at a case."""

from __future__ import annotations

import time
from collections.abc import Callable

# Longer than this without a stroke, a step or a zoom, the person is elsewhere.
_PAUSE_S = 120.0


class Clock:
    """Counts from when it was made; a pause counts up to two minutes.

    Parameters
    ----------
    before : float
        Seconds from earlier.
    now : callable
        Gives seconds that only grow.
    """

    def __init__(self, before: float = 0.0, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._before = before
        self._last = now()

    def touch(self) -> None:
        """Note that the person did something."""
        self._before = self.seconds()
        self._last = self._now()

    def seconds(self) -> float:
        """Return the seconds so far."""
        return self._before + min(self._now() - self._last, _PAUSE_S)
