"""Hours of a network camera that bends: ``make soak-camera`` (SECONDS, SEED, SPEED).

The real parts of the camera process record from an RTSP server on loopback. By a seed the camera
changes its rate, its parameter sets, day and night; it loses packets, hangs up, has no power, and
answers that it has no stream. Each picture carries its number. At the end every picture of every
walk that was sent whole must be in a clip, at its time.

Clock and camera run SPEED times faster than the machine, so the lateness of a busy machine counts
as many times. The camera's own lateness tells of it, and is granted to the agent too.
"""

from __future__ import annotations

import argparse
import bisect
import io
import random
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

from agent import config
from agent.camera.app import build
from agent.clock import SystemClock
from tests.camera.test_app import opened
from tests.peers.bendable_camera import BendableCamera, Sent, parameter_sets
from tests.support.house import House
from tests.support.video import Video, load, nal_units

WIDTH, HEIGHT, FRAMES_PER_SECOND, GOP = 320, 180, 12.5, 25
LAP_SECONDS = 120.0
LAP = round(LAP_SECONDS * FRAMES_PER_SECOND)
WALKS = ((20.0, 26.0), (55.0, 60.0), (88.0, 96.0))  # seconds of a lap
BITS, SQUARE = 11, 8  # of a picture's number, in its top left corner
NUMBER_ZONE = ((0.0, 0.0), (0.3, 0.0), (0.3, 0.06), (0.0, 0.06))
SETTLED_SECONDS = 12.0  # of a session, before a walk in it is judged
SEEN_SECONDS = 3.0  # of a walk, that a session must show
MOST_OFF_SECONDS = 1.0  # beside the machine's lateness in the time before
LATENESS_SECONDS = 20.0


class FastClock(SystemClock):
    """The machine's clock, ``speed`` times as fast from now on."""

    def __init__(self, speed: float) -> None:
        super().__init__(None)
        self.speed = speed
        self._begun, self._wall = time.monotonic(), time.time()

    def monotonic(self) -> float:
        return self._begun + (time.monotonic() - self._begun) * self.speed

    def now(self) -> float:
        return self._wall + self.monotonic() - self._begun

    def sleep(self, seconds: float) -> None:
        """Wait so many of its own seconds."""
        time.sleep(seconds / self.speed)


@dataclass(frozen=True)
class Phase:
    """A time in which the camera stays as it is, and the trouble at its end."""

    ends: float
    slow: float  # real seconds of one second of its stamps
    looks: tuple[int, ...]  # which encodings it takes by turns
    turn_gops: int
    loss: float
    trouble: str
    trouble_seconds: float


def phases(seed: int, seconds: float) -> list[Phase]:
    """The life of the camera."""
    chance, at, all_ = random.Random(seed), 0.0, []
    while at < seconds:
        at += chance.uniform(60, 300)
        all_.append(
            Phase(
                ends=at,
                slow=chance.choice(
                    [1, 1, 1, 1.0005, 0.84, 1.19, 2, 0.5, 3, chance.uniform(0.4, 3)]
                ),
                looks=chance.choice([(0,), (0, 1), (2,), (0, 1, 2)]),
                turn_gops=chance.choice([1, 2, 5]),
                loss=chance.choice([0, 0, 0, 0.0005, 0.002]),
                trouble=chance.choice(["", "", "hangs up", "no power", "404 Not Found", "503 X"]),
                trouble_seconds=chance.uniform(3, 40),
            )
        )
    return all_


def draw(number: int, base: NDArray[np.floating], noise: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Luma of a picture of the street, with its number in it."""
    luma: NDArray[np.uint8] = np.clip(base + noise[number % 8], 16, 235).astype(np.uint8)
    seconds = number / FRAMES_PER_SECOND
    for begins, ends in WALKS:
        if begins <= seconds < ends:
            left = int((seconds - begins) / (ends - begins) * (WIDTH - 24))
            luma[80:140, left : left + 24] = 220
            luma[80:95, left : left + 24] = 40
    for bit in range(BITS):
        luma[:SQUARE, bit * SQUARE : (bit + 1) * SQUARE] = 220 if number >> bit & 1 else 30
    return luma


def read_number(luma: NDArray[np.uint8]) -> int:
    """The number in a picture."""
    return sum(
        1 << bit
        for bit in range(BITS)
        if luma[2 : SQUARE - 2, bit * SQUARE + 2 : (bit + 1) * SQUARE - 2].mean() > 125
    )


def film(path: Path, *, qp: int, night: bool) -> Video:
    """One lap of the street, as one of the camera's encoders gives it."""
    chance = np.random.default_rng(1)
    base = np.kron(chance.normal(120, 28, (HEIGHT // 20, WIDTH // 20)), np.ones((20, 20)))
    noise = chance.normal(0, 5 if night else 2, (8, HEIGHT, WIDTH))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(FRAMES_PER_SECOND))
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.gop_size = GOP
        stream.options = {"preset": "ultrafast", "qp": str(qp), "bf": "0", "sc_threshold": "0"}
        planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
        for number in range(LAP):
            planes[:HEIGHT] = draw(number, base * (0.6 if night else 1), noise)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return load(path)


@dataclass(frozen=True)
class Shown:
    """A picture that left the camera, by the fast wall clock; ``whole``: nothing is missing.

    ``late``: seconds after it was due, because the machine was busy.
    """

    session: int
    number: int
    at: float
    whole: bool
    late: float = 0.0


@dataclass(eq=False)
class World:
    """The street before the camera: picture ``n`` is due at a moment that the seed decides."""

    films: list[Video]
    life: list[Phase]
    clock: FastClock
    chance: random.Random
    shown: list[Shown] = field(default_factory=list)
    sessions: list[float] = field(default_factory=list)  # the beginning of each
    _hurt: bool = False
    _loss: float = 0.0

    def __post_init__(self) -> None:
        self.begun = self.clock.monotonic()
        self.due, self.phase = [], []
        at = 0.0
        for phase in self.life:
            while at < phase.ends:
                self.due.append(at)
                self.phase.append(phase)
                at += phase.slow / FRAMES_PER_SECOND
        self._units = [
            [tuple(nal_units(packet.data, start_codes=False)) for packet in each.packets]
            for each in self.films
        ]
        self._sets = [tuple(parameter_sets(each)) for each in self.films]

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return self.clock.monotonic() - self.begun

    def plays(self) -> Iterator[Sent]:
        """One session: from the next keyframe on, with stamps of the nominal rate."""
        session, joined = len(self.sessions), self.seconds
        self.sessions.append(self.clock.now())
        first = -(-bisect.bisect_left(self.due, joined) // GOP) * GOP
        for n in range(first, len(self.due)):
            phase, number, key = self.phase[n], n % LAP, n % GOP == 0
            look = phase.looks[n // GOP // phase.turn_gops % len(phase.looks)]
            self._loss, self._hurt = phase.loss, self._hurt and not key
            units = self._units[look][number]
            wait = (self.due[n] - joined) / self.clock.speed
            yield Sent(wait, n / FRAMES_PER_SECOND, (*self._sets[look], *units) if key else units)
            late = max(self.seconds - self.due[n], 0.0)
            self.shown.append(Shown(session, number, self.clock.now(), not self._hurt, late))

    def loses(self) -> bool:
        """Tell if the next packet is lost."""
        lost = self.chance.random() < self._loss
        self._hurt = self._hurt or lost
        return lost

    def lead(self, camera: BendableCamera, stop: threading.Event) -> None:
        """Bring the camera its troubles, one after another, until the last."""
        for phase in self.life[:-1]:
            if stop.wait(max(phase.ends - self.seconds, 0) / self.clock.speed):
                return
            if phase.trouble == "no power":
                camera.kill()
            elif phase.trouble:
                camera.status = "" if phase.trouble == "hangs up" else phase.trouble
                camera.drop()
            else:
                continue
            stop.wait(phase.trouble_seconds / self.clock.speed)
            if phase.trouble == "no power":
                camera.start()
            camera.status = ""
        stop.wait(max(self.life[-1].ends - self.seconds, 0) / self.clock.speed)


def walks(world: World) -> list[list[Shown]]:
    """The walks to judge: begun in a session that had settled, and shown for long enough."""
    found: list[list[Shown]] = []
    last: tuple[int, int] | None = None
    for each in world.shown:
        seconds = each.number / FRAMES_PER_SECOND
        walk = next((n for n, (a, b) in enumerate(WALKS) if a <= seconds < b), None)
        now = None if walk is None else (each.session, walk)
        if now is not None and now != last:
            found.append([])
        if now is not None:
            found[-1].append(each)
        last = now
    first = {round(a * FRAMES_PER_SECOND) for a, _ in WALKS}
    return [
        walk
        for walk in found
        if walk[0].number in first
        and walk[0].at - world.sessions[walk[0].session] >= SETTLED_SECONDS
        and walk[-1].at - walk[0].at >= SEEN_SECONDS
    ]


def recorded(house: House) -> dict[int, list[float]]:
    """The moments at which each number is in a clip."""
    moments: dict[int, list[float]] = defaultdict(list)
    with house.open_index() as index:
        clips = index.clips()
    for clip in clips:
        with av.open(io.BytesIO(opened(house, clip)), "r") as container:
            first = None
            for picture in container.decode(video=0):
                first = picture.time if first is None else first
                assert picture.time is not None
                assert first is not None
                number = read_number(np.asarray(picture.to_ndarray(format="gray"), np.uint8))
                moments[number].append(clip.started_at + picture.time - first)
    return moments


def judge(world: World, house: House) -> tuple[str, list[str]]:
    """A line of figures, and the faults."""
    moments = recorded(house)
    faults, pictures, worst = [], 0, 0.0
    judged = walks(world)
    for walk in judged:
        whole = [each for each in walk if each.whole]
        off = [min((abs(at - e.at) for at in moments[e.number]), default=1e9) for e in whole]
        pictures += len(whole)
        missing = sum(each > LAP_SECONDS / 4 for each in off)
        there = [each for each in off if each <= LAP_SECONDS / 4]
        worst = max([worst, *there])
        lateness = max(
            each.late
            for each in world.shown
            if walk[0].at - LATENESS_SECONDS <= each.at <= walk[-1].at
        )
        late = sum(each > MOST_OFF_SECONDS + lateness for each in there)
        if missing or late:
            begins = walk[0].at - world.sessions[0]
            faults.append(
                f"the walk at {begins:.0f} s of session {walk[0].session}: of {len(whole)} pictures"
                f" {missing} missing, {late} off by up to {max(there, default=0):.1f} s, where the"
                f" machine was {lateness:.1f} s late"
            )
    figures = (
        f"{len(world.sessions)} sessions, {len(judged)} walks judged, {pictures} pictures,"
        f" worst time {worst:.2f} s off"
    )
    return figures, faults


def run(seed: int, seconds: float, speed: float) -> tuple[str, list[str]]:
    """One life of the camera: its figures and faults."""
    with tempfile.TemporaryDirectory(prefix="clip-soak-camera-") as folder:
        root = Path(folder)
        films = [
            film(root / f"{qp}.mp4", qp=qp, night=night)
            for qp, night in ((26, False), (29, False), (28, True))
        ]
        clock = FastClock(speed)
        world = World(films, phases(seed, seconds), clock, random.Random(seed))
        with BendableCamera(films[0], plays=world.plays, loses=world.loses) as camera:
            house = House.build(
                root / "house",
                camera=config.Camera(
                    source=config.StreamSource(record=camera.url("main")),
                    recording=config.Recording(no_frame_seconds=60),
                    zones=config.Zones(exclude=(NUMBER_ZONE,)),
                ),
            )
            app = build(house.config, clock=clock, notify=lambda _: None)
            ended: list[BaseException] = []
            stop = threading.Event()

            def record() -> None:
                try:
                    app.run()
                except BaseException as error:  # noqa: BLE001 - judged below
                    ended.append(error)
                stop.set()

            process = threading.Thread(target=record)
            process.start()
            world.lead(camera, stop)
            app.stop()
            process.join(60)
        figures, faults = judge(world, house)
    return figures, [*(f"the process ended: {error}" for error in ended), *faults]


def main() -> int:
    """Run one life; 0 if all is recorded."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--seconds", type=float, default=4 * 3_600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--speed", type=float, default=4)
    given = parser.parse_args()
    began = time.monotonic()
    figures, faults = run(given.seed, given.seconds, given.speed)
    took = time.monotonic() - began
    print(f"seed {given.seed}, {given.seconds:g} s in {took:.0f} s: {figures}")
    print(*faults, sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
