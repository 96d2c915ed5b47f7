"""Look through a camera: still pictures, one a second, for at most five minutes.

The owner's command is signed, and with it the one that ends the look. That one is left with the
broker as the last will of this connection: it comes to the camera also if this computer goes away
without a word.

A picture counts if it is sealed to this owner, names the whole digest of the command, and is newer
than the one before. The broker knows neither the command nor its digest. The gateway knows both:
one that was taken over can show a false picture, though never see a true one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from agent.consent import signing
from agent.errors import ClipDamaged, NetworkFault, Refused
from agent.keyfile import Keys
from agent.media import jpeg
from agent.mqtt import topics
from agent.mqtt.session import Session
from agent.owner.decisions.sign import Decision
from agent.owner.visit import broker
from agent.vault import stills

MAX_SECONDS: Final = stills.MAX_SECONDS
_TURN_SECONDS = 0.25
_FIRST_SECONDS = 30.0  # longest silence before the first picture
_NEXT_SECONDS = 15.0  # and before another


@dataclass(frozen=True)
class Picture:
    """A JPEG, its size in pixels, and the camera's time at which it was taken (Unix)."""

    jpeg: bytes
    width: int
    height: int
    at: float


def pictures(
    session: Session, command: Decision, keys: Keys, *, wanted: Callable[[], bool], seconds: float
) -> Iterator[Picture]:
    """The pictures that answer ``command``, for ``seconds`` from the first and while ``wanted``.

    Raises :class:`Refused` if the camera refuses, :class:`NetworkFault` if it falls silent.
    """
    digest, last = signing.digest(command.jws), -1
    begun, heard = None, time.monotonic()
    while wanted():
        payload = _next(session, command, keys)
        now = time.monotonic()
        if begun is not None and now - begun >= seconds:
            return
        picture = None
        if payload is not None and (found := _opened(payload, keys, digest, after=last)):
            last, picture = found
        if picture is not None:
            begun, heard = now if begun is None else begun, now
            yield picture
        elif now - heard > (_FIRST_SECONDS if begun is None else _NEXT_SECONDS):
            raise NetworkFault(
                f"{command.device.name} sends no {'more ' if begun else ''}pictures",
                advice="`clip-agent owner status` shows if its camera works. Then look again",
            )


def _next(session: Session, command: Decision, keys: Keys) -> bytes | None:
    """The next picture as it came; None if there is none for a moment."""
    message = session.receive(_TURN_SECONDS)
    topic = None if message is None else topics.parse(message.topic, feed="")
    if message is None or topic is None or topic.device != command.device.name:
        return None
    if topic.kind == "release" and topic.ids == (command.subject,) and message.payload:
        answer = broker.outcome_of(message, command.device, command.subject, keys)
        if answer.event == "REFUSED":
            raise Refused("camera-refused", f"{command.device.name}: {answer.detail}")
    is_picture = topic.kind == "preview" and topic.ids[0] == command.subject
    return message.payload if is_picture and not message.retained else None


def _opened(payload: bytes, keys: Keys, digest: str, *, after: int) -> tuple[int, Picture] | None:
    """Number and picture; None unless it belongs to the look ``digest`` and follows ``after``."""
    try:
        still = stills.opened(payload, keys.identity)
        if still.look != digest or still.number <= after:
            return None
        data = still.jpeg
        width, height = jpeg.check(data)
    except ClipDamaged:
        return None
    return still.number, Picture(data, width, height, still.at)
