"""The status letters: fresh, to each owner alone, and silent about what a broker must not see."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from agent.consent import letters as mail
from agent.consent import signing
from agent.consent.statements import Arming, Mute, PauseRequests, ResumeRequests, Status
from agent.errors import NetworkFault, UnreadableLetter
from agent.gateway import device_keys
from agent.mqtt import topics
from agent.vault import camera_state
from agent.vault.camera_state import StateFile
from agent.vault.locks import camera_at_work as at_work
from tests.support.feed import alert
from tests.support.feed import publish as publish_post
from tests.support.gateway_world import DEVICE, World
from tests.support.house import Person
from tests.support.peers import FakeLink
from tests.support.two_owners import write

HOUR = 3_600


@pytest.fixture
def recording(world: World) -> Iterator[World]:
    """A world whose camera runs."""
    camera_state.path_of(world.house.config.state_dir).parent.mkdir(exist_ok=True)
    with at_work(world.house.config.state_dir, clock=world.clock):
        said(world, "armed", "")
        yield world


def said(world: World, state: str, detail: str, *, motion: float | None = None) -> None:
    folder = world.house.config.state_dir
    StateFile(folder, seals_to=tuple(world.house.recipients)).say(
        at=world.clock.now(), state=state, detail=detail, last_motion_at=motion
    )
    world.clock.advance(10)
    world.run()


def letters(world: World, owner: Person | None = None) -> list[bytes]:
    topic = topics.status(DEVICE, (owner or world.house.owner).id)
    return [payload for where, payload in world.broker.published if where == topic]


def last(world: World, owner: Person | None = None) -> Status:
    reader, card = owner or world.house.owner, world.house.device_card()
    jws = mail.open_letter(letters(world, owner)[-1], reader.identity).jws
    return signing.verify(jws, Status, {card.fingerprint: card.key})


def test_a_device_that_has_nothing_to_say_says_so(recording: World) -> None:
    status = last(recording)
    assert (status.device, status.camera.state, status.gateway.state) == (
        DEVICE,
        "armed",
        "connected",
    )
    assert (status.open, status.pause, status.muted) == ((), None, ())
    assert [one.name for one in status.owners] == ["Olive"]
    assert status.seals_to == tuple(recording.house.recipients), "by the running camera's word"
    assert status.iss == recording.house.device_card().fingerprint


def test_it_is_repeated_each_hour_with_a_new_time_and_writes_nothing(recording: World) -> None:
    recording.run()
    before, at = len(letters(recording)), last(recording).iat
    assert recording.gateway is not None
    changes = recording.gateway.database.own_changes()
    for _ in range(3 * 360):
        recording.clock.advance(10)
        recording.gateway.step()
    assert len(letters(recording)) - before == 3
    assert at + 3 * HOUR - 20 <= last(recording).iat <= recording.clock.now()
    assert recording.gateway.database.own_changes() == changes, "it was written to the card"


def test_it_is_said_again_after_each_connection(recording: World) -> None:
    before = len(letters(recording))
    assert recording.gateway is not None
    recording.broker.retained.clear()
    recording.gateway.owner_link.drop()  # type: ignore[attr-defined]
    recording.run()
    recording.gateway.owner_link.start()
    recording.run()
    assert len(letters(recording)) == before + 1
    assert topics.status(DEVICE, recording.house.owner.id) in recording.broker.retained


def test_the_place_is_told_to_the_owners_alone(recording: World) -> None:
    place = recording.house.config.device.place
    said = last(recording).place
    assert said is not None
    assert (said.latitude, said.longitude) == (place.latitude, place.longitude)
    text = str(place.latitude).encode()
    assert all(text not in payload for _, payload in recording.broker.published)


def test_motion_and_refused_posts_wait_for_the_hour(recording: World) -> None:
    before = len(letters(recording))
    said(recording, "recording", "", motion=recording.clock.now())
    recording.house.record(seconds=1_000.0)
    said(recording, "armed", "", motion=recording.clock.now())
    recording.to_feed("not a request", "0123456789abcdef")
    recording.clock.advance(10)
    recording.run()
    assert recording.events("request.refused") or recording.events("post.")
    assert len(letters(recording)) == before, "a broker saw when somebody walked by"
    recording.clock.advance(HOUR)
    recording.run()
    assert last(recording).space.clips == 1
    assert last(recording).recorded == round(1_000 / 86_400, 3)
    assert last(recording).last_motion_at is not None


def test_a_schedule_that_switches_waits_for_the_hour_and_an_owners_word_does_not(
    recording: World,
) -> None:
    """A broker must not learn from the time of a letter when nobody watches."""
    state = StateFile(recording.house.config.state_dir, seals_to=tuple(recording.house.recipients))
    off = Arming(armed=False, scheduled=True, until=int(recording.clock.now()) + 50)
    state.say(at=recording.clock.now(), state="armed", arming=replace(off, armed=True))
    recording.clock.advance(10)
    recording.run()
    before = len(letters(recording))
    for arming, word in ((off, "disarmed"), (replace(off, armed=True, until=None), "recording")):
        state.say(at=recording.clock.now(), state=word, arming=arming)
        recording.clock.advance(10)
        recording.run()
    state.say(at=recording.clock.now(), state="disarmed", arming=off)
    assert len(letters(recording)) == before
    recording.clock.advance(HOUR)
    recording.run()
    assert last(recording).arming == off
    state.say(at=recording.clock.now(), state="disarmed", arming=Arming(armed=False))
    recording.clock.advance(10)
    recording.run()
    assert last(recording).arming == Arming(armed=False)


def test_an_open_request_a_pause_and_a_mute_are_told_at_once(recording: World) -> None:
    house = recording.house
    house.record()
    post = recording.post()
    (told,) = last(recording).open
    assert (told.request, told.kind) == (signing.digest(post), "voluntary")
    recording.to_device(house.command(PauseRequests()))
    pause = last(recording).pause
    assert pause is not None and pause.owner == house.owner.id
    assert last(recording).open == (told,), "it is open still"
    recording.to_device(house.command(ResumeRequests()))
    assert last(recording).pause is None
    recording.to_device(house.command(Mute(requester=house.requester.id, muted=True)))
    assert last(recording).muted == (house.requester.id,)
    assert last(recording).open == ()


def test_a_camera_without_pictures_is_told_at_once(recording: World) -> None:
    said(recording, "no-frames", "rtsp://10.0.0.7/main does not answer")
    health = last(recording).camera
    assert (health.state, health.detail) == ("no-frames", "rtsp://10.0.0.7/main does not answer")
    assert b"10.0.0.7" not in b"".join(payload for _, payload in recording.broker.published)


def test_each_owner_gets_a_letter_that_only_they_and_the_device_open(
    shared: World, tmp_path: Path
) -> None:
    house = shared.house
    assert last(shared).approvals_needed == 2
    assert [one.name for one in last(shared, house.partner).owners] == ["Olive", "Otto"]
    with pytest.raises(UnreadableLetter):
        mail.open_letter(letters(shared)[-1], house.partner.identity)
    keys = device_keys.load_or_create(house.config.state_dir, name=DEVICE)
    assert mail.open_letter(letters(shared)[-1], keys.identity)


def test_owners_are_told_of_letters_that_do_not_get_through(
    recording: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that takes nothing on one topic, and says so by hanging up."""
    assert recording.gateway is not None
    link = recording.gateway.owner_link
    assert isinstance(link, FakeLink)
    publish = FakeLink.publish

    def hangs_up(self: FakeLink, topic: str, payload: bytes, *, retained: bool) -> int:
        token = publish(self, topic, payload, retained=retained)
        if topic == topics.notices(DEVICE):
            while not self.events.empty():
                self.events.get()
            self.drop()
        return token

    assert last(recording).warnings == ()
    monkeypatch.setattr(FakeLink, "publish", hangs_up)
    publish_post(recording, alert(recording))
    for _ in range(6):
        recording.run()
        link.start()
        recording.clock.advance(10)
    recording.run()
    (warning,) = last(recording).warnings
    assert warning.startswith("1 message does not get through to you")


def test_a_row_that_was_forged_costs_letters_but_ends_nothing(
    recording: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody edited the database on the disk."""
    before = len(letters(recording))
    write(recording, "INSERT INTO pause VALUES (1, 'nobody', 1e300)")
    recording.restart()
    for _ in range(2):
        recording.clock.advance(HOUR)
        recording.run()
    assert len(letters(recording)) == before
    assert caplog.text.count("a status letter cannot be written") == 1
    assert topics.state(DEVICE) in recording.broker.retained
    write(recording, "DELETE FROM pause")
    recording.restart()
    assert last(recording).pause is None
    assert len(letters(recording)) > before


def test_a_letter_for_which_the_broker_is_gone_comes_with_the_next_connection(
    recording: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(letters(recording))
    publish = FakeLink.publish

    def cut(self: FakeLink, topic: str, payload: bytes, *, retained: bool) -> int:
        if topic == topics.status(DEVICE, recording.house.owner.id):
            raise NetworkFault("cut")
        return publish(self, topic, payload, retained=retained)

    with monkeypatch.context() as away:
        away.setattr(FakeLink, "publish", cut)
        said(recording, "no-frames", "it does not answer")
    assert len(letters(recording)) == before
    assert recording.gateway is not None
    link = recording.gateway.owner_link
    assert isinstance(link, FakeLink)
    link.drop()
    recording.run()
    link.start()
    recording.run()
    assert last(recording).camera.state == "no-frames"
