"""What a device tells its owners, and a requester in a bundle."""

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
    Moment,
    Name,
    Part,
    PublicKeyText,
    ReleaseId,
    Statement,
    Text,
)
from agent.consent.statements.owner import ApprovedClip, Box, Disclosure, Trim


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


class Tally(Part, frozen=True):
    """How often something occurred."""

    name: Name
    count: Count


class RequesterRecord(Part, frozen=True):
    """What the device has seen of this requester in public so far.

    ``requests`` counts those that were read, ``refused`` those that the policy refused, by
    its rules in ``refusals``; ``edited`` posts under an id that another post had; ``counted``
    posts of any kind, at least, that came beyond a day's measure and were not read. Kinds
    and incident types are the most frequent ones of the newest 10,000, medians theirs.
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
    """Another text that the same requester posted under the same id: the request was edited.

    ``request`` is its JWS exactly as it was posted.
    """

    received_at: Moment
    request: Annotated[str, Meta(max_length=24_000)]


class Proposal(Part, frozen=True):
    """What one owner has approved, waiting for another owner to approve exactly the same."""

    release: ReleaseId
    owner: Fingerprint
    clips: Annotated[tuple[ApprovedClip, ...], Meta(min_length=1, max_length=50)]
    disclose: Disclosure


class HouseholdOwner(Part, frozen=True):
    """An owner by fingerprint, and the name on their card."""

    fingerprint: Fingerprint
    name: Name


class LogPlace(Part, frozen=True):
    """Where a post stands in a public append-only log; checked by the device.

    ``forked``: that log was caught since with two different pasts, so others may never have
    seen the post.
    """

    origin: Name
    index: Count
    size: Count
    forked: bool = False


class InboxReport(Statement, frozen=True):
    """A device tells its owners of a request that matches.

    ``request`` is the JWS exactly as it was posted. ``more_clips`` counts
    matching clips that did not fit. ``approvals_needed`` owners must approve the same
    before anything leaves; ``proposals`` are what some have approved so far, and ``owners``,
    where more than one is needed, all who may.
    """

    TYP: ClassVar[str] = "clip-inbox+jwt"
    MAX_BYTES: ClassVar[int] = MAX_REPORT_BYTES

    device: Name
    request: Annotated[str, Meta(max_length=24_000)]
    record: RequesterRecord
    clips: Annotated[tuple[ClipOffer, ...], Meta(max_length=200)]
    more_clips: Count
    ledger: LedgerHead
    reposts: Annotated[tuple[Repost, ...], Meta(max_length=3)] = ()
    proposals: Annotated[tuple[Proposal, ...], Meta(max_length=8)] = ()
    approvals_needed: Annotated[int, Meta(ge=1, le=2)] = 1
    log: LogPlace | None = None
    owners: Annotated[tuple[HouseholdOwner, ...], Meta(max_length=16)] = ()


class Listing(Statement, frozen=True):
    """A device tells its owner which clips it holds; ``more_clips`` did not fit."""

    TYP: ClassVar[str] = "clip-listing+jwt"
    MAX_BYTES: ClassVar[int] = MAX_REPORT_BYTES

    device: Name
    clips: Annotated[tuple[ClipOffer, ...], Meta(max_length=200)]
    more_clips: Count
    ledger: LedgerHead


class Notice(Part, frozen=True):
    """Something the owner should know and cannot answer.

    - ``alert``: a requester informs the public; ``until`` it expires;
    - ``withdrawn``: a request that was open is no longer asked;
    - ``edited``: a request was posted again under its id with another text;
    - ``muted-order``: somebody whom an owner has muted posts a legal order;
    - ``flood``: posts were counted and no longer kept one by one;
    - ``log``: the public log of the feed does not hold together.

    ``subject`` is the digest of the post it is about, or empty.
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
    trim: Trim | None
    redacted: Annotated[tuple[Box, ...], Meta(max_length=16)]


class SignerKeys(Part, frozen=True):
    """The public keys behind the signatures in a bundle, so that it stands alone."""

    device: PublicKeyText
    owner: PublicKeyText
    second_owner: PublicKeyText | None = None


class Release(Statement, frozen=True):
    """A device tells a requester what is in the bundle, and that its owner let it go.

    ``approval`` is the digest of what the owner signed: an approval of ``request``, or a
    share, which answers none. ``second_approval`` is another owner's, where two must agree.
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


class Outcome(Statement, frozen=True):
    """A device tells its owners what became of something they decided.

    ``subject`` is a release id, or the first 16 digits of the decision's digest where
    no release has it. ``event`` is a state of the release, or

    - ``REFUSED``: ``detail`` names the rule that the decision broke;
    - ``AGREED``: it completed the release that ``detail`` names, whose letters go on;
    - ``DONE``: the command was obeyed, the decline is in force.

    While a release is ``PROPOSED``, ``decision`` is the JWS that another owner has to agree
    with, else it is empty.
    """

    TYP: ClassVar[str] = "clip-outcome+jwt"
    MAX_BYTES: ClassVar[int] = MAX_REPORT_BYTES

    device: Name
    subject: ReleaseId
    request: Digest | None
    event: Line
    detail: Line
    ledger: LedgerHead
    decision: Annotated[str, Meta(max_length=24_000)] = ""
