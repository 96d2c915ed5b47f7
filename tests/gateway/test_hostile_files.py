"""Attacks of a taken-over camera process: other files in the place of a clip's.

It owns the folder of the clips. The gateway's process reads there, and holds keys and a
network that the other has not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import files
from agent.consent import letters as mail
from agent.consent.statements import Preview
from agent.errors import ClipDamaged
from agent.vault.clips import seal
from agent.vault.clips.paths import ClipFiles
from agent.vault.clips.reader import ClipReader
from agent.vault.clips.store import Clip
from tests.support.alarm import hanging_fails
from tests.support.gateway_world import World
from tests.support.house import fragmented_mp4


@pytest.fixture(autouse=True)
def impatient() -> Iterator[None]:
    """A gateway that waits for a pipe waits for ever."""
    with hanging_fails():
        yield


def media_of(world: World, clip: Clip) -> Path:
    return ClipFiles.of(world.house.config.state_dir, clip.id).media


def key_file(world: World) -> Path:
    """A file of the gateway's own, which the other process cannot read."""
    return next(path for path in (world.house.config.state_dir / "gateway" / "keys").iterdir())


def as_link(world: World, media: Path) -> None:
    media.unlink()
    media.symlink_to(key_file(world))


def as_folder_elsewhere(world: World, media: Path) -> None:
    elsewhere = world.house.root / "elsewhere"
    media.parent.rename(elsewhere)
    (elsewhere / media.name).write_bytes(key_file(world).read_bytes())
    media.parent.symlink_to(elsewhere)


def as_pipe(_: World, media: Path) -> None:
    media.unlink()
    os.mkfifo(media)


def as_folder(_: World, media: Path) -> None:
    media.unlink()
    media.mkdir()


def as_endless(_: World, media: Path) -> None:
    media.unlink()
    media.symlink_to("/dev/zero")


def as_huge(_: World, media: Path) -> None:
    os.truncate(media, 2**40)


TRICKS = [as_link, as_folder_elsewhere, as_pipe, as_folder, as_endless, as_huge]


@pytest.mark.parametrize("trick", TRICKS)
def test_a_preview_reads_nothing_but_clips(world: World, trick: object) -> None:
    clip, other = world.house.record(), world.house.record(seconds_ago=100_000)
    secret = key_file(world).read_bytes()
    trick(world, media_of(world, clip))  # type: ignore[operator]
    world.to_device(world.house.command(Preview(clip=clip.id)))
    sent = [payload for topic, payload in world.broker.published if "/preview/" in topic]
    assert not any(payload and payload in secret for payload in sent)
    assert not sent
    world.to_device(world.house.command(Preview(clip=other.id)))
    assert any("/preview/" in topic for topic, _ in world.broker.published), "others go on"


@pytest.mark.parametrize("trick", TRICKS)
def test_an_approval_of_what_is_no_clip_is_refused_and_others_go_on(
    world: World, trick: object
) -> None:
    clip, other = world.house.record(), world.house.record(seconds_ago=100)
    post = world.post()
    if trick is as_folder_elsewhere:  # both stand in one folder
        other = clip
    trick(world, media_of(world, clip))  # type: ignore[operator]
    world.to_device(world.house.approve(post, [clip]))
    assert world.events("decision.refused")
    assert not world.broker.unacknowledged
    if other is not clip:
        world.to_device(world.house.approve(post, [other]))
        assert len(world.receiver.finished) == 1


def test_a_clip_exchanged_while_it_is_prepared_does_not_leave(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that recorded a clip knew its key for as long as it recorded: it can seal
    something else to it, that no owner has looked at.
    """
    clip = world.house.record()
    post = world.post()
    key = world.house.clip_keys([clip])[clip.id]
    recipient = str(mail.parse_identity(key).to_public())
    real, opened = ClipReader.open_sealed, []

    def exchanged(store: ClipReader, clip_id: str) -> object:
        opened.append(clip_id)
        if len(opened) == 3:  # its digest and its key were tried
            draft = seal.SealedWriter(media.with_suffix(".other"), [recipient], clock=world.clock)
            draft.write(fragmented_mp4(3))
            draft.close()
            media.with_suffix(".other").replace(media)
        return real(store, clip_id)

    media = media_of(world, clip)
    monkeypatch.setattr(ClipReader, "open_sealed", exchanged)
    world.to_device(world.house.approve(post, [clip]))
    assert len(opened) == 3
    assert not world.receiver.finished
    ((_, detail),) = world.events("release.failed")
    assert "not the one that was approved" in detail["why"]


def test_the_sidecar_is_no_way_to_other_files_either(world: World) -> None:
    clip = world.house.record()
    paths = ClipFiles.of(world.house.config.state_dir, clip.id)
    for trick in (as_link, as_pipe):
        trick(world, paths.sidecar)
        with pytest.raises(ClipDamaged):
            ClipReader(world.house.config.state_dir).read_sidecar(clip.id)


def test_the_cameras_folder_on_another_disk_may_be_linked_to(world: World) -> None:
    """The operator's own link is none of the camera's: only what stands below it is."""
    clip = world.house.record()
    folder = world.house.config.state_dir / "camera"
    folder.rename(world.house.root / "disk")
    folder.symlink_to(world.house.root / "disk")
    with files.open_regular(media_of(world, clip)) as file:
        assert file.read(3) == b"age"
