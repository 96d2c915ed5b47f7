"""The owner's inbox as plain data for programs (``--json``). It holds no keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from agent.consent.statements import ClipOffer
from agent.owner.inbox.closed_clips import ClosedClips
from agent.owner.inbox.items import (
    CameraReport,
    ListedClips,
    NoticeItem,
    OpenRequest,
    Overview,
)

_REPORTED = ("record", "log", "more_clips", "approvals_needed", "owners", "proposals")


def overview(inbox: Overview) -> dict[str, Any]:
    """The whole inbox."""
    outcomes = [(one.device, one.outcome) for one in inbox.releases]
    return {
        "requests": [request(item) for item in inbox.requests],
        "releases": [
            _release(one.subject, device, one.request, one.event, one.detail, one.iat)
            | {"files": msgspec.to_builtins(one.files)}
            for device, one in outcomes
        ],
        "answers": [
            _release(one.release, one.device, one.request, one.event, one.detail, int(one.at))
            | {"to": one.to, "files": msgspec.to_builtins(one.files)}
            for one in inbox.answers
        ],
        "notices": [notice(one) for one in inbox.notices],
        "older_notices": inbox.older_notices,
        "cameras": [camera(one) for one in inbox.cameras],
        "paused": {one.device: one.pause.at for one in inbox.cameras if one.pause is not None},
        "offline": sorted(inbox.away),
        "warnings": list(inbox.warnings),
    }


def _release(
    release: str, device: str, request: str | None, event: str, detail: str, at: int
) -> dict[str, Any]:
    """A release, or an answer, whose ``release`` is empty for a decline."""
    return {
        "release": release,
        "device": device,
        "request": request,
        "event": event,
        "detail": detail,
        "at": at,
    }


def request(item: OpenRequest) -> dict[str, Any]:
    """A request in full."""
    report = item.report
    return {
        "digest": item.digest,
        "device": item.device,
        "requester": report.record.name,
        "changed": item.changed,
        "closed": item.closed,
        "request": msgspec.to_builtins(item.request),
        "reposts": [
            {
                "digest": other.digest,
                "received_at": other.received_at,
                "request": msgspec.to_builtins(other.request),
            }
            for other in item.reposts
        ],
        "clips": _clips(report.clips, item.closed_clips),
        **{name: msgspec.to_builtins(getattr(report, name)) for name in _REPORTED},
    }


def camera(report: CameraReport) -> dict[str, Any]:
    """The last status of a camera; ``silence`` says why it does not tell of now, or is empty."""
    return {
        "device": report.device,
        "silence": report.silence,
        "remarks": list(report.remarks),
        "status": msgspec.to_builtins(report.status),
    }


def notice(told: NoticeItem) -> dict[str, Any]:
    """A notice and its camera."""
    return {"device": told.device, **msgspec.to_builtins(told.notice)}


def listing(listed: ListedClips) -> dict[str, Any]:
    """The clips of a camera."""
    return {
        "device": listed.device,
        "clips": _clips(listed.listing.clips, listed.closed_clips),
        "more_clips": listed.listing.more_clips,
    }


def _clips(offers: Sequence[ClipOffer], closed: ClosedClips) -> list[dict[str, Any]]:
    """Clips without their keys; ``closed`` says why this owner cannot open one, or is empty."""
    plain = [msgspec.to_builtins(offer) for offer in offers]
    for offer in plain:
        del offer["sealed_key"]
        offer["closed"] = closed.why if offer["id"] in closed.ids else ""
    return plain
