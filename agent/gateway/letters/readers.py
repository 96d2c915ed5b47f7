"""Retained letters follow the owners and the device's name in agent.yaml.

A letter stays sealed to those who were owners when it was written, under the name that the
device had. At a start with others, the letters about open requests and the notices are written
anew, and topics of an old name, and status letters of owners who left, are emptied.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from agent import files
from agent.gateway.inbox.open_requests import OpenRequests
from agent.gateway.unit_of_work import UnitOfWork
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
                left = set(before.owners)
                for topic in (topics.availability(before.device), topics.state(before.device)):
                    change.put_letter(topic, b"")
                for (topic,) in work.database.rows("SELECT topic FROM letter"):
                    if topic.split("/")[:2] == [topics.ROOT, before.device]:
                        change.put_letter(topic, b"")
            for owner in left:
                change.put_letter(topics.status(before.device, owner), b"")
        for request in change.requests.open():
            inbox.renew(change, request.digest)
        if work.database.rows("SELECT 1 FROM letter WHERE topic LIKE '%/notices'"):
            inbox.notices.renew(change)
    files.replace(path, msgspec.json.encode(now), mode=files.PRIVATE_MODE)


def _read(path: Path) -> _Readers | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Readers)
    except (OSError, msgspec.DecodeError):
        return None
