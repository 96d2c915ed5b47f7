"""A release: from the approval to the first byte at the receiver, and memory while it is sealed.

The real gateway beside a real broker and a real tus server; the clips are the drawn street at
1080p, 2.5 Mbit/s, sealed as the camera does. The peer is what a person would do by hand:
``age -d``, a folder in memory, ``tar c | age -e``, and a sync. Both take turns. The gateway
also looks if the clip is the approved one, takes the picture data apart, writes its ledger, asks
the broker if the owner has changed his mind, and announces the upload.
"""

from __future__ import annotations

import io
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import av

from agent.mqtt import topics
from agent.mqtt.connection import Settings
from agent.mqtt.link import MqttLink
from agent.mqtt.session import Session
from agent.vault.database.gateway import Clip
from benchmarks import footage, procfs
from benchmarks.figures import Figure
from benchmarks.rig import Workshop
from tests.peers.requirements import need
from tests.soak.power_cut import Evening, evening
from tests.support.footage import repeated

TITLE = "a release: approval to first byte, memory"
SECONDS = 60
_SIZES_MB = (10, 100, 500)
_RUNS = 5
_SETTLE_SECONDS = 8.0  # the first letters are out, and subscriptions were renewed
_AT_ONCE_SECONDS = 0.2  # from the approval of 10 MB to the first byte
_TIMES_BY_HAND = 2.5
_SEALING_MB = 40  # above a gateway that has released nothing
_LOOK_SECONDS = 0.002
_PATIENCE_SECONDS = 120.0


def measure(workshop: Workshop) -> list[Figure]:
    """Small clips for the delay, large ones for the rate, and the largest for memory."""
    need("age", "tar")
    recording = _fragmented(footage.streams(workshop.cache, (1920, 1080), "busy").main)
    with evening(workshop.subfolder()) as one:
        time.sleep(_SETTLE_SECONDS)
        idle = procfs.memory(one.pid).rss
        gateway = _Gateway(one, workshop.subfolder())
        small, large, largest = (
            gateway.record(repeated(recording, 1 + int(size * 1e6) // len(recording)))
            for size in _SIZES_MB
        )
        first = gateway.release(small)
        delays = [gateway.release(small) for _ in range(_RUNS)]
        pairs = [(gateway.release(large), gateway.by_hand(large)) for _ in range(_RUNS)]
        peaks = [gateway.peak_of(clip) for clip in (small, large, largest)]
    ours, by_hand = (statistics.median(one) for one in zip(*pairs, strict=True))
    ratio = statistics.median(gateway / shell for gateway, shell in pairs)
    note = f"{min(delays):.3f} to {max(delays):.3f}; {first:.3f} for the first of the process"
    return [
        Figure("10 MB, median", statistics.median(delays), "s", _AT_ONCE_SECONDS, note),
        Figure(
            "100 MB, times by hand",
            ratio,
            "",
            _TIMES_BY_HAND,
            f"medians {ours:.2f} s, {by_hand:.2f} s by hand",
        ),
        *(
            Figure(
                f"sealing {size} MB, above {idle:.0f} MB when idle", peak - idle, "MB", _SEALING_MB
            )
            for size, peak in zip(_SIZES_MB, peaks, strict=True)
        ),
    ]


def _fragmented(video: Path) -> bytes:
    """``video`` as the camera writes it, a fragment a keyframe."""
    memory = io.BytesIO()
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    with (
        av.open(str(video)) as source,
        av.open(memory, "w", format="mp4", options=options) as target,
    ):
        stream = source.streams.video[0]
        copied = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = copied
                target.mux_one(packet)
    return memory.getvalue()


class _Gateway:
    """The gateway's process, and an owner who is connected."""

    def __init__(self, one: Evening, folder: Path) -> None:
        self._one = one
        self._folder = folder
        self._topic = topics.owner(one.house.config.device.name)

    def record(self, video: bytes) -> Clip:
        self._one.house.clock.wall_seconds = time.time()
        return self._one.house.record(video=video)

    def release(self, clip: Clip) -> float:
        """Seconds from the approval of ``clip`` to the first byte at the receiver."""
        one = self._one
        release, letter = one.approval(one.post(one.receiver.url), clip)
        settings = Settings(client_id="owner", host=one.broker.host, port=one.broker.port)
        with Session(MqttLink(settings)) as session:
            began = time.monotonic()
            session.publish(self._topic, letter, retained=False)
            _poll(self._has_arrived)
            seconds = time.monotonic() - began
        _poll(lambda: one.is_over(release))
        for upload in one.receiver.finished():
            upload.path.unlink()
            upload.path.with_suffix(".json").unlink()
        return seconds

    def _has_arrived(self) -> bool:
        """True once a byte is at the receiver, which is empty before each release."""
        folder = self._one.receiver.folder
        return any(path.stat().st_size for path in folder.iterdir() if path.suffix != ".json")

    def by_hand(self, clip: Clip) -> float:
        """Seconds of the same with age and tar."""
        house, folder = self._one.house, self._folder
        (folder / "key").write_text(house.clip_keys([clip])[clip.id])
        sealed = next((house.config.state_dir / "camera" / "clips").rglob(f"*{clip.id[9:]}*.age"))
        plain = Path("/dev/shm") / folder.name
        script = (
            f"mkdir {plain} && age -d -i {folder}/key {sealed} > {plain}/clip.mp4"
            f" && tar c -C {plain} . | age -e -r {house.owner.recipient} > {folder}/out"
            f" && sync {folder}/out; rm -r {plain}"
        )
        began = time.monotonic()
        subprocess.run(["sh", "-c", script], check=True)
        return time.monotonic() - began

    def peak_of(self, clip: Clip) -> float:
        """The most memory, in 10^6 bytes, while ``clip`` is released."""
        process = Path(f"/proc/{self._one.pid}")
        (process / "clear_refs").write_text("5")  # proc_pid_clear_refs(5): forget the peak
        self.release(clip)
        peak = next(
            line for line in (process / "status").read_text().splitlines() if "VmHWM" in line
        )
        return int(peak.split()[1]) * 1024 / 1e6


def _poll(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not met():
        if time.monotonic() > deadline:
            raise RuntimeError("the release takes too long")
        time.sleep(_LOOK_SECONDS)
