"""Watch letter: a device tells an owner's watcher what waits for the owner.

It is sealed to the notification key on the owner's card, whose identity lies without a passphrase
on the computer that watches. So a watch letter carries no key and names no request: ids are opaque,
and titles and names are in it only if the card asks for them.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from agent.consent.statements.base import (
    MAX_REPORT_BYTES,
    Count,
    Moment,
    Name,
    Part,
    ReleaseId,
    Statement,
)


class WatchItem(Part, frozen=True):
    """Something that waits for the owner, or that went wrong with a decision.

    - ``request``, ``legal-order``: waits for an answer until ``until``; ``clips`` match;
    - ``agreement``: another owner has approved it, and this one has not;
    - ``held``: an approved release goes on once the owner's tool confirms it;
    - ``failed``: an approved release was not sent; ``rejected``: its recipient rejected it;
    - ``refused``: the device refused a decision of an owner.

    ``id`` stays the same while the item lasts, and tells nothing else. ``near``: little of the time
    is left. ``who`` and ``title`` are empty unless the owner asked for content.
    """

    id: ReleaseId
    kind: Literal["request", "legal-order", "agreement", "held", "failed", "rejected", "refused"]
    at: Moment
    until: Moment | None = None
    near: bool = False
    clips: Count = 0
    who: Name = ""
    title: Name = ""


class Trouble(Part, frozen=True):
    """A fault of the device that lasts, since ``at``.

    - ``blind``: the camera sends no pictures; ``stopped``: its process does not run;
    - ``disk-full``, ``storage-failed``: clips cannot be stored;
    - ``clock``: the clock is not set, so requests and answers wait;
    - ``sealing``: the running camera seals clips to other keys than its owners';
    - ``warning``: the status letter says more.
    """

    kind: Literal["blind", "stopped", "disk-full", "storage-failed", "clock", "sealing", "warning"]
    at: Moment


class WatchLetter(Statement, frozen=True):
    """All items and troubles of now; ``more`` items did not fit."""

    TYP: ClassVar[str] = "clip-notice+jwt"
    MAX_BYTES: ClassVar[int] = MAX_REPORT_BYTES

    device: Name
    items: Annotated[tuple[WatchItem, ...], Meta(max_length=100)]
    troubles: Annotated[tuple[Trouble, ...], Meta(max_length=8)]
    more: Count = 0
