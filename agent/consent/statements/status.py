"""The status letter: a device tells one owner how it is, and what it holds for them.

It is written also when nothing is asked, so that an owner's tool can tell a camera that has
nothing to say from one that has not been heard.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from msgspec import Meta

from agent.consent.statements.base import (
    MAX_REPORT_BYTES,
    AgeRecipient,
    Count,
    Digest,
    Fingerprint,
    Latitude,
    LedgerHead,
    Line,
    Longitude,
    Moment,
    Name,
    Part,
    Proofs,
    ReleaseId,
    Statement,
)
from agent.consent.statements.device import HouseholdOwner

# A letter of this age or less tells of now: one is written each hour, one may be lost, and clocks
# differ a little.
FRESH_SECONDS: Final = 7_500.0


class PartHealth(Part, frozen=True):
    """One process of the device: its state since ``at``, a sentence, and its version."""

    state: Name
    detail: Line
    at: Moment
    version: Name


class OpenRequestItem(Part, frozen=True):
    """An open request that the owners have been told of."""

    request: Digest
    kind: Literal["voluntary", "legal-order"]
    until: Moment


class RequestsPause(Part, frozen=True):
    """Requests are paused by an owner since ``at``; recording goes on."""

    owner: Fingerprint
    at: Moment


class Arming(Part, frozen=True):
    """Recording is on or off; ``owner`` and ``at`` are None while nobody has said so.

    ``scheduled``: the schedule of agent.yaml decides, next ``until``. ``switched``: the switch in
    Home Assistant does.
    """

    armed: bool
    owner: Fingerprint | None = None
    at: Moment | None = None
    scheduled: bool = False
    until: Moment | None = None
    switched: bool = False

    @property
    def is_free(self) -> bool:
        """True unless an owner's own ``arm`` or ``disarm`` stands, or is feared to."""
        return self.scheduled or self.switched or (self.owner is None and self.armed)


class Space(Part, frozen=True):
    """Clips on the disk, their bytes, the bytes that are free, and the clips that are kept."""

    clips: Count
    clip_bytes: Count
    free_bytes: Count
    kept: Count = 0


class CameraPlace(Part, frozen=True):
    """The camera's position in degrees, WGS 84, for its owners' map alone."""

    latitude: Latitude
    longitude: Longitude


class HeldRelease(Part, frozen=True):
    """A release that waits for an owner's ``sync`` to name it as standing."""

    release: ReleaseId
    why: Line


class Status(Statement, frozen=True):
    """A device tells one owner its health and all that it holds for them.

    ``seals_to`` are the age recipients that the *running* camera seals to, ``should_seal_to``
    those of the present owners. ``owners`` is empty, and nothing else is told, in the last letter
    to somebody who is an owner no more. ``proofs`` lead
    from the ledger heads in the owners' last ``sync`` to ``ledger``. ``warnings`` are faults of
    the device itself, a sentence each without its full stop. ``recorded``: the share of the last 24
    hours that clips hold.
    """

    TYP: ClassVar[str] = "clip-status+jwt"
    MAX_BYTES: ClassVar[int] = MAX_REPORT_BYTES

    device: Name
    camera: PartHealth
    gateway: PartHealth
    clock_synced: bool
    seals_to: Annotated[tuple[AgeRecipient, ...], Meta(max_length=32)]
    owners: Annotated[tuple[HouseholdOwner, ...], Meta(max_length=16)]
    approvals_needed: Annotated[int, Meta(ge=1, le=2)]
    open: Annotated[tuple[OpenRequestItem, ...], Meta(max_length=200)]
    more_open: Count
    held: Annotated[tuple[HeldRelease, ...], Meta(max_length=50)]
    pause: RequestsPause | None
    muted: Annotated[tuple[Fingerprint, ...], Meta(max_length=200)]
    arming: Arming
    space: Space
    ledger: LedgerHead
    proofs: Proofs
    warnings: Annotated[tuple[Line, ...], Meta(max_length=8)] = ()
    should_seal_to: Annotated[tuple[AgeRecipient, ...], Meta(max_length=32)] = ()
    last_motion_at: Moment | None = None
    place: CameraPlace | None = None
    recorded: Annotated[float, Meta(ge=0, le=1)] | None = None
