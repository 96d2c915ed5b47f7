"""Letters: only their readers can open them, and only undamaged."""

from __future__ import annotations

import base64
import json

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.consent import letters
from agent.consent.letters import MAX_LETTER_BYTES, Letter
from agent.errors import KeyFileError, MalformedStatement, UnreadableLetter
from tests.consent import world
from tests.consent.test_age_header import COSTLY

LETTER = world.letter()
SEALED = letters.seal(LETTER, [world.DEVICE_RECIPIENT])

PASSPHRASE_SEALED = base64.b64decode(  # `{}` under the passphrase "secret"; scrypt takes seconds
    "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCA4WTRvOWlKU21FSzZVR1VvYTNKRytBIDE5CnNm"
    "T0RzZGxLRjNZaG9EakJseG5LZWVqY0JkeTdPUTJKQXZzbUh3UkZ1UE0KLS0tIEt6M3lDUkZNekE5RXZx"
    "WEt4akhNTHpQMzk4cit3d0NueDdXWExGeDJEaGsKPOLNYTP1Y/qEQskk0hblqBfe5j6vJsR91aeU4cuJ"
    "mLHdBA=="
)


def sealed(plain: bytes) -> bytes:
    """Any bytes, sealed to the device."""
    reader = pyrage.x25519.Recipient.from_str(world.DEVICE_RECIPIENT)
    made: bytes = pyrage.encrypt(plain, [reader])
    return made


def refusal(letter: bytes) -> UnreadableLetter:
    """The refusal of a letter to the device; it tells nothing of the keys inside."""
    with pytest.raises(UnreadableLetter) as caught:
        letters.open_letter(letter, world.DEVICE_IDENTITY)
    assert "AGE-SECRET-KEY" not in str(caught.value)
    return caught.value


def test_the_reader_opens_the_letter() -> None:
    assert letters.open_letter(SEALED, world.DEVICE_IDENTITY) == LETTER


def test_every_reader_opens_the_letter() -> None:
    both = letters.seal(LETTER, [world.DEVICE_RECIPIENT, world.OWNER_RECIPIENT])
    assert letters.open_letter(both, world.DEVICE_IDENTITY) == LETTER
    assert letters.open_letter(both, world.OWNER_IDENTITY) == LETTER


def test_a_letter_to_somebody_else() -> None:
    assert refusal(letters.seal(LETTER, [world.OWNER_RECIPIENT])).rule == "not-sealed-to-us"


@pytest.mark.parametrize("name", COSTLY)
def test_a_letter_with_a_huge_header_never_reaches_the_age_library(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyrage, "decrypt", lambda *_: pytest.fail("it did"))
    assert refusal(COSTLY[name]).rule == "not-sealed-to-us"


def test_a_sealed_letter_shows_none_of_its_text() -> None:
    for secret in (LETTER.jws, world.CLIP, world.CLIP_KEYS[world.CLIP]):
        assert secret.encode() not in SEALED


@given(position=st.integers(0, len(SEALED) - 1), byte=st.integers(0, 255))
def test_one_byte_changed_anywhere_never_opens(position: int, byte: int) -> None:
    changed = bytearray(SEALED)
    if changed[position] != byte:
        changed[position] = byte
        assert refusal(bytes(changed)).rule == "not-sealed-to-us"


@given(st.integers(0, len(SEALED) - 1))
def test_a_letter_truncated_anywhere(length: int) -> None:
    assert refusal(SEALED[:length]).rule == "not-sealed-to-us"


def test_a_letter_with_bytes_after_its_end() -> None:
    assert refusal(SEALED + b"\n").rule == "not-sealed-to-us"


@given(st.binary(max_size=400))
def test_any_bytes_raise_only_unreadable_letter(junk: bytes) -> None:
    assert refusal(junk)
    assert refusal(sealed(junk))


def test_a_letter_sealed_with_a_passphrase_is_refused_at_once() -> None:
    assert refusal(PASSPHRASE_SEALED).rule == "not-sealed-to-us"


def test_a_letter_that_is_too_large_is_not_opened() -> None:
    assert refusal(bytes(MAX_LETTER_BYTES + 1)).rule == "too-large"


def test_a_letter_that_no_reader_would_open_is_not_sealed() -> None:
    keys = {f"20240124-171500-{number:06x}": world.CLIP_KEYS[world.CLIP] for number in range(6_000)}
    with pytest.raises(MalformedStatement, match="a letter of"):
        letters.seal(Letter(jws="", keys=keys), [world.DEVICE_RECIPIENT])


KEY = world.CLIP_KEYS[world.CLIP]


@pytest.mark.parametrize(
    ("plain", "rule"),
    [
        (b"", "not-json"),
        (b"\xff", "not-utf-8"),
        (b"{}", "wrong-shape"),
        (b'{"jws": "a.b.c", "keys": {}, "extra": 1}', "wrong-shape"),
        (b'{"jws": "a.b.c", "keys": {"../../x": "y"}}', "wrong-shape"),
        (json.dumps({"jws": "", "keys": {world.CLIP: KEY.lower()}}).encode(), "wrong-shape"),
        (json.dumps({"jws": "", "keys": {world.CLIP: KEY + "\n"}}).encode(), "wrong-shape"),
        (json.dumps({"jws": "", "keys": {KEY: world.CLIP}}).encode(), "wrong-shape"),
        (json.dumps({"jws": "", "keys": {}, KEY: 1}).encode(), "wrong-shape"),
        (f'{{"jws": "", "keys": {{"{KEY}": 1, "{KEY}": 2}}}}'.encode(), "duplicate-key"),
        (b'{"jws": "", "keys": {}, "keys": {}}', "duplicate-key"),
    ],
)
def test_a_letter_whose_content_does_not_decode(plain: bytes, rule: str) -> None:
    error = refusal(sealed(plain))
    assert error.rule == rule
    assert error.__suppress_context__, "a traceback would show what the letter holds"


def test_a_letter_in_a_log_line_shows_no_keys() -> None:
    shown = f"{LETTER!r} {LETTER} {[LETTER]}"
    assert "AGE-SECRET-KEY" not in shown
    assert world.CLIP in shown


@pytest.mark.parametrize("recipient", ["", "age1" + "q" * 58, world.OWNER_IDENTITY])
def test_an_invalid_recipient(recipient: str) -> None:
    with pytest.raises(KeyFileError) as caught:
        letters.seal(LETTER, [recipient])
    assert "AGE-SECRET-KEY" not in str(caught.value)


@pytest.mark.parametrize("identity", ["", "AGE-SECRET-KEY-1", world.OWNER_RECIPIENT])
def test_a_damaged_identity(identity: str) -> None:
    with pytest.raises(KeyFileError):
        letters.parse_identity(identity)


def test_a_jws_as_large_as_a_report_fits_into_a_letter() -> None:
    letter = Letter(jws="x" * 400_000, keys={})
    opened = letters.open_letter(
        letters.seal(letter, [world.OWNER_RECIPIENT]), world.OWNER_IDENTITY
    )
    assert opened == letter
