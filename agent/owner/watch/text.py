"""Messages in words, with local times, and with titles and names if the letter holds them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from agent.consent.statements import WatchItem

_SILENT = "silent"
_BROKER = "broker"
_FAULTS = {  # kind: while it lasts, and when it is over
    "blind": ("The camera is blind: it sends no pictures", "The camera sends pictures again"),
    "stopped": ("The camera does not run: nothing is recorded", "The camera runs again"),
    "disk-full": ("The disk is full: nothing is recorded", "There is room on the disk again"),
    "storage-failed": ("Clips cannot be stored: nothing is recorded", "Clips are stored again"),
    "clock": (
        "Its clock is not set: requests and your answers wait",
        "Its clock is set again",
    ),
    "sealing": (
        "It seals clips to other keys than its owners': restart the camera",
        "It seals clips to its owners' keys again",
    ),
    "warning": (
        "It has a warning for you: clip-agent owner status",
        "Its warning is over",
    ),
    _SILENT: ("Silent: nothing is heard from it", "It is heard again"),
    _BROKER: (
        "The broker cannot be reached: no camera can be heard",
        "The broker can be reached again",
    ),
}
_WAITING = {  # kind of item: one of them, and several
    "request": ("a request waits", "{} requests wait"),
    "legal-order": ("a LEGAL ORDER waits", "{} LEGAL ORDERS wait"),
    "agreement": (
        "an approval of another owner waits for you",
        "{} approvals of another owner wait for you",
    ),
    "held": ("an approved release is held", "{} releases are held"),
    "failed": ("an approved release was not sent", "{} approved releases were not sent"),
    "rejected": (
        "a release was sent, and its recipient rejected it",
        "{} releases were sent, and their recipients rejected them",
    ),
    "refused": ("the camera refused your answer", "the camera refused {} of your answers"),
}
URGENT_KINDS = frozenset({"legal-order", *_FAULTS})


def _local(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds).astimezone()


def deadline(until: float, now: float) -> str:
    """A time from now on: ``today 18:00``, ``Friday 18:00``, ``Fri 24 Jan 2025, 18:00``."""
    then, today = _local(until), _local(now)
    days = (then.date() - today.date()) / timedelta(days=1)
    if 0 <= days <= 1:
        return f"{'tomorrow' if days else 'today'} {then:%H:%M}"
    return f"{then:%A %H:%M}" if 1 < days < 7 else f"{then:%a %d %b %Y, %H:%M}"


def items(found: Sequence[WatchItem], now: float) -> str:
    """A sentence about items of one kind, the first to end first."""
    first, count = found[0], len(found)
    until = ""
    if first.until is not None:
        until = f", {'' if count == 1 else 'the first '}until {deadline(first.until, now)}"
    one, several = _WAITING[first.kind]
    what = one if count == 1 else several.format(count)
    if first.kind == "held":
        what, until = f"{what} until you run: clip-agent owner inbox", ""
    elif first.kind in ("failed", "rejected", "refused"):
        what += ": clip-agent owner inbox"
    only = "Little time is left: " if first.near else ""
    clips = f" ({_clips(first.clips)})" if count == 1 and first.clips else ""
    sentence = f"{only}{what}{until}{clips}"
    return sentence[0].upper() + sentence[1:] + _content(found)


def _clips(count: int) -> str:
    return "1 clip matches" if count == 1 else f"{count} clips match"


def _content(found: Sequence[WatchItem]) -> str:
    """Titles in quotation marks, as they are the requesters' words, with the requesters' names."""
    told = [f"“{one.title}”, {one.who}" for one in found[:3] if one.title]
    return "".join(f"\n{line}" for line in told)


def fault(kind: str, since: float | None, now: float) -> str:
    """A sentence about a fault that has begun; ``since`` is told if it is known."""
    begun = "" if since is None else f", since {_past(since, now)}"
    return f"{_FAULTS[kind][0]}{begun}"


def over(kind: str) -> str:
    """A sentence about a fault that is over."""
    return _FAULTS[kind][1]


def _past(since: float, now: float) -> str:
    then = _local(since)
    same_day = then.date() == _local(now).date()
    return f"{then:%H:%M}" if same_day else f"{then:%a %d %b %Y, %H:%M}"
