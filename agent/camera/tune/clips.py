"""The record of ``tune``: the measured values, and the clips that follow from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from agent import config
from agent.camera.detection.verdict import Verdict, View

Span = tuple[float, float]  # begin and end, in seconds of the recording


class Clips:
    """The clips that the recorder would make of the motions, given in order."""

    def __init__(self, recording: config.Recording) -> None:
        self._pre_roll = recording.pre_roll_seconds
        self._post_roll = recording.post_roll_seconds
        self._longest = recording.max_clip_seconds
        self._spans: list[Span] = []

    def motion(self, seconds: float) -> None:
        """Begin a clip, or keep it going: something moves."""
        begin, last_end = max(seconds - self._pre_roll, 0.0), 0.0
        if self._spans:
            last_begin, last_end = self._spans[-1]
            begin = max(begin, last_end)
            if seconds < last_end:
                begin = last_begin
                self._spans.pop()
        self._spans.append((begin, seconds + self._post_roll))

    def holds(self, seconds: float) -> bool:
        """True if ``seconds`` is in one of the clips known by now."""
        return any(begin <= seconds < end for begin, end in reversed(self._spans))

    def until(self, end: float) -> list[Span]:
        """The clips of a recording that ends at ``end``, cut where the recorder cuts them."""
        cut: list[Span] = []
        for begin, over in self._spans:
            while min(over, end) - begin > self._longest:
                cut.append((begin, begin + self._longest))
                begin += self._longest
            cut.append((begin, min(over, end)))
        return cut


class Moment(NamedTuple):
    """The measured values of one frame, and its verdict. ``contrast`` as in :class:`View`."""

    seconds: float
    contrast: float
    size: int
    moves: bool
    verdict: Verdict


@dataclass
class Course:
    """The whole recording, moment by moment."""

    clips: Clips
    moments: list[Moment] = field(default_factory=list)

    def add(self, seconds: float, view: View) -> None:
        """Add the next frame."""
        moment = Moment(seconds, view.contrast, view.size, view.moves, view.verdict)
        self.moments.append(moment)

    @property
    def length_seconds(self) -> float:
        """The time from the first frame to the end of the last."""
        if len(self.moments) < 2:
            return 0.0
        last = self.moments[-1].seconds
        return last + last / (len(self.moments) - 1)

    @property
    def spans(self) -> list[Span]:
        """The clips that would have been made."""
        return self.clips.until(self.length_seconds)
