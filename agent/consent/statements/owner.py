"""Statements by an owner: decisions and commands."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from agent.consent.statements.base import (
    AgeRecipient,
    ClipId,
    ComputerId,
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
    Seconds,
    Statement,
)
from agent.consent.statements.public import UploadTarget, Window
from agent.consent.statements.redaction import Redactions


class Trim(Part, frozen=True):
    """The part of a clip that may leave, in seconds from its start."""

    from_seconds: Seconds
    to_seconds: Seconds

    def __post_init__(self) -> None:
        if self.from_seconds >= self.to_seconds:
            raise ValueError("a trim must end after it begins")


class ApprovedClip(Part, frozen=True):
    """One clip that may leave: exactly these sealed bytes, trimmed and redacted like this.

    ``codec``: it leaves in this one, encoded again if need be; None: in any, as recorded if it can.
    """

    id: ClipId
    sha256: Digest
    trim: Trim | None
    redact: Redactions
    codec: Literal["h264"] | None = None


class Disclosure(Part, frozen=True, omit_defaults=True):
    """Data of the owner to disclose to the requester; nothing by default."""

    name: Name | None = None
    address: Line | None = None
    email: Line | None = None


class Approval(Statement, frozen=True):
    """An owner releases these clips to the author of this request, and to nobody else."""

    TYP: ClassVar[str] = "clip-approval+jwt"

    aud: Fingerprint
    exp: Moment
    request: Digest
    clips: Annotated[tuple[ApprovedClip, ...], Meta(min_length=1, max_length=50)]
    disclose: Disclosure


class Decline(Statement, frozen=True):
    """An owner does not answer this request; only the device learns of it."""

    TYP: ClassVar[str] = "clip-decline+jwt"

    aud: Fingerprint
    exp: Moment
    request: Digest
    mute: bool


class Preview(Part, frozen=True, tag_field="do", tag="preview"):
    """Send the owner a stored clip's ciphertext."""

    clip: ClipId


class Revoke(Part, frozen=True, tag_field="do", tag="revoke"):
    """Stop a release that has not been sent."""

    release: ReleaseId


class PauseRequests(Part, frozen=True, tag_field="do", tag="pause-requests"):
    """Show the owner no requests until they resume; recording goes on."""


class ResumeRequests(Part, frozen=True, tag_field="do", tag="resume-requests"):
    """Show the owner requests again."""


class Mute(Part, frozen=True, tag_field="do", tag="mute"):
    """Hide a requester's posts from the owner, or show them again."""

    requester: Fingerprint
    muted: bool


class ListClips(Part, frozen=True, tag_field="do", tag="list"):
    """List the clips of this time for the owner."""

    window: Window


class ReadLedger(Part, frozen=True, tag_field="do", tag="read-ledger"):
    """Send the owner the lines of the ledger after this number."""

    after: Count


class Thumbnails(Part, frozen=True, tag_field="do", tag="thumbnails"):
    """Send the owner the sealed thumbnails of these clips."""

    clips: Annotated[tuple[ClipId, ...], Meta(min_length=1, max_length=200)]


class Delete(Part, frozen=True, tag_field="do", tag="delete"):
    """Delete a clip for good. The camera verifies and obeys it itself."""

    clip: ClipId


class Keep(Part, frozen=True, tag_field="do", tag="keep"):
    """Spare a clip from retention, or no longer. The camera verifies and obeys it itself."""

    clip: ClipId
    keep: bool


class Arm(Part, frozen=True, tag_field="do", tag="arm", omit_defaults=True):
    """Switch recording on or off. The camera verifies and obeys it itself.

    ``scheduled``: on in the times of agent.yaml alone.
    """

    armed: bool
    scheduled: bool = False

    def __post_init__(self) -> None:
        if self.scheduled and not self.armed:
            raise ValueError("a schedule does not go with recording off")


class Look(Part, frozen=True, tag_field="do", tag="look"):
    """Send the owner who signs this a still picture a second, whether recording is on or off.

    The camera verifies and obeys it itself.
    """

    seconds: Annotated[int, Meta(ge=1, le=300)]


class StopLooking(Part, frozen=True, tag_field="do", tag="stop-looking"):
    """End a look, named by the first 16 digits of its command's digest."""

    look: ReleaseId


class NoteExport(Part, frozen=True, tag_field="do", tag="note-export", omit_defaults=True):
    """Write in the ledger that the owner takes a clip out by hand, for a website's form.

    ``clip``: as it leaves; ``file_sha256`` and ``bytes`` of the MP4; ``portal``: whose form, in the
    owner's words; ``request``: the digest of the one that it answers.
    """

    clip: ApprovedClip
    file_sha256: Digest
    bytes: Annotated[int, Meta(ge=1)]
    portal: Annotated[Name, Meta(min_length=1)]
    request: Digest | None = None


class HeldDecision(Part, frozen=True):
    """A decision in the owner's folder: the first 16 digits of its digest, and if it stands."""

    decision: ReleaseId
    standing: bool


class HeldMute(Part, frozen=True):
    """The owner's last word on a requester, and when it was signed."""

    requester: Fingerprint
    muted: bool
    at: Moment


class HeldPause(Part, frozen=True):
    """The owner's last word on pausing requests, and when it was signed."""

    paused: bool
    at: Moment


class Sync(Part, frozen=True, tag_field="do", tag="sync"):
    """The owner's folder as it stands: decisions, mutes, pause, and the ledger heads seen.

    ``heads`` are those from which letters must prove growth from now on, the newest last.
    It names standing releases that may go on, and revoked ones that may not. Decisions that it
    does not know are left alone: an owner may use several computers, each with its own
    ``computer``.
    """

    decisions: Annotated[tuple[HeldDecision, ...], Meta(max_length=100)] = ()
    mutes: Annotated[tuple[HeldMute, ...], Meta(max_length=50)] = ()
    pause: HeldPause | None = None
    heads: Annotated[tuple[LedgerHead, ...], Meta(max_length=8)] = ()
    computer: ComputerId | None = None


# Commands that the camera obeys by itself, on its owner's signature.
CameraCommand = Delete | Keep | Arm | Look | StopLooking


class Command(Statement, frozen=True):
    """An owner tells the device to do something."""

    TYP: ClassVar[str] = "clip-command+jwt"

    aud: Fingerprint
    exp: Moment
    command: (
        Preview
        | Revoke
        | PauseRequests
        | ResumeRequests
        | Mute
        | ListClips
        | ReadLedger
        | Thumbnails
        | Delete
        | Keep
        | Arm
        | Look
        | StopLooking
        | NoteExport
        | Sync
    )

    @property
    def what(self) -> str:
        """The command as an owner types it."""
        match self.command:
            case Arm(armed=False):
                return "disarm"
            case Arm(scheduled=True):
                return "arm --by-schedule"
            case Mute(muted=False):
                return "unmute"
            case Keep(keep=False):
                return "keep --no-longer"
        return str(self.command.__struct_config__.tag)


class Recipient(Part, frozen=True):
    """The recipient of a share: a name for the ledger, a signing key and an age recipient."""

    name: Name
    key: PublicKeyText
    seal: AgeRecipient


class Share(Statement, frozen=True):
    """An owner shares clips with a recipient of their choice: a release that the owner starts."""

    TYP: ClassVar[str] = "clip-share+jwt"

    aud: Fingerprint
    exp: Moment
    recipient: Recipient
    upload: UploadTarget
    clips: Annotated[tuple[ApprovedClip, ...], Meta(min_length=1, max_length=50)]
    disclose: Disclosure
