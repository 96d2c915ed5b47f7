"""Owners' commands at the camera: it obeys owners, not the gateway that brings them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent import config
from agent.camera.app import build
from agent.camera.commands.owner_commands import OwnerCommands
from agent.camera.source import VideoFormat
from agent.consent import letters as mail
from agent.consent.cards import format_card
from agent.consent.statements import Arm, Arming, Delete, Keep, PauseRequests
from agent.gateway import device_keys
from agent.vault import camera_state
from agent.vault.clips.store import Clip
from agent.vault.wishes import Wishes, WishFile
from tests.support.camera_process import CameraProcess
from tests.support.house import House, Person
from tests.support.video import Video, make

DAY = 86_400


class Bedside:
    """A house whose camera reads wishes that the test writes in the gateway's place."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.keys = device_keys.load_or_create(house.config.state_dir, name="front-door")
        self.signed: list[str] = []
        self.restart()

    def restart(self) -> None:
        """Another run of the camera process."""
        self.app = build(self.house.config, clock=self.house.clock, notify=lambda _: None)

    @property
    def commands(self) -> OwnerCommands:
        return self.app.commands

    def sign(self, what: Any, **changes: Any) -> str:
        """A command as its owner signed it."""
        return mail.open_letter(self.house.command(what, **changes), self.keys.identity).jws

    def bring(self, *jws: str) -> None:
        """Let the camera see these commands."""
        WishFile(self.house.config.state_dir).write(Wishes(commands=jws))
        self.commands.look()

    def say(self, what: Any, **changes: Any) -> str:
        """Bring one more command; the camera's answer to it, or an empty text."""
        before = len(self.answers)
        self.signed.append(self.sign(what, **changes))
        self.bring(*self.signed)
        new = self.answers[before:]
        return f"{new[0].event}: {new[0].detail}" if new else ""

    @property
    def answers(self) -> tuple[camera_state.CommandAnswer, ...]:
        state = camera_state.read(self.house.config.state_dir)
        return state.answers if state is not None else ()

    def clips(self) -> list[Clip]:
        with self.house.open_index() as index:
            return index.clips()


@pytest.fixture
def bedside(tmp_path: Path) -> Bedside:
    return Bedside(House.build(tmp_path))


def test_delete_removes_the_clip_and_all_its_files(bedside: Bedside) -> None:
    gone, stays = bedside.house.record(seconds_ago=600), bedside.house.record()
    assert bedside.say(Delete(clip=gone.id)) == "DONE: the clip is deleted"
    assert [clip.id for clip in bedside.clips()] == [stays.id]
    assert len(list(bedside.house.config.state_dir.rglob("*.mp4.age"))) == 1
    assert bedside.say(Delete(clip=gone.id)) == "REFUSED: the camera holds no such clip"


def test_keep_is_in_the_sidecar_and_survives_a_lost_index(bedside: Bedside) -> None:
    clip = bedside.house.record()
    assert bedside.say(Keep(clip=clip.id, keep=True)) == "DONE: the clip is kept"
    assert [one.kept for one in bedside.clips()] == [True]
    bedside.app.index.close()
    for file in bedside.house.config.state_dir.glob("camera/index.sqlite*"):
        file.unlink()
    bedside.restart()
    bedside.app.start()
    assert [one.kept for one in bedside.clips()] == [True]
    assert bedside.say(Keep(clip=clip.id, keep=False)) == "DONE: the clip is no longer kept"
    assert [one.kept for one in bedside.clips()] == [False]


def test_more_clips_than_their_share_of_the_space_cannot_be_kept(tmp_path: Path) -> None:
    bedside = Bedside(House.build(tmp_path, storage=config.Storage(max_held_share=0.0)))
    clip = bedside.house.record()
    assert bedside.say(Keep(clip=clip.id, keep=True)).startswith("REFUSED: the clips that are kept")
    assert [one.kept for one in bedside.clips()] == [False]


def test_a_command_counts_once_however_often_the_gateway_brings_it(bedside: Bedside) -> None:
    disarm = bedside.sign(Arm(armed=False))
    bedside.bring(disarm)
    bedside.house.clock.advance(60)
    arm = bedside.sign(Arm(armed=True))
    bedside.bring(disarm, arm)
    assert bedside.commands.armed
    bedside.bring(disarm)
    bedside.restart()
    bedside.bring()
    bedside.bring(disarm)
    assert bedside.commands.armed
    assert [one.event for one in bedside.answers] == ["DONE", "DONE"]


def test_an_older_command_that_comes_late_does_not_disarm(bedside: Bedside) -> None:
    disarm = bedside.sign(Arm(armed=False))
    bedside.house.clock.advance(60)
    arm = bedside.sign(Arm(armed=True))
    bedside.bring(arm)
    bedside.bring(arm, disarm)
    assert bedside.commands.armed
    assert [one.event for one in bedside.answers] == ["DONE", "REFUSED"]


def test_disarming_survives_a_restart(bedside: Bedside) -> None:
    assert bedside.say(Arm(armed=False)) == "DONE: recording is off"
    bedside.restart()
    assert not bedside.commands.armed


def test_a_command_waits_for_a_clock_that_is_set(bedside: Bedside) -> None:
    bedside.house.clock.is_synced = False
    assert bedside.say(Arm(armed=False)) == ""
    assert bedside.commands.armed
    bedside.house.clock.is_synced = True
    bedside.commands.look()
    assert not bedside.commands.armed


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "A" * 43},
        {"iat": 1_706_121_000 - 9 * DAY, "exp": 1_706_121_000 - 2 * DAY},
        {"exp": 1_706_121_000 + 30 * DAY},
        {"iat": 1_706_121_000 + DAY, "exp": 1_706_121_000 + 2 * DAY},
    ],
    ids=["another camera's", "expired", "for too long", "from the future"],
)
def test_a_taken_over_gateway_cannot_bring_a_command_that_does_not_hold(
    bedside: Bedside, changes: dict[str, Any]
) -> None:
    clip = bedside.house.record()
    assert bedside.say(Delete(clip=clip.id), **changes).startswith("REFUSED")
    assert len(bedside.clips()) == 1


def test_a_taken_over_gateway_cannot_sign_for_an_owner(bedside: Bedside) -> None:
    clip = bedside.house.record()
    stranger = Person()
    forged = bedside.sign(Delete(clip=clip.id), by=stranger)
    signature = forged.rpartition(".")[2]
    of_owner = f"{bedside.sign(Delete(clip=clip.id)).rpartition('.')[0]}.{signature}"
    device = Person(bedside.keys.signing, bedside.keys.identity)
    by_device = bedside.sign(Delete(clip=clip.id), by=device)
    bedside.bring(forged, of_owner, by_device, "no jws", "")
    bedside.bring(forged[:-4] + "AAAA", of_owner)
    assert len(bedside.clips()) == 1
    assert bedside.answers == (), "what no owner signed is worth no write"


def test_other_commands_of_an_owner_are_refused(bedside: Bedside) -> None:
    assert bedside.say(PauseRequests()).startswith("REFUSED: the camera does not obey")


def test_a_gateway_that_shows_another_card_later_cannot_bring_another_cameras_commands(
    bedside: Bedside,
) -> None:
    clip = bedside.house.record()
    bedside.say(Arm(armed=True))  # the first card is kept
    other = Person()
    for_other = bedside.sign(Delete(clip=clip.id), aud=other.id)
    card = bedside.house.device_card()
    path = device_keys.card_of(bedside.house.config.state_dir)
    changed = type(card)(
        role="device", name=card.name, sign=other.signing.public.text, seal=other.recipient
    )
    path.write_text(format_card(changed))
    bedside.bring(for_other)
    assert [one.event for one in bedside.answers] == ["DONE", "REFUSED"]
    assert len(bedside.clips()) == 1


@pytest.mark.parametrize("kind", ["link", "garbage", "missing"])
def test_without_a_sound_card_nothing_is_obeyed(bedside: Bedside, kind: str) -> None:
    path = device_keys.card_of(bedside.house.config.state_dir)
    jws = bedside.sign(Arm(armed=False))
    text = path.read_text()
    path.unlink()
    if kind == "link":
        real = bedside.house.root / "elsewhere.yaml"
        real.write_text(text)
        path.symlink_to(real)
    elif kind == "garbage":
        path.write_bytes(b"\xff\xfe")
    bedside.bring(jws)
    assert bedside.commands.armed
    assert [one.event for one in bedside.answers] == ["REFUSED"]


@pytest.fixture
def video(tmp_path: Path) -> Video:
    return make(tmp_path, seconds=4)


def test_while_disarmed_nothing_is_recorded_and_no_pre_roll_is_kept(
    tmp_path: Path, video: Video
) -> None:
    camera = CameraProcess(tmp_path, video, seconds=60, motion=[(10, 12), (30, 32), (50, 52)])
    keys = device_keys.load_or_create(camera.house.config.state_dir, name="front-door")

    def tell(armed: bool) -> None:
        letter = mail.open_letter(camera.house.command(Arm(armed=armed)), keys.identity)
        WishFile(camera.house.config.state_dir).write(Wishes(commands=(letter.jws,)))

    began = camera.clock.now()
    app = camera.app()
    camera.watch(app, {11: lambda: tell(False), 49: lambda: tell(True)})
    app.finish("stopped")
    starts = [clip.started_at - began for clip in camera.clips()]
    ends = [(clip.started_at + clip.duration_seconds) - began for clip in camera.clips()]
    assert len(starts) == 2
    assert 7 <= starts[0] <= 10 and 11 <= ends[0] <= 13, "disarmed: the clip ends at once"
    assert starts[1] >= 49, "nothing from before it was armed again"
    assert any(state.startswith("disarmed") for state in camera.states())


@pytest.mark.parametrize("state", ["gone", "empty", "cut off", "of another version"])
@pytest.mark.parametrize("armed", [False, True])
def test_the_switch_survives_a_state_that_cannot_be_read(
    bedside: Bedside, state: str, armed: bool
) -> None:
    bedside.say(Arm(armed=not armed))
    bedside.house.clock.advance(60)
    bedside.say(Arm(armed=armed))
    arming = bedside.commands.state.said.arming
    path = camera_state.path_of(bedside.house.config.state_dir)
    match state:
        case "gone":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "cut off":
            path.write_bytes(path.read_bytes()[:-9])
        case _:
            path.write_bytes(path.read_bytes()[:-1] + b',"more":1}')
    bedside.restart()
    assert bedside.commands.state.said.arming == arming, "by whom, and since when"
    bedside.commands.state.say(at=1.0, state="armed")
    told = camera_state.read(bedside.house.config.state_dir)
    assert told is not None and told.arming == arming


@pytest.mark.parametrize("content", [b"", b"x.y.z", b"\xff", b"a stranger's"])
@pytest.mark.parametrize("is_state_whole", [True, False])
def test_if_nothing_tells_whether_it_is_disarmed_it_records_nothing(
    bedside: Bedside, content: bytes, is_state_whole: bool
) -> None:
    bedside.say(Arm(armed=True))
    folder = bedside.house.config.state_dir
    if content == b"a stranger's":
        content = bedside.sign(Arm(armed=True), by=Person()).encode()
    (folder / "camera" / "arming.jws").write_bytes(content)
    if not is_state_whole:
        camera_state.path_of(folder).write_bytes(b"")
    bedside.restart()
    assert bedside.commands.armed == is_state_whole
    assert bedside.say(Arm(armed=True)) == "DONE: recording is on", "and that repairs it"
    bedside.restart()
    assert bedside.commands.armed


# The schedule, and how it meets an owner's word

NIGHTS = config.Camera(armed=(config.Period(start="22:00", end="06:00"),))  # it is 18:30 UTC
IN_UTC = config.Time(synced_marker=None, zone="UTC")
HOUR = 3_600


@pytest.fixture
def nightly(tmp_path: Path) -> Bedside:
    return Bedside(House.build(tmp_path, camera=NIGHTS, time=IN_UTC))


def arming(bedside: Bedside) -> Arming:
    bedside.commands.look()
    said = camera_state.read(bedside.house.config.state_dir)
    assert said is not None and said.arming.armed == bedside.commands.armed
    return said.arming


def test_without_an_owners_word_the_schedule_decides_and_says_until_when(nightly: Bedside) -> None:
    now = int(nightly.house.clock.now())
    off = Arming(armed=False, scheduled=True, until=now + int(3.5 * HOUR))
    assert arming(nightly) == off
    nightly.house.clock.advance(3.5 * HOUR)
    assert arming(nightly) == Arming(armed=True, scheduled=True, until=now + int(11.5 * HOUR))
    nightly.restart()
    assert nightly.commands.armed
    nightly.house.clock.advance(8 * HOUR)
    assert not arming(nightly).armed


def test_disarm_and_arm_hold_until_an_owner_says_otherwise(nightly: Bedside) -> None:
    assert nightly.say(Arm(armed=True)) == "DONE: recording is on"
    for _ in range(48):
        nightly.house.clock.advance(HOUR)
        assert arming(nightly).armed
    assert nightly.say(Arm(armed=False)) == "DONE: recording is off"
    nightly.restart()
    for _ in range(48):
        nightly.house.clock.advance(HOUR)
        assert not arming(nightly).armed
    said = nightly.say(Arm(armed=True, scheduled=True))
    assert said == "DONE: recording is on by its schedule"
    hours = []
    for _ in range(24):
        hours.append(arming(nightly).armed)
        nightly.house.clock.advance(HOUR)
    assert sum(hours) == 8 and not hours[0]
    assert arming(nightly).owner == nightly.house.owner.id


def test_an_owners_word_that_was_lost_and_cannot_be_read_stays_off_in_a_period(
    nightly: Bedside,
) -> None:
    nightly.say(Arm(armed=False))
    folder = nightly.house.config.state_dir / "camera"
    camera_state.path_of(nightly.house.config.state_dir).unlink()
    (folder / "arming.jws").write_text("damaged")
    nightly.restart()
    for _ in range(24):
        nightly.house.clock.advance(HOUR)
        assert not arming(nightly).armed


def test_a_clock_that_is_not_set_switches_nothing_off(nightly: Bedside) -> None:
    nightly.house.clock.is_synced = False
    assert arming(nightly) == Arming(armed=True, scheduled=True)
    nightly.house.clock.is_synced = True
    assert not arming(nightly).armed
    nightly.say(Arm(armed=False))
    nightly.house.clock.is_synced = False
    assert not arming(nightly).armed, "an owner's word needs no clock"


def test_a_schedule_that_is_taken_away_records_again(nightly: Bedside) -> None:
    assert not arming(nightly).armed
    nightly.house.config = msgspec.structs.replace(nightly.house.config, camera=config.Camera())
    nightly.restart()
    assert arming(nightly) == Arming(armed=True)


def test_a_clock_that_is_set_back_is_judged_anew(nightly: Bedside) -> None:
    nightly.house.clock.advance(4 * HOUR)
    assert arming(nightly).armed
    nightly.house.clock.step_wall(-4 * HOUR)
    assert not arming(nightly).armed


def test_an_idle_schedule_writes_nothing(nightly: Bedside) -> None:
    arming(nightly)
    path = camera_state.path_of(nightly.house.config.state_dir)
    before = path.stat().st_ino, path.stat().st_mtime_ns
    for _ in range(200):
        nightly.house.clock.advance(60)
        nightly.commands.look()
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == before


def test_a_schedule_never_goes_with_recording_off() -> None:
    with pytest.raises(ValueError, match="does not go with"):
        Arm(armed=False, scheduled=True)


def test_outside_of_its_times_the_camera_keeps_no_pre_roll(nightly: Bedside) -> None:
    app, clock = nightly.app, nightly.house.clock

    def records() -> bool:
        clock.advance(1)
        app.step(None)
        return app._recorder is not None

    app.step(VideoFormat(codec="h264", width=64, height=64, extradata=b""))
    assert not records()
    clock.step_wall(4 * HOUR)
    assert records()
    clock.step_wall(8 * HOUR)
    assert not records()
