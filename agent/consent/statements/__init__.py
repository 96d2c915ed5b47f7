"""The signed documents as types.

A statement is the payload of a JWS (RFC 7515) whose ``typ`` header names its
type (RFC 8725, section 3.11). The types say what each field may hold; a line break
may stand nowhere but in a ``text``. Times are NumericDates (RFC 7519, section 2):
whole seconds since 1970, UTC.

How bytes become a statement, or are refused, is in :mod:`agent.consent.decoding`.
What a statement *means*, whether its signer is known and its times acceptable is for
:mod:`agent.consent.signing`, :mod:`agent.consent.policy.requests` and
:mod:`agent.consent.decisions.approval` to say.
"""

from __future__ import annotations

from agent.consent.statements.base import (
    MAX_REPORT_BYTES,
    MAX_STATEMENT_BYTES,
    AgeRecipient,
    Base64,
    ClipId,
    Count,
    Digest,
    Fingerprint,
    Fraction,
    Jti,
    Latitude,
    LedgerHead,
    Line,
    Longitude,
    Moment,
    Name,
    Part,
    Position,
    PublicKeyText,
    ReleaseId,
    Ring,
    Seconds,
    Statement,
    Text,
    Url,
)
from agent.consent.statements.device import (
    BundledFile,
    ClipOffer,
    HouseholdOwner,
    InboxReport,
    Listing,
    LogPlace,
    Notice,
    Notices,
    Outcome,
    Proposal,
    Release,
    ReleasedClip,
    Repost,
    RequesterRecord,
    SignerKeys,
    Tally,
)
from agent.consent.statements.owner import (
    Approval,
    ApprovedClip,
    Arm,
    Box,
    CameraCommand,
    Command,
    Decline,
    Delete,
    Disclosure,
    HeldDecision,
    HeldMute,
    HeldPause,
    Keep,
    ListClips,
    Mute,
    PauseRequests,
    Preview,
    Recipient,
    ResumeRequests,
    Revoke,
    Share,
    Sync,
    Trim,
)
from agent.consent.statements.public import (
    LEGAL_ORDER,
    Alert,
    LegalOrder,
    Polygon,
    Request,
    UploadTarget,
    Window,
    Withdrawal,
)
from agent.consent.statements.status import (
    Arming,
    ConsistencyProof,
    HeldRelease,
    OpenRequestItem,
    PartHealth,
    RequestsPause,
    Space,
    Status,
)

STATEMENTS: dict[str, type[Statement]] = {
    kind.TYP: kind
    for kind in (
        Request,
        Alert,
        Withdrawal,
        InboxReport,
        Listing,
        Notices,
        Approval,
        Decline,
        Command,
        Share,
        Release,
        Outcome,
        Status,
    )
}
