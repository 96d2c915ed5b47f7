"""Values that an owner's inbox holds, and the ways in which a person names them.

Ids are typed and shown by their first characters, as few as tell one from all others.
Characters that fit nothing, or several things, are refused with what there is to choose
from, so a person who mistyped one sees the right one. Nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from agent.consent.statements import (
    ClipOffer,
    InboxReport,
    Listing,
    Notice,
    Outcome,
    ReleasedFile,
    Request,
    Status,
)
from agent.errors import Refused
from agent.owner.inbox.closed_clips import NONE_CLOSED, ClosedClips
from agent.owner.inbox.verify import Text

T = TypeVar("T")

LEAST_DIGITS = 8
_SHOWN = 5
_ABOUT_LENGTH = 40


@dataclass(frozen=True)
class OpenRequest:
    """A request as a camera reported it.

    ``reposts``: other texts posted under its id. ``changed``: there is one, or another
    letter here has one. ``closed``: it is no longer open, and this is its last report.
    ``short``: the beginning of the digest that tells it from all others.
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
    closed_clips: ClosedClips = NONE_CLOSED

    @property
    def name(self) -> str:
        """The id that a person types."""
        return self.short or self.digest[:LEAST_DIGITS]

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
    """The last report of a camera on a release, or on a decision that it refused."""

    device: str
    outcome: Outcome


@dataclass(frozen=True)
class NoticeItem:
    """Information from a camera that cannot be answered."""

    device: str
    notice: Notice


@dataclass(frozen=True)
class ListedClips:
    """The clips that a camera last listed."""

    device: str
    listing: Listing
    closed_clips: ClosedClips = NONE_CLOSED


@dataclass(frozen=True)
class Answer:
    """One answer of the household: to whom, and the camera's last report on it.

    ``release`` is its id, empty for a decline, which leaves nothing to stop. ``what`` is
    ``approval``, ``share``, ``decline``, or the name of a command. ``event`` is a state of
    a release, ``DECLINED``, or empty without a report. ``clips`` is known of this owner's
    releases alone; ``files`` are those in a sealed bundle. ``short``: the beginning of the id that
    tells it from all others.
    """

    device: str
    release: str
    to: str
    request: str | None
    what: str
    at: float
    event: str
    detail: str = ""
    clips: tuple[str, ...] = ()
    files: tuple[ReleasedFile, ...] = ()
    is_mine: bool = True
    short: str = ""

    @property
    def may_be_out(self) -> bool:
        """True if somebody has it, or may still get it."""
        return self.event not in ("REFUSED", "REVOKED", "FAILED")


@dataclass(frozen=True)
class RequestStatus:
    """The times of this owner's decisions that concern one request."""

    muted_at: int | None = None
    declined_at: int | None = None
    paused_at: int | None = None


@dataclass(frozen=True)
class RequestPage:
    """A request with all that its owner should know of it. ``me``: the owner's fingerprint."""

    item: OpenRequest
    status: RequestStatus = RequestStatus()
    withdrawn: NoticeItem | None = None
    sent: Sequence[Answer] = ()
    me: str = ""


@dataclass(frozen=True)
class Presence:
    """A camera at the broker: its availability, the time of its last state, any message."""

    offline: bool = False
    state_at: int | None = None
    heard: bool = False


@dataclass(frozen=True)
class Away:
    """A camera that is offline, and the time at which it was last heard of."""

    device: str
    heard_at: int | None


@dataclass(frozen=True)
class Pause:
    """Requests are paused since ``at``, by the owner named; not ``confirmed``: only asked for."""

    at: int
    by: str = ""
    confirmed: bool = True


@dataclass(frozen=True)
class CameraReport:
    """The last signed word of a camera: its status.

    ``silence`` says why it does not tell of now; empty if it does. ``remarks`` are what is
    wrong with the camera by its own word.
    """

    device: str
    status: Status | None
    silence: str = ""
    remarks: tuple[str, ...] = ()
    pause: Pause | None = None


@dataclass(frozen=True)
class Overview:
    """All that an inbox shows. ``away`` is by camera, ``me`` a fingerprint."""

    requests: Sequence[OpenRequest] = ()
    answers: Sequence[Answer] = ()
    notices: Sequence[NoticeItem] = ()
    older_notices: int = 0
    releases: Sequence[ReleaseUpdate] = ()
    cameras: Sequence[CameraReport] = ()
    away: Mapping[str, Away] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    me: str = ""


@dataclass(frozen=True)
class ClipLists:
    """The clips that cameras listed; ``silent`` are those that did not, if known why."""

    listed: Sequence[ListedClips]
    silent: Mapping[str, Away | None]


@dataclass(frozen=True)
class TimelineClip:
    """A clip of a camera; ``closed``: its key is sealed to other owners alone."""

    device: str
    offer: ClipOffer
    closed: bool = False


@dataclass(frozen=True)
class Timeline:
    """All clips of a time, the oldest first; ``silent`` are cameras that did not list theirs.

    ``cut``: there are more, older ones.
    """

    clips: Sequence[TimelineClip]
    silent: Mapping[str, Away | None]
    cut: bool = False


@dataclass(frozen=True)
class Delivery:
    """A decision that the broker took, under its id, and the last outcome that was heard."""

    device: str
    subject: str
    away: Away | None
    last: Outcome | None


# Clips


def pick(offers: Sequence[ClipOffer], name: str) -> ClipOffer | None:
    """The offer with this number (from 1) or id, if there is one."""
    if is_number(name):
        return offers[int(name) - 1] if 1 <= int(name) <= len(offers) else None
    return next((offer for offer in offers if offer.id == name), None)


def offered(offers: Sequence[ClipOffer]) -> str:
    """The choice of clips, for a message."""
    match len(offers):
        case 0:
            return "none"
        case 1:
            return f"1 ({offers[0].id})"
        case count:
            return f"1 ({offers[0].id}) to {count} ({offers[-1].id})"


def is_number(name: str) -> bool:
    """True if ``name`` is the number of a clip, and not its id."""
    return name.isascii() and name.isdigit() and len(name) <= 4


# Ids


def short(name: str, names: Collection[str]) -> str:
    """The first characters of ``name``, at least eight, that no other of ``names`` shares."""
    others = {other for other in names if other != name}
    for count in range(LEAST_DIGITS, len(name)):
        if not any(other.startswith(name[:count]) for other in others):
            return name[:count]
    return name


def find(
    items: Sequence[T], prefix: str, *, name: Callable[[T], str], about: Callable[[T], str]
) -> T | None:
    """The one of ``items`` whose name starts with ``prefix``, None if there is none.

    Refused as ``ambiguous``, with the candidates, if there are several.
    """
    wanted = prefix.strip().lower()
    found = [item for item in items if wanted and name(item).startswith(wanted)]
    if len(found) > 1:
        raise Refused(
            "ambiguous",
            f"{prefix!r} could be {listed(found, name=name, about=about)}",
            advice="Give more characters",
        )
    return found[0] if found else None


def listed(items: Sequence[T], *, name: Callable[[T], str], about: Callable[[T], str]) -> str:
    """The first of ``items`` in a sentence, each with its id and its subject."""
    names = {name(item) for item in items}
    shown = [f"{short(name(item), names)} ({_clipped(about(item))})" for item in items[:_SHOWN]]
    left = len(items) - _SHOWN
    return ", ".join(shown) + (f" and {left} more" if left > 0 else "")


def _clipped(text: str) -> str:
    return text if len(text) <= _ABOUT_LENGTH else f"{text[: _ABOUT_LENGTH - 1].rstrip()}…"
