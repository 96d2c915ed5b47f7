"""The names of all MQTT topics, and what an incoming topic means.

::

    <feed>/requests/<jti>                     retained   public posts of requesters
    <feed>/alerts/<jti>                       retained
    <feed>/withdrawals/<jti>                  retained
    <feed>/log/<size>                         retained   from this size of the log to the next
    clip-agent/<device>/availability          retained   `online` / `offline`, last will
    clip-agent/<device>/state                 retained   counts and health: gateway/state.py
    clip-agent/<device>/inbox/<digest16>      retained   letter to the owner, emptied when closed
    clip-agent/<device>/owner                 never      letter to the device
    clip-agent/<device>/preview/<clip>/<n>    no         ciphertext of a clip, asked for
    clip-agent/<device>/release/<release>     retained   letter to the owner: progress, outcome
    clip-agent/<device>/notices               retained   letter to the owner: what needs no answer
    clip-agent/<device>/status/<owner>        retained   letter to one owner: health, holdings

Topics are addresses and prove nothing: who wrote a message is in its signature.
:func:`parse` therefore only sorts. It answers ``None`` for a topic of any other
form, and the ids it gives back are text of a safe alphabet, no more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

ROOT: Final = "clip-agent"

ONLINE: Final = b"online"
OFFLINE: Final = b"offline"

CHUNK_BYTES: Final = 131_072  # of a clip's ciphertext in one preview message; the last is shorter

Kind = Literal[
    "requests", "alerts", "withdrawals", "availability", "state", "inbox", "owner", "preview",
    "release", "notices", "status", "log",
]  # fmt: skip

_LEVEL = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DEVICE_LEVELS: Final = {  # levels that follow clip-agent/<device>/<kind>
    "availability": 0,
    "state": 0,
    "inbox": 1,
    "owner": 0,
    "preview": 2,
    "release": 1,
    "notices": 0,
    "status": 1,
}


@dataclass(frozen=True, slots=True)
class Topic:
    """What an incoming topic says: its kind, the device (not on the feed), and its ids."""

    kind: Kind
    device: str
    ids: tuple[str, ...]


def requests_filter(feed: str) -> str:
    """Subscribes to all requests of a feed: the whole of it, never one's own corner."""
    return f"{feed}/requests/+"


def alerts_filter(feed: str) -> str:
    """Subscribes to all alerts of a feed."""
    return f"{feed}/alerts/+"


def withdrawals_filter(feed: str) -> str:
    """Subscribes to all withdrawals of a feed."""
    return f"{feed}/withdrawals/+"


def log_filter(feed: str) -> str:
    """Subscribes to the links from one state of the feed's public log to the next."""
    return f"{feed}/log/+"


def log_link(feed: str, size: int) -> str:
    """Where the log of a feed shows how it grew from ``size`` entries."""
    return f"{feed}/log/{size}"


def request(feed: str, jti: str) -> str:
    """Where a requester posts a request."""
    return f"{feed}/requests/{jti}"


def alert(feed: str, jti: str) -> str:
    """Where a requester posts information."""
    return f"{feed}/alerts/{jti}"


def withdrawal(feed: str, jti: str) -> str:
    """Where a requester withdraws a request; ``jti`` is the withdrawal's own."""
    return f"{feed}/withdrawals/{jti}"


def availability(device: str) -> str:
    """``online`` or ``offline``; the device's last will."""
    return f"{ROOT}/{device}/availability"


def state(device: str) -> str:
    """Counts and health of a device."""
    return f"{ROOT}/{device}/state"


def inbox(device: str, digest16: str) -> str:
    """A letter about one request; ``digest16`` is the start of the request's digest."""
    return f"{ROOT}/{device}/inbox/{digest16}"


def inbox_filter(device: str) -> str:
    """Subscribes to all open letters about requests."""
    return f"{ROOT}/{device}/inbox/+"


def owner(device: str) -> str:
    """Where owners send their letters. Never retained."""
    return f"{ROOT}/{device}/owner"


def preview(device: str, clip: str, number: int) -> str:
    """A chunk of a clip's ciphertext."""
    return f"{ROOT}/{device}/preview/{clip}/{number}"


def preview_filter(device: str, clip: str) -> str:
    """Subscribes to all chunks of one clip."""
    return f"{ROOT}/{device}/preview/{clip}/+"


def release(device: str, release_id: str) -> str:
    """A letter about the progress and outcome of one release."""
    return f"{ROOT}/{device}/release/{release_id}"


def notices(device: str) -> str:
    """A letter with everything the owner should know and cannot answer."""
    return f"{ROOT}/{device}/notices"


def status(device: str, owner: str) -> str:
    """A letter to the owner with this key id: how the device is, and what it holds for them."""
    return f"{ROOT}/{device}/status/{owner}"


def release_filter(device: str) -> str:
    """Subscribes to the letters about all releases."""
    return f"{ROOT}/{device}/release/+"


def parse(topic: str, *, feed: str) -> Topic | None:
    """What ``topic`` is, or ``None`` if it is none of ours."""
    if topic.startswith(f"{feed}/"):
        return _parse_feed(topic.removeprefix(f"{feed}/").split("/"))
    root, *levels = topic.split("/")
    if root != ROOT or len(levels) < 2 or not all(map(_LEVEL.fullmatch, levels)):
        return None
    device, kind, *ids = levels
    if _DEVICE_LEVELS.get(kind) != len(ids):
        return None
    return Topic(kind, device, tuple(ids))  # type: ignore[arg-type]  # the table's keys are kinds


def _parse_feed(levels: list[str]) -> Topic | None:
    match levels:
        case [("requests" | "alerts" | "withdrawals" | "log") as kind, jti] if _LEVEL.fullmatch(
            jti
        ):
            return Topic(kind, "", (jti,))
    return None
