"""What stands in an owner's inbox, as values: read from letters, compared, shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.consent.statements import ClipOffer, InboxReport, Listing, Notice, Outcome, Request
from agent.errors import Refused
from agent.owner.inbox.verify import Text


@dataclass(frozen=True)
class OpenRequest:
    """A request as a camera told of it.

    ``reposts``: other texts that were posted under its id. ``changed``: there is one, or
    another letter here has one. ``closed``: it is no longer open, and this is the last
    that was said of it. ``short`` is as much of the digest as tells it from all others.
    """

    device: str
    digest: str
    report: InboxReport
    request: Request
    received_at: float
    reposts: tuple[Text, ...] = ()
    changed: bool = False
    closed: bool = False
    short: str = ""

    @property
    def name(self) -> str:
        """What a person types to name it."""
        return self.short or self.digest[:8]

    def clip(self, name: str) -> ClipOffer:
        """The offered clip with this number (from 1) or id; Refused when there is none."""
        found = pick(self.report.clips, name)
        if found is None:
            raise Refused(
                "no-such-clip",
                f"request {self.name} offers no clip {name!r}, only {offered(self.report.clips)}",
                advice=f"See `clip-agent owner show {self.name}`",
            )
        return found


@dataclass(frozen=True)
class ReleaseUpdate:
    """The last that a camera said of a release, or of a decision it refused."""

    device: str
    outcome: Outcome
    received_at: float


@dataclass(frozen=True)
class NoticeItem:
    """Something that a camera told its owner, and that cannot be answered."""

    device: str
    notice: Notice


@dataclass(frozen=True)
class ListedClips:
    """The clips that a camera last listed when it was asked."""

    device: str
    listing: Listing


def pick(offers: Sequence[ClipOffer], name: str) -> ClipOffer | None:
    """The offer with this number (from 1) or id, if there is one."""
    if is_number(name):
        return offers[int(name) - 1] if 1 <= int(name) <= len(offers) else None
    return next((offer for offer in offers if offer.id == name), None)


def offered(offers: Sequence[ClipOffer]) -> str:
    """What there is to choose from, for a message."""
    match len(offers):
        case 0:
            return "none"
        case 1:
            return f"1 ({offers[0].id})"
        case count:
            return f"1 ({offers[0].id}) to {count} ({offers[-1].id})"


def is_number(name: str) -> bool:
    """Whether ``name`` is the number of a clip, and not its id."""
    return name.isascii() and name.isdigit() and len(name) <= 4
