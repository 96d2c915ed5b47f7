"""The pictures that a release states, held against the index of each clip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest

from agent.consent.statements import (
    Trim,
)
from agent.keyfile import Keys
from tests.requester.bundle.opening import refusal
from tests.requester.release import (
    NOW,
    VIDEO,
    FakeRelease,
    replace,
)
from tests.support.footage import prepared, record


@pytest.mark.parametrize(
    "changes",
    [
        {"pictures": 9},
        {"pictures": 11},
        {"codec": "hevc"},
        {"last_picture_ms": (NOW - 5_000) * 1000 + 1_900},
        {"first_picture_ms": (NOW - 5_000) * 1000 + 890},
    ],
)
def test_a_clip_that_holds_other_pictures_than_stated(
    tmp_path: Path, keys: Keys, release: FakeRelease, changes: dict[str, Any]
) -> None:
    def misstated(statement: Any) -> Any:
        clips = tuple(replace(**changes)(clip) for clip in statement.clips)
        return replace(clips=clips)(statement)

    release.change_release = misstated
    assert refusal(tmp_path, keys, release.bundle()) == "pictures-differ"


@pytest.mark.parametrize("content", [b"", b"no video", VIDEO[:-500], VIDEO[: len(VIDEO) // 2]])
def test_a_file_that_is_no_whole_clip(
    tmp_path: Path, keys: Keys, release: FakeRelease, content: bytes
) -> None:
    release.videos = dict.fromkeys(release.videos, content)
    assert refusal(tmp_path, keys, release.bundle()) == "pictures-differ"


def with_number(kind: bytes, skip: int, number: int) -> bytes:
    """The good clip with another number in its index."""
    at = VIDEO.index(kind) + 4 + skip
    return VIDEO[:at] + number.to_bytes(4) + VIDEO[at + 4 :]


BOMBS = {
    "samples": with_number(b"stsz", 8, 100_000_000),
    "one sample too many": with_number(b"stsz", 8, 11),
    "edits": with_number(b"elst", 4, 5_000),
    "two indexes": VIDEO.replace(b"stss", b"stsz", 1),
    "a fragment": VIDEO + b"\0\0\0\x08moof",
    "a compressed index": VIDEO.replace(b"stss", b"cmov", 1),
    "a box beyond the end": VIDEO + b"\0\0\x10\0free",
    "a box without a size": VIDEO + b"\0\0\0\0free",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_an_index_that_claims_more_than_is_there_is_not_given_to_ffmpeg(
    tmp_path: Path,
    keys: Keys,
    release: FakeRelease,
    monkeypatch: pytest.MonkeyPatch,
    bomb: str,
) -> None:
    """A hundred kilobytes took gigabytes of memory, from anybody who made keys for it."""
    monkeypatch.setattr(av, "open", None)
    release.videos = dict.fromkeys(release.videos, BOMBS[bomb])
    assert refusal(tmp_path, keys, release.bundle()) == "pictures-differ"


def test_an_index_of_more_pictures_than_its_bytes_can_hold(
    tmp_path: Path, keys: Keys, release: FakeRelease, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the release states as many."""
    monkeypatch.setattr(av, "open", None)
    release.videos = dict.fromkeys(release.videos, with_number(b"stsz", 8, 1_000_000))
    release.change_release = lambda said: replace(
        clips=tuple(replace(pictures=1_000_000)(clip) for clip in said.clips)
    )(said)
    assert refusal(tmp_path, keys, release.bundle()) == "pictures-differ"


def test_a_clip_that_is_longer_than_its_trim(
    tmp_path: Path, keys: Keys, release: FakeRelease
) -> None:
    trim = Trim(from_seconds=1, to_seconds=1.5)
    release.approved = replace(trim=trim)(release.approved)

    def trimmed(statement: Any) -> Any:
        return replace(clips=tuple(replace(trim=trim)(clip) for clip in statement.clips))(statement)

    release.change_release = trimmed
    assert refusal(tmp_path, keys, release.bundle()) == "pictures-differ"


def test_a_clip_in_another_codec_than_approved(
    tmp_path: Path, keys: Keys, release: FakeRelease
) -> None:
    release.videos = dict.fromkeys(release.videos, prepared(record(1, codec="libx265")))
    release.approved = replace(codec="h264")(release.approved)

    def as_h265(statement: Any) -> Any:
        return replace(clips=tuple(replace(codec="hevc")(clip) for clip in statement.clips))(
            statement
        )

    release.change_release = as_h265
    assert refusal(tmp_path, keys, release.bundle()) == "pictures-differ"
