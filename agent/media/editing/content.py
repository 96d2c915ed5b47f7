"""Content of a prepared clip: its pictures, counted and timed as they are written."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from agent.errors import ClipDamaged
from agent.media.parameter_sets import Codec


@dataclass(frozen=True, slots=True)
class Prepared:
    """The pictures of a prepared clip.

    ``first_seconds`` and ``last_seconds``: times at which the first and the last one are shown,
    from the first picture of the recording, as :class:`Trim` counts; ``encoded`` of the
    ``pictures`` were encoded again, the others are the camera's to the bit.
    ``plays_in_browsers``: 8-bit H.264 with colours at half resolution, which all of them play.
    """

    first_seconds: float
    last_seconds: float
    pictures: int
    encoded: int
    codec: Codec
    plays_in_browsers: bool

    def times_ms(self, started_at_ms: int) -> tuple[int, int]:
        """The times of the first and the last picture of a recording that began at this time."""
        seconds = self.first_seconds, self.last_seconds
        first, last = (max(0, started_at_ms + round(second * 1000)) for second in seconds)
        return first, last


class Tally:
    """Counts the pictures that are written, in any order. Times are in units of the stream."""

    def __init__(self, unit: Fraction, origin: int) -> None:
        self._unit = unit
        self._origin = origin
        self._first: int | None = None
        self._last = origin
        self._pictures = 0
        self._encoded = 0

    def add(self, shown: int, *, encoded: bool) -> None:
        """A picture that is shown at this time of the recording."""
        self._first = shown if self._first is None else min(self._first, shown)
        self._last = max(self._last, shown)
        self._pictures += 1
        self._encoded += encoded

    def prepared(self, codec: Codec, *, plays_in_browsers: bool) -> Prepared:
        """The sum; raises :class:`ClipDamaged` if there was no picture."""
        if self._first is None:
            raise ClipDamaged("the clip holds no picture")
        return Prepared(
            first_seconds=self._seconds(self._first),
            last_seconds=self._seconds(self._last),
            pictures=self._pictures,
            encoded=self._encoded,
            codec=codec,
            plays_in_browsers=plays_in_browsers,
        )

    def _seconds(self, shown: int) -> float:
        return float((shown - self._origin) * self._unit)
