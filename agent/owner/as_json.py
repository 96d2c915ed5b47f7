"""The owner's inbox as plain data for programs (``--json``). It holds no keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from agent.consent.statements import ClipOffer
from agent.owner.inbox.items import AnsweredItem, ListedClips, NoticeItem, OpenRequest, Overview


def overview(inbox: Overview) -> dict[str, Any]:
    """The whole inbox."""
    return {
        "requests": [request(item) for item in inbox.requests],
        "releases": [
            {
                "release": one.outcome.subject,
                "device": one.device,
                "request": one.outcome.request,
                "event": one.outcome.event,
                "detail": one.outcome.detail,
                "at": one.outcome.iat,
            }
            for one in inbox.releases
        ],
        "answers": [answer(one) for one in inbox.answers],
        "notices": [notice(one) for one in inbox.notices],
        "older_notices": inbox.older_notices,
        "paused": dict(inbox.paused),
        "offline": sorted(inbox.away),
        "warnings": list(inbox.warnings),
    }


def request(item: OpenRequest) -> dict[str, Any]:
    """A request in full."""
    report = item.report
    return {
        "digest": item.digest,
        "device": item.device,
        "requester": report.record.name,
        "record": msgspec.to_builtins(report.record),
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
        "log": msgspec.to_builtins(report.log),
        "clips": _clips(report.clips),
        "more_clips": report.more_clips,
        "approvals_needed": report.approvals_needed,
        "owners": msgspec.to_builtins(report.owners),
        "proposals": msgspec.to_builtins(report.proposals),
    }


def answer(one: AnsweredItem) -> dict[str, Any]:
    """An answer of the household; ``release`` is empty for a decline."""
    return {
        "release": one.release,
        "device": one.device,
        "to": one.to,
        "request": one.request,
        "event": one.event,
        "detail": one.detail,
        "at": int(one.at),
    }


def notice(told: NoticeItem) -> dict[str, Any]:
    """A notice and its camera."""
    return {"device": told.device, **msgspec.to_builtins(told.notice)}


def listing(listed: ListedClips) -> dict[str, Any]:
    """The clips of a camera."""
    return {
        "device": listed.device,
        "clips": _clips(listed.listing.clips),
        "more_clips": listed.listing.more_clips,
    }


def _clips(offers: Sequence[ClipOffer]) -> list[dict[str, Any]]:
    plain = [msgspec.to_builtins(offer) for offer in offers]
    for offer in plain:
        del offer["sealed_key"]
    return plain
