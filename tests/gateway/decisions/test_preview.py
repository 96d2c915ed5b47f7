"""Stored clips on their way to the owner's eyes: as ciphertext, chunk by chunk."""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import Refused
from agent.gateway.decisions.preview import Previews
from agent.mqtt import topics
from agent.mqtt.link import Published
from agent.mqtt.topics import CHUNK_BYTES
from agent.vault.clips import seal, thumbnails
from agent.vault.clips.paths import ClipFiles
from agent.vault.clips.store import Clip
from tests.support.peers import FakeBroker, FakeLink
from tests.vault.support import OWNER, Vault, pattern

DEVICE = "front-door"
UNKNOWN = "20240124-000000-000000"
COMMAND = "0123456789abcdef"


class Screen:
    """Previews of a real vault, over a broker that confirms when a test says so."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        self.broker = FakeBroker()
        self.link = FakeLink(self.broker)
        self.broker.client = self.link
        self.previews = Previews(store=vault.store, link=self.link, device_name=DEVICE)

    def record(self, chunks: float) -> Clip:
        """A clip whose sealed file has so many chunks, to the byte."""
        size = round(chunks * CHUNK_BYTES)
        clip = self.vault.record()
        path = ClipFiles.of(self.vault.state_dir, clip.id).media
        path.write_bytes(pattern(size))  # what is in it is not the previews' business
        return clip

    def confirm(self, most: int = 10_000) -> int:
        """Let the broker confirm up to ``most`` messages; how many it did."""
        for done in range(most):
            if self.link.events.empty():
                return done
            event = self.link.events.get()
            assert isinstance(event, Published)
            self.previews.published(event.token)
        return most

    def received(self) -> dict[str, list[bytes]]:
        """The chunks by clip; their numbers run from 0 without a gap."""
        clips: dict[str, list[bytes]] = {}
        for topic, payload in self.broker.published:
            parsed = topics.parse(topic, feed="clip-feed")
            assert parsed is not None
            assert (parsed.kind, parsed.device) == ("preview", DEVICE)
            clip, number = parsed.ids
            chunks = clips.setdefault(clip, [])
            assert int(number) == len(chunks)
            chunks.append(payload)
        return clips

    def sealed(self, clip: Clip) -> bytes:
        return ClipFiles.of(self.vault.state_dir, clip.id).media.read_bytes()


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Screen]:
    vault = Vault(tmp_path / "state")
    screen = Screen(vault)
    yield screen
    screen.previews.stop()
    vault.close()


@pytest.mark.parametrize("chunks", [0.001, 0.999, 1, 1.5, 2, 5, 7.25])
def test_a_preview_is_the_sealed_file_and_its_end_shows(screen: Screen, chunks: float) -> None:
    clip = screen.record(chunks)
    screen.previews.start(clip.id)
    screen.confirm()
    received = screen.received()[clip.id]
    assert b"".join(received) == screen.sealed(clip)
    assert {len(chunk) for chunk in received[:-1]} <= {CHUNK_BYTES}
    assert len(received[-1]) < CHUNK_BYTES
    if chunks == int(chunks):
        assert received[-1] == b""
        assert len(received) == chunks + 1


def test_nothing_of_it_is_retained(screen: Screen) -> None:
    screen.previews.start(screen.record(2).id)
    screen.confirm()
    assert screen.broker.retained == {}


def test_only_a_few_chunks_are_under_way_at_a_time(screen: Screen) -> None:
    clip = screen.record(20.5)
    screen.previews.start(clip.id)
    under_way = len(screen.broker.published)
    assert 1 < under_way < 10
    screen.previews.pump()
    assert len(screen.broker.published) == under_way
    screen.confirm(most=3)
    assert len(screen.broker.published) == under_way + 3


def test_two_previews_come_one_after_the_other(screen: Screen) -> None:
    first, second = screen.record(6.5), screen.record(1.5)
    screen.previews.start(first.id)
    screen.previews.start(second.id)
    screen.confirm()
    received = screen.received()
    assert list(received) == [first.id, second.id]
    order = [topic.split("/")[3] for topic, _ in screen.broker.published]
    assert order == sorted(order, key=[first.id, second.id].index)
    assert b"".join(received[second.id]) == screen.sealed(second)


def test_a_clip_asked_for_twice_while_it_waits_comes_once(screen: Screen) -> None:
    first, second = screen.record(9.5), screen.record(1.5)
    for clip in (first, second, second):
        screen.previews.start(clip.id)
    screen.confirm()
    assert len(screen.received()[second.id]) == 2


def test_more_than_a_few_waiting_clips_are_refused_by_name(screen: Screen) -> None:
    under_way, *clips = [screen.record(5.5), *(screen.record(0.1) for _ in range(20))]
    screen.previews.start(under_way.id)
    taken = []
    for clip in clips:
        try:
            screen.previews.check(clip.id)
        except Refused as refused:
            assert refused.rule == "too-many-previews"
            with pytest.raises(Refused):
                screen.previews.start(clip.id)
            continue
        screen.previews.start(clip.id)
        taken.append(clip.id)
    assert 5 < len(taken) < 12
    screen.previews.start(taken[-1])  # it waits already
    screen.confirm()
    assert list(screen.received()) == [under_way.id, *taken]
    screen.previews.check(clips[-1].id)


@pytest.mark.parametrize("gone", ["never there", "deleted while it waited", "unlinked"])
def test_a_clip_that_is_gone_is_passed_over(screen: Screen, gone: str) -> None:
    first, lost, last = screen.record(6.5), screen.record(1.5), screen.record(1.5)
    asked = UNKNOWN if gone == "never there" else lost.id
    for clip in (first.id, asked, last.id):
        screen.previews.start(clip)
    if gone == "deleted while it waited":
        screen.vault.store.delete(lost.id)
    elif gone == "unlinked":
        ClipFiles.of(screen.vault.state_dir, lost.id).media.unlink()
    screen.confirm()
    assert list(screen.received()) == [first.id, last.id]


def test_a_clip_deleted_while_it_is_sent_still_comes_whole(screen: Screen) -> None:
    clip = screen.record(8.5)
    sealed = screen.sealed(clip)
    screen.previews.start(clip.id)
    screen.vault.store.delete(clip.id)
    screen.confirm()
    assert b"".join(screen.received()[clip.id]) == sealed


@pytest.mark.parametrize("told", [True, False], ids=["told", "not told yet"])
def test_a_connection_lost_in_the_middle_ends_every_preview(screen: Screen, told: bool) -> None:
    first, second = screen.record(20.5), screen.record(1.5)
    for clip in (first, second):
        screen.previews.start(clip.id)
    screen.confirm(most=2)
    sent = len(screen.broker.published)
    screen.broker.client = None
    if told:
        screen.previews.stop()
    screen.confirm()
    assert len(screen.broker.published) == sent
    assert open_files(screen.vault.state_dir / "camera" / "clips") == 0

    screen.broker.client = screen.link  # back again: nothing goes on by itself
    screen.previews.pump()
    assert len(screen.broker.published) == sent
    screen.broker.published.clear()
    screen.previews.start(second.id)
    screen.confirm()
    assert b"".join(screen.received()[second.id]) == screen.sealed(second)


def test_without_a_connection_a_preview_is_not_kept(screen: Screen) -> None:
    screen.broker.client = None
    screen.previews.start(screen.record(1.5).id)
    screen.broker.client = screen.link
    screen.previews.pump()
    assert screen.broker.published == []


class FailingCard(io.BytesIO):
    """A file whose second chunk cannot be read."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell():
            raise OSError(errno.EIO, "Input/output error")
        return super().read(size)


def test_a_clip_that_cannot_be_read_ends_its_preview_and_no_other(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = screen.record(3.5), screen.record(1.5)
    with monkeypatch.context() as patched:
        card = FailingCard(screen.sealed(bad))
        patched.setattr(screen.vault.store, "open_sealed", lambda _: card)
        screen.previews.start(bad.id)
    screen.previews.start(good.id)
    screen.confirm()
    received = screen.received()
    assert len(received[bad.id]) == 1
    assert b"".join(received[good.id]) == screen.sealed(good)


def test_a_sent_clip_is_closed(screen: Screen) -> None:
    screen.previews.start(screen.record(2).id)
    screen.confirm()
    assert open_files(screen.vault.state_dir / "camera" / "clips") == 0


def test_a_confirmation_of_somebody_elses_message_sends_nothing(screen: Screen) -> None:
    screen.previews.start(screen.record(20.5).id)
    sent = len(screen.broker.published)
    screen.previews.published(10_000)
    assert len(screen.broker.published) == sent


def open_files(folder: Path) -> int:
    """The number of files below ``folder`` that this process holds open."""
    held = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            held += descriptor.readlink().is_relative_to(folder)
        except FileNotFoundError:  # the listing itself
            continue
    return held


# Thumbnails


def thumbnails_of(screen: Screen, command: str) -> list[tuple[int, bytes]]:
    """Number and plain thumbnail of each entry that was sent in answer to ``command``."""
    return [
        (number, seal.open_bytes(sealed, str(OWNER)) if sealed else b"")
        for message in screen.received()[command]
        for number, sealed in thumbnails.entries(message)
    ]


def test_thumbnails_of_many_clips_come_in_few_messages_that_name_no_clip(screen: Screen) -> None:
    shown = [bytes([n]) * 9_000 for n in range(40)]
    clips = []
    for picture in shown:
        draft = screen.vault.begin()
        draft.write(b"moof")
        clips.append(draft.finish(duration_seconds=1.0, thumbnail=picture).id)
    screen.previews.start_thumbnails(COMMAND, [*clips, UNKNOWN])
    screen.confirm()
    assert thumbnails_of(screen, COMMAND) == [*enumerate(shown), (len(shown), b"")]
    messages = [payload for _, payload in screen.broker.published]
    assert len(messages) < 5
    assert all(len(one) <= CHUNK_BYTES for one in messages)
    assert not any(clip.encode() in one for clip in clips for one in messages)
    assert screen.broker.retained == {}


def test_thumbnails_wait_for_their_turn_like_clips(screen: Screen) -> None:
    first = screen.record(6.5)
    screen.previews.start(first.id)
    screen.previews.start_thumbnails(COMMAND, [first.id])
    screen.confirm()
    assert list(screen.received()) == [first.id, COMMAND]


def test_only_a_few_messages_of_thumbnails_are_under_way_at_a_time(screen: Screen) -> None:
    draft = screen.vault.begin()
    draft.write(b"moof")
    clip = draft.finish(duration_seconds=1.0, thumbnail=bytes(40_000)).id
    screen.previews.start_thumbnails(COMMAND, [clip] * 200)
    assert 1 < len(screen.broker.published) < 10
    screen.confirm()
    assert len(thumbnails_of(screen, COMMAND)) == 200
