"""Targets: what one part of the device tells another part, or its owners.

Each reader must expect that the writer was taken over.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from agent.consent import decoding, signing
from agent.consent.cards import OwnerCard
from agent.consent.statements import (
    Arm,
    Arming,
    Command,
    ConsistencyProof,
    HeldDecision,
    HeldMute,
    HeldPause,
    HouseholdOwner,
    LedgerHead,
    Part,
    Status,
    Sync,
)
from agent.consent.statements.status import (
    HeldRelease,
    OpenRequestItem,
    PartHealth,
    RequestsPause,
    Space,
)
from agent.consent.transparency import merkle
from agent.consent.transparency.tree import Tree
from agent.errors import MalformedStatement, UnreadableLetter
from agent.gateway.catalog import Catalog
from agent.owner.inbox import cameras, ledger_watch
from agent.vault import camera_state, wishes
from agent.vault.camera_state import CameraState, CommandAnswer, StateFile
from agent.vault.clips import seal
from agent.vault.clips.paths import ClipFiles
from agent.vault.clips.seal import ClipKey, Recorded
from agent.vault.database import gateway
from agent.vault.database.gateway import GatewayDatabase
from agent.vault.wishes import Wishes
from tests.consent import world
from tests.fuzz.files import scratch, seeds_sidecar
from tests.fuzz.target import Target
from tests.support import statements

_NAME = "front-door"

# Wishes, which the camera reads


def run_wishes(data: bytes) -> None:
    """A file of wishes is decoded to what it says, or asks for nothing."""
    try:
        wished = wishes.decode(data)
    except MalformedStatement:
        wished = wishes.NO_WISHES
    else:
        assert wishes.decode(decoding.encode(wished)) == wished
    assert len(wished.held) <= wishes.MAX_HELD
    assert len(wished.commands) <= wishes.MAX_COMMANDS
    folder = _folder()
    path = wishes.path_of(folder)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    assert wishes.read(folder) == wished


def seeds_wishes() -> Sequence[bytes]:
    command = statements.command(
        world.OWNER.public.fingerprint, world.DEVICE.public.fingerprint, Arm(armed=False)
    )
    whole = Wishes(held=(world.CLIP,), commands=(world.OWNER.sign(command),))
    return [decoding.encode(one) for one in (wishes.NO_WISHES, whole)] + [b'{"held":[""]}', b""]


# The camera's state, which the gateway reads


def run_camera_state(data: bytes) -> None:
    """A state is decoded to what it says, or refused; the camera itself writes sound ones."""
    said: CameraState | None = None
    with suppress(MalformedStatement):
        said = camera_state.decode(data)
    if said is not None:
        assert camera_state.decode(decoding.encode(said)) == said
        assert said.detail.isprintable()
        for running in (False, True):
            assert camera_state.judged_state(said, running=running)
    folder = _folder()
    path = camera_state.path_of(folder)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    assert camera_state.read(folder) == said
    own = StateFile(folder, seals_to=())
    own.say(at=world.NOW, detail=data.decode("utf-8", "surrogateescape"))
    assert camera_state.read(folder) == own.said, "the camera wrote a state that nobody reads"


def seeds_camera_state() -> Sequence[bytes]:
    plain = CameraState(state="armed", detail="", at=float(world.NOW), version="1")
    answer = CommandAnswer(command="0" * 16, event="REFUSED", detail="no such clip")
    full = msgspec.structs.replace(
        plain,
        encoder="libx264",
        last_motion_at=float(world.NOW),
        seals_to=(world.OWNER_RECIPIENT,),
        arming=Arming(armed=False, owner=world.OWNER.public.fingerprint, at=world.NOW),
        answers=(answer, msgspec.structs.replace(answer, event="DONE")),
    )
    return [decoding.encode(plain), decoding.encode(full), b"{}", "t\u202ee\nxt".encode()]


# Sidecars, which the gateway catalogs

_RECORDING_BYTES = 10  # as many as the sidecars of the seeds name


@functools.cache
def _folder() -> Path:
    """One state folder for all inputs: a database takes long to make."""
    return scratch()


@functools.cache
def _catalog_database() -> GatewayDatabase:
    return GatewayDatabase.open(gateway.path_of(_folder()))


def run_catalog(data: bytes) -> None:
    """A sidecar beside a recording: cataloged as a sound clip, or ignored."""
    place, database = ClipFiles.of(_folder(), world.CLIP), _catalog_database()
    shutil.rmtree(place.directory, ignore_errors=True)
    Catalog(database, _folder()).look()
    assert not database.clips(), "a clip that is gone stays in the catalog"
    place.directory.mkdir(parents=True)
    place.media.write_bytes(bytes(_RECORDING_BYTES))
    place.sidecar.write_bytes(data)
    catalog = Catalog(database, _folder())
    catalog.look()
    for clip in database.clips():
        assert clip.is_sound
        assert (clip.id, clip.bytes) == (world.CLIP, _RECORDING_BYTES)
        assert catalog.totals.count == 1


def seeds_catalog() -> Sequence[bytes]:
    whole = seeds_sidecar()[1]
    return [*seeds_sidecar(), *(whole.replace(b"2.0", number) for number in (b"1e300", b"-2.0"))]


# The sealed key text, which an owner opens

_RECORDED = Recorded.of("a" * 64, 1.5, 2.0, synced=True)


def run_clip_key(data: bytes) -> None:
    """Any text that a taken-over camera seals to the owner: a key of this clip, or none."""
    sealed = seal.seal_bytes(data, [world.OWNER_RECIPIENT])
    try:
        key = seal.open_key(sealed, world.OWNER_IDENTITY, clip_id=world.CLIP)
    except UnreadableLetter as error:
        assert "AGE-SECRET-KEY" not in str(error)
        return
    assert world.CLIP.encode() in data
    assert "AGE-SECRET-KEY" not in repr(key)
    assert _opened(key) == key
    assert key.recipient.startswith("age1")


def _opened(key: ClipKey) -> ClipKey:
    sealed = seal.seal_key(
        key.identity, [world.OWNER_RECIPIENT], clip_id=world.CLIP, recorded=key.recorded
    )
    return seal.open_key(sealed, world.OWNER_IDENTITY, clip_id=world.CLIP)


def seeds_clip_key() -> Sequence[bytes]:
    head, identity = f"# clip {world.CLIP}\n", world.DEVICE_IDENTITY + "\n"
    digest = f"# sha256 {_RECORDED.sha256}\n"
    texts = [
        head + identity,
        f"{head}{digest}# start 1\n# seconds 2.000\n{identity}",
        f"{head}{digest}# start unsynced\n# seconds 600.125\n{identity}",
        f"{head}# start 1\n{identity}",
        f"# clip 20240124-000000-000000\n{identity}",
        head + identity + identity,
    ]
    return [text.encode() for text in texts]


# The status letter and the sync


def run_status(data: bytes) -> None:
    """A status that the device signed: an owner's tool judges it, whatever it says."""
    try:
        status = decoding.decode(data, Status, Status.MAX_BYTES)
    except MalformedStatement:
        return
    assert decoding.decode(decoding.encode(status), Status, 2 * Status.MAX_BYTES) == status
    known = {world.DEVICE.public.fingerprint: world.DEVICE.public}
    if status.iss in known:
        assert signing.verify(world.DEVICE.sign(status), Status, known) == status
    inbox: Any = SimpleNamespace(status=lambda _: status, closed_to_us={_NAME: 0}, requests=list)
    said = cameras.report(_NAME, inbox, None, _OWNER_CARD, None, now=float(world.NOW))
    assert all(remark.isprintable() for remark in (said.silence, *said.remarks))
    earlier = cast(Any, SimpleNamespace(ledger=_HEADS[3], iat=world.NOW))
    against = ledger_watch._contradiction(status, [earlier], (_HEADS[3],))
    assert against is None or against[1] == _HEADS[3]


_OWNER_CARD = OwnerCard(
    role="owner",
    name="Olive",
    sign=world.OWNER.public.text,
    seal=world.OWNER_RECIPIENT,
    recovery=world.REQUESTER_RECIPIENT,
)


def seeds_status() -> Sequence[bytes]:
    owner = world.OWNER.public.fingerprint
    health = PartHealth(state="armed", detail="", at=world.NOW, version="1")
    status = Status(
        iss=world.DEVICE.public.fingerprint,
        jti="x" * 22,
        iat=world.NOW,
        device=_NAME,
        camera=health,
        gateway=health,
        clock_synced=True,
        seals_to=(world.OWNER_RECIPIENT,),
        owners=(HouseholdOwner(fingerprint=owner, name="Olive"),),
        approvals_needed=1,
        open=(OpenRequestItem(request="a" * 64, kind="legal-order", until=world.NOW),),
        more_open=0,
        held=(HeldRelease(release="0" * 16, why="the broker forgot its sessions"),),
        pause=RequestsPause(owner=owner, at=world.NOW),
        muted=(owner,),
        arming=Arming(armed=True),
        space=Space(clips=1, clip_bytes=10, free_bytes=10),
        ledger=_HEADS[5],
        proofs=(_proof(3, 5),),
    )
    disarmed = msgspec.structs.replace(
        status, pause=None, open=(), held=(), proofs=(), ledger=_HEADS[3]
    )
    return [decoding.encode(one) for one in (status, disarmed)]


def run_sync(data: bytes) -> None:
    """The payload of an owner's ``sync``: decoded to what it says and within its bounds."""
    try:
        sync = decoding.decode(data, Sync, Command.MAX_BYTES)
    except MalformedStatement:
        return
    parties = world.OWNER.public.fingerprint, world.DEVICE.public.fingerprint
    command = statements.command(*parties, sync)
    encoded = decoding.encode(command)
    if len(encoded) <= Command.MAX_BYTES:
        read = signing.verify(world.OWNER.sign(command), Command, world.OWNERS)
        assert read == command
        assert isinstance(read.command, Sync)


def seeds_sync() -> Sequence[bytes]:
    requester = world.REQUESTER.public.fingerprint
    full = Sync(
        decisions=(HeldDecision(decision="0" * 16, standing=False),),
        mutes=(HeldMute(requester=requester, muted=True, at=world.NOW),),
        pause=HeldPause(paused=True, at=world.NOW),
        heads=(_HEADS[3], _HEADS[5]),
    )
    return [decoding.encode(one) for one in (Sync(), full)]


# Ledger proofs, by which an owner's tool checks that a ledger only grew

_MOST_LINES = 9
_FORKED_AT = 2  # the line that another ledger has otherwise


class ClaimedGrowth(Part, frozen=True):
    """A proof, and the size of the ledger to which it shall lead."""

    size: int
    proof: ConsistencyProof


def _tree(forked_at: int) -> Tree:
    return Tree(
        merkle.leaf_hash(b"forked" if number == forked_at else b"%d" % number)
        for number in range(_MOST_LINES)
    )


def _heads(tree: Tree) -> list[LedgerHead]:
    return [LedgerHead(size=size, root=tree.root(size).hex()) for size in range(len(tree) + 1)]


_TREE, _FORKED_TREE = _tree(_MOST_LINES), _tree(_FORKED_AT)
_HEADS, _FORKED_HEADS = _heads(_TREE), _heads(_FORKED_TREE)


def _proof(old: int, size: int) -> ConsistencyProof:
    path = _TREE.consistency(old, size)
    return ConsistencyProof(from_size=old, path=tuple(node.hex() for node in path))


def run_ledger_proof(data: bytes) -> None:
    """No path but the true one proves growth, and none leads to a ledger that was forked."""
    try:
        claimed = decoding.decode(data, ClaimedGrowth, 20_000)
    except MalformedStatement:
        return
    old, size, proof = claimed.proof.from_size, claimed.size, claimed.proof
    far = LedgerHead(size=old, root="0" * 64), LedgerHead(size=max(0, size), root="1" * 64)
    assert not ledger_watch._holds(proof, *far), "growth between roots of nothing"
    if not (old <= _MOST_LINES and 0 <= size <= _MOST_LINES):
        return
    true_growth = old <= size and proof == _proof(old, size)
    assert ledger_watch._holds(proof, _HEADS[old], _HEADS[size]) == true_growth
    if old > _FORKED_AT:
        assert not ledger_watch._holds(proof, _HEADS[old], _FORKED_HEADS[size])


def seeds_ledger_proof() -> Sequence[bytes]:
    sizes = [(0, 5), (1, 2), (3, 5), (4, 8), (5, 5), (6, 9), (8, 9)]
    grown = [ClaimedGrowth(size=size, proof=_proof(old, size)) for old, size in sizes]
    forked = tuple(node.hex() for node in _FORKED_TREE.consistency(3, 7))
    grown += [
        ClaimedGrowth(size=7, proof=ConsistencyProof(from_size=3, path=forked)),
        ClaimedGrowth(size=2**60, proof=ConsistencyProof(from_size=2**50, path=forked * 15)),
    ]
    return [decoding.encode(one) for one in grown]


TARGETS = (
    Target("wishes", run_wishes, seeds_wishes, 8_000),
    Target("camera-state", run_camera_state, seeds_camera_state, 8_000),
    Target("catalog", run_catalog, seeds_catalog, 4_000),
    Target("clip-key", run_clip_key, seeds_clip_key, 1_000),
    Target("status", run_status, seeds_status, 8_000),
    Target("sync", run_sync, seeds_sync, 4_000),
    Target("ledger-proofs", run_ledger_proof, seeds_ledger_proof, 4_000),
)
