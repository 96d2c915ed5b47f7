"""The size check on age headers."""

from __future__ import annotations

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config import MAX_OWNERS
from agent.consent.age_header import MAX_HEADER_BYTES, has_small_header

MAX_STANZAS = 35  # two a reader of 16 owners, the clip's own, and two that age adds
START, END = b"age-encryption.org/v1\n", b"--- " + b"A" * 43 + b"\n"
# Each costs the age library at least half a second, and grows with the square of its size.
COSTLY = {
    "ten thousand empty stanzas": START + b"-> a\n\n" * 10_000 + END,
    "a stanza with a long argument": START + b"-> a " + b"b" * 50_000 + b"\n\n" + END,
    "a stanza with many arguments": START + b"-> " + b"a " * 20_000 + b"a\n\n" + END,
    "a stanza with a long body": START + b"-> a\n" + (b"A" * 64 + b"\n") * 800 + b"\n" + END,
    "no end": START + b"-> a\n" + b"A" * 60_000,
}


@pytest.mark.parametrize("readers", [1, 2, 2 * MAX_OWNERS + 1])
def test_a_header_for_the_most_owners_passes(readers: int) -> None:
    recipients = [pyrage.x25519.Identity.generate().to_public() for _ in range(readers)]
    for _ in range(20):  # each has a stanza of random size
        sealed = pyrage.encrypt(b"", recipients)
        assert has_small_header(sealed)
        assert has_small_header(sealed[:MAX_HEADER_BYTES])


@pytest.mark.parametrize("name", COSTLY)
def test_a_header_that_would_take_the_library_long_is_refused(name: str) -> None:
    assert not has_small_header(COSTLY[name])


def test_a_small_header_with_many_stanzas_is_refused() -> None:
    few, many = START + b"-> a\n\n" * 30 + END, START + b"-> a\n\n" * 300 + END
    assert has_small_header(few)
    assert not has_small_header(many)
    assert len(many) < MAX_HEADER_BYTES


def test_only_stanzas_inside_the_header_count() -> None:
    most, behind = b"-> a\n\n" * MAX_STANZAS, b"-> a\n\n" * 50
    assert has_small_header(START + most + END + behind + END)
    assert not has_small_header(START + most + b"-> a\n\n" + END + behind)


def test_a_header_without_an_end_in_its_limit_is_refused() -> None:
    room = MAX_HEADER_BYTES - len(START) - len(b"-> a\n") - len(b"\n--- ")
    assert has_small_header(START + b"-> a\n" + b"A" * room + b"\n" + END)
    assert not has_small_header(START + b"-> a\n" + b"A" * (room + 1) + b"\n" + END)


@pytest.mark.parametrize("start", [b"", b"age-encryption.org/v2\n" + END, END, START, b"\0" * 5000])
def test_a_file_that_is_not_age_is_refused(start: bytes) -> None:
    assert not has_small_header(start)


@given(st.binary(max_size=200))
def test_any_bytes_get_an_answer(start: bytes) -> None:
    assert has_small_header(START + start) in (True, False)
