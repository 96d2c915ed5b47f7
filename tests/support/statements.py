"""Statements of requesters and owners, in order as they are; a change makes one thing different.

>>> request("requester's fingerprint", title="Theft")
>>> approval("owner's", "device's", digest(request_jws), [approved(clip, sha256)], now=NOW)
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from agent.consent import signing
from agent.consent.statements import (
    Approval,
    ApprovedClip,
    Command,
    Decline,
    Disclosure,
    Polygon,
    Recipient,
    Request,
    Share,
    UploadTarget,
    Window,
)

NOW = 1_706_121_000  # 2024-01-24T18:30:00Z
HOUR, DAY = 3_600, 86_400
LATITUDE, LONGITUDE = 42.1015, -72.5898
UPLOAD_URL = "https://evidence.example.org/files/"


def new_jti() -> str:
    return signing.new_jti(os.urandom(16))


def polygon(*corners: tuple[float, float]) -> Polygon:
    """An area with these (longitude, latitude) corners; the ring is closed here."""
    return Polygon(type="Polygon", coordinates=((*corners, corners[0]),))


def square_around(latitude: float, longitude: float, *, half: float = 0.004) -> Polygon:
    """A square that reaches ``half`` a degree to each side of a point."""
    south, north = latitude - half, latitude + half
    west, east = longitude - half, longitude + half
    return polygon((west, south), (east, south), (east, north), (west, north))


def upload(url: str = UPLOAD_URL) -> UploadTarget:
    return UploadTarget(protocol="tus", url=url)


def request(iss: str, /, *, now: int = NOW, **changes: Any) -> Request:
    """A request that every rule of the default policy admits, but for ``changes``."""
    fields: dict[str, Any] = {
        "iss": iss,
        "jti": new_jti(),
        "iat": now,
        "exp": now + 3 * DAY,
        "kind": "voluntary",
        "reference": "2024-001234",
        "incident": "theft",
        "title": "Bicycle theft on Elm Street",
        "text": "A red bicycle was taken.\nDid your camera see it?",
        "contact": "Det. A. Example, 413 555 0100",
        "area": square_around(LATITUDE, LONGITUDE),
        "window": Window(start=now - 2 * HOUR, end=now - HOUR),
        "upload": upload(),
    }
    return Request(**(fields | changes))


def decision(iss: str, aud: str, /, *, now: int = NOW) -> dict[str, Any]:
    """The fields of every decision of an owner."""
    return {"iss": iss, "jti": new_jti(), "iat": now, "exp": now + DAY, "aud": aud}


def approved(clip: str, sha256: str, /, **changes: Any) -> ApprovedClip:
    """A clip as an approval names it."""
    fields: dict[str, Any] = {"id": clip, "sha256": sha256, "trim": None, "redact": ()}
    return ApprovedClip(**(fields | changes))


def approval(
    iss: str,
    aud: str,
    request: str,
    clips: Sequence[ApprovedClip],
    /,
    *,
    now: int = NOW,
    **changes: Any,
) -> Approval:
    """An approval of ``clips`` for the request with that digest."""
    fields = {"request": request, "clips": tuple(clips), "disclose": Disclosure()}
    return Approval(**(decision(iss, aud, now=now) | fields | changes))


def decline(iss: str, aud: str, request: str, /, *, now: int = NOW, **changes: Any) -> Decline:
    """A decline of the request with that digest."""
    fields = {"request": request, "mute": False}
    return Decline(**(decision(iss, aud, now=now) | fields | changes))


def command(iss: str, aud: str, what: Any, /, *, now: int = NOW, **changes: Any) -> Command:
    """A command: ``what`` is a PauseRequests(), a Mute(...), ..."""
    return Command(**(decision(iss, aud, now=now) | {"command": what} | changes))


def share(
    iss: str,
    aud: str,
    recipient: Recipient,
    clips: Sequence[ApprovedClip],
    /,
    *,
    now: int = NOW,
    **changes: Any,
) -> Share:
    """A release of ``clips`` to somebody who has not asked."""
    fields = {
        "recipient": recipient,
        "upload": upload(),
        "clips": tuple(clips),
        "disclose": Disclosure(),
    }
    return Share(**(decision(iss, aud, now=now) | fields | changes))
