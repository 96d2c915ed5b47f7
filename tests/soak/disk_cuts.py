"""Power cuts at any moment, on a disk that loses, reorders and tears what was not synced.

::

    python -m tests.soak.disk_cuts        DISK_CUTS=30 and RECORDING_SECONDS=20 shorten it,
                                          DISK_SEED repeats it

The camera process, through its ``build()``, records a drawn street in real time on a disk that
remembers every operation (:mod:`tests.peers.losing_disk`), with a vault so small that retention
is always at work. A gateway takes requests and approvals on another. Then the power is cut at
moments drawn by the seed, each cut gives an image (:mod:`tests.support.power`), and the process's
own start must bring it in order:

- no finished clip is lost, none has another digest;
- of the running clip at most :data:`MOST_LOST_SECONDS` are lost, counted from the last picture that
  the image still holds, or from the beginning of its file, to the cut;
- the ledger verifies and has every line that the gateway had committed; nothing that was
  answered is open again;
- no operation of the whole time wrote plaintext.
"""

from __future__ import annotations

import bisect
import hashlib
import io
import json
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Final

import av

from agent import config
from agent.camera.app import build
from agent.clock import Clock, SystemClock
from agent.errors import ClipDamaged, StorageFault
from agent.vault.clips import sidecar, unseal
from agent.vault.clips.paths import ClipFiles
from agent.vault.clips.sidecar import Sidecar
from agent.vault.clips.sink import CHUNK_BYTES
from agent.vault.clips.store import Clip, ClipStore
from agent.vault.database import gateway, index
from agent.vault.database.gateway import GatewayDatabase
from agent.vault.database.index import Index
from agent.vault.records.ledger import Ledger
from agent.vault.records.releases import ReleaseTable
from tests.peers.losing_disk import LosingDisk, Operation
from tests.support import power
from tests.support.gateway_world import World
from tests.support.house import House

CUTS: Final = 300
RECORDING_SECONDS: Final = 90.0
REQUESTS: Final = 12
MOST_LOST_SECONDS: Final = 2.0
_NEAR: Final = 100  # operations between the first of a deletion and the one that shows it
_PLAIN: Final = re.compile(
    rb"....moof....mfhd|ftyp(iso|mp4|avc)|\xff\xd8\xff\xe0..JFIF|AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]",
    re.DOTALL,
)


@dataclass
class Told:
    """Results of the cuts."""

    counts: Counter[str] = field(default_factory=Counter)
    lost_seconds: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


# The camera


def record(disk: LosingDisk, seconds: float, *, clock: Clock | None = None) -> House:
    """A house on ``disk``, whose camera has recorded for so long."""
    scene = config.SceneSource(
        width=640, height=360, walkers_per_minute=30, duration_seconds=seconds, seed=3
    )
    lengths = config.Recording(pre_roll_seconds=1, post_roll_seconds=1, max_clip_seconds=10)
    house = House.build(
        disk.mount,
        camera=config.Camera(source=scene, recording=lengths),
        storage=config.Storage(max_bytes=1_500_000, min_free_bytes=0),
    )
    build(house.config, clock=clock or SystemClock(None), notify=lambda _: None).run()
    return house


@dataclass(frozen=True)
class Recorded:
    """The files of one clip in the operations."""

    id: str
    created: int  # the operation that made its file
    named: int | None = None  # that gave it its name
    safe: int | None = None  # that synced this
    removed: int | None = None


def recordings(operations: Sequence[Operation]) -> list[Recorded]:
    """All clips whose file was ever made."""
    folders: dict[int, str] = {}
    found: dict[str, Recorded] = {}
    for at, one in enumerate(operations):
        for folder, name, node in one.names:
            if node is not None:
                folders[node] = name
            stem, _, end = name.partition(".")
            clip = f"{folders.get(folder, '').replace('-', '')}-{stem}"
            if end == "mp4.age.part" and node is not None:
                found[clip] = Recorded(clip, at)
            elif end == "mp4.age" and clip in found:
                known = found[clip]
                found[clip] = (
                    replace(known, removed=at) if node is None else replace(known, named=at)
                )
        if one.kind == "fsync":
            for clip, known in found.items():
                if known.named is not None and known.safe is None and _is_day(one, clip, folders):
                    found[clip] = replace(known, safe=at)
    return list(found.values())


def _is_day(one: Operation, clip: str, folders: dict[int, str]) -> bool:
    return folders.get(one.node, "").replace("-", "") == clip.split("-")[0]


def judge_camera(
    house: House, operations: Sequence[Operation], cut: int, image: power.Image, told: Told
) -> None:
    """Recover the image of a cut and look at what must hold."""
    with tempfile.TemporaryDirectory(prefix="clip-cut-", dir=_memory()) as name:
        image.write_to(Path(name))
        state_dir = Path(name) / "state"
        try:
            with Index.open(index.path_of(state_dir)) as clips:
                store = ClipStore(state_dir, clips, recipients=[], clock=house.clock)
                recovery = store.recover()
                told.faults += [f"cut {cut}: {text}" for text in recovery.damaged]
                there = {clip.id: clip for clip in clips.clips()}
        except StorageFault as error:
            told.faults.append(f"cut {cut}: the index does not open: {error}")
            return
        now = operations[cut].at
        for one in recordings(operations):
            if one.created >= cut:
                continue
            if one.safe is not None and one.safe < cut:
                if one.removed is None or one.removed > cut + _NEAR:
                    told.counts["finished clips"] += 1
                    if one.id not in there or not _is_whole(state_dir, there[one.id]):
                        told.faults.append(f"cut {cut}: {one.id}, finished, is lost or changed")
            elif one.named is None or one.named >= cut:
                lost = _lost_seconds(house, state_dir, operations, one, there.get(one.id), now)
                told.lost_seconds.append(lost)


def _is_whole(state_dir: Path, clip: Clip) -> bool:
    paths = ClipFiles.of(state_dir, clip.id)
    try:
        known = sidecar.read(paths.sidecar, Sidecar, clip.id)
    except ClipDamaged:
        return False
    return hashlib.sha256(paths.media.read_bytes()).hexdigest() == known.sha256 == clip.sha256


def _lost_seconds(
    house: House,
    state_dir: Path,
    operations: Sequence[Operation],
    one: Recorded,
    clip: Clip | None,
    now: float,
) -> float:
    """The seconds of a running clip that a cut at ``now`` costs."""
    ends = operations[one.created].at
    if clip is not None:
        ends = max(ends, clip.started_at + _seconds_in(house, state_dir, clip))
    return max(now - ends, 0.0)


def _seconds_in(house: House, state_dir: Path, clip: Clip) -> float:
    """The length of what the recording of ``clip`` shows."""
    sealed = ClipFiles.of(state_dir, clip.id).media.read_bytes()
    with unseal.open_stream(
        io.BytesIO(sealed), house.owner.identity, truncated=clip.truncated
    ) as file:
        plain = b"".join(_until_damage(file))
    last = 0.0
    try:
        with av.open(io.BytesIO(plain), "r") as container:
            for packet in container.demux(video=0):
                if packet.pts is not None and packet.time_base is not None:
                    end = packet.pts + (packet.duration or 0)
                    last = max(last, float(end * packet.time_base))
    except av.error.FFmpegError:
        return last  # not one whole fragment
    return last


def _until_damage(file: BinaryIO) -> Iterator[bytes]:
    """The chunks before the first that does not open: what was not synced may have holes."""
    try:
        while piece := file.read(CHUNK_BYTES):
            yield piece
    except ClipDamaged:
        return


# The gateway


def decide(disk: LosingDisk, requests: int) -> House:
    """A house on ``disk``, whose gateway has taken requests and sent what was approved."""
    many = config.Requests(
        max_open_per_requester=100, max_daily_per_requester=100, max_kept_daily_per_requester=100
    )
    world = World(disk.mount, requests=many)
    for _ in range(requests):
        clip = world.house.record()
        post = world.post()
        world.to_device(world.house.approve(post, [clip]))
        world.run()
        world.clock.advance(60)
        with world.house.open_database() as database:
            states = {row.id: row.state for row in ReleaseTable(database).all()}
            disk.mark(json.dumps({"lines": len(Ledger(database)), "states": states}) + "\n")
    world.kill()
    return world.house


def judge_gateway(
    operations: Sequence[Operation], cut: int, image: power.Image, told: Told
) -> None:
    """Open the image of a cut and look at the ledger and the releases."""
    marks = [json.loads(one.data) for one in operations[:cut] if one.kind == "mark"]
    if not marks:
        return
    with tempfile.TemporaryDirectory(prefix="clip-cut-", dir=_memory()) as name:
        image.write_to(Path(name))
        try:
            with GatewayDatabase.open(gateway.path_of(Path(name) / "state")) as database:
                lines = Ledger(database).verify()
                states = {row.id: row.state for row in ReleaseTable(database).all()}
        except StorageFault as error:
            told.faults.append(f"cut {cut}: the ledger does not verify: {error}")
            return
    told.counts["ledgers"] += 1
    if lines < marks[-1]["lines"]:
        told.faults.append(f"cut {cut}: {lines} lines of {marks[-1]['lines']}")
    if any(states.get(release) != state for release, state in marks[-1]["states"].items()):
        told.faults.append(f"cut {cut}: a release has gone back: {states}")


# All


def plaintext(operations: Sequence[Operation]) -> Iterator[str]:
    """The files of the state folder to which plaintext was written, by their last names."""
    names: dict[int, tuple[int, str]] = {}
    for one in operations:
        for parent, name, node in one.names:
            if node is not None:
                names[node] = (parent, name)
        if one.kind == "write" and _PLAIN.search(one.data):
            path, node = "", one.node
            while node in names:
                node, path = names[node][0], f"/{names[node][1]}{path}"
            if "/state/" in path and "/keys/" not in path:  # the device's own key is its own
                yield path


def run(cuts: int, seconds: float, requests: int, seed: str, clock: Clock | None) -> Told:
    """Record, decide, and cut the power of both; what that showed."""
    told, draw = Told(), random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="clip-disk-", dir=_memory()) as name:
        folder = Path(name)
        with LosingDisk(folder / "camera") as camera:
            house = record(camera, seconds, clock=clock)
        with LosingDisk(folder / "gateway") as decisions:
            decide(decisions, requests)
    for disk in (camera, decisions):
        told.faults += [f"plaintext in {path}" for path in plaintext(disk.operations)]
        told.counts["operations"] += len(disk.operations)
    first = next(at for at, one in enumerate(camera.operations) if one.kind == "fsync")
    for number in range(cuts):
        order = power.ORDERS[number % len(power.ORDERS)]
        is_camera = number % 3 != 2
        operations = (camera if is_camera else decisions).operations
        at = _moment(operations, draw, after=first if is_camera else 0)
        image = power.cut(operations, at, order, random.Random(f"{seed}/{number}"))
        told.counts["cuts"] += 1
        told.counts[f"cuts of the {'camera' if is_camera else 'gateway'}, {order}"] += 1
        told.counts["torn"] += image.torn
        if is_camera:
            judge_camera(house, operations, at, image, told)
        else:
            judge_gateway(operations, at, image, told)
    told.counts["clips"] = len(recordings(camera.operations))
    told.counts["deletions"] = sum(one.removed is not None for one in recordings(camera.operations))
    told.counts += _cost(camera.operations)
    return told


def _cost(operations: Sequence[Operation]) -> Counter[str]:
    """The syncs and bytes that recordings cost the card."""
    told, media = Counter[str](), set[int]()
    for one in operations:
        media |= {node for _, name, node in one.names if node and name.endswith(".mp4.age.part")}
        if one.node in media:
            told["syncs of recordings"] += one.kind == "fsync"
            told["bytes of recordings"] += len(one.data)
    return told


def _moment(operations: Sequence[Operation], draw: random.Random, *, after: int) -> int:
    """The operation that a cut comes before: by turns drawn from all, and by time."""
    if draw.random() < 0.5:
        return draw.randrange(after + 1, len(operations))
    at = draw.uniform(operations[after].at, operations[-1].at)
    return max(bisect.bisect_left(operations, at, key=lambda one: one.at), after + 1)


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def main() -> int:
    """Print the counts; 1 if anything did not hold."""
    cuts = int(os.environ.get("DISK_CUTS", CUTS))
    seconds = float(os.environ.get("RECORDING_SECONDS", RECORDING_SECONDS))
    seed, began = os.environ.get("DISK_SEED", "disk"), time.monotonic()
    told = run(cuts, seconds, REQUESTS, seed, None)
    lost = sorted(told.lost_seconds) or [0.0]
    median, most = lost[len(lost) // 2], lost[-1]
    over = sum(each > MOST_LOST_SECONDS for each in lost)
    print(*told.faults, sep="\n")
    print("  " + ", ".join(f"{name} {count}" for name, count in sorted(told.counts.items())))
    print(
        f"power cuts of the disk: {cuts}; {len(lost)} running clips, lost median"
        f" {median:.2f} s, most {most:.2f} s, {over} above {MOST_LOST_SECONDS:g} s;"
        f" {len(told.faults)} faults; {time.monotonic() - began:.0f} s, DISK_SEED={seed}"
    )
    return 1 if told.faults or over else 0


if __name__ == "__main__":
    sys.exit(main())
