"""What the owner gets to see, as plain data for programs (``--json``). No keys in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from agent.consent.statements import ClipOffer
from agent.owner.decisions.history import AnsweredItem
from agent.owner.inbox.items import ListedClips, NoticeItem, OpenRequest, ReleaseUpdate


def request(item: OpenRequest) -> dict[str, Any]:
    """A request with all that is known of it."""
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


def release(word: ReleaseUpdate) -> dict[str, Any]:
    """The state of a release."""
    outcome = word.outcome
    return {
        "release": outcome.subject,
        "device": word.device,
        "request": outcome.request,
        "event": outcome.event,
        "detail": outcome.detail,
        "at": outcome.iat,
    }


def answer(one: AnsweredItem) -> dict[str, Any]:
    """What became of an answer of the owner; ``release`` is empty for a decline."""
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
    """A notice, and which camera told it."""
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
