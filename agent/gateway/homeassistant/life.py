"""Life of requests and releases as Home Assistant is told it: a stage each, by an opaque id.

What waits for the owners is what their watch letters say (:mod:`agent.gateway.letters.watch`), with
its pauses and mutes, and without names and titles. The rest follows from committed rows. So nothing
is stored but the stages that were told, and no event is ahead of the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from agent.consent.statements import LEGAL_ORDER, WatchItem
from agent.gateway.letters import watch
from agent.gateway.unit_of_work import UnitOfWork
from agent.vault.records.releases import ReleaseRow
from agent.vault.records.requests import RequestRow

_TOLD_SECONDS: Final = 7 * 86_400.0  # a stage is told for so long after the end

# Stages that wait for an owner; they are told however old they are.
WAITING: Final = ("request", "legal_order", "deadline_near", "agreement_needed", "held")
_CLOSED: Final = {"DECLINED": "declined", "EXPIRED": "expired", "WITHDRAWN": "withdrawn"}
_RELEASED: Final = {
    "APPROVED": "approved",
    "SEALED": "approved",
    "SENT": "sent",
    "DELIVERED": "delivered",
    "REJECTED": "rejected",
    "REVOKED": "revoked",
    "FAILED": "failed",
}
_REFUSED: Final = "refused"  # a decision of an owner
EVENTS: Final = (
    *WAITING,
    *_CLOSED.values(),
    *dict.fromkeys(_RELEASED.values()),
    _REFUSED,
)
# An answered request is near its end no more; a held release goes on. Neither is news.
_QUIET: Final = {
    ("deadline_near", "request"),
    ("deadline_near", "legal_order"),
    ("held", "approved"),
}


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a request or release; ``event`` is empty while requests are paused."""

    event: str
    facts: Mapping[str, Any]


def stages(work: UnitOfWork) -> dict[str, Stage]:
    """The stages of all that is open, or ended in the last week, by opaque id."""
    items = {one.id: one for owner in work.parties.owners for one in watch.items(work, owner)}
    since, held = work.clock.now() - _TOLD_SECONDS, work.holds.held()
    found: dict[str, Stage] = {}
    for request in work.requests.matched(ended_since=since):
        if request.requester in work.parties.requesters:
            id_ = work.write.opaque_id(request.digest)
            found[id_] = _request(work, request, items.pop(id_, None))
    for release in work.releases.ending_since(since):
        id_ = work.write.opaque_id(release.id)
        items.pop(id_, None)
        found[id_] = _release(work, release, is_held=release.id in held)
    for one in items.values():  # a legal order of a muted requester, or a refused decision
        event = _REFUSED if one.kind == "refused" else _waiting(one)
        found[one.id] = Stage(event, {"kind": one.kind, "until": moment(one.until)})
    return found


def news(told: Mapping[str, str] | None, now: Mapping[str, Stage]) -> Iterator[tuple[str, bool]]:
    """The ids in ``now`` whose stage differs from the one in ``told``; False: not worth an event.

    ``told`` None: Home Assistant is new here, and hears only of what waits. The end of a request is
    told if its beginning was: who listens learns nothing of one that was paused or muted away.
    """
    for id_, stage in now.items():
        before = (told or {}).get(id_)
        if stage.event in ("", before):
            continue
        is_closed = stage.event in _CLOSED.values()
        if before is None:
            yield id_, stage.event in WAITING or (told is not None and not is_closed)
        else:
            yield id_, (before, stage.event) not in _QUIET


def moment(at: float | None) -> str | None:
    """Unix seconds as Home Assistant reads a time (ISO 8601)."""
    return None if at is None else datetime.fromtimestamp(int(at), UTC).isoformat()


def _request(work: UnitOfWork, row: RequestRow, item: WatchItem | None) -> Stage:
    event = _CLOSED.get(row.state) or ("" if item is None else _waiting(item))
    clips = work.requests.match_count(row.digest)
    return Stage(event, {"kind": row.kind, "until": moment(row.expires_at), "clips": clips})


def _waiting(item: WatchItem) -> str:
    if item.near:
        return "deadline_near"
    return "legal_order" if item.kind == LEGAL_ORDER else "request"


def _release(work: UnitOfWork, row: ReleaseRow, *, is_held: bool) -> Stage:
    request = None if row.request is None else work.write.opaque_id(row.request)
    facts = {"kind": "release", "until": moment(row.expires_at), "request": request}
    if is_held:
        return Stage("held", facts)
    if row.state == "PROPOSED":
        return Stage("" if row.stop else "agreement_needed", facts)
    return Stage(_RELEASED[row.state], facts)
