"""Rules of the model: the camera's process was taken over, and owns its folder.

It changes any file there, at rest or between any two steps of the gateway, also between two
reads of one clip. It knows the keys of its clips, for it had them while it recorded.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final
from unittest import mock

import pyrage
from hypothesis import strategies as st
from hypothesis.stateful import rule

from agent import files
from agent.consent import letters
from agent.consent.statements import ListClips, Look, Preview, ReadLedger, Thumbnails, Window
from agent.vault import camera_state
from agent.vault.clips import seal
from agent.vault.clips.paths import ClipFiles
from agent.vault.clips.reader import ClipReader
from agent.vault.clips.seal import Recorded
from agent.vault.database.gateway import Clip
from tests.gateway.model.base import footage
from tests.gateway.model.owners import Owners
from tests.gateway.model.weather import Weather

_LARGEST = 2**26  # of any file of the model but one of holes, which a copy would fill
_LISTS = (ListClips(window=Window(start=0, end=253_402_300_799)), ReadLedger(after=0))
_TRAPS = ("pipe", "link", "folder", "endless", "huge", "empty", "gone")
_TRICKS = (
    "swap recordings", "swap sidecars", "other key", "other digest", "other times", "other id",
    "other content", "other content, told", "recorded anew", "one more", "garbage", "many names",
    "trap sidecar", "trap recording", "trap state", "trap day", "trap clips", "state",
)  # fmt: skip
_WORDS: Final[list[dict[str, Any]]] = [
    {"started_at": -1.0}, {"started_at": 1e300}, {"duration_seconds": 1e18}, {"bytes": -1},
    {"bytes": 2**62}, {"sha256": "x"}, {"sealed_key": ""}, {"sealed_key": "AAAA"},
    {"truncated": True}, {"kept": True}, {"clock_synced": False}, {"id": "../../gateway"},
    {"more": 1}, {"width": 2**40}, {"codec": "hevc"}, {"boot_id": "another"},
]  # fmt: skip


class TakenOverCamera(Owners, Weather):
    """Whatever it does, a clip leaves only as it was when an owner approved it."""

    def __init__(self) -> None:
        super().__init__()
        self.stack.enter_context(self._watched_reads())

    @rule(
        trick=st.sampled_from(_TRICKS),
        clip=st.integers(0, 5),
        other=st.integers(0, 5),
        draw=st.integers(0, 2**16),
        steps=st.integers(0, 12),
    )
    def camera_plays_a_trick(
        self, trick: str, clip: int, other: int, draw: int, steps: int
    ) -> None:
        """At once, or when the gateway has gone on by some steps and reads."""
        one, two = self.clips[clip % len(self.clips)], self.clips[other % len(self.clips)]
        everywhere = trick in ("trap day", "trap clips")
        self.oracle.touched |= {one.id, two.id} if not everywhere else {c.id for c in self.clips}
        self.told["tricks"] += 1
        self.told[f"trick: {trick}"] += 1
        place = self._files(one)

        def act() -> None:
            with suppress(
                OSError, ValueError, RecursionError
            ):  # an earlier trick left nothing to change
                self._play(trick, one, two, place, random.Random(draw))

        if trick == "recorded anew" or not steps:
            act()
            self.world.run()
        else:
            self.world.meanwhile += [_nothing] * steps + [act]

    @rule(clip=st.integers(0, 5))
    def owner_looks(self, clip: int) -> None:
        """The gateway sends what stands in the clip's place, unless that is no clip."""
        name = self.clips[clip % len(self.clips)].id
        for command in (*_LISTS, Preview(clip=name), Thumbnails(clips=(name,)), Look(seconds=9)):
            self.world.to_device(self.house.command(command))
        keys = self.house.config.state_dir / "gateway" / "keys"
        secrets = [path.read_bytes() for path in keys.iterdir()]
        for topic, payload in self.world.broker.published:
            if "/preview/" in topic and payload:
                assert not any(payload in secret for secret in secrets), "a key left"

    # The tricks

    def _play(
        self, trick: str, one: Clip, two: Clip, place: ClipFiles, draw: random.Random
    ) -> None:
        match trick.split(" "):
            case ["trap", "day"]:
                self._trap(place.directory, draw.choice(("link", "elsewhere", "gone")))
            case ["trap", "clips"]:
                self._trap(place.directory.parent, draw.choice(("link", "elsewhere")))
            case ["trap", "state"]:
                path = camera_state.path_of(self.house.config.state_dir)
                path.touch()
                self._trap(path, draw.choice(_TRAPS))
            case ["trap", what]:
                path = place.sidecar if what == "sidecar" else place.media
                self._trap(path, draw.choice(_TRAPS))
            case ["swap", what]:
                other = self._files(two)
                if what == "recordings":
                    _swap(place.media, other.media)
                else:
                    mine, theirs = _read(place), _read(other)
                    _write(place, theirs | {"id": one.id})
                    _write(other, mine | {"id": two.id})
            case ["other", "content", *told]:
                self._exchange(one, place, is_told=bool(told))
            case ["recorded", "anew"]:
                self._record_anew(one, place)
            case ["state"]:
                words = {"state": "armed", "detail": "x" * 100, "at": 1.0, "version": "1"}
                path = camera_state.path_of(self.house.config.state_dir)
                words |= draw.choice(({}, {"at": 9e99}, {"more": 1}))
                _replace(path, json.dumps(words).encode())
            case ["many", "names"]:
                for number in range(40):
                    (place.directory / f"{number:06d}-{number:06x}.json").touch()
                    (place.directory / f"{number:06d}-{number:06x}.mp4.age").touch()
            case ["garbage"]:
                _replace(place.sidecar, draw.choice((b"", b"{", b"[" * 9_000, b"\xff\xfe")))
            case _:
                self._lie(trick, place, self._files(two), draw)

    def _lie(self, trick: str, place: ClipFiles, other: ClipFiles, draw: random.Random) -> None:
        """Write a sidecar that is not true, or one of a clip that never was."""
        mine, theirs = _read(place), _read(other)
        match trick:
            case "other key":
                mine["sealed_key"] = theirs["sealed_key"]
            case "other digest":
                mine |= {"sha256": theirs["sha256"], "bytes": theirs["bytes"]}
            case "other times":
                now = self.world.clock.now()
                mine |= {"started_at": now - draw.randrange(100_000), "duration_seconds": 9.5}
            case "other id":
                mine |= draw.choice(_WORDS)
            case "one more":
                made_up = f"{place.id[:15]}-{draw.randrange(2**24):06x}"
                mine["id"], place = made_up, ClipFiles.of(self.house.config.state_dir, made_up)
                if stat.S_ISREG(other.media.lstat().st_mode) and files.size(other.media) < _LARGEST:
                    shutil.copyfile(other.media, place.media)
        _write(place, mine)

    def _exchange(self, clip: Clip, place: ClipFiles, *, is_told: bool) -> None:
        """Other content, sealed to the clip's own key: the digest alone tells."""
        key = letters.parse_identity(self.house.clip_keys([clip])[clip.id])
        sealed = pyrage.encrypt(footage(99)[0], [key.to_public()])
        _replace(place.media, sealed)
        if is_told:
            digest = hashlib.sha256(sealed).hexdigest()
            _write(place, _read(place) | {"bytes": len(sealed), "sha256": digest})

    def _record_anew(self, clip: Clip, place: ClipFiles) -> None:
        """Another recording under the same id, as a camera writes it; owners may approve that."""
        video, leaves = footage(len(self.contents))
        identity = seal.ClipIdentity()
        readers = (*self.house.recipients, identity.recipient)
        to = [pyrage.x25519.Recipient.from_str(reader) for reader in readers]
        sealed = pyrage.encrypt(video, to)
        digest = hashlib.sha256(sealed).hexdigest()
        said = _read(place)
        recorded = Recorded.of(
            digest, said["started_at"], said["duration_seconds"], synced=said["clock_synced"]
        )
        key = seal.seal_key(
            identity.text, self.house.recipients, clip_id=clip.id, recorded=recorded
        )
        _replace(place.media, sealed)
        _write(place, said | {"bytes": len(sealed), "sha256": digest, "sealed_key": key})
        names = ("started_at", "duration_seconds", "monotonic_seconds", "boot_id", "clock_synced")
        new = Clip(
            id=clip.id, bytes=len(sealed), sha256=digest, sealed_key=key, truncated=False,
            **{name: said[name] for name in names},
        )  # fmt: skip
        self.contents[clip.id, digest] = leaves
        self.clips[self.clips.index(clip)] = new

    def _trap(self, path: Path, trap: str) -> None:
        secret = next((self.house.config.state_dir / "gateway" / "keys").iterdir())
        if trap == "huge":
            os.truncate(path, 2**33)  # twice what the gateway reads
            return
        if trap == "elsewhere":
            elsewhere = self.root / f"elsewhere-{self.told['tricks']}"
            path.rename(elsewhere)
            path.symlink_to(elsewhere)
            return
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        match trap:
            case "pipe":
                os.mkfifo(path)
            case "folder":
                path.mkdir()
            case "endless":
                path.symlink_to("/dev/zero")
            case "link":
                path.symlink_to(secret.parent if path.suffix == "" else secret)
            case "empty":
                path.touch()

    # Where

    def _files(self, clip: Clip) -> ClipFiles:
        return ClipFiles.of(self.house.config.state_dir, clip.id)

    def record(self, seconds_ago: float) -> None:
        """An honest clip, which no trick of before reaches; its folders must be such."""
        while self.started and self.world.meanwhile:
            self.world.let_others_act()
        clips = self.house.config.state_dir / "camera" / "clips"
        for folder in (clips, *(clips.iterdir() if clips.is_dir() else ())):
            if folder.is_symlink():
                folder.unlink()
        super().record(seconds_ago)

    @contextmanager
    def _watched_reads(self) -> Iterator[None]:
        """Let the camera act before each read of a clip as well."""
        real: Callable[[ClipReader, str], BinaryIO] = ClipReader.open_sealed

        def opened(reader: ClipReader, clip_id: str) -> BinaryIO:
            if self.started:
                self.world.let_others_act()
            return real(reader, clip_id)

        with mock.patch.object(ClipReader, "open_sealed", opened):
            yield


def _nothing() -> None:
    """A step in which the camera does nothing."""


def _swap(one: Path, two: Path) -> None:
    aside = one.with_suffix(".aside")
    one.rename(aside)
    two.rename(one)
    aside.rename(two)


def _read(place: ClipFiles) -> dict[str, Any]:
    found = place.sidecar.lstat()
    if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST:
        raise ValueError("an earlier trick stands there")
    said = json.loads(place.sidecar.read_bytes())
    assert isinstance(said, dict)
    return said


def _write(place: ClipFiles, said: dict[str, Any]) -> None:
    _replace(place.sidecar, json.dumps(said).encode())


def _replace(path: Path, data: bytes) -> None:
    """As a careful writer does: the gateway never sees half of it, and no pipe of before blocks."""
    draft = path.with_suffix(".draft")
    draft.write_bytes(data)
    draft.replace(path)
