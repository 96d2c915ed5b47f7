"""Statements by a requester: public posts, and the receipt for a bundle."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from msgspec import Meta

from agent.consent.statements.base import (
    Digest,
    Line,
    Moment,
    Name,
    Part,
    Ring,
    RuleName,
    Statement,
    Text,
    Url,
)

LEGAL_ORDER: Final = "legal-order"  # the kind of a request that is a legal order


class Polygon(Part, frozen=True):
    """A GeoJSON Polygon (RFC 7946) of one ring; ``policy/area.py`` checks its geometry."""

    type: Literal["Polygon"]
    coordinates: Annotated[tuple[Ring, ...], Meta(min_length=1, max_length=1)]


class Window(Part, frozen=True, rename={"start": "from", "end": "to"}):
    """The time asked about, both ends included."""

    start: Moment
    end: Moment

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ValueError("a window must end after it begins")


class UploadTarget(Part, frozen=True):
    """The address that an approved bundle is uploaded to."""

    protocol: Literal["tus"]
    url: Url


class LegalOrder(Part, frozen=True):
    """The court's document, as the requester describes it."""

    court: Name
    docket: Name
    document_sha256: Digest


class Request(Statement, frozen=True):
    """A requester asks the public for clips."""

    TYP: ClassVar[str] = "clip-request+jwt"

    exp: Moment
    kind: Literal["voluntary", "legal-order"]
    reference: Name
    incident: Name
    title: Name
    text: Text
    contact: Line
    area: Polygon
    window: Window
    upload: UploadTarget
    order: LegalOrder | None = None

    def __post_init__(self) -> None:
        if (self.kind == LEGAL_ORDER) != (self.order is not None):
            raise ValueError("`order` belongs to a legal order, and only there")


class Alert(Statement, frozen=True):
    """A requester informs the public; nobody can reply."""

    TYP: ClassVar[str] = "clip-alert+jwt"

    exp: Moment
    title: Name
    text: Text
    area: Polygon


class Withdrawal(Statement, frozen=True):
    """A requester withdraws the request with this digest."""

    TYP: ClassVar[str] = "clip-withdrawal+jwt"

    request: Digest


class Receipt(Statement, frozen=True):
    """A requester tells an owner that a bundle arrived, was opened, and was verified or not.

    ``bundle`` is the digest of the sealed file. ``release`` is the digest of the ``release.jws``
    in it, which only somebody who opened it can know; None if it could not be opened. ``rule`` and
    ``detail`` say why the bundle was rejected; they are empty if it was accepted.
    """

    TYP: ClassVar[str] = "clip-receipt+jwt"
    MAX_BYTES: ClassVar[int] = 2_048

    bundle: Digest
    release: Digest | None
    verdict: Literal["accepted", "rejected"]
    rule: RuleName = ""
    detail: Line = ""

    def __post_init__(self) -> None:
        accepted = self.verdict == "accepted"
        if accepted and self.release is None:
            raise ValueError("an accepted bundle has a `release`")
        if accepted != (self.rule == ""):
            raise ValueError("`rule` belongs to a rejected bundle, and only there")
        if accepted and self.detail:
            raise ValueError("`detail` belongs to a rejected bundle")
