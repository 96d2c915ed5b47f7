"""Strict decoding: each rule, by the attack that it stops."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.consent import decoding, statements
from agent.consent.letters import Letter
from agent.consent.statements import (
    MAX_STATEMENT_BYTES,
    STATEMENTS,
    Approval,
    Command,
    Request,
    Statement,
    Trim,
    Window,
)
from agent.errors import MalformedStatement
from tests.consent import world
from tests.consent.strategies import ALPHABET, JSON, instances

REQUEST = world.request()
KINDS = [*STATEMENTS.values(), Letter]


def plain(statement: statements.Part) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(decoding.encode(statement))
    return fields


def refusal(payload: bytes, kind: type[Any] = Request, max_bytes: int = MAX_STATEMENT_BYTES) -> str:
    """The rule that ``payload`` breaks."""
    with pytest.raises(MalformedStatement) as caught:
        decoding.decode(payload, kind, max_bytes)
    assert len(caught.value.message) < 300, "a message quotes its sender at length"
    return caught.value.rule


def changed(statement: statements.Part = REQUEST, /, **changes: Any) -> bytes:
    """A good statement's JSON with some fields changed; ``...`` leaves one out."""
    fields = plain(statement) | changes
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=15)
@given(data=st.data())
def test_every_statement_survives_a_round_trip(kind: type[Any], data: st.DataObject) -> None:
    statement = data.draw(instances(kind))
    assert decoding.decode(decoding.encode(statement), kind, 10_000_000) == statement


def test_a_statement_at_its_largest_decodes_and_one_byte_more_is_too_large() -> None:
    payload = decoding.encode(world.request())
    padded = payload + b" " * (MAX_STATEMENT_BYTES - len(payload))
    assert decoding.decode(padded, Request, MAX_STATEMENT_BYTES) == world.request()
    assert refusal(padded + b" ") == "too-large"


def test_bytes_that_are_not_utf_8() -> None:
    assert refusal(changed(title="van").replace(b"van", b"v\xe4n")) == "not-utf-8"


def test_an_overlong_utf_8_form_that_some_decoders_read_as_a_quote() -> None:
    assert refusal(changed(title="van").replace(b"van", b"v\xc0\xa2n")) == "not-utf-8"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"{}{}",
        b"{'iss': 1}",
        b"{//comment\n}",
        b'{"iss":1,}',
        b"\xef\xbb\xbf{}",
        b"[" * 8_000,
        b"9" * 5_000,
    ],
    ids=[
        "empty",
        "cut off",
        "two values",
        "single quotes",
        "comment",
        "trailing comma",
        "byte order mark",
        "nested too deeply",
        "a number of 5000 digits",
    ],
)
def test_payloads_that_are_not_one_json_value(payload: bytes) -> None:
    assert refusal(payload) == "not-json"


def test_a_repeated_key_that_two_readers_would_read_differently() -> None:
    payload = changed().replace(b'"title":', b'"reference": "other", "title":')
    assert refusal(payload) == "duplicate-key"


def test_a_repeated_key_deep_inside() -> None:
    assert refusal(changed().replace(b'"protocol":', b'"url": "x", "protocol":')) == "duplicate-key"


def test_a_repeated_key_in_two_spellings() -> None:
    payload = changed().replace(b'"title":', b'"\\u0074itle": "other", "title":')
    assert refusal(payload) == "duplicate-key"


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999"])
def test_a_number_that_is_not_finite(number: bytes) -> None:
    payload = changed(area={"type": "Polygon", "coordinates": [[[0, 7.5]] * 4]})
    assert refusal(payload.replace(b"7.5", number)) == "not-finite"


@pytest.mark.parametrize(
    "character",
    list("\x00\x07\t\r\x1b\x7f\x9b\u2028\u2029\ud800\u061c\u200e\u200f\u202e\u2066\u2069"),
    ids=lambda character: f"U+{ord(character):04X}",
)
def test_a_character_that_changes_how_a_text_is_shown(character: str) -> None:
    assert refusal(changed(text=f"a{character}b")) == "control-character"
    assert refusal(changed(**{f"a{character}b": 1})) == "control-character"
    nested = {"protocol": "tus", "url": character}
    assert refusal(changed(upload=nested)) == "control-character"


@given(st.text(ALPHABET, max_size=50))
def test_every_other_text_is_allowed(text: str) -> None:
    assert decoding.decode(changed(text=text), Request, MAX_STATEMENT_BYTES).text == text


@pytest.mark.parametrize("field", ["title", "reference", "incident", "contact"])
def test_a_line_break_that_fakes_a_second_line(field: str) -> None:
    assert refusal(changed(**{field: "van\napproved: yes"})) == "wrong-shape"


@pytest.mark.parametrize(
    "changes",
    [
        {"surplus": 1},
        {"x" * 5_000: 1},
        {"title": ...},
        {"title": None},
        {"iat": "1706121000"},
        {"iat": 1706121000.5},
        {"iat": True},
        {"iat": -1},
        {"iat": 10**400},
        {"exp": 253_402_300_800},
        {"iss": "short"},
        {"iss": "A" * 43 + "\n"},
        {"jti": "has spaces in it!"},
        {"jti": "x" * 65},
        {"kind": "order"},
        {"title": "x" * 121},
        {"text": "x" * 4_001},
        {"window": {"from": 10, "to": 10}},
        {"window": {"from": 11, "to": 10}},
        {"upload": {"protocol": "ftp", "url": "https://evidence.example.org/"}},
        {"area": {"type": "Point", "coordinates": [0, 0]}},
        {"area": {"type": "Polygon", "coordinates": [[[0, 0]] * 4, [[0, 0]] * 4]}},
        {"area": {"type": "Polygon", "coordinates": [[[0, 0]] * 3]}},
        {"area": {"type": "Polygon", "coordinates": [[[0, 0]] * 101]}},
        {"area": {"type": "Polygon", "coordinates": [[[0, 0, 12]] * 4]}},
        {"area": {"type": "Polygon", "coordinates": [[[181, 0]] * 4]}},
        {"area": {"type": "Polygon", "coordinates": [[[0, 10**400]] * 4]}},
        {"kind": "legal-order"},
        {"order": msgspec.to_builtins(world.ORDER)},
    ],
    ids=lambda changes: json.dumps(changes, default=lambda _: "missing")[:60],
)
def test_a_field_of_another_shape(changes: dict[str, Any]) -> None:
    assert refusal(changed(**changes)) == "wrong-shape"


@pytest.mark.parametrize("name", ["x\nWARNING agent: forged", "\n", "\n" * 300])
def test_a_field_name_does_not_write_lines_into_a_log(name: str) -> None:
    with pytest.raises(MalformedStatement, match="unknown field") as caught:
        decoding.decode(json.dumps({**plain(REQUEST), name: 1}).encode(), Request, 16_384)
    assert len(str(caught.value).splitlines()) == 1


def test_a_legal_order_needs_its_order() -> None:
    request = world.request(kind="legal-order", order=world.ORDER)
    assert decoding.decode(decoding.encode(request), Request, MAX_STATEMENT_BYTES) == request


@pytest.mark.parametrize("payload", [b"null", b"[]", b"0", b'"text"'])
def test_json_that_is_not_an_object(payload: bytes) -> None:
    assert refusal(payload) == "wrong-shape"


def test_an_approval_of_nothing() -> None:
    assert refusal(changed(world.approval(), clips=[]), Approval) == "wrong-shape"


def test_an_approval_with_a_clip_id_that_is_a_path() -> None:
    clip = plain(world.approved()) | {"id": "../../etc/passwd"}
    assert refusal(changed(world.approval(), clips=[clip]), Approval) == "wrong-shape"


def test_an_unknown_command() -> None:
    unknown = {"do": "unlock"}
    assert refusal(changed(world.command(), command=unknown), Command) == "wrong-shape"


def test_a_trim_that_ends_before_it_begins() -> None:
    with pytest.raises(ValueError, match="a trim must end"):
        Trim(from_seconds=2.0, to_seconds=2.0)


def test_undisclosed_fields_are_not_named() -> None:
    assert plain(world.approval())["disclose"] == {}


def test_statements_are_immutable() -> None:
    with pytest.raises(AttributeError):
        world.request().window.start = 0  # type: ignore[misc]


def test_a_window_is_encoded_as_from_and_to() -> None:
    assert plain(Window(start=1, end=2)) == {"from": 1, "to": 2}


def test_a_text_that_is_not_unicode_is_not_encoded() -> None:
    with pytest.raises(MalformedStatement) as caught:
        decoding.encode(world.request(title="\udcff"))
    assert caught.value.rule == "not-utf-8"


def test_every_type_is_listed_under_its_own_name() -> None:
    declared = {
        kind
        for kind in Statement.__subclasses__()
        if kind.__module__.startswith(statements.__name__)
    }
    assert set(STATEMENTS.values()) == declared
    assert all(typ == kind.TYP for typ, kind in STATEMENTS.items())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@given(payload=st.binary() | st.text().map(str.encode) | JSON.map(json.dumps).map(str.encode))
@example(payload=b"[" * 100_000)
@example(payload=b'{"a":' * 50_000)
@example(payload=b"1e" + b"9" * 100)
def test_any_bytes_decode_or_are_malformed(kind: type[Any], payload: bytes) -> None:
    with pytest.raises(MalformedStatement):
        decoding.decode(payload, kind, 1_000_000)


@given(data=st.data())
def test_a_good_statement_with_one_field_replaced_by_anything(data: st.DataObject) -> None:
    fields = plain(world.request())
    name = data.draw(st.sampled_from(sorted(fields)))
    payload = json.dumps(fields | {name: data.draw(JSON)}).encode()
    try:
        decoding.decode(payload, Request, MAX_STATEMENT_BYTES)
    except MalformedStatement as error:
        assert error.rule in {"wrong-shape", "not-finite", "control-character"}
