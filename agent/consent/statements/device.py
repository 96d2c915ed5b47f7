"""Statements by a device: to its owners, and to a requester in a bundle."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from agent.consent.statements.base import (
    MAX_REPORT_BYTES,
    Base64,
    ClipId,
    Count,
    Digest,
    Fingerprint,
    LedgerHead,
    Line,
    Milliseconds,
    Moment,
    Name,
    Part,
    Proofs,
    PublicKeyText,
    ReleaseId,
    Statement,
    Text,
)
from agent.consent.statements.owner import ApprovedClip, Disclosure, Trim
from agent.consent.statements.redaction import Redactions


class ClipOffer(Part, frozen=True):
    """A clip offered to the owner.

    ``sealed_key`` is the clip's own age identity, sealed to the owners. An approval returns it.
    ``start_ms`` are the thousandths of a second after ``started_at``, where it begins.
    ``kept``: an owner has said to spare it from retention.
    """

    id: ClipId
    sha256: Digest
    started_at: Moment
    duration_seconds: Annotated[float, Meta(ge=0)]
    bytes: Count
    truncated: bool
    clock_synced: bool
    sealed_key: Base64
    kept: bool = False
    start_ms: Annotated[int, Meta(ge=0, le=999)] = 0


class Tally(Part, frozen=True):
    """A name and how often it occurred."""

    name: Name
    count: Count


class RequesterRecord(Part, frozen=True):
    """This requester's public history, as the device has seen it.

    ``requests`` counts those read, ``refused`` those that the policy refused, by rule in
    ``refusals``; ``edited``: posts under the id of another post; ``counted``: a lower bound of
    posts beyond a day's limit, which were not read. Kinds, incidents and medians are those of the
    newest 10,000.
    """

    name: Name
    first_seen: Moment
    requests: Count
    refused: Count
    withdrawn: Count
    edited: Count = 0
    counted: Count = 0
    kinds: Annotated[tuple[Tally, ...], Meta(max_length=4)] = ()
    incidents: Annotated[tuple[Tally, ...], Meta(max_length=10)] = ()
    refusals: Annotated[tuple[Tally, ...], Meta(max_length=30)] = ()
    median_square_miles: Annotated[float, Meta(ge=0)] | None = None
    median_window_seconds: Count | None = None


class Repost(Part, frozen=True):
    """Another text of an edited request: same requester, same id. ``request`` is its JWS."""

    received_at: Moment
    request: Annotated[str, Meta(max_length=24_000)]


class Proposal(Part, frozen=True):
    """One owner's approval, waiting for another owner to approve exactly the same."""

    release: ReleaseId
    owner: Fingerprint
    clips: Annotated[tuple[ApprovedClip, ...], Meta(min_length=1, max_length=50)]
    disclose: Disclosure


class HouseholdOwner(Part, frozen=True):
    """An owner's fingerprint, and the name on their key card."""

    fingerprint: Fingerprint
    name: Name


class LogPlace(Part, frozen=True):
    """A post's place in a public append-only log, checked by the device.

    ``forked``: the log has since signed two different histories, so others may not have seen it.
    """

    origin: Name
    index: Count
    size: Count
    forked: bool = False


class InboxReport(Statement, frozen=True):
    """A device reports a matching request to its owners.

    ``request`` is the JWS exactly as posted. ``more_clips`` counts matching clips that did not fit.
    ``approvals_needed`` owners must approve the same before anything leaves; ``proposals`` are
    their approvals so far, and ``owners`` all who may approve, if more than one is needed.
    """

    TYP: ClassVar[str] = "clip-inbox+jwt"
    MAX_BYTES: ClassVar[int] = MAX_REPORT_BYTES

    device: Name
    request: Annotated[str, Meta(max_length=24_000)]
    record: RequesterRecord
    clips: Annotated[tuple[ClipOffer, ...], Meta(max_length=200)]
    more_clips: Count
    ledger: LedgerHead
    proofs: Proofs = ()
    reposts: Annotated[tuple[Repost, ...], Meta(max_length=3)] = ()
    proposals: Annotated[tuple[Proposal, ...], Meta(max_length=8)] = ()
    approvals_needed: Annotated[int, Meta(ge=1, le=2)] = 1
    log: LogPlace | None = None
    owners: Annotated[tuple[HouseholdOwner, ...], Meta(max_length=16)] = ()


class Listing(Statement, frozen=True):
    """A device lists its clips for its owner; ``more_clips`` did not fit."""

    TYP: ClassVar[str] = "clip-listing+jwt"
    MAX_BYTES: ClassVar[int] = MAX_REPORT_BYTES

    device: Name
    clips: Annotated[tuple[ClipOffer, ...], Meta(max_length=200)]
    more_clips: Count
    ledger: LedgerHead
    proofs: Proofs = ()


class Notice(Part, frozen=True):
    """Information for the owner that needs no answer.

    - ``alert``: a requester informs the public; ``until`` it expires;
    - ``withdrawn``: an open request was withdrawn;
    - ``edited``: a request was posted again under its id with another text;
    - ``muted-order``: a muted requester posted a legal order;
    - ``flood``: further posts were only counted;
    - ``log``: the public log of the feed contradicts itself.

    ``subject`` is the digest of the post concerned, or empty.
    """

    kind: Literal["alert", "withdrawn", "edited", "muted-order", "flood", "log"]
    at: Moment
    until: Moment | None
    who: Name
    title: Line
    text: Text
    subject: Annotated[str, Meta(pattern=r"\A([0-9a-f]{64})?\Z")]


class Notices(Statement, frozen=True):
    """A device's notices for its owner, the newest first; ``more`` are older."""

    TYP: ClassVar[str] = "clip-notices+jwt"
    MAX_BYTES: ClassVar[int] = MAX_REPORT_BYTES

    device: Name
    notices: Annotated[tuple[Notice, ...], Meta(max_length=40)]
    more: Count
    ledger: LedgerHead
    proofs: Proofs = ()


class BundledFile(Part, frozen=True):
    """A file of a bundle, by its path below the bag."""

    path: Line
    sha256: Digest
    bytes: Count


class ReleasedClip(Part, frozen=True):
    """A released clip: its pictures, and how it was trimmed and redacted.

    ``first_picture_ms`` and ``last_picture_ms`` are the times of the first and the last of the
    ``pictures`` in the file, in milliseconds since 1970, UTC. The pictures that were trimmed away
    are not described: neither their number nor the length of the recording.
    """

    id: ClipId
    file: Line
    sealed_sha256: Digest
    codec: Literal["h264", "hevc"]
    first_picture_ms: Milliseconds
    last_picture_ms: Milliseconds
    pictures: Annotated[int, Meta(ge=1, le=10_000_000)]
    clock_synced: bool
    truncated: bool
    trim: Trim | None
    redacted: Redactions

    def __post_init__(self) -> None:
        if self.last_picture_ms < self.first_picture_ms:
            raise ValueError("the last picture must not be before the first")


class SignerKeys(Part, frozen=True):
    """The public keys behind the signatures in a bundle, so that it can be verified alone."""

    device: PublicKeyText
    owner: PublicKeyText
    second_owner: PublicKeyText | None = None


class Release(Statement, frozen=True):
    """A device tells a requester what the bundle holds, and that its owner released it.

    ``approval`` is the digest of the owner's approval of ``request``, or of a share, which answers
    none. ``second_approval`` is another owner's, if two must agree.
    """

    TYP: ClassVar[str] = "clip-release+jwt"
    MAX_BYTES: ClassVar[int] = MAX_REPORT_BYTES

    aud: Fingerprint
    request: Digest | None
    approval: Digest
    keys: SignerKeys
    clips: Annotated[tuple[ReleasedClip, ...], Meta(min_length=1, max_length=50)]
    files: Annotated[tuple[BundledFile, ...], Meta(min_length=1, max_length=60)]
    disclosed: Disclosure
    second_approval: Digest | None = None


class ReleasedFile(Part, frozen=True):
    """A clip of a sealed bundle, and the SHA-256 of its MP4 there."""

    clip: ClipId
    sha256: Digest


class Outcome(Statement, frozen=True):
    """A device reports the outcome of a decision or a release to its owners.

    ``subject`` is a release id, or the first 16 characters of the decision's digest if there is no
    release. ``event`` is a state of the release, or

    - ``HELD``: the release waits for an owner's ``sync``, because of ``detail``;
    - ``REFUSED``: ``detail`` names the rule that the decision broke;
    - ``AGREED``: it completed the release that ``detail`` names;
    - ``DONE``: the command was carried out, or the decline is in force.

    ``what`` names a refused command as an owner types it; it is empty for all else.

    While a release is ``PROPOSED``, ``decision`` is the JWS that another owner has to agree with.
    ``files`` are the clips in the bundle of a release that was sealed.
    """

    TYP: ClassVar[str] = "clip-outcome+jwt"
    MAX_BYTES: ClassVar[int] = MAX_REPORT_BYTES

    device: Name
    subject: ReleaseId
    request: Digest | None
    event: Line
    detail: Line
    ledger: LedgerHead
    proofs: Proofs = ()
    what: Name = ""
    decision: Annotated[str, Meta(max_length=24_000)] = ""
    files: Annotated[tuple[ReleasedFile, ...], Meta(max_length=50)] = ()
