"""Names of all MQTT topics.

::

    <feed>/requests/<jti>                     retained   public posts of requesters
    <feed>/alerts/<jti>                       retained
    <feed>/withdrawals/<jti>                  retained
    <feed>/log/<size>                         retained   from this size of the log to the next
    clip-agent/<device>/availability          retained   `online` / `offline`, last will
    clip-agent/<device>/state                 retained   coarse health: gateway/device_state.py
    clip-agent/<device>/inbox/<digest16>      retained   letter to the owner, emptied when closed
    clip-agent/<device>/owner                 never      letter to the device
    clip-agent/<device>/deferred/<digest32>   retained   owner's letter that waits, as it came
    clip-agent/<device>/session               never      device to itself: the session is known
    clip-agent/<device>/preview/<name>/<n>    no         ciphertext of a clip, thumbnails, stills
    clip-agent/<device>/release/<release>     retained   letter to the owner: progress, outcome
    clip-agent/<device>/notices               retained   letter to the owner: what needs no answer
    clip-agent/<device>/status/<owner>        retained   letter to one owner: health, holdings
    clip-agent/<device>/notice/<owner>        retained   letter to one owner's watcher
    clip-pairing/<channel>/<side>             never      to `device` or `owner`: agent/pairing
    clip-agent/<device>/homeassistant/state   retained   opt-in: gateway/homeassistant
    clip-agent/<device>/homeassistant/request no         opt-in: an event in a request's life
    clip-agent/<device>/homeassistant/arm     never      opt-in: Home Assistant's switch
    <prefix>/device/clip-agent-<device>/config retained  opt-in: Home Assistant's discovery
    <prefix>/status                           either     Home Assistant comes and goes

A topic proves nothing: the signature of a message names its author. :func:`parse` only
sorts topics, and returns ids of a safe alphabet, or None for a topic of any other form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

ROOT: Final = "clip-agent"
PAIRING_ROOT: Final = "clip-pairing"

ANY: Final = "+"
ONLINE: Final = b"online"
OFFLINE: Final = b"offline"

CHUNK_BYTES: Final = 131_072  # of a clip's ciphertext in one preview message; the last is shorter

Kind = Literal[
    "requests", "alerts", "withdrawals", "availability", "state", "inbox", "owner", "preview",
    "deferred", "session", "release", "notices", "status", "notice", "log",
]  # fmt: skip

_LEVEL = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DEVICE_LEVELS: Final = {  # levels that follow clip-agent/<device>/<kind>
    "availability": 0,
    "state": 0,
    "inbox": 1,
    "owner": 0,
    "deferred": 1,
    "session": 0,
    "preview": 2,
    "release": 1,
    "notices": 0,
    "status": 1,
    "notice": 1,
}


@dataclass(frozen=True, slots=True)
class Topic:
    """The parts of a topic: its kind, the device (empty on the feed), and its ids."""

    kind: Kind
    device: str
    ids: tuple[str, ...]


# Each function makes the name of a topic; with ANY for its last id, a filter to subscribe to.


def request(feed: str, jti: str) -> str:
    """A request that a requester posts."""
    return f"{feed}/requests/{jti}"


def alert(feed: str, jti: str) -> str:
    """An alert that a requester posts."""
    return f"{feed}/alerts/{jti}"


def withdrawal(feed: str, jti: str) -> str:
    """The withdrawal of a request; ``jti`` is the withdrawal's own."""
    return f"{feed}/withdrawals/{jti}"


def log_link(feed: str, size: int | str) -> str:
    """The proof of how the feed's public log grew from ``size`` entries."""
    return f"{feed}/log/{size}"


def availability(device: str) -> str:
    """``online`` or ``offline``; the device's last will."""
    return f"{ROOT}/{device}/availability"


def state(device: str) -> str:
    """Counts and health of a device."""
    return f"{ROOT}/{device}/state"


def inbox(device: str, digest16: str) -> str:
    """A letter about one request; ``digest16`` is the start of the request's digest."""
    return f"{ROOT}/{device}/inbox/{digest16}"


def owner(device: str) -> str:
    """Letters from owners. Never retained."""
    return f"{ROOT}/{device}/owner"


def deferred(device: str, digest32: str) -> str:
    """An owner's letter that waits for its turn, by its digest; emptied after it."""
    return f"{ROOT}/{device}/deferred/{digest32}"


def session(device: str) -> str:
    """The device's word to itself. Never retained; see gateway/release/last_word.py."""
    return f"{ROOT}/{device}/session"


def preview(device: str, name: str, number: int | str) -> str:
    """A chunk of the ciphertext of the clip ``name``, or of what the command ``name`` asks for."""
    return f"{ROOT}/{device}/preview/{name}/{number}"


def release(device: str, release_id: str) -> str:
    """A letter about the progress and outcome of one release."""
    return f"{ROOT}/{device}/release/{release_id}"


def notices(device: str) -> str:
    """A letter with all notices for the owners."""
    return f"{ROOT}/{device}/notices"


def status(device: str, owner: str) -> str:
    """A letter with the device's health and holdings; ``owner`` is a fingerprint."""
    return f"{ROOT}/{device}/status/{owner}"


def notice(device: str, owner: str) -> str:
    """A letter to the watcher of the owner with this fingerprint."""
    return f"{ROOT}/{device}/notice/{owner}"


def pairing(channel: str, side: str) -> str:
    """Messages to a ``side`` of a pairing, ``owner`` or ``device``. Never retained."""
    return f"{PAIRING_ROOT}/{channel}/{side}"


def homeassistant(device: str, subject: Literal["state", "request", "arm"]) -> str:
    """The facts for Home Assistant, an event in a request's life, or its switch."""
    return f"{ROOT}/{device}/homeassistant/{subject}"


def discovery(prefix: str, device: str) -> str:
    """The entities of a device for Home Assistant (its documentation: MQTT device discovery)."""
    return f"{prefix}/device/{ROOT}-{device}/config"


def homeassistant_status(prefix: str) -> str:
    """``online`` after Home Assistant has connected, ``offline`` as its last will."""
    return f"{prefix}/status"


def parse(topic: str, *, feed: str) -> Topic | None:
    """Split ``topic``; None if it is none of ours."""
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
        case [("requests" | "alerts" | "withdrawals" | "log") as kind, name]:
            return Topic(kind, "", (name,)) if _LEVEL.fullmatch(name) else None
    return None
