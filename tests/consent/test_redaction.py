"""Boxes that move: where they are at a time, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.consent import decoding
from agent.consent.statements import (
    Approval,
    Redaction,
    Region,
    Trim,
)
from agent.errors import MalformedStatement
from tests.consent import world
from tests.consent.strategies import instances

WALK: tuple[list[float], ...] = ([2, 0.1, 0.2, 0.1, 0.4], [6, 0.5, 0.2, 0.3, 0.4])
SLACK = 2e-4  # positions at a trim's edge are rounded outward to this


def redaction(*positions: list[float], **limits: float) -> Redaction:
    return msgspec.convert({"positions": positions, **limits}, Redaction)


def walk(**limits: float) -> Redaction:
    return redaction(*WALK, **limits)


def holds(outer: Region | None, inner: Region | None, slack: float = 1e-9) -> bool:
    """True if ``outer`` covers all of ``inner``."""
    if inner is None:
        return True
    return outer is not None and (
        outer.left <= inner.left + slack
        and outer.top <= inner.top + slack
        and outer.right >= inner.right - slack
        and outer.bottom >= inner.bottom - slack
    )


# Where a box is


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (0, (0.1, 0.2, 0.2, 0.6)),
        (2, (0.1, 0.2, 0.2, 0.6)),
        (3, (0.2, 0.2, 0.35, 0.6)),
        (5, (0.4, 0.2, 0.65, 0.6)),
        (6, (0.5, 0.2, 0.8, 0.6)),
        (90_000, (0.5, 0.2, 0.8, 0.6)),
        (-1, (0.1, 0.2, 0.2, 0.6)),
    ],
)
def test_a_box_moves_in_a_straight_line_and_stays_at_both_ends(
    at: float, expected: tuple[float, ...]
) -> None:
    assert walk().region(at, at) == pytest.approx(expected)


def test_a_picture_is_covered_wherever_the_box_is_while_it_is_shown() -> None:
    assert walk().region(3, 5) == pytest.approx((0.2, 0.2, 0.65, 0.6))
    away_and_back = redaction([0, 0, 0, 0.1, 0.1], [1, 0.8, 0.8, 0.1, 0.1], [2, 0, 0, 0.1, 0.1])
    assert away_and_back.region(0, 2) == pytest.approx((0, 0, 0.9, 0.9))


@pytest.mark.parametrize(
    ("begin", "end", "there"),
    [
        (2, 2, True),
        (3, 1, True),
        (8.5, 3, False),
        (1.9, 2.0, False),
        (1.9, 2.01, True),
        (2, 2.1, True),
        (8, 8.1, True),
        (8.01, 8.1, False),
    ],
)
def test_a_box_is_on_every_picture_that_is_shown_in_its_time(
    begin: float, end: float, there: bool
) -> None:
    box = walk(from_seconds=2, to_seconds=8)
    assert (box.region(begin, end) is not None) == there


def test_without_limits_a_box_is_always_there() -> None:
    for box in (walk(), Redaction.still(0, 0, 0.1, 0.1)):
        assert box.region(0, 0) and box.region(-1, -0.5) and box.region(1e6, 1e6 + 1)
    assert walk(to_seconds=3).region(0, 0.1) and not walk(to_seconds=3).region(4, 5)
    assert walk(from_seconds=3).region(9, 9.1) and not walk(from_seconds=3).region(0, 1)


@given(instances(Redaction), st.floats(0, 90_000), st.floats(0, 100), st.floats(0, 1))
def test_no_place_of_a_box_between_two_times_is_left_open(
    box: Redaction, begin: float, length: float, share: float
) -> None:
    between = begin + share * length
    swept, there = box.region(begin, begin + length), box.region(between, between)
    assert swept is None or holds(swept, there)


# Inside a trim


@given(instances(Redaction), instances(Trim), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_what_is_kept_of_a_redaction_in_a_trim_covers_as_much(
    box: Redaction, trim: Trim, first: float, second: float, length: float
) -> None:
    """In any picture that begins in the trim and is shown for at most a second."""
    start, end = trim.from_seconds, trim.to_seconds
    begin = min(start + first * (end - start), end)
    kept = box.within(start, end)
    shown = box.region(begin, begin + length)
    if begin < end:
        left = None if kept is None else kept.region(begin, begin + length)
        assert holds(left, shown, 1e-6)
    if kept is not None:
        assert len(kept.positions) <= len(box.positions)
        decoding.decode(decoding.encode(kept), Redaction, 100_000)


def test_nothing_is_told_of_a_box_outside_the_trim() -> None:
    kept = walk(from_seconds=1, to_seconds=100).within(3, 4)
    assert kept is not None
    assert (kept.from_seconds, kept.to_seconds) == (None, None)
    assert [one.at_seconds for one in kept.positions] == [3, 4]
    assert holds(kept.region(3, 3), walk().region(3, 3))
    last = kept.region(4, 4)
    assert last is not None and last.right <= 0.65 + SLACK  # as far as it gets in a second


def test_limits_inside_the_trim_and_positions_there_stay() -> None:
    box = walk(from_seconds=2.5, to_seconds=5)
    assert box.within(1, 8) == box
    assert box.within(0, 1) is box.within(5.01, 8) is None


# What is refused


def rule(plain: Any) -> str:
    clip = json.loads(decoding.encode(world.approved())) | {"redact": plain}
    approval = json.loads(decoding.encode(world.approval())) | {"clips": [clip]}
    with pytest.raises(MalformedStatement) as caught:
        decoding.decode(json.dumps(approval).encode(), Approval, Approval.MAX_BYTES)
    assert caught.value.rule == "wrong-shape"
    return caught.value.message


STILL = [0, 0.1, 0.1, 0.2, 0.2]


@pytest.mark.parametrize(
    ("plain", "why"),
    [
        ([{}], "positions"),
        ([{"positions": []}], "length >= 1"),
        ([{"positions": [STILL[:4]]}], "at least length 5"),
        ([{"positions": [[*STILL, 0]]}], "at most length 5"),
        ([{"positions": [[0, 0.9, 0.1, 0.2, 0.2]]}], "inside the picture"),
        ([{"positions": [[0, 0.1, 0.9, 0.2, 0.2]]}], "inside the picture"),
        ([{"positions": [[0, 0.1, 0.1, 0, 0.2]]}], "at least 0.001"),
        ([{"positions": [[0, 0.1, 0.1, 0.2, 0.0009]]}], "at least 0.001"),
        ([{"positions": [[-1, *STILL[1:]]]}], ">= 0"),
        ([{"positions": [[86_401, *STILL[1:]]]}], "<= 86400"),
        ([{"positions": [["0", *STILL[1:]]]}], "float"),
        ([{"positions": [[True, *STILL[1:]]]}], "float"),
        ([{"positions": [None]}], "array"),
        ([{"positions": [dict(zip("txywh", STILL, strict=True))]}], "array"),
        ([{"positions": [STILL, STILL]}], "order of time"),
        ([{"positions": [[2, *STILL[1:]], [1, *STILL[1:]]]}], "order of time"),
        ([{"positions": [[n, *STILL[1:]] for n in range(101)]}], "length <= 100"),
        ([{"positions": [STILL]}] * 17, "length <= 16"),
        ([{"positions": [STILL], "from_seconds": 2, "to_seconds": 2}], "end after it begins"),
        ([{"positions": [STILL], "until": 2}], "unknown field"),
        ([STILL], "object"),
        ({"positions": [STILL]}, "array"),
    ],
)
def test_a_redaction_of_another_shape_is_refused_by_name(plain: Any, why: str) -> None:
    assert why in rule(plain)


def test_the_most_boxes_and_positions_and_the_smallest_box() -> None:
    small = [0, 0.000_001, 0.999, 0.001, 0.001]
    whole = [0.5, 0.000_001, 0, 1, 1]
    long = {"positions": [[n, *STILL[1:]] for n in range(100)]}
    clip = json.loads(decoding.encode(world.approved())) | {
        "redact": [long, *[{"positions": [small, whole]}] * 15]
    }
    approval = json.loads(decoding.encode(world.approval())) | {"clips": [clip]}
    made = decoding.decode(json.dumps(approval).encode(), Approval, Approval.MAX_BYTES)
    assert len(made.clips[0].redact) == 16


def test_a_still_box_says_nothing_more_than_it_must() -> None:
    assert decoding.encode(Redaction.still(0.1, 0.2, 0.3, 0.4)) == (
        b'{"positions":[[0,0.1,0.2,0.3,0.4]]}'
    )
