"""Thumbnails on the owner's computer: fetched once, proven by the clip's key, opened in memory."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.consent.statements import ClipOffer, Delete, Thumbnails
from agent.errors import ClipDamaged, NetworkFault, Refused, StorageFault
from agent.keyfile import Keys
from agent.owner.client import OwnerClient
from agent.owner.pictures import thumbnails
from agent.owner.pictures.cache import ThumbnailCache
from agent.vault.clips import seal
from agent.vault.clips import thumbnails as packing
from tests.owner.at_home import OwnerAtHome
from tests.owner.camera import FakeCamera
from tests.support import pictures

DEVICE = "front-door"
SHOWN = [pictures.jpeg(shade) for shade in (40, 90, 200)]


def asked(camera: FakeCamera) -> list[Thumbnails]:
    """The commands for thumbnails that the camera got."""
    said = (camera._command(letter) for letter in camera.decisions)
    return [one for one in said if isinstance(one, Thumbnails)]


@pytest.fixture
def offers(camera: FakeCamera) -> list[ClipOffer]:
    """Three clips with thumbnails, and one without."""
    return [*(camera.record(b"clip", thumbnail=one) for one in SHOWN), camera.record(b"clip")]


# Fetching


def test_thumbnails_of_many_clips_come_with_one_command_and_are_fetched_once(
    owner: OwnerAtHome, camera: FakeCamera, keys: Keys, offers: list[ClipOffer]
) -> None:
    client = OwnerClient(owner.folder)
    wanted = dict(zip([one.id for one in offers], [*SHOWN, None], strict=True))
    with camera.serve(owner.broker):
        assert client.pictures.thumbnails(DEVICE, offers, keys) == wanted
    assert asked(camera) == [Thumbnails(clips=tuple(wanted))]
    assert client.pictures.thumbnails(DEVICE, offers, keys) == wanted, "without the camera"
    new = camera.record(b"clip", thumbnail=SHOWN[0])
    with camera.serve(owner.broker):
        assert client.pictures.thumbnails(DEVICE, [*offers, new], keys)[new.id] == SHOWN[0]
    assert asked(camera)[1:] == [Thumbnails(clips=(new.id,))]


def test_more_clips_than_a_command_names_take_several_over_one_connection(
    owner: OwnerAtHome, camera: FakeCamera, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thumbnails, "MOST_AT_ONCE", 2)
    offers = [camera.record(b"clip", thumbnail=SHOWN[n % 3]) for n in range(5)]
    with camera.serve(owner.broker):
        found = OwnerClient(owner.folder).pictures.thumbnails(DEVICE, offers, keys)
    assert [found[one.id] for one in offers] == [SHOWN[n % 3] for n in range(5)]
    assert [len(one.clips) for one in asked(camera)] == [2, 2, 1]
    assert len(camera.syncs) == 1


def test_what_was_not_fetched_is_left_out_on_request(
    owner: OwnerAtHome, camera: FakeCamera, keys: Keys, offers: list[ClipOffer]
) -> None:
    client = OwnerClient(owner.folder)
    with camera.serve(owner.broker):
        client.pictures.thumbnails(DEVICE, offers[:1], keys)
    assert client.pictures.thumbnails(DEVICE, offers, keys, fetch=False) == {offers[0].id: SHOWN[0]}


def test_a_camera_that_is_offline_is_named(
    owner: OwnerAtHome, camera: FakeCamera, keys: Keys, offers: list[ClipOffer]
) -> None:
    with camera.serve(owner.broker):
        pass  # it says goodbye
    with pytest.raises(NetworkFault, match="front-door is offline"):
        OwnerClient(owner.folder).pictures.thumbnails(DEVICE, offers, keys)


def test_nothing_in_the_folder_opens_without_the_owners_key(
    owner: OwnerAtHome, camera: FakeCamera, keys: Keys, offers: list[ClipOffer]
) -> None:
    with camera.serve(owner.broker):
        OwnerClient(owner.folder).pictures.thumbnails(DEVICE, offers, keys)
    kept = [path for path in owner.folder.path.rglob("*") if path.is_file()]
    assert not any(b"\xff\xd8\xff" in path.read_bytes() for path in kept)
    assert {path.stat().st_mode & 0o077 for path in kept if path.suffix == ".age"} <= {0o044, 0}


def test_a_deleted_clip_takes_its_thumbnail_along(
    owner: OwnerAtHome, camera: FakeCamera, keys: Keys, offers: list[ClipOffer]
) -> None:
    client = OwnerClient(owner.folder)
    with camera.serve(owner.broker):
        client.pictures.thumbnails(DEVICE, offers, keys)
        (plan,) = client.plans.command(Delete(clip=offers[0].id), DEVICE)
        client.send(plan, keys)
    left = client.pictures.thumbnails(DEVICE, offers, keys, fetch=False)
    assert set(left) == {one.id for one in offers[1:]}


def test_a_removed_camera_takes_its_thumbnails_along(
    owner: OwnerAtHome, camera: FakeCamera, keys: Keys, offers: list[ClipOffer]
) -> None:
    with camera.serve(owner.broker):
        OwnerClient(owner.folder).pictures.thumbnails(DEVICE, offers, keys)
    owner.folder.remove(DEVICE)
    assert not list(owner.folder.path.rglob("*.jpg")) + list(owner.folder.path.rglob("2*.age"))


# A broker, a gateway or a camera that lies


def resealed(camera: FakeCamera, picture: bytes) -> bytes:
    """A picture that somebody else sealed to the owner."""
    return base64.b64decode(seal.seal_bytes(picture, [camera.owner.seal]))


def test_a_picture_that_the_clips_key_does_not_name_is_not_shown(
    camera: FakeCamera, keys: Keys, offers: list[ClipOffer]
) -> None:
    own, other = (camera.thumbnails[one.id] for one in offers[:2])
    assert thumbnails.opened(offers[0], own, keys.identity) == SHOWN[0]
    for forged in (other, resealed(camera, SHOWN[1]), own[:-1], b"", b"age-encryption.org/v1\n"):
        assert thumbnails.opened(offers[0], forged, keys.identity) is None


def test_a_thumbnail_that_is_no_plain_jpeg_is_not_shown_though_the_camera_vouches_for_it(
    camera: FakeCamera, keys: Keys
) -> None:
    for hostile in (b"<svg onload=alert(1)>", SHOWN[0] + b"<script>", b"\x89PNG", b""):
        offer = camera.record(b"clip", thumbnail=hostile)
        assert thumbnails.opened(offer, camera.thumbnails[offer.id], keys.identity) is None


def test_a_clip_that_was_cut_off_or_whose_key_is_anothers_shows_none(
    camera: FakeCamera, keys: Keys, offers: list[ClipOffer]
) -> None:
    cut_off = camera.record(b"clip", thumbnail=SHOWN[0], truncated=True)
    assert thumbnails.opened(cut_off, camera.thumbnails[cut_off.id], keys.identity) is None
    first, second = offers[:2]
    mixed = msgspec.structs.replace(first, sealed_key=second.sealed_key)
    for sealed in (camera.thumbnails[first.id], camera.thumbnails[second.id]):
        assert thumbnails.opened(mixed, sealed, keys.identity) is None
    assert thumbnails.opened(first, camera.thumbnails[first.id], Keys.generate().identity) is None


def test_a_forged_picture_is_not_kept_and_the_true_one_is_fetched_later(
    owner: OwnerAtHome, camera: FakeCamera, keys: Keys, offers: list[ClipOffer]
) -> None:
    client, true = OwnerClient(owner.folder), camera.thumbnails[offers[0].id]
    camera.thumbnails[offers[0].id] = resealed(camera, SHOWN[1])
    with camera.serve(owner.broker):
        assert client.pictures.thumbnails(DEVICE, offers[:1], keys) == {offers[0].id: None}
        camera.thumbnails[offers[0].id] = true
        assert client.pictures.thumbnails(DEVICE, offers[:1], keys) == {offers[0].id: SHOWN[0]}


def test_a_gateway_that_denies_a_thumbnail_withholds_it_no_longer_than_it_lies(
    owner: OwnerAtHome, camera: FakeCamera, keys: Keys, offers: list[ClipOffer]
) -> None:
    """The clip's key names one; that there is none was kept for good."""
    offer, truth = offers[0], camera.thumbnails[offers[0].id]
    camera.thumbnails[offer.id] = b""
    client = OwnerClient(owner.folder)
    with camera.serve(owner.broker):
        assert client.pictures.thumbnails(DEVICE, [offer], keys) == {offer.id: None}
        camera.thumbnails[offer.id] = truth
        assert client.pictures.thumbnails(DEVICE, [offer], keys) == {offer.id: SHOWN[0]}


def test_two_pages_that_keep_the_same_thumbnail_do_not_disturb_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, replace = ThumbnailCache(tmp_path), Path.replace

    def late(self: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "replace", replace)
        cache.put(DEVICE, "clip", b"sealed")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", late)
    cache.put(DEVICE, "clip", b"sealed")
    assert cache.get(DEVICE, "clip") == b"sealed"


def test_a_refusal_of_the_camera_is_told(
    owner: OwnerAtHome, camera: FakeCamera, keys: Keys, offers: list[ClipOffer]
) -> None:
    camera.thumbnails_refused = "too-many-previews"
    with camera.serve(owner.broker), pytest.raises(Refused, match="too-many-previews"):
        OwnerClient(owner.folder).pictures.thumbnails(DEVICE, offers, keys)


class Answer:
    """Chunks as they come from a broker, in place of :func:`agent.owner.visit.broker.chunks`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *messages: bytes) -> None:
        def chunks(*_: object) -> Iterator[tuple[int, bytes]]:
            yield from enumerate(messages)

        monkeypatch.setattr("agent.owner.visit.broker.chunks", chunks)

    def received(self, offers: list[ClipOffer], keys: Keys) -> dict[str, bytes | None]:
        kept: dict[str, bytes] = {}
        found = thumbnails.receive(
            None,  # type: ignore[arg-type]  # nobody asks the broker
            FakeDecision(),  # type: ignore[arg-type]
            offers,
            keys,
            kept.__setitem__,
        )
        return dict(found)


class FakeDecision:
    subject = "0123456789abcdef"
    device = type("Card", (), {"name": DEVICE})


def packed(camera: FakeCamera, offers: list[ClipOffer]) -> bytes:
    sealed = (camera.thumbnails.get(one.id, b"") for one in offers)
    (message,) = packing.messages(sealed, most_bytes=10**6)
    return message


def test_doubled_and_foreign_entries_do_no_harm(
    camera: FakeCamera, keys: Keys, offers: list[ClipOffer], monkeypatch: pytest.MonkeyPatch
) -> None:
    message = packed(camera, offers)
    foreign = (999).to_bytes(2) + (3).to_bytes(4) + b"abc"
    answer = Answer(monkeypatch, foreign, message + message, message)
    assert answer.received(offers, keys)[offers[2].id] == SHOWN[2]


def test_an_answer_that_never_ends_is_given_up(
    camera: FakeCamera, keys: Keys, offers: list[ClipOffer], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = Answer(monkeypatch, *[b""] * 10_000)
    with pytest.raises(NetworkFault, match="4 of 4 thumbnails did not arrive"):
        answer.received(offers, keys)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(flips=st.lists(st.tuples(st.floats(0, 0.999), st.integers(1, 255)), min_size=1, max_size=3))
def test_whatever_a_message_holds_no_false_picture_is_shown(
    camera: FakeCamera, keys: Keys, flips: list[tuple[float, int]]
) -> None:
    offers = [camera.record(b"clip", thumbnail=one) for one in SHOWN[:2]]
    message = bytearray(packed(camera, offers))
    for place, change in flips:
        message[int(place * len(message))] ^= change
    with pytest.MonkeyPatch.context() as patch:
        try:
            found: dict[str, bytes | None] = Answer(patch, bytes(message)).received(offers, keys)
        except (ClipDamaged, NetworkFault):
            return
    for offer, true in zip(offers, SHOWN, strict=False):
        assert found[offer.id] in (true, None)


# The cache


def test_the_cache_keeps_the_newest_files_of_a_bounded_number(tmp_path: Path) -> None:
    cache = ThumbnailCache(tmp_path, most=3)
    for number in range(6):
        cache.put(f"camera-{number % 2}", f"clip-{number}", bytes([number]))
        path = tmp_path / "thumbnails" / f"camera-{number % 2}" / f"clip-{number}.age"
        os.utime(path, ns=(number, number))
    cache.trim()
    left = [n for n in range(6) if cache.get(f"camera-{n % 2}", f"clip-{n}") is not None]
    assert left == [3, 4, 5]


def test_a_file_that_a_power_cut_spoiled_is_fetched_again(
    owner: OwnerAtHome, camera: FakeCamera, keys: Keys, offers: list[ClipOffer]
) -> None:
    client = OwnerClient(owner.folder)
    with camera.serve(owner.broker):
        client.pictures.thumbnails(DEVICE, offers, keys)
        (path,) = owner.folder.path.rglob(f"{offers[0].id}.age")
        path.write_bytes(path.read_bytes()[:100])
        assert client.pictures.thumbnails(DEVICE, offers, keys)[offers[0].id] == SHOWN[0]


# Contact sheets


class Sheet(HTMLParser):
    """The pictures and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("command", ["clips", "show"])
def test_a_contact_sheet_shows_the_clips_with_the_numbers_that_commands_take(
    command: str,
    owner: OwnerAtHome,
    camera: FakeCamera,
    offers: list[ClipOffer],
    request_jws: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    target = tmp_path / "sheet.html"
    arguments = [command, "--sheet", str(target)]
    with camera.serve(owner.broker):
        if command == "show":
            arguments.append(owner.post(request_jws, offers=offers))
            owner.run("inbox")
        assert owner.run(*arguments) == 0
    assert str(target) in capsys.readouterr().out
    page = Sheet(target.read_text())
    sources = [(one["src"] or "").partition(",") for one in page.images]
    assert [base64.b64decode(data) for _, _, data in sources] == SHOWN
    assert {kind for kind, _, _ in sources} == {"data:image/jpeg;base64"}
    assert all(one["alt"] for one in page.images)
    assert "no picture" in page.text
    for number, offer in enumerate(offers, 1):
        assert offer.id in page.text
        assert f"{number} " in page.text
    assert not {"script", "iframe", "link", "object"} & set(page.tags)


def test_a_contact_sheet_overwrites_no_file_and_leaves_none_behind_on_failure(
    owner: OwnerAtHome, camera: FakeCamera, tmp_path: Path
) -> None:
    target = tmp_path / "sheet.html"
    camera.record(b"clip", thumbnail=SHOWN[0])
    camera.thumbnails_refused = "too-many-previews"
    with camera.serve(owner.broker):
        with pytest.raises(Refused, match="too-many-previews"):
            owner.run("clips", "--sheet", str(target))
        assert not list(tmp_path.glob("sheet*"))
        target.write_text("mine")
        with pytest.raises(StorageFault, match="is not overwritten"):
            owner.run("clips", "--sheet", str(target))
    assert target.read_text() == "mine"
