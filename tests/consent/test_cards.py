"""Public keys and key cards: parsing, and refusals by name."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.consent import cards
from agent.consent.cards import (
    Card,
    DeviceCard,
    OwnerCard,
    PublicKey,
    RequesterCard,
    decode_base64url,
    encode_base64url,
)
from agent.errors import ConfigError
from tests.consent import world
from tests.peers.requirements import ROOT

# RFC 8037, appendix A: a key and its thumbprint.
RFC_PUBLIC = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
RFC_THUMBPRINT = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_the_thumbprint_of_rfc_8037() -> None:
    assert PublicKey.from_text(RFC_PUBLIC).fingerprint == RFC_THUMBPRINT


@given(st.binary(max_size=60))
def test_base64url_there_and_back(data: bytes) -> None:
    assert decode_base64url(encode_base64url(data)) == data


@given(st.text(max_size=8))
def test_base64url_has_one_spelling(text: str) -> None:
    try:
        data = decode_base64url(text)
    except ValueError:
        return
    assert encode_base64url(data) == text


SMALL_ORDER_Y = sorted(cards._SMALL_ORDER)


@pytest.mark.parametrize("sign_bit", [0, 128])
@pytest.mark.parametrize("point", SMALL_ORDER_Y, ids=lambda point: point.hex()[:8])
def test_a_key_of_small_order_whose_signatures_fit_any_text(point: bytes, sign_bit: int) -> None:
    text = encode_base64url(point[:-1] + bytes([point[-1] | sign_bit]))
    with pytest.raises(ValueError, match="small order"):
        PublicKey.from_text(text)
    with pytest.raises(ConfigError, match="small order"):
        cards.parse_card(card_yaml(sign=text), RequesterCard, "card.yaml")


@pytest.mark.parametrize("text", ["", "AAAA", RFC_PUBLIC + "A", RFC_PUBLIC[:-1] + "p", "é" * 43])
def test_a_key_that_is_not_32_bytes_of_canonical_base64url(text: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        PublicKey.from_text(text)


def card_yaml(**changes: Any) -> str:
    """The requester's card as YAML, changed."""
    return cards.format_card(world.card(**changes))


def test_a_card_survives_its_text() -> None:
    assert cards.parse_card(card_yaml(), RequesterCard, "card.yaml") == world.CARD
    assert world.CARD.fingerprint == world.REQUESTER.public.fingerprint


OWNER = OwnerCard(
    name="Ada",
    sign=world.OWNER.public.text,
    seal=world.OWNER_RECIPIENT,
    role="owner",
    recovery=world.REQUESTER_RECIPIENT,
)
DEVICE = DeviceCard(
    name="front-door",
    sign=world.DEVICE.public.text,
    seal=world.DEVICE_RECIPIENT,
    role="device",
)
HOLDERS: dict[Card, str] = {OWNER: "an owner", DEVICE: "a device", world.CARD: "a requester"}


@pytest.mark.parametrize("card", HOLDERS)
@pytest.mark.parametrize("wanted", HOLDERS)
def test_a_card_of_another_role_is_refused_by_its_role(card: Card, wanted: Card) -> None:
    text = cards.format_card(card)
    if card is wanted:
        assert cards.parse_card(text, type(wanted), "a.yaml") == card
        return
    with pytest.raises(ConfigError) as caught:
        cards.parse_card(text, type(wanted), "a.yaml")
    assert caught.value.message == (
        f"a.yaml: is the key card of {HOLDERS[card]}, not of {HOLDERS[wanted]}"
    )


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"sign": "short"}, "sign"),
        ({"sign": "!" * 43}, "sign"),
        ({"seal": "age1" + "q" * 58}, "seal"),
        ({"name": ""}, "name"),
        ({"name": "Springfield\nPolice"}, "name"),
        ({"name": "Police \u202eecilop"}, "name"),
        ({"contact": "call\u2066 us"}, "contact"),
        ({"upload_hosts": ()}, "upload_hosts"),
        ({"upload_hosts": ("Evidence.example.org",)}, "upload_hosts"),
        ({"upload_hosts": ("user@evidence.example.org",)}, "upload_hosts"),
        ({"upload_hosts": ("evidence.example.org/",)}, "upload_hosts"),
        ({"role": "owner"}, "role"),
    ],
)
def test_a_card_with_a_mistake_names_file_and_key(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        cards.parse_card(card_yaml(**changes), RequesterCard, "card.yaml")
    assert caught.value.message.startswith("card.yaml")
    assert named in caught.value.message


@pytest.mark.parametrize("value", ["2024-13-45", "!!int ''", "!!float x", "!!binary x", "&a [*a]"])
def test_a_card_with_a_value_that_crashes_the_yaml_library(value: str) -> None:
    with pytest.raises(ConfigError, match=r"card\.yaml"):
        cards.parse_card(f"name: {value}\n", RequesterCard, "card.yaml")


def book(*entries: RequesterCard) -> str:
    return "requesters:\n" + "".join(
        "- " + cards.format_card(card).strip().replace("\n", "\n  ") + "\n" for card in entries
    )


def test_the_requesters_of_a_book_by_fingerprint() -> None:
    other = world.card(name="County Sheriff", sign=world.OTHER_REQUESTER.public.text)
    read = cards.parse_requesters(book(world.CARD, other), "requesters.yaml")
    assert read == {world.CARD.fingerprint: world.CARD, other.fingerprint: other}


def test_one_key_under_two_names_in_a_book() -> None:
    with pytest.raises(ConfigError, match=r"requesters\[1\].*already"):
        cards.parse_requesters(book(world.CARD, world.card(name="Alias")), "requesters.yaml")


def test_a_damaged_key_in_a_book_names_its_entry() -> None:
    damaged = world.card(seal="age1" + "q" * 58)
    with pytest.raises(ConfigError, match=r"requesters\[1\]: seal"):
        cards.parse_requesters(book(world.CARD, damaged), "requesters.yaml")


def test_reading_cards_does_not_load_the_signature_libraries() -> None:
    """In the camera's process they would cost 12 MB."""
    script = (
        "import sys; from agent import cli; from agent.consent import cards;"
        "print({'jwt', 'cryptography'} & {name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert (done.stdout, done.stderr) == ("set()\n", "")


def test_a_fingerprint_is_printed_in_groups_of_four() -> None:
    assert cards.in_groups("abcdefghij") == "abcd efgh ij"
