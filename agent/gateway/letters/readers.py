"""Retained letters follow the owners and the device's name in agent.yaml.

A letter stays sealed to those who were owners when it was written, under the name that the
device had. At a start with others, the letters about open requests, the notices, and the outcomes
are written anew, and topics of an old name are emptied. Somebody who is an owner no more finds
that said in the last status letter to them, and nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from agent import files
from agent.gateway.inbox.open_requests import OpenRequests
from agent.gateway.unit_of_work import Change, UnitOfWork
from agent.mqtt import topics

_FILE_NAME: Final = "readers.json"


class _Readers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    device: str
    owners: dict[str, str]  # fingerprint: the age recipient of letters


def follow(work: UnitOfWork, inbox: OpenRequests, folder: Path) -> None:
    """Bring the letters up to date; ``folder`` remembers the readers of the last run."""
    path, parties = folder / _FILE_NAME, work.parties
    now = _Readers(parties.device_name, {one.fingerprint: one.seal for one in parties.owners})
    before = _read(path)
    if before == now:
        return
    with work.transaction() as change:
        if before is not None:
            left = set(before.owners) - set(now.owners)
            if before.device != now.device:
                for topic in (topics.availability(before.device), topics.state(before.device)):
                    change.put_letter(topic, b"")
                for (topic,) in work.database.rows("SELECT topic FROM letter"):
                    if topic.split("/")[:2] == [topics.ROOT, before.device]:
                        change.put_letter(topic, b"")
                for owner in before.owners:
                    for kind in (topics.status, topics.notice):
                        change.put_letter(kind(before.device, owner), b"")
            else:
                for owner in left:
                    farewell = work.write.farewell(before.owners[owner])
                    change.put_letter(topics.status(now.device, owner), farewell)
                    change.put_letter(topics.notice(now.device, owner), b"")
                _renew_outcomes(work, change)
        for owner in now.owners:  # perhaps one who comes back
            for kind in (topics.status, topics.notice):
                change.letters.forget(kind(now.device, owner))
        for request in change.requests.open():
            inbox.renew(change, request.digest)
        if work.database.rows("SELECT 1 FROM letter WHERE topic LIKE '%/notices'"):
            inbox.notices.renew(change)
    files.replace(path, msgspec.json.encode(now), mode=files.PRIVATE_MODE)


def _renew_outcomes(work: UnitOfWork, change: Change) -> None:
    """Seal the outcomes anew; those that only their letter told of are emptied."""
    prefix = topics.release(work.parties.device_name, "")
    query = "SELECT topic, at FROM letter WHERE topic GLOB ? || '*' AND length(payload) > 0"
    for topic, at in work.database.rows(query, (prefix,)):
        subject = topic.removeprefix(prefix)
        if (letter := _outcome(work, subject, at)) is not None:
            change.letters.put(topic, letter, at=at)
        else:
            change.put_letter(topic, b"")


def _outcome(work: UnitOfWork, subject: str, at: float) -> bytes | None:
    """The outcome of a release, or of an approval that completed one, as its rows tell it."""
    write = work.write.outcome
    if (row := work.releases.get(subject)) is not None:
        if row.state == "PROPOSED":
            why, decision = "another owner must approve the same", row.approval
            return write(subject, row.state, why, request=row.request, decision=decision, at=at)
        held = work.holds.why(row.id) if row.state in ("APPROVED", "SEALED") else ""
        event, detail = ("HELD", held) if held else (row.state, row.detail)
        files = work.releases.files(row.id)
        return write(subject, event, detail, request=row.request, files=files, at=at)
    if (row := work.releases.completed_by(subject)) is not None:
        return write(subject, "AGREED", row.id, request=row.request, at=at)
    return None


def _read(path: Path) -> _Readers | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Readers)
    except (OSError, msgspec.DecodeError):
        return None
