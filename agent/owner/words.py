"""Times, sizes and counts in words, as a person reads them. Times are local, with the zone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from agent.consent import area
from agent.consent.statements import Polygon, Tally
from agent.errors import RequestRefused

_MINUTE_SECONDS, _HOUR_SECONDS, _DAY_SECONDS = 60, 3_600, 86_400


def moment(seconds: float) -> str:
    """A time in this computer's zone, to the minute: ``Wed 24 Jan 2024, 18:30 CET``."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%a %d %b %Y, %H:%M %Z")


def brief(seconds: float) -> str:
    """A time near now in this computer's zone, for tables: ``24 Jan, 18:30 CET``."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%d %b, %H:%M %Z")


def exact(seconds: float) -> str:
    """A time in this computer's zone, to the second."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%a %d %b, %H:%M:%S %Z")


def month(seconds: float) -> str:
    """The month of a time: ``March 2024``."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%B %Y")


def size(count: int) -> str:
    """Bytes for people, in powers of ten."""
    if count < 1_000_000:
        return f"{count / 1_000:.0f} kB"
    return f"{count / 1_000_000:.1f} MB"


def remaining(seconds: float) -> str:
    """How long something is still open."""
    if seconds <= 0:
        return "expired"
    if seconds >= 2 * _DAY_SECONDS:
        return f"{seconds / _DAY_SECONDS:.0f} days left"
    if seconds >= 2 * _HOUR_SECONDS:
        return f"{seconds / _HOUR_SECONDS:.0f} hours left"
    return f"{seconds / _MINUTE_SECONDS:.0f} minutes left"


def span(seconds: float) -> str:
    """A length of time: ``45 min``, ``2 h``, ``12.5 h``."""
    if seconds < 2 * _HOUR_SECONDS:
        return f"{seconds / _MINUTE_SECONDS:.0f} min"
    return f"{seconds / _HOUR_SECONDS:.3g} h"


def length(seconds: float) -> str:
    """How long a clip is; of one whose end was lost nobody may know."""
    return f"{seconds:.0f} s" if seconds > 0 else "unknown"


def times(count: int) -> str:
    """``once``, ``twice``, ``12 times``."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def clips(count: int) -> str:
    """``1 clip``, ``3 clips``."""
    return f"{count} clip" if count == 1 else f"{count} clips"


def tallies(found: Iterable[Tally]) -> str:
    """``burglary 7, theft 2``."""
    return ", ".join(f"{tally.name} {tally.count}" for tally in found)


def place(polygon: Polygon) -> str:
    """The size and the middle of an area."""
    ring = polygon.coordinates[0]
    longitudes, latitudes = [p[0] for p in ring], [p[1] for p in ring]
    latitude = (min(latitudes) + max(latitudes)) / 2
    longitude = (min(longitudes) + max(longitudes)) / 2
    try:
        area.check(polygon)
        measure = f"{area.square_miles(polygon):.3f} square miles"
    except RequestRefused as error:
        measure = f"of no size ({error.message})"
    return f"{measure} around {latitude:.4f}, {longitude:.4f}"
