"""Times, sizes and counts in words, as a person reads them. Times are local, with the zone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from agent.consent.policy import area
from agent.consent.statements import Polygon, Tally
from agent.errors import RequestRefused

_RULES = {  # those that say little by their names
    "jti-reused": "id used again",
    "incident-never": "incident of a sort that is never answered",
    "kind-not-accepted": "kind of request that you do not take",
    "requester-muted": "while muted",
    "upload-not-allowed": "upload to a host not on their card",
}
_MINUTE_SECONDS, _HOUR_SECONDS, _DAY_SECONDS = 60, 3_600, 86_400


def moment(seconds: float) -> str:
    """A time in this computer's zone, to the minute: ``Wed 24 Jan 2024, 18:30 CET``."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%a %d %b %Y, %H:%M %Z")


def brief(seconds: float) -> str:
    """A time near now in this computer's zone, for tables: ``24 Jan, 18:30 CET``."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%d %b, %H:%M %Z")


def short_fingerprint(fingerprint: str) -> str:
    """The beginning of a fingerprint, enough to compare by eye."""
    return f"{fingerprint[:12]}…"


def outcome(event: str, detail: str = "") -> str:
    """What became of an answer: the camera's last word on it, or that there is none."""
    why = f": {detail}" if detail else ""
    return {
        "": "no word of the camera yet",
        "PROPOSED": "waits for another owner",
        "APPROVED": "being made ready",
        "SEALED": "ready, being sent",
        "SENT": "sent",
        "REVOKED": f"stopped, not sent{why}",
        "FAILED": f"not sent{why}",
        "REFUSED": f"refused by your camera{why}",
        "AGREED": f"completed {detail[:8]}",
        "DECLINED": "declined",
    }.get(event, f"{event}{why}")


def heard(seconds: float | None) -> str:
    """Until when a camera was there, if that is known."""
    return "" if seconds is None else f", last heard of {moment(seconds)}"


def exact(seconds: float) -> str:
    """A time in this computer's zone, to the second."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%a %d %b, %H:%M:%S %Z")


def second(seconds: float) -> str:
    """A time near now to the second, for tables: ``24 Jan, 18:30:15 CET``."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%d %b, %H:%M:%S %Z")


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


def ago(seconds: float) -> str:
    """How long something lies back."""
    if seconds < 2 * _MINUTE_SECONDS:
        return "just now"
    if seconds >= 2 * _DAY_SECONDS:
        return f"{seconds / _DAY_SECONDS:.0f} days ago"
    return f"{span(seconds)} ago"


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


def refusals(found: Iterable[Tally]) -> str:
    """The rules that refused, in words: ``time asked about too long 1, id used again 2``."""
    return ", ".join(f"{rule(tally.name)} {tally.count}" for tally in found)


def rule(name: str) -> str:
    """What a rule of the camera's policy objects to: its name, without our words."""
    text = _RULES.get(name, name).replace("-", " ")
    return f"time asked about {text.removeprefix('window ')}" if "window " in text else text


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
