"""All requesters that an owner's cameras have told of, each with its record and its requests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from agent.consent.statements import RequesterRecord
from agent.errors import Refused
from agent.owner.inbox.inbox import Inbox
from agent.owner.inbox.items import OpenRequest


@dataclass
class Requester:
    """Somebody who has asked, or is muted. ``name`` is empty if no request of theirs is here.

    ``records`` are the newest by camera, ``requests`` the newest first, once for each camera that
    reported them. ``muted_on``: the cameras that refuse their requests.
    """

    fingerprint: str
    name: str = ""
    records: dict[str, RequesterRecord] = field(default_factory=dict)
    requests: list[OpenRequest] = field(default_factory=list)
    muted_on: list[str] = field(default_factory=list)

    @property
    def open_count(self) -> int:
        """The number of their requests that are open."""
        return len({one.digest for one in self.requests if not one.closed})

    @property
    def asked_at(self) -> int:
        """The time of their last request here; 0 without one."""
        return max((one.request.iat for one in self.requests), default=0)


def known(inbox: Inbox) -> list[Requester]:
    """All of them; who asked last comes first."""
    found: dict[str, Requester] = {}
    for item in sorted(inbox.all_requests(), key=lambda one: one.report.iat):
        one = found.setdefault(item.request.iss, Requester(item.request.iss))
        one.name, one.records[item.device] = item.report.record.name, item.report.record
        one.requests.insert(0, item)
    for device in inbox.devices:
        status = inbox.status(device)
        for fingerprint in () if status is None else status.muted:
            found.setdefault(fingerprint, Requester(fingerprint)).muted_on.append(device)
    return sorted(found.values(), key=lambda one: -one.asked_at)


def one_of(requesters: Iterable[Requester], fingerprint: str) -> Requester:
    """The requester with this fingerprint; Refused if none has it."""
    for one in requesters:
        if one.fingerprint == fingerprint:
            return one
    raise Refused("no-such-requester", f"no requester with the key {fingerprint} is known here")
