"""Request files: a mistake is named by the key to change, before anything is signed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.consent import signing
from agent.consent.cards import RequesterCard
from agent.consent.policy import area
from agent.consent.statements import Request
from agent.errors import ConfigError
from agent.keyfile import Keys
from agent.requester.posts.area_file import Around, ring_around
from agent.requester.posts.request_file import RequestFile

NOW = 1_706_121_000.0  # 2024-01-24T18:30:00Z
GOOD = """\
title: Bicycle theft on Elm Street
text: |
  A red bicycle was taken.
  Did your camera see it?
incident: theft
reference: 2024-001234
contact: Det. A. Example, 413 555 0100
window: {from: 2024-01-24T10:00:00-05:00, to: "2024-01-24T12:00:00-05:00"}
around: {latitude: 42.1015, longitude: -72.5898, square_miles: 0.25}
upload: https://evidence.example.org/files/
open_days: 5
"""


@pytest.fixture
def card(keys: Keys) -> RequesterCard:
    return RequesterCard(
        role="requester",
        name="Springfield PD",
        sign=keys.signing.public.text,
        seal=keys.recipient,
        upload_hosts=("evidence.example.org",),
    )


def sign(text: str, keys: Keys, card: RequesterCard) -> str:
    return RequestFile.parse(text, "ask.yaml").sign(keys, card, name="ask.yaml", now=NOW)


def test_a_good_file_becomes_a_request_that_the_default_policy_admits(
    keys: Keys, card: RequesterCard
) -> None:
    jws = sign(GOOD, keys, card)
    request = signing.verify(jws, Request, {keys.fingerprint: keys.signing.public})
    assert request.title == "Bicycle theft on Elm Street"
    assert request.text == "A red bicycle was taken.\nDid your camera see it?\n"
    assert (request.window.start, request.window.end) == (1_706_108_400, 1_706_115_600)
    assert request.exp - request.iat == 5 * 86_400
    assert area.square_miles(request.area) == pytest.approx(0.25, rel=1e-3)


def test_an_area_as_geojson(keys: Keys, card: RequesterCard) -> None:
    ring = "[[-72.595, 42.098], [-72.585, 42.098], [-72.585, 42.105], [-72.595, 42.098]]"
    polygon = f"area: {{type: Polygon, coordinates: [{ring}]}}"
    jws = sign(_with("around", polygon), keys, card)
    request = signing.verify(jws, Request, {keys.fingerprint: keys.signing.public})
    assert request.area.coordinates[0][0] == (-72.595, 42.098)


def test_a_legal_order(keys: Keys, card: RequesterCard) -> None:
    order = f"order: {{court: District Court, docket: 24-CV-1, document_sha256: {'a' * 64}}}\n"
    jws = sign(GOOD + "kind: legal-order\n" + order, keys, card)
    request = signing.verify(jws, Request, {keys.fingerprint: keys.signing.public})
    assert request.order is not None


def _with(key: str, line: str) -> str:
    return "".join(
        line + "\n" if old.startswith(f"{key}:") else old for old in GOOD.splitlines(keepends=True)
    )


@pytest.mark.parametrize(
    ("key", "line", "named"),
    [
        ("title", "", "title: missing key"),
        ("title", "titel: x", "titel: unknown key"),
        ("open_days", "open_days: 5\nopen_days: 6", "given twice"),
        ("open_days", "open_days: 8", "open_days: "),
        ("open_days", "open_days: -1", "open_days: "),
        ("open_days", "open_days: .inf", "open_days: "),
        ("open_days", "open_days: .nan", "open_days: "),
        ("reference", "reference: ''", "reference: "),
        ("contact", "contact: ' '", "contact: "),
        ("incident", "incident: ''", "incident: "),
        ("incident", "incident: peaceful protest", "incident: "),
        ("upload", "upload: http://evidence.example.org/files/", "upload: "),
        ("upload", "upload: https://evil.example/files/", "upload: "),
        ("window", "window: {from: 2024-01-24T10:00:00, to: 2024-01-24T12:00:00}", "window.from"),
        (
            "window",
            "window: {from: 2024-01-24T12:00:00Z, to: 2024-01-24T10:00:00Z}",
            "end after it begins",
        ),
        ("window", "window: {from: 2024-01-24T12:00:00Z, to: 2024-01-24T12:01:00Z}", "window: "),
        ("window", "window: {from: 2024-01-23T12:00:00Z, to: 2024-01-24T12:01:00Z}", "window: "),
        ("window", "window: {from: 2026-01-23T12:00:00Z, to: 2026-01-23T13:00:00Z}", "window: "),
        ("around", "around: {latitude: 91, longitude: 0, square_miles: 0.1}", "around.latitude"),
        ("around", "around: {latitude: 42, longitude: 0, square_miles: 0.02}", "around: "),
        ("around", "around: {latitude: 42, longitude: 0, square_miles: 0.6}", "around: "),
        ("around", "", "area"),
        ("around", "area: {type: Polygon, coordinates: [[[0, 0], [1, 1], [0, 0]]]}", "area"),
        ("text", 'text: "\\e[2J"', "U+001B"),
    ],
)
def test_a_mistake_is_named_by_its_key(
    keys: Keys, card: RequesterCard, key: str, line: str, named: str
) -> None:
    text = _with(key, line)
    if key == "text":
        text = text.replace("  A red bicycle was taken.\n  Did your camera see it?\n", "")
    with pytest.raises(ConfigError) as caught:
        sign(text, keys, card)
    assert str(caught.value).startswith("ask.yaml")
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_order_without_its_kind(keys: Keys, card: RequesterCard) -> None:
    with pytest.raises(ConfigError, match="order"):
        sign(GOOD + "kind: legal-order\n", keys, card)


def test_the_card_of_other_keys(card: RequesterCard) -> None:
    with pytest.raises(ConfigError, match="not that of these keys"):
        sign(GOOD, Keys.generate(), card)


@given(st.floats(-84, 84), st.floats(-179, 179), st.sampled_from([0.025, 0.1, 0.5]))
def test_a_ring_has_the_size_asked_for_everywhere(
    latitude: float, longitude: float, square_miles: float
) -> None:
    ring = ring_around(Around(latitude=latitude, longitude=longitude, square_miles=square_miles))
    area.check(ring)
    assert 0.025 <= area.square_miles(ring) <= 0.5
    assert area.square_miles(ring) == pytest.approx(square_miles, rel=2e-3)
    assert area.contains(ring, latitude, longitude)
