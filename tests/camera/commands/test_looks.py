"""Looks at the camera: pictures for the owner who asked, for minutes, and nothing stays."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agent.camera.commands.looks import Looks
from agent.camera.source import Frame
from agent.consent import signing
from agent.consent.statements import Arm, Look, StopLooking
from agent.errors import ClipDamaged, Refused
from agent.media import jpeg
from agent.vault import stills
from agent.vault.stills import StillFiles
from tests.camera.commands.test_owner_commands import Bedside
from tests.support.clock import SimulatedClock
from tests.support.house import House, Person

DIGEST, OTHER = "a" * 64, "b" * 64


def frame(shade: int = 100, at: float = 0.0) -> Frame:
    return Frame(np.full((180, 320), shade, np.uint8), at)


class Camera:
    """Looks over a folder, with a clock that tests move."""

    def __init__(self, root: Path) -> None:
        self.owner, self.partner, self.clock = Person(), Person(), SimulatedClock()
        self.files = StillFiles(root)
        self.folder = root / "camera" / "looks"
        people = {one.id: one.recipient for one in (self.owner, self.partner)}
        self.looks = Looks(self.files, people, self.clock)

    def give(self, seconds: float = 1.0, shade: int = 100) -> None:
        self.clock.advance(seconds)
        self.looks.picture(frame(shade))

    def seen(self, digest: str = DIGEST, by: Person | None = None) -> stills.Still:
        return stills.opened(self.files.read(digest[:16]), (by or self.owner).identity)

    def left(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("*"))


@pytest.fixture
def camera(tmp_path: Path) -> Camera:
    return Camera(tmp_path)


def test_the_owner_who_asked_sees_a_picture_a_second_and_nobody_else_does(camera: Camera) -> None:
    camera.looks.begin(DIGEST, camera.owner.id, 60)
    for number in range(3):
        camera.give()
        still = camera.seen()
        assert (still.look, still.number, still.at) == (DIGEST, number, camera.clock.now())
        assert jpeg.check(still.jpeg) == (320, 180)
    with pytest.raises(ClipDamaged):
        camera.seen(by=camera.partner)
    assert b"\xff\xd8\xff" not in camera.files.read(DIGEST[:16])


def test_more_frames_a_second_make_no_more_pictures(camera: Camera) -> None:
    camera.looks.begin(DIGEST, camera.owner.id, 60)
    for _ in range(40):
        camera.give(0.125)
    assert 4 <= camera.seen().number <= 5


def test_without_a_look_no_picture_is_made(camera: Camera) -> None:
    camera.give()
    assert not camera.folder.exists()


@pytest.mark.parametrize("end", ["time", "time without frames", "command", "process"])
def test_a_look_ends_and_its_file_goes_with_it(camera: Camera, end: str) -> None:
    camera.looks.begin(DIGEST, camera.owner.id, 60)
    camera.give()
    assert camera.left() == [f"{DIGEST[:16]}.age"]
    match end:
        case "time":
            camera.give(60)
        case "time without frames":
            camera.clock.advance(60)
            camera.looks.tick()
        case "command":
            camera.looks.end(DIGEST[:16])
        case "process":
            camera.looks.stop()
    assert camera.left() == []
    camera.give()
    assert camera.left() == []


def test_no_look_lasts_longer_than_five_minutes(camera: Camera) -> None:
    camera.looks.begin(DIGEST, camera.owner.id, 10**6)
    camera.give(299)
    assert camera.left()
    camera.give(1)
    assert camera.left() == []


def test_what_a_killed_process_left_is_removed_at_the_next_start(camera: Camera) -> None:
    camera.looks.begin(DIGEST, camera.owner.id, 60)
    camera.give()
    Looks(camera.files, {}, camera.clock).start()
    assert camera.left() == []


def test_two_owners_look_at_once_and_each_sees_their_own(camera: Camera) -> None:
    camera.looks.begin(DIGEST, camera.owner.id, 60)
    camera.looks.begin(OTHER, camera.partner.id, 60)
    camera.give()
    assert camera.seen().look == DIGEST
    assert camera.seen(OTHER, camera.partner).look == OTHER
    camera.looks.end(DIGEST[:16])
    assert camera.left() == [f"{OTHER[:16]}.age"]


def test_more_than_a_few_looks_at_once_are_refused(camera: Camera) -> None:
    for number in range(4):
        camera.looks.begin(f"{number}" * 64, camera.owner.id, 60)
    with pytest.raises(Refused, match="look already"):
        camera.looks.begin(DIGEST, camera.owner.id, 60)
    camera.clock.advance(60)
    camera.looks.begin(DIGEST, camera.owner.id, 60)


def test_a_disk_that_takes_no_file_ends_nothing(camera: Camera) -> None:
    camera.folder.parent.mkdir(parents=True)
    camera.folder.write_text("no folder")
    camera.looks.begin(DIGEST, camera.owner.id, 60)
    camera.give()
    camera.folder.unlink()
    camera.give()
    assert camera.seen().number == 1


# As owners' commands


@pytest.fixture
def bedside(tmp_path: Path) -> Bedside:
    return Bedside(House.build(tmp_path, partner=True))


def test_a_disarmed_camera_shows_its_pictures_and_records_none(bedside: Bedside) -> None:
    bedside.app.start()
    assert bedside.say(Arm(armed=False)) == "DONE: recording is off"
    command = bedside.sign(Look(seconds=60))
    bedside.bring(command)
    bedside.app.step(frame(at=1.0))
    name = signing.digest(command)
    still = stills.opened(
        StillFiles(bedside.house.config.state_dir).read(name[:16]), bedside.house.owner.identity
    )
    assert still.look == name
    assert bedside.clips() == []
    assert bedside.say(StopLooking(look=name[:16])) == "DONE: no more pictures"
    assert bedside.say(StopLooking(look=name[:16])) == "DONE: no more pictures"
    assert not list(bedside.house.config.state_dir.glob("camera/looks/*"))


@pytest.mark.parametrize("who", ["a stranger", "for another device"])
def test_only_an_owner_of_this_device_looks(bedside: Bedside, who: str) -> None:
    changes = {"by": Person()} if who == "a stranger" else {"aud": "A" * 43}
    answer = bedside.say(Look(seconds=60), **changes)
    assert not answer.startswith("DONE")
    bedside.app.commands.looks.picture(frame())
    assert not list(bedside.house.config.state_dir.glob("camera/looks/*"))


def test_a_look_that_is_brought_again_gives_no_more_pictures(bedside: Bedside) -> None:
    command = bedside.sign(Look(seconds=30))
    bedside.bring(command)
    bedside.house.clock.advance(31)
    bedside.bring()
    bedside.bring(command)
    bedside.restart()
    bedside.bring()
    bedside.bring(command)
    bedside.app.commands.looks.picture(frame())
    assert not list(bedside.house.config.state_dir.glob("camera/looks/*"))


# Any order of events


class LooksMachine(RuleBasedStateMachine):
    """Files are there for looks under way alone, and each holds its owner's newest picture."""

    def __init__(self) -> None:
        super().__init__()
        self.root = tempfile.TemporaryDirectory()
        self.camera = Camera(Path(self.root.name))
        self.until: dict[str, float] = {}
        self.count = 0

    def teardown(self) -> None:
        self.root.cleanup()

    @rule(seconds=st.integers(1, 300))
    @precondition(lambda self: len(self.until) < 4)
    def begin(self, seconds: int) -> None:
        self.count += 1
        digest = f"{self.count:064x}"[::-1]
        self.camera.looks.begin(digest, self.camera.owner.id, seconds)
        self.until[digest] = self.camera.clock.monotonic() + seconds

    @rule(data=st.data())
    @precondition(lambda self: self.until)
    def end(self, data: st.DataObject) -> None:
        digest = data.draw(st.sampled_from(sorted(self.until)))
        self.camera.looks.end(digest[:16])
        del self.until[digest]

    @rule(seconds=st.floats(0, 200), shade=st.integers(16, 235))
    def give(self, seconds: float, shade: int) -> None:
        self.camera.give(seconds, shade)
        now = self.camera.clock.monotonic()
        self.until = {one: end for one, end in self.until.items() if now < end}

    @rule()
    def stop(self) -> None:
        self.camera.looks.stop()
        self.until.clear()

    @invariant()
    def nothing_is_left_of_what_is_over(self) -> None:
        left = {name.removesuffix(".age") for name in self.camera.left()}
        assert left <= {digest[:16] for digest in self.until}
        for digest in self.until:
            if digest[:16] in left:
                assert self.camera.seen(digest).look == digest


TestLooksMachine = LooksMachine.TestCase
TestLooksMachine.settings = settings(max_examples=15, stateful_step_count=15)
