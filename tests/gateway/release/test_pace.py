"""Pace of uploads: chunks as long as the line carries, and room for the rest of the household."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.gateway.release.pace import LEAST_CHUNK, Pace, Rate, longest_chunk, pieces
from tests.support.clock import SimulatedClock

MIB = 1 << 20
HOME, AWAY = "192.168.1.20", "93.184.215.14"


def new_pace(max_rate: Rate = "auto") -> Pace:
    return Pace(SimulatedClock(), MIB, max_rate, {})


# Long chunks


def test_a_chunk_is_as_long_as_the_line_carries_in_some_seconds() -> None:
    pace = new_pace("unlimited")
    assert pace.length(AWAY) == MIB
    pace.went(MIB, 1.0, peer=AWAY)
    assert pace.length(AWAY) == 10 * MIB
    pace.went(10 * MIB, 100.0, peer=AWAY)
    assert pace.length(AWAY) == MIB
    pace.went(MIB, 0.001, peer=AWAY)
    assert pace.length(AWAY) == longest_chunk(MIB) == 16 * MIB


def test_a_long_chunk_that_fails_is_halved_and_one_that_is_too_large_is_not_tried_again() -> None:
    pace = new_pace("unlimited")
    pace.went(MIB, 0.5, peer=AWAY)
    assert pace.length(AWAY) == 16 * MIB
    assert pace.failed(16 * MIB, too_large=False)
    assert pace.length(AWAY) == 8 * MIB
    assert pace.failed(8 * MIB, too_large=True)
    assert pace.length(AWAY) == MIB
    assert pace.failed(MIB, too_large=True)
    assert pace.length(AWAY) == MIB // 2
    assert not pace.failed(MIB // 2, too_large=False), "that is a fault of the line"
    assert not pace.failed(LEAST_CHUNK, too_large=True)


# The rest of the household


def test_half_of_what_the_line_carried_is_used_of_a_line_to_the_internet() -> None:
    pace = new_pace()
    assert math.isinf(pace.limit(AWAY)), "the first chunk measures"
    pace.went(MIB, 2.0, peer=AWAY)
    assert pace.limit(AWAY) == MIB / 4
    pace.went(MIB, 4.0, peer=AWAY)
    assert pace.limit(AWAY) == MIB / 4, "what was held back measures nothing"


def test_the_line_is_measured_again_after_some_minutes_with_a_short_chunk() -> None:
    pace = new_pace()
    pace.went(MIB, 0.1, peer=AWAY)
    assert pace.length(AWAY) == 16 * MIB
    assert isinstance(pace.clock, SimulatedClock)
    pace.clock.advance(301)
    assert pace.length(AWAY) == MIB and math.isinf(pace.limit(AWAY))
    pace.went(MIB, 1.0, peer=AWAY)
    assert pace.limit(AWAY) == MIB / 2


def test_what_one_upload_measured_holds_for_the_next_to_the_same_address() -> None:
    """Many small clips in a row would fill the line, each with its first chunk."""
    first = new_pace()
    first.went(MIB, 2.0, peer=AWAY)
    second = Pace(first.clock, MIB, "auto", first.measured)
    assert second.limit(AWAY) == MIB / 4
    assert math.isinf(second.limit("93.184.215.15"))


def test_a_slow_line_is_not_held_back_to_a_rate_that_counts_as_dead() -> None:
    """Else a chunk would be cut off for want of the bytes that we hold back."""
    pace = new_pace()
    pace.went(MIB, MIB / 9_000, peer=AWAY)
    assert pace.limit(AWAY) == 8_000


def test_a_few_bytes_measure_nothing() -> None:
    """They take a round trip however wide the way is."""
    pace = new_pace()
    pace.went(70_000, 0.3, peer=AWAY)
    assert math.isinf(pace.limit(AWAY))


@pytest.mark.parametrize(
    "peer", [HOME, "127.0.0.1", "10.0.0.1", "172.16.3.4", "169.254.1.1", "::1", "fe80::1%eth0",
             "fd00::1"],
)  # fmt: skip
def test_nothing_is_held_back_at_home(peer: str) -> None:
    pace = new_pace()
    for _ in range(3):
        pace.went(MIB, 2.0, peer=peer)
        assert math.isinf(pace.limit(peer))


@pytest.mark.parametrize("peer", [HOME, AWAY, "2001:4860:4860::8888", ""])
def test_a_rate_that_was_set_holds_everywhere(peer: str) -> None:
    pace = new_pace(2_000_000)
    for _ in range(3):
        assert pace.limit(peer) == 250_000
        pace.went(MIB, 4.0, peer=peer)


@given(
    size=st.integers(1, 3 * MIB),
    limit=st.floats(8_000, 1e9) | st.just(math.inf),
    slow=st.floats(0, 2),
)
def test_pieces_are_all_of_a_chunk_and_never_early(size: int, limit: float, slow: float) -> None:
    clock = SimulatedClock()
    began, given = clock.monotonic(), 0
    for length in pieces(size, limit, clock):
        assert given <= (clock.monotonic() - began) * limit + 1 or math.isinf(limit)
        given += length
        clock.advance(slow if given < 100_000 else 0)
    assert given == size
