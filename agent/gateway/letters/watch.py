"""Items and troubles of the watch letters, which an owner reads without a passphrase.

All of them follow from rows that were committed with their ledger lines, and from the camera's
state. So a letter is never ahead of the ledger, and a crash loses none. None is stored: they are
written again with each status letter (:mod:`.status`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from agent.consent import signing
from agent.consent.cards import OwnerCard
from agent.consent.statements import (
    LEGAL_ORDER,
    Approval,
    PartHealth,
    Request,
    Share,
    Trouble,
    WatchItem,
)
from agent.errors import Refused
from agent.gateway.inbox.notices import SHOWN
from agent.gateway.unit_of_work import UnitOfWork
from agent.vault.records.releases import ReleaseRow
from agent.vault.records.requests import RequestRow

_TOLD_SECONDS: Final = 7 * 86_400.0  # a failure is told for so long after its end
_NEAR_SECONDS: Final = 86_400.0  # the end is near a day before it, or after three quarters
_NEAR_SHARE: Final = 0.25
_ORDER: Final = (LEGAL_ORDER, "request", "agreement", "held", "failed", "rejected", "refused")
_CAMERA_TROUBLES: Final[Mapping[str, Any]] = {
    "armed": None,
    "recording": None,
    "disarmed": None,
    "no-frames": "blind",
    "disk-full": "disk-full",
    "storage-failed": "storage-failed",
}  # a camera in any other state does not run


def items(work: UnitOfWork, owner: OwnerCard) -> tuple[WatchItem, ...]:
    """All that waits for ``owner``: what can be answered first, then by their ends.

    The last of too many are left out, and nobody shall push a request out of the letter: neither
    another owner with decisions that are refused, nor a recipient that rejects.
    """
    found = [
        *_requests(work, owner),
        *_muted_orders(work, owner),
        *_releases(work, owner),
        *_refused(work),
    ]
    return tuple(sorted(found, key=lambda one: (_ORDER.index(one.kind), one.until or one.at)))


def _requests(work: UnitOfWork, owner: OwnerCard) -> Iterator[WatchItem]:
    """Open requests with matching clips. A pause of requests hides no legal order."""
    paused = work.decisions.paused_at() is not None
    for row in work.requests.open():
        if row.requester not in work.parties.requesters or not work.requests.is_matched(row.digest):
            continue
        if row.kind == LEGAL_ORDER:
            yield _request(work, row, owner, LEGAL_ORDER)
        elif not paused:
            yield _request(work, row, owner, "request")


def _request(
    work: UnitOfWork, row: RequestRow, owner: OwnerCard, kind: Literal["request", "legal-order"]
) -> WatchItem:
    near = _is_near(work.clock.now(), row.received_at, row.expires_at)
    return WatchItem(
        id=work.write.opaque_id(row.digest),
        kind=kind,
        at=int(row.told_at or row.received_at),
        until=int(row.expires_at),
        near=near and not work.releases.answers(row.digest),
        clips=work.requests.match_count(row.digest),
        **_content(work, row, owner),
    )


def _content(work: UnitOfWork, row: RequestRow, owner: OwnerCard) -> dict[str, str]:
    """Requester and title, if ``owner`` asked for them and the requester signed them."""
    if owner.notify is None or not owner.notify.content:
        return {}
    card = work.parties.requesters[row.requester]
    try:
        title = signing.verify(row.jws, Request, {card.fingerprint: card.key}).title
    except Refused:  # the file was changed
        return {}
    return {"who": card.name, "title": title}


def _muted_orders(work: UnitOfWork, owner: OwnerCard) -> Iterator[WatchItem]:
    """Legal orders of muted requesters."""
    now = work.clock.now()
    notices, _ = work.notices.shown(at_most=SHOWN, now=now)
    for one in notices:
        if one.kind == "muted-order":
            content = owner.notify is not None and owner.notify.content
            yield WatchItem(
                id=work.write.opaque_id(one.subject),
                kind=LEGAL_ORDER,
                at=one.at,
                until=one.until,
                near=one.until is not None and _is_near(now, one.at, one.until),
                who=one.who if content else "",
                title=one.title[:120] if content else "",
            )


def _is_near(now: float, began: float, end: float) -> bool:
    """True in the last quarter of the time, but not before the last day."""
    return now >= end - min(_NEAR_SECONDS, _NEAR_SHARE * (end - began))


def _releases(work: UnitOfWork, owner: OwnerCard) -> Iterator[WatchItem]:
    """Releases that wait for this owner or were not sent."""
    now, held = work.clock.now(), work.holds.held()
    for row in work.releases.unsettled(ended_since=now - _TOLD_SECONDS):
        id_, at, until = work.write.opaque_id(row.id), int(row.approved_at), int(row.expires_at)
        if row.state == "FAILED":
            yield WatchItem(id=id_, kind="failed", at=at)
        elif row.state == "REJECTED":
            yield WatchItem(id=id_, kind="rejected", at=at)
        elif row.id in held:
            yield WatchItem(id=id_, kind="held", at=at, until=until)
        elif row.state == "PROPOSED" and _author(row) != owner.fingerprint:
            near = _is_near(now, row.approved_at, row.expires_at)
            yield WatchItem(id=id_, kind="agreement", at=at, until=until, near=near)


def _author(row: ReleaseRow) -> str:
    """The fingerprint of the owner who began a release, as its approval or share claims."""
    kind = Approval if signing.claimed_typ(row.approval) == Approval.TYP else Share
    return signing.signer(row.approval, kind)


def _refused(work: UnitOfWork) -> Iterator[WatchItem]:
    """Owners' decisions that the device refused lately."""
    for subject, at in work.ledger.refused_decisions(since=work.clock.now() - _TOLD_SECONDS):
        yield WatchItem(id=work.write.opaque_id(subject), kind="refused", at=int(at))


def troubles(facts: Mapping[str, Any]) -> tuple[Trouble, ...]:
    """The faults of the device in ``facts``, which are those of a status letter."""
    return tuple(_troubles(facts))


def _troubles(facts: Mapping[str, Any]) -> Iterator[Trouble]:
    camera: PartHealth = facts["camera"]
    if (kind := _CAMERA_TROUBLES.get(camera.state, "stopped")) is not None:
        yield Trouble(kind=kind, at=camera.at)
    if not facts["clock_synced"]:
        yield Trouble(kind="clock", at=facts["gateway"].at)
    sealed = set(facts["seals_to"])
    if sealed and sealed != set(facts["should_seal_to"]):
        yield Trouble(kind="sealing", at=camera.at)
    if facts["warnings"]:
        yield Trouble(kind="warning", at=facts["gateway"].at)
