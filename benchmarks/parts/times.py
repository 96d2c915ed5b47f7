"""Errors of recorded time for streams whose truth is known, and what dating a packet costs.

The clocks of these cameras run at 0.3 to 3 times real time. With a second of jitter the start
of a stream cannot tell its rate; a clip is then judged after 20 seconds.
"""

from __future__ import annotations

import time

from benchmarks.figures import Figure
from benchmarks.rig import Workshop
from tests.support.stream_clock import Errors, Stream, changing, errors, place_all, steady

TITLE = "times of clips"
SECONDS = 2
_RATES = (0.3, 0.5, 0.84, 1.0, 1.5, 3.0)
_MOST_SECONDS, _MOST_SHARE = 1.0, 0.02


def measure(_: Workshop) -> list[Figure]:
    """The worst of all rates."""
    exact = [_errors(rate, jitter=0.02, since=0) for rate in _RATES]
    shaken = [_errors(rate, jitter=1.0, since=20) for rate in _RATES]
    night = Stream(rate=changing((0, 1.0), (20, 0.5), (40, 1.0)), jitter_seconds=0.05)
    return [
        *_figures("rates of 0.3 to 3", exact),
        *_figures("the same, a second of jitter", shaken),
        Figure("night at half rate: start", errors([*night.sent()]).start, "s", _MOST_SECONDS),
        Figure("dating a packet", _cost_microseconds(), "us"),
    ]


def _figures(name: str, found: list[Errors]) -> list[Figure]:
    start, length = max(each.start for each in found), max(each.length for each in found)
    return [
        Figure(f"{name}: start", start, "s", _MOST_SECONDS),
        Figure(f"{name}: length, as a share", length, "", _MOST_SHARE),
    ]


def _errors(rate: float, *, jitter: float, since: float) -> Errors:
    stream = Stream(seconds=75, rate=steady(rate), jitter_seconds=jitter)
    return errors([*stream.sent()], since=since, clip_seconds=15)


def _cost_microseconds() -> float:
    sent = [*Stream(seconds=200, frames_per_second=15, jitter_seconds=0.03).sent()]
    began = time.process_time()
    place_all(sent)
    return (time.process_time() - began) / len(sent) * 1e6
