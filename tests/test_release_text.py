"""A release in words, for its recipient."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from agent import release_text
from agent.consent.statements import BoxPosition, Disclosure, Redaction, ReleasedClip, Trim
from tests.consent.strategies import instances


def box(at_seconds: float = 0.0, x: float = 0.1) -> BoxPosition:
    return BoxPosition(at_seconds=at_seconds, x=x, y=0.25, width=0.3, height=0.5)


def clip(**changes: Any) -> str:
    fields: dict[str, Any] = {
        "id": "20240124-183015-3f9a2c",
        "file": "data/20240124-183015-3f9a2c.mp4",
        "sealed_sha256": "0" * 64,
        "codec": "h264",
        "first_picture_ms": 1_706_121_015_040,
        "last_picture_ms": 1_706_121_045_999,
        "pictures": 930,
        "clock_synced": True,
        "truncated": False,
        "trim": None,
        "redacted": (),
    }
    return "\n".join(release_text.clip_lines(ReleasedClip(**(fields | changes))))


def test_a_clip_has_its_times_to_the_millisecond() -> None:
    assert clip().splitlines() == [
        "data/20240124-183015-3f9a2c.mp4  930 pictures, H.264",
        "  first picture  2024-01-24 18:30:15.040 UTC",
        "  last picture   2024-01-24 18:30:45.999 UTC",
        "  The whole recording.",
        "  Nothing is covered with grey.",
    ]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"clock_synced": False}, "The camera's clock was not set: both times may be wrong."),
        ({"truncated": True}, "The recording was cut off: its end is missing."),
        (
            {"trim": Trim(from_seconds=10.5, to_seconds=25)},
            "A part of the recording, seconds 10.5 to 25: its owner left out the rest.",
        ),
        ({"codec": "hevc"}, "930 pictures, H.265"),
        (
            {"redacted": (Redaction(positions=(box(),)),)},
            "1 region is covered with grey:\n"
            "    a box at 10.0% from the left and 25.0% from the top, 30.0% wide, 50.0% high",
        ),
        (
            {
                "redacted": (
                    Redaction(positions=(box(), box(2, 0.2), box(3)), from_seconds=1),
                    Redaction(positions=(box(),), to_seconds=8),
                )
            },
            "2 regions are covered with grey:\n"
            "    a box that moves through 3 positions, from second 1 of the recording\n",
        ),
    ],
)
def test_what_is_not_plain_is_said(changes: dict[str, Any], line: str) -> None:
    assert line in clip(**changes)


def test_what_the_owner_tells_is_listed_and_nothing_else() -> None:
    assert list(release_text.disclosed_lines(Disclosure())) == [
        "The owner tells no name, no address and no e-mail."
    ]
    told = release_text.disclosed_lines(Disclosure(address="12 Elm Street"))
    assert list(told) == ["The owner's address: 12 Elm Street"]


@given(instances(ReleasedClip))
def test_every_released_clip_can_be_told_on_lines_of_text(drawn: ReleasedClip) -> None:
    assert all(line.splitlines() == [line] for line in release_text.clip_lines(drawn))
