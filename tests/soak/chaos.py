"""Releases over a line that fails in every way, while both of its ends are killed.

::

    python -m tests.soak.chaos        RELEASES=20 KILLS=10 shorten it, CHAOS_SEED repeats it
                                      RECEIVER=@tus/server, tuspyserver or fastapi-tusd: another

Broker, receiver and gateway are real processes. Between the last two stands a line that refuses,
cuts, resets, slows, says bytes twice and whole requests again (:mod:`tests.peers.bad_line`).
The owner approves one clip after the other; gateway or receiver is killed (SIGKILL) at random,
and after each kill the whole state folder is searched for what the clips show and for their keys.
Towards the end the line is good, and every release must arrive.

Each must be delivered once, with the very clip that preparing it gives, and nothing else may
stay at the receiver. Other receivers than ours do not know an upload that is announced again,
nor damage that TCP does not see: for these the line says no bytes twice, and what stays unfinished
is counted and no fault. tuspyserver and fastapi-tusd fail: killed in the middle of a chunk, they
keep bytes that they do not count.
"""

from __future__ import annotations

import io
import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Final

from agent.media.editing.prepare import prepare
from agent.vault.clips.store import Clip
from tests.peers.bad_line import BadLine
from tests.peers.python_receiver import PythonReceiver
from tests.peers.tus_server import ReceivedUpload, TusServer
from tests.soak.power_cut import Evening
from tests.support.house import fragmented_mp4
from tests.support.peers import open_bundle

RELEASES: Final = 200
KILLS: Final = 100
_CLIPS = 16
_MEMORY = Path("/dev/shm")
_KILL_SECONDS = (1.0, 3.5)  # between two, so that some hit a start and some an upload
_PATIENCE_SECONDS = 600.0


class Chaos(Evening):
    """A house whose clips are released, and what must be found in each bundle."""

    def __init__(
        self,
        folder: Path,
        receiver: TusServer | PythonReceiver,
        line: BadLine,
        draw: random.Random,
        clips: int,
    ) -> None:
        host = f"127.0.0.1:{line.port}"
        super().__init__(folder, receiver=receiver, upload_host=host, timeout_seconds=3)
        self._line, self._draw = line, draw
        self._clips: list[Clip] = []
        self._golden: dict[str, bytes] = {}
        self._releases: dict[str, Clip] = {}
        for number in range(clips):
            self._record(number)
        url = receiver.url.replace(receiver.host, host)
        self._post = self.post(url)

    def _record(self, number: int) -> None:
        video = fragmented_mp4(2, size=160 + 16 * number, noisy=True)  # 100 to 500 kB
        clip, golden = self.record(600 - number, video), io.BytesIO()
        prepare(io.BytesIO(video), golden, trim=None, redact=())
        self._clips.append(clip)
        self._golden[clip.id] = golden.getvalue()

    def play(self, releases: int, kills: int) -> Counter[str]:
        """Approve and kill until all is done, then wait for the rest; what happened."""
        told, secrets = Counter[str](), self._secrets()
        assert self._found(secrets, planted=True) == 1, "the search finds nothing"
        pause = (_KILL_SECONDS[0] + _KILL_SECONDS[1]) / 2 * kills / releases
        next_kill = next_approval = time.monotonic()
        while told["kills"] < kills or len(self._releases) < releases:
            now = time.monotonic()
            if len(self._releases) < releases and now >= next_approval:
                clip = self._draw.choice(self._clips)
                self._releases[self.approve(self._post, clip)] = clip
                next_approval = now + pause * self._draw.uniform(0, 2)
            if told["kills"] < kills and now >= next_kill:
                told[f"kills of the {self._kill()}"] += 1
                told["kills"] += 1
                told["plaintext"] += self._found(secrets)
                next_kill = time.monotonic() + self._draw.uniform(*_KILL_SECONDS)
                if told["kills"] % 10 == 0:
                    done = sum(map(self.is_over, self._releases))
                    print(f"  {told['kills']} kills, {done} over", flush=True)
            time.sleep(0.02)
        self._line.is_bad = False
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not all(map(self.is_over, self._releases)) and time.monotonic() < deadline:
            time.sleep(0.5)
        return told + self._line.told + self._outcome()

    def _kill(self) -> str:
        """Kill one of the two, and start it again; its name."""
        if self._draw.random() < 0.5:
            self.kill_gateway()
            time.sleep(self._draw.uniform(0, 0.3))
            self.start_gateway()
            return "gateway"
        self.receiver.kill()
        time.sleep(self._draw.uniform(0, 0.3))
        self.receiver.start()
        return "receiver"

    def _secrets(self) -> list[bytes]:
        """Parts of every clip's pictures, and every clip's key."""
        marks = [key.encode() for key in self.house.clip_keys(self._clips).values()]
        for video in self._golden.values():
            third = len(video) // 3
            marks += [video[third : third + 24], video[2 * third : 2 * third + 24]]
        return marks

    def _found(self, secrets: list[bytes], *, planted: bool = False) -> int:
        """The files of the state folder that hold a part of a clip or a key, in plain."""
        plant = self.house.config.state_dir / "gateway" / "planted"
        if planted:
            plant.write_bytes(b"x" * 999 + next(iter(self._golden.values())))
        found = 0
        for path in self.house.config.state_dir.rglob("*"):
            try:
                held = path.read_bytes() if path.is_file() else b""
            except FileNotFoundError:
                continue  # the gateway still runs
            found += any(secret in held for secret in secrets)
        plant.unlink(missing_ok=True)
        return found

    def _outcome(self) -> Counter[str]:
        """The releases and the uploads, by what became of them."""
        told = Counter[str]()
        finished = self.receiver.finished()
        arrived = Counter(upload.metadata["release"] for upload in finished)
        for release in self._releases:
            told[f"state {self.state(release)}"] += 1
            told["delivered"] += arrived[release] >= 1
            told["lost"] += arrived[release] == 0
            told["doubled"] += arrived[release] > 1
        told["unknown"] = sum(
            count for name, count in arrived.items() if name not in self._releases
        )
        told["golden"] = sum(map(self._is_golden, finished))
        told["orphans"] = len(self.receiver.uploads()) - len(finished)
        return told

    def _is_golden(self, upload: ReceivedUpload) -> bool:
        clip = self._releases[upload.metadata["release"]]
        try:
            files = open_bundle(upload.path.read_bytes(), self.house.requester.identity)
        except Exception:  # noqa: BLE001 - damage shows in many ways
            return False
        videos = {name: data for name, data in files.items() if name.endswith(".mp4")}
        same = videos == {f"data/{clip.id}.mp4": self._golden[clip.id]}
        return same and files["data/request.jws"].decode() == self._post


def run(releases: int, kills: int, seed: str, kind: str = "own") -> Counter[str]:
    """Play it in a folder of its own; what happened."""
    if _MEMORY.is_dir():  # SIGKILL loses nothing that was written: no step need wait for a disk
        tempfile.tempdir = str(_MEMORY)
    with tempfile.TemporaryDirectory(prefix="clip-chaos-") as name:
        folder = Path(name)
        receiver = (
            TusServer(folder / "receiver")
            if kind == "@tus/server"
            else PythonReceiver(kind, folder / "receiver")  # type: ignore[arg-type]
        )
        with receiver, BadLine(receiver.port, seed=seed, says_twice=kind == "own") as line:
            one = Chaos(folder, receiver, line, random.Random(seed), min(releases, _CLIPS))
            try:
                return one.play(releases, kills)
            finally:
                one.end()


def verdict(told: Counter[str], releases: int, kind: str = "own") -> bool:
    """True if all that must hold did."""
    once = told["delivered"] == told["golden"] == releases
    clean = not (told["lost"] or told["doubled"] or told["unknown"] or told["plaintext"])
    return once and clean and (kind != "own" or not told["orphans"])


def main() -> int:
    """Print the counts; 1 if a release did not arrive once, or anything stayed."""
    releases = int(os.environ.get("RELEASES", RELEASES))
    kills = int(os.environ.get("KILLS", KILLS))
    seed, kind = os.environ.get("CHAOS_SEED", "chaos"), os.environ.get("RECEIVER", "own")
    print(f"chaos: {releases} releases, {kills} kills, {kind}, CHAOS_SEED={seed}", flush=True)
    began = time.monotonic()
    told = run(releases, kills, seed, kind)
    held = verdict(told, releases, kind)
    print(
        f"chaos: {told['delivered']} of {releases} delivered, {told['golden']} equal to golden"
        f" copies, {told['doubled']} doubled, {told['lost']} lost; {told['kills']} kills,"
        f" {told['plaintext']} plaintext; {told['orphans']} orphans;"
        f" {time.monotonic() - began:.0f} s: {'all held' if held else 'FAILED'}"
    )
    print("  " + ", ".join(f"{name} {count}" for name, count in sorted(told.items())))
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
