"""The signed documents as types.

A statement is the payload of a JWS (RFC 7515) whose ``typ`` header names its
type (RFC 8725, section 3.11). The types say what each field may hold; a line break
may stand nowhere but in a ``text``. Times are NumericDates (RFC 7519, section 2):
whole seconds since 1970, UTC.

How bytes become a statement, or are refused, is in :mod:`agent.consent.decoding`.
What a statement *means*, whether its signer is known and its times acceptable is for
:mod:`agent.consent.signing`, :mod:`agent.consent.policy` and
:mod:`agent.consent.approval` to say.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

MAX_STATEMENT_BYTES = 16_384  # what is posted in public, and what an owner decides
MAX_REPORT_BYTES = 262_144  # a device's reports quote a whole request and list clips

KeyId = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{43}\Z")]  # RFC 7638 thumbprint
Digest = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]  # SHA-256, hexadecimal
Jti = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{16,64}\Z")]
ClipId = Annotated[str, Meta(pattern=r"\A[0-9]{8}-[0-9]{6}-[0-9a-f]{6}\Z")]
ReleaseId = Annotated[str, Meta(pattern=r"\A[0-9a-f]{16}\Z")]
Moment = Annotated[int, Meta(ge=0, le=253_402_300_799)]  # to the end of the year 9999
Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
Share = Annotated[float, Meta(ge=0, le=1)]
_ONE_LINE = r"\A[^\n]*\Z"  # what is shown as one line must not fake the next one
Name = Annotated[str, Meta(max_length=120, pattern=_ONE_LINE)]
Line = Annotated[str, Meta(max_length=200, pattern=_ONE_LINE)]
Text = Annotated[str, Meta(max_length=4_000)]
Url = Annotated[str, Meta(max_length=500, pattern=_ONE_LINE)]
Base64 = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9+/]*={0,2}\Z", max_length=8_192)]
PublicKeyText = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{43}\Z")]  # 32 bytes, base64url

Longitude = Annotated[float, Meta(ge=-180, le=180)]
Latitude = Annotated[float, Meta(ge=-90, le=90)]
Position = tuple[Longitude, Latitude]
Ring = Annotated[tuple[Position, ...], Meta(min_length=4, max_length=100)]


class Part(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A piece of a statement: immutable, no unknown fields."""


class Statement(Part, frozen=True):
    """What all statements have: who says it, its own id, and when."""

    TYP: ClassVar[str]
    MAX_BYTES: ClassVar[int] = MAX_STATEMENT_BYTES

    iss: KeyId
    jti: Jti
    iat: Moment


class Polygon(Part, frozen=True):
    """A GeoJSON Polygon (RFC 7946) of one ring; its geometry is judged in ``area.py``."""

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
    """Where an approved bundle is to go."""

    protocol: Literal["tus"]
    url: Url


class LegalOrder(Part, frozen=True):
    """A court's order, as the requester describes it."""

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
        if (self.kind == "legal-order") != (self.order is not None):
            raise ValueError("`order` belongs to a legal order, and only there")


class Alert(Statement, frozen=True):
    """A requester informs the public. Nobody can answer it."""

    TYP: ClassVar[str] = "clip-alert+jwt"

    exp: Moment
    title: Name
    text: Text
    area: Polygon


class Withdrawal(Statement, frozen=True):
    """A requester no longer asks: the request with this digest is closed."""

    TYP: ClassVar[str] = "clip-withdrawal+jwt"

    request: Digest


class LedgerHead(Part, frozen=True):
    """Where the ledger stands: a rolled-back device shows an older one."""

    seq: Count
    sha256: Digest


class ClipOffer(Part, frozen=True):
    """A matching clip, as the owner is told of it.

    ``sealed_key`` is the clip's own age identity, sealed to the owners: opening
    it and sending it back is what an approval does.
    """

    id: ClipId
    sha256: Digest
    started_at: Moment
    duration_seconds: Annotated[float, Meta(ge=0)]
    bytes: Count
    truncated: bool
    clock_synced: bool
    sealed_key: Base64


class RequesterRecord(Part, frozen=True):
    """What the device has seen of this requester in public so far."""

    name: Name
    first_seen: Moment
    requests: Count
    refused: Count
    withdrawn: Count


class InboxReport(Statement, frozen=True):
    """A device tells its owners of a request that matches.

    ``request`` is the JWS exactly as it was posted. ``more_clips`` counts
    matching clips that did not fit.
    """

    TYP: ClassVar[str] = "clip-inbox+jwt"
    MAX_BYTES: ClassVar[int] = MAX_REPORT_BYTES

    device: Name
    request: Annotated[str, Meta(max_length=24_000)]
    record: RequesterRecord
    clips: Annotated[tuple[ClipOffer, ...], Meta(max_length=200)]
    more_clips: Count
    ledger: LedgerHead


class Cut(Part, frozen=True):
    """The part of a clip that may leave, in seconds from its start."""

    from_seconds: Seconds
    to_seconds: Seconds

    def __post_init__(self) -> None:
        if self.from_seconds >= self.to_seconds:
            raise ValueError("a cut must end after it begins")


class Box(Part, frozen=True):
    """A region to make unrecognisable, as shares of the picture's width and height."""

    x: Share
    y: Share
    width: Share
    height: Share

    def __post_init__(self) -> None:
        if not (self.width > 0 and self.height > 0):
            raise ValueError("a blurred box must have a size")
        if self.x + self.width > 1.000_001 or self.y + self.height > 1.000_001:
            raise ValueError("a blurred box must lie inside the picture")


class ApprovedClip(Part, frozen=True):
    """One clip that may leave: exactly these sealed bytes, cut and blurred like this."""

    id: ClipId
    sha256: Digest
    cut: Cut | None
    blur: Annotated[tuple[Box, ...], Meta(max_length=16)]


class Disclosure(Part, frozen=True, omit_defaults=True):
    """What the owner lets the requester know of themselves; nothing by default."""

    name: Name | None = None
    address: Line | None = None
    email: Line | None = None


class Approval(Statement, frozen=True):
    """An owner lets these clips go to the author of this request, and to nobody else."""

    TYP: ClassVar[str] = "clip-approval+jwt"

    aud: KeyId
    exp: Moment
    request: Digest
    clips: Annotated[tuple[ApprovedClip, ...], Meta(min_length=1, max_length=50)]
    disclose: Disclosure


class Decline(Statement, frozen=True):
    """An owner will not answer this request; nobody but the device learns of it."""

    TYP: ClassVar[str] = "clip-decline+jwt"

    aud: KeyId
    exp: Moment
    request: Digest
    mute: bool


class Preview(Part, frozen=True, tag_field="do", tag="preview"):
    """Send the owner a stored clip's ciphertext."""

    clip: ClipId


class Revoke(Part, frozen=True, tag_field="do", tag="revoke"):
    """Stop a release that has not been sent."""

    release: ReleaseId


class Recipient(Part, frozen=True):
    """Whom an owner shares with: a name for the ledger, and an age recipient."""

    name: Name
    seal: Annotated[str, Meta(pattern=r"\Aage1[02-9ac-hj-np-z]{58}\Z")]


class ShareClips(Part, frozen=True, tag_field="do", tag="share"):
    """A release that the owner starts."""

    recipient: Recipient
    upload: UploadTarget
    clips: Annotated[tuple[ApprovedClip, ...], Meta(min_length=1, max_length=50)]
    disclose: Disclosure


class Pause(Part, frozen=True, tag_field="do", tag="pause"):
    """Show the owner no requests until further notice."""


class Resume(Part, frozen=True, tag_field="do", tag="resume"):
    """Show the owner requests again."""


class Command(Statement, frozen=True):
    """An owner tells the device to do something."""

    TYP: ClassVar[str] = "clip-command+jwt"

    aud: KeyId
    exp: Moment
    command: Preview | Revoke | ShareClips | Pause | Resume


class BundledFile(Part, frozen=True):
    """A file of a bundle, by its path below the bag."""

    path: Line
    sha256: Digest
    bytes: Count


class ReleasedClip(Part, frozen=True):
    """Where a released clip comes from, and what was done to it on the way."""

    id: ClipId
    file: Line
    sealed_sha256: Digest
    started_at: Moment
    duration_seconds: Annotated[float, Meta(ge=0)]
    clock_synced: bool
    truncated: bool
    cut: Cut | None
    blurred: Annotated[tuple[Box, ...], Meta(max_length=16)]


class SignerKeys(Part, frozen=True):
    """The public keys behind the signatures in a bundle, so that it stands alone."""

    device: PublicKeyText
    owner: PublicKeyText


class Release(Statement, frozen=True):
    """A device tells a requester what is in the bundle, and that its owner let it go."""

    TYP: ClassVar[str] = "clip-release+jwt"
    MAX_BYTES: ClassVar[int] = MAX_REPORT_BYTES

    aud: KeyId
    request: Digest
    approval: Digest
    keys: SignerKeys
    clips: Annotated[tuple[ReleasedClip, ...], Meta(min_length=1, max_length=50)]
    files: Annotated[tuple[BundledFile, ...], Meta(min_length=1, max_length=60)]
    disclosed: Disclosure


class Outcome(Statement, frozen=True):
    """A device tells its owners what became of something they decided.

    ``subject`` is a release id; ``event`` a state of the release, or ``REFUSED``
    with the rule that the decision broke in ``detail``.
    """

    TYP: ClassVar[str] = "clip-outcome+jwt"
    MAX_BYTES: ClassVar[int] = MAX_REPORT_BYTES

    device: Name
    subject: ReleaseId
    request: Digest | None
    event: Line
    detail: Line
    ledger: LedgerHead


STATEMENTS: dict[str, type[Statement]] = {
    kind.TYP: kind
    for kind in (
        Request,
        Alert,
        Withdrawal,
        InboxReport,
        Approval,
        Decline,
        Command,
        Release,
        Outcome,
    )
}
