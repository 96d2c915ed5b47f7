"""Redactions as an owner types them, keeps them in a file, and reads them before signing."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.consent.statements import Redaction
from agent.owner.terminal.options import clips as clip_options
from agent.owner.wording import redaction_text
from tests.consent.strategies import instances

MOVING = "2:0.1,0.2,0.1,0.3/6.5:0.5,0.2,0.1,0.3"


def made(*positions: list[float], **limits: float) -> Redaction:
    return msgspec.convert({"positions": positions, **limits}, Redaction)


# Typed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0,0.25,0.5,0.75", Redaction.still(0, 0.25, 0.5, 0.75)),
        ("2-8@0,0,1,1", made([0, 0, 0, 1, 1], from_seconds=2, to_seconds=8)),
        ("2-@0,0,1,1", made([0, 0, 0, 1, 1], from_seconds=2)),
        ("-8.5@0,0,1,1", made([0, 0, 0, 1, 1], to_seconds=8.5)),
        (MOVING, made([2, 0.1, 0.2, 0.1, 0.3], [6.5, 0.5, 0.2, 0.1, 0.3])),
        (f"1-9@{MOVING}", redaction_text.parse(MOVING)[0]),
        ("3:0,0,1,1", made([3, 0, 0, 1, 1])),
    ],
)
def test_a_box_as_it_is_typed(text: str, expected: Redaction) -> None:
    if text.startswith("1-9"):
        expected = msgspec.structs.replace(expected, from_seconds=1.0, to_seconds=9.0)
    assert clip_options.parse_redact(f"20240124-183015-3f9a2c={text}") == (
        "20240124-183015-3f9a2c",
        (expected,),
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "must name a clip"),
        ("1", "must be X,Y,W,H"),
        ("=0,0,1,1", "must name a clip"),
        ("1=", "must be X,Y,W,H"),
        ("1=0,0,1", "must be X,Y,W,H"),
        ("1=0,0,1,1,1", "must be X,Y,W,H"),
        ("1=0,0,1,x", "'x' is no number"),
        ("1=0,0,1,nan", "positions"),
        ("1=0,0,inf,1", "positions"),
        ("1=0.9,0,0.2,1", "inside the picture"),
        ("1=0,0,0,1", "at least 0.001"),
        ("1=2:0,0,1,1/0,0,1,1", "must be X,Y,W,H"),
        ("1=0,0,1,1/2:0,0,1,1", "must be X,Y,W,H"),
        ("1=2:0,0,1,1/2:0,0,1,1", "order of time"),
        ("1=6:0,0,1,1/2:0,0,1,1", "order of time"),
        ("1=2:0,0,1,1/", "must be X,Y,W,H"),
        ("1=2@0,0,1,1", "must be X,Y,W,H"),
        ("1=-@0,0,1,1", "must be X,Y,W,H"),
        ("1=8-2@0,0,1,1", "end after it begins"),
        ("1=2--8@0,0,1,1", ">= 0"),
        ("1=-1:0,0,1,1", ">= 0"),
        ("1=99999:0,0,1,1", "<= 86400"),
        ("1=" + "/".join(f"{n}:0,0,1,1" for n in range(101)), "length <= 100"),
        ("1=@no-such-file.yaml", "no-such-file.yaml: cannot be read"),
    ],
)
def test_what_is_no_box_is_refused_and_says_why(text: str, why: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        clip_options.parse_redact(text)
    assert why in str(caught.value)


@given(instances(Redaction))
def test_the_command_that_is_shown_makes_the_same_redaction(redaction: Redaction) -> None:
    assert redaction_text.parse(redaction_text.typed(redaction)) == (redaction,)


@given(st.text(alphabet="0123456789.,:/@-e =x", max_size=40))
def test_any_text_is_a_redaction_or_no_usage(text: str) -> None:
    try:
        _, redactions = clip_options.parse_redact(text)
    except argparse.ArgumentTypeError:
        return
    assert redactions


# A file


def test_a_file_lists_redactions_in_the_form_that_is_signed(tmp_path: Path) -> None:
    file = tmp_path / "walker.yaml"
    file.write_text(
        "# seconds, left, top, width, height\n"
        "- positions:\n"
        "    - [2, 0.1, 0.2, 0.1, 0.3]\n"
        "    - [6.5, 0.5, 0.2, 0.1, 0.3]\n"
        "- {positions: [[0, 0, 0, 1, 1]], from_seconds: 2, to_seconds: 8}\n"
    )
    expected = (redaction_text.parse(MOVING)[0], redaction_text.parse("2-8@0,0,1,1")[0])
    assert clip_options.parse_redact(f"1=@{file}") == ("1", expected)
    file.write_bytes(b"\xef\xbb\xbf" + msgspec.json.encode(expected))
    assert clip_options.parse_redact(f"1=@{file}") == ("1", expected)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "Expected `array`"),
        ("[]", "lists no redaction"),
        ("positions: [[0, 0, 0, 1, 1]]", "Expected `array`"),
        ("- positions: [[0, 0, 0, 1, 1]]\n  until: 7", "[0].until: unknown key"),
        ("- positions: [[0, 0, 0, 1, 1], [0, 0, 0, 1, 1]]", "order of time"),
        ("- positions: [[0, 0, 0, 1, 1.5]]", "[0].positions[0][4]"),
        ("- positions: [[0, 0, 0, 1, .nan]]", "[0].positions[0][4]"),
        ("- positions: [[0, 0, 0, 1, 1]]\n  positions: []", "given twice"),
        ("- [", "line 1"),
        (json.dumps([{"positions": [[0, 0, 0, 1, 1]]}] * 17), "length <= 16"),
    ],
)
def test_a_file_that_is_wrong_is_named_with_the_place(
    tmp_path: Path, content: str, why: str
) -> None:
    file = tmp_path / "walker.yaml"
    file.write_text(content)
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        clip_options.parse_redact(f"1=@{file}")
    assert str(file) in str(caught.value) and why in str(caught.value)


# Read


def lines(text: str) -> list[str]:
    return redaction_text.lines(redaction_text.parse(text))


def test_a_still_box_in_words() -> None:
    place = "redacted: 30% x 25% of the picture, 10% from the left, 20% from the top"
    assert lines("0.1,0.2,0.3,0.25") == [f"{place}, covered with grey"]
    assert lines("2-8.5@0.1,0.2,0.3,0.25") == [f"{place}, covered with grey from 2 s to 8.5 s"]
    assert lines("-8@0.1,0.2,0.3,0.25") == [f"{place}, covered with grey to 8 s"]


def test_a_moving_box_in_words() -> None:
    assert lines(f"1-@{MOVING}") == [
        "redacted: a box that moves, covered with grey from 1 s",
        "  at 2 s: 10% x 30% of the picture, 10% from the left, 20% from the top",
        "  at 6.5 s: 10% x 30% of the picture, 50% from the left, 20% from the top",
    ]


def test_of_many_positions_the_first_and_the_last_are_told() -> None:
    eight = lines("/".join(f"{n}:0,0,1,1" for n in range(8)))
    assert len(eight) == 9 and "more" not in "".join(eight)
    many = lines("/".join(f"{n}:0,0,1,1" for n in range(50)))
    assert len(many) == 10
    assert many[-2:] == [
        "  ... 42 more positions ...",
        "  at 49 s: 100% x 100% of the picture, 0% from the left, 0% from the top",
    ]
