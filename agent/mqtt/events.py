"""Events of a link to a broker, in the order in which they happened."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker answered, and all subscriptions stand.

    It may have said, with MQTT 5, how large a packet may be.
    """

    max_packet_bytes: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Disconnected:
    """A connection, or an attempt at one, ended; ``reason`` in plain words."""

    reason: str


@dataclass(frozen=True, slots=True)
class Received:
    """A message."""

    topic: str
    payload: bytes
    retained: bool
    receipt: object = field(repr=False, compare=False)  # for Link.acknowledge; opaque


@dataclass(frozen=True, slots=True)
class Published:
    """The broker has the message for which ``publish`` returned ``token``.

    ``refusal`` says why it does not: only with MQTT 5, else a broker drops it in silence.
    """

    token: int
    refusal: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Woken:
    """Nothing happened at the broker; another thread of the role has work for the loop."""


Event = Connected | Disconnected | Received | Published | Woken
