"""All clips of a day: more than a letter names, of several cameras, each once."""

from __future__ import annotations

import msgspec
import pytest

from agent.consent.statements import Window
from agent.errors import Refused
from agent.keyfile import Keys
from agent.owner.client import OwnerClient
from agent.owner.inbox import pages
from agent.vault.clips import seal
from tests.owner.at_home import OwnerAtHome
from tests.owner.camera import NOW, FakeCamera

DAY = Window(start=NOW - 86_400, end=NOW)
DEVICE = "front-door"


@pytest.mark.parametrize("count", [0, 1, 5, 6, 23])
@pytest.mark.parametrize("apart", [0, 1, 60], ids=["one second", "each second", "each minute"])
def test_all_clips_of_a_day_are_listed_once_in_their_order(
    count: int, apart: int, owner: OwnerAtHome, camera: FakeCamera, keys: Keys
) -> None:
    camera.page_clips = 5 if apart else 50
    offers = [camera.record(b"clip", started_at=NOW - 9_000 + n * apart) for n in range(count)]
    said: list[tuple[int, int]] = []
    client = OwnerClient(owner.folder)
    with camera.serve(owner.broker):
        found = client.timeline(keys, DAY, progress=lambda *now: said.append(now))
    assert [one.offer.id for one in found.clips] == [one.id for one in offers]
    assert not found.silent and not found.cut
    assert not said or said[-1][0] == count


def test_more_clips_of_one_second_than_a_letter_names_end_the_list_and_not_the_tool(
    owner: OwnerAtHome, camera: FakeCamera, keys: Keys
) -> None:
    camera.page_clips = 5
    for _ in range(12):
        camera.record(b"clip", started_at=NOW - 9_000)
    before = camera.record(b"clip", started_at=NOW - 10_000)
    with camera.serve(owner.broker):
        found = OwnerClient(owner.folder).timeline(keys, DAY)
    assert len({one.offer.id for one in found.clips}) == len(found.clips) >= 6
    assert before.id in {one.offer.id for one in found.clips}


def test_a_camera_that_is_offline_is_silent(
    owner: OwnerAtHome, camera: FakeCamera, keys: Keys
) -> None:
    with camera.serve(owner.broker):
        pass
    found = OwnerClient(owner.folder).timeline(keys, DAY)
    assert not found.clips
    assert found.silent[DEVICE] is not None


def test_a_clip_of_any_page_is_found_by_its_id_and_no_number_shifts(
    owner: OwnerAtHome, camera: FakeCamera, keys: Keys
) -> None:
    camera.page_clips = 3
    offers = [camera.record(b"clip", started_at=NOW - 9_000 + n) for n in range(8)]
    client = OwnerClient(owner.folder)
    with camera.serve(owner.broker):
        client.list_clips(keys, Window(start=NOW - 9_000, end=NOW - 8_998))
        client.timeline(keys, DAY)
    for offer in offers:
        assert client.find_clip(offer.id) == (DEVICE, offer)
    assert client.find_clip("1") == (DEVICE, offers[0])
    with pytest.raises(Refused, match="no clip"):
        client.find_clip("20240101-000000-000000")


def test_a_day_that_is_listed_again_replaces_its_pages(
    owner: OwnerAtHome, camera: FakeCamera, keys: Keys
) -> None:
    camera.page_clips = 3
    offers = [camera.record(b"clip", started_at=NOW - 9_000 + n) for n in range(7)]
    client = OwnerClient(owner.folder)
    with camera.serve(owner.broker):
        for _ in range(3):
            client.timeline(keys, DAY)
    assert len(owner.folder.names(pages.FOLDER, DEVICE)) <= 4
    assert client.find_clip(offers[3].id) == (DEVICE, offers[3])


def test_clips_that_only_other_owners_open_are_marked(
    owner: OwnerAtHome, camera: FakeCamera, keys: Keys
) -> None:
    readers = [Keys.generate().recipient for _ in range(2)]
    plain = camera.record(b"clip")
    key = seal.seal_key(seal.ClipIdentity().text, readers, clip_id=plain.id)
    camera.offers[plain.id] = msgspec.structs.replace(plain, sealed_key=key)
    with camera.serve(owner.broker):
        (found,) = OwnerClient(owner.folder).timeline(keys, DAY).clips
    assert found.closed
