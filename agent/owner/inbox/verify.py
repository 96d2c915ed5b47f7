"""Open and verify what a camera wrote: the one way from bytes to trusted statements.

A letter counts if all of this holds, else it is refused by name:

1. it opens with the owner's identity (``not-sealed-to-us``, strict decoding);
2. the enrolled device signed it (``unknown-signer``, ``bad-signature``), and it
   speaks for that device (``wrong-device``);
3. what it quotes decodes strictly, and is by the author it names; another text under a
   request's id is by the same author, has that id, and is another (``repost-exchanged``).

The device, which knows the requesters' cards, has verified a quoted request's own
signature. :mod:`.inbox` keeps letters and decides whether one may follow another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from agent.consent import decoding, signing
from agent.consent.cards import DeviceCard, decode_base64url
from agent.consent.statements import (
    InboxReport,
    LedgerPage,
    Listing,
    Notices,
    Outcome,
    Request,
    Share,
    Statement,
    Status,
)
from agent.errors import MalformedStatement, UntrustedSignature

Q = TypeVar("Q", bound=Statement)

CameraStatement = InboxReport | Outcome | Listing | LedgerPage | Notices | Status
_KINDS: dict[str, type[CameraStatement]] = {
    kind.TYP: kind for kind in (InboxReport, Outcome, Listing, LedgerPage, Notices, Status)
}


@dataclass(frozen=True)
class Text:
    """A request's text as posted, its digest, and the time it was received."""

    digest: str
    request: Request
    received_at: float


@dataclass(frozen=True)
class Report:
    """A decoded report: its request, and other texts posted under that id."""

    statement: InboxReport
    request: Request
    digest: str
    reposts: tuple[Text, ...]


def read_statement(jws: str, device: DeviceCard) -> CameraStatement:
    """A statement that ``device`` signed for its owner; raises Refused."""
    kind = _KINDS.get(signing.claimed_typ(jws))
    if kind is None:
        raise MalformedStatement("wrong-typ", "a camera does not write this to its owner")
    statement = signing.verify(jws, kind, {device.fingerprint: device.key})
    if statement.device != device.name:
        raise UntrustedSignature(
            "wrong-device", f"the letter speaks for a camera {statement.device!r}"
        )
    return statement


def read_report(jws: str, device: DeviceCard) -> Report:
    """A report that ``device`` signed, with all that it quotes; raises Refused."""
    report = read_statement(jws, device)
    if not isinstance(report, InboxReport):
        raise MalformedStatement("wrong-typ", f"typ must be {InboxReport.TYP}")
    request, digest = read_request(report.request), signing.digest(report.request)
    reposts = tuple(
        Text(signing.digest(other.request), read_request(other.request), other.received_at)
        for other in report.reposts
    )
    for other in reposts:
        same = (other.request.iss, other.request.jti) == (request.iss, request.jti)
        if not same or other.digest == digest:
            raise MalformedStatement("repost-exchanged", "it quotes a text of another request")
    return Report(report, request, digest, reposts)


def read_request(jws: str) -> Request:
    """A quoted request, strictly decoded; the quoting device has verified its signature."""
    return _read_quoted(jws, Request)


def read_share(jws: str) -> Share:
    """Another owner's quoted share, strictly decoded."""
    return _read_quoted(jws, Share)


def _read_quoted(jws: str, kind: type[Q]) -> Q:
    author = signing.signer(jws, kind)
    payload = decode_base64url(jws.split(".")[1])
    quoted = decoding.decode(payload, kind, kind.MAX_BYTES)
    if quoted.iss != author:
        raise MalformedStatement("wrong-issuer", "`iss` is not the key that signed")
    return quoted


def read_outcome(jws: str, device: DeviceCard) -> Outcome:
    """The outcome that ``device`` signed."""
    outcome = read_statement(jws, device)
    if not isinstance(outcome, Outcome):
        raise MalformedStatement("wrong-typ", f"typ must be {Outcome.TYP}")
    return outcome
