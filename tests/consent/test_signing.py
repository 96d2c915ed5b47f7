"""Signatures and fingerprints: nobody signs with another's key, a document has one form."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.consent import decoding, signing
from agent.consent.cards import PublicKey, decode_base64url, encode_base64url
from agent.consent.signing import SigningKey
from agent.consent.statements import STATEMENTS, Approval, Decline, Request
from agent.errors import (
    InternalFault,
    KeyFileError,
    MalformedStatement,
    Refused,
    UntrustedSignature,
)
from tests.consent import world
from tests.consent.strategies import instances

ORDER_OF_THE_GROUP = 2**252 + 27742317777372353535851937790883648493
# RFC 8037, appendix A: a key, its thumbprint, and a signature made with it.
RFC_SECRET = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
RFC_PUBLIC = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
RFC_THUMBPRINT = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
RFC_JWS = (
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)


def crafted(
    header: dict[str, Any] | bytes | None = None,
    payload: bytes | None = None,
    *,
    key: SigningKey = world.REQUESTER,
    **changes: Any,
) -> str:
    """A correctly signed compact JWS of whatever header and payload; ``...`` drops a field."""
    if not isinstance(header, bytes):
        fields = (
            header or {"alg": "EdDSA", "kid": key.public.fingerprint, "typ": Request.TYP} | changes
        )
        header = json.dumps({k: v for k, v in fields.items() if v is not ...}).encode()
    text = decoding.encode(world.request()) if payload is None else payload
    return world.sign_raw(header, text, key)


def refusal(
    compact: str | bytes, kind: type[Any] = Request, keys: dict[str, PublicKey] = world.REQUESTERS
) -> str:
    """The rule by which ``compact`` is refused."""
    with pytest.raises(Refused) as caught:
        signing.verify(compact, kind, keys)
    untrusted = caught.value.rule in {"unknown-signer", "bad-signature"}
    assert type(caught.value) is (UntrustedSignature if untrusted else MalformedStatement)
    return caught.value.rule


# What stands in the standards


def test_the_signature_of_rfc_8037_verifies() -> None:
    signing.verify_signature(RFC_JWS, PublicKey.from_text(RFC_PUBLIC))


def test_the_signature_of_rfc_8037_is_reproduced() -> None:
    key = SigningKey.from_text(RFC_SECRET)
    signed, _, signature = RFC_JWS.rpartition(".")
    assert key.public.text == RFC_PUBLIC
    assert encode_base64url(key._key.sign(signed.encode())) == signature


def test_the_digest_names_the_exact_text() -> None:
    assert signing.digest("a.b.c") == hashlib.sha256(b"a.b.c").hexdigest()


# Signing and verifying


@pytest.mark.parametrize("kind", STATEMENTS.values(), ids=lambda kind: kind.__name__)
@settings(max_examples=10)
@given(data=st.data())
def test_a_signed_statement_verifies_and_comes_back(kind: type[Any], data: st.DataObject) -> None:
    drawn = data.draw(instances(kind))
    values = {name: getattr(drawn, name) for name in drawn.__struct_fields__}
    statement = kind(**(values | {"iss": world.OWNER.public.fingerprint}))
    compact = world.OWNER.sign(statement)
    assert signing.verify(compact, kind, world.OWNERS) == statement
    assert signing.signer(compact, kind) == world.OWNER.public.fingerprint


def test_bytes_from_the_network_verify_like_text() -> None:
    assert signing.verify(world.REQUEST_JWS.encode(), Request, world.REQUESTERS) == world.request()


def test_a_statement_in_anothers_name_is_not_signed() -> None:
    with pytest.raises(InternalFault):
        world.STRANGER.sign(world.request())


@pytest.mark.parametrize("title", ["\x1b[2J", "two\nlines", "\udcff", "x" * 121])
def test_a_statement_that_the_reader_would_refuse_is_not_signed(title: str) -> None:
    with pytest.raises(MalformedStatement):
        world.REQUESTER.sign(world.request(title=title))


@given(position=st.integers(0, len(world.REQUEST_JWS) - 1), byte=st.integers(0, 255))
def test_one_byte_changed_anywhere_never_verifies(position: int, byte: int) -> None:
    compact = bytearray(world.REQUEST_JWS.encode())
    if compact[position] != byte:
        compact[position] = byte
        assert refusal(bytes(compact))


@given(st.binary(max_size=300) | st.text(max_size=300))
@example("\udcff")
@example("e30.e30." + "A" * 86)
def test_any_bytes_raise_only_refusals(junk: bytes | str) -> None:
    assert refusal(junk)


@given(header=st.binary(max_size=80), payload=st.binary(max_size=80))
def test_any_signed_header_and_payload_are_refused(header: bytes, payload: bytes) -> None:
    assert refusal(crafted(header, payload))


def test_signed_by_a_stranger() -> None:
    statement = world.request(iss=world.STRANGER.public.fingerprint)
    assert refusal(world.STRANGER.sign(statement)) == "unknown-signer"


def test_signed_by_a_stranger_under_the_requesters_kid() -> None:
    forged = crafted(key=world.STRANGER, kid=world.REQUESTER.public.fingerprint)
    assert refusal(forged) == "bad-signature"


def test_signed_by_one_requester_in_the_name_of_another() -> None:
    compact = crafted(key=world.OTHER_REQUESTER)
    assert refusal(compact) == "wrong-issuer"


def test_the_payload_of_one_statement_under_the_signature_of_another() -> None:
    header, _, signature = world.REQUEST_JWS.split(".")
    other = world.REQUESTER.sign(world.request(title="another")).split(".")[1]
    assert refusal(f"{header}.{other}.{signature}") == "bad-signature"


def test_a_signature_with_the_group_order_added() -> None:
    signed, _, signature = world.REQUEST_JWS.rpartition(".")
    raw = decode_base64url(signature)
    scalar = int.from_bytes(raw[32:], "little") + ORDER_OF_THE_GROUP
    forged = encode_base64url(raw[:32] + scalar.to_bytes(32, "little"))
    assert refusal(f"{signed}.{forged}") == "bad-signature"


def test_no_algorithm() -> None:
    header = encode_base64url(
        json.dumps(
            {"alg": "none", "kid": world.REQUESTER.public.fingerprint, "typ": Request.TYP}
        ).encode()
    )
    payload = world.REQUEST_JWS.split(".")[1]
    assert refusal(f"{header}.{payload}.") == "not-jws"
    assert refusal(f"{header}.{payload}.{'A' * 86}") == "wrong-alg"


def test_the_public_key_used_as_a_shared_secret() -> None:
    header = {"alg": "HS512", "kid": world.REQUESTER.public.fingerprint, "typ": Request.TYP}
    signed = f"{encode_base64url(json.dumps(header).encode())}.{world.REQUEST_JWS.split('.')[1]}"
    secret = decode_base64url(world.REQUESTER.public.text)
    tag = hmac.new(secret, signed.encode(), hashlib.sha512).digest()
    assert refusal(f"{signed}.{encode_base64url(tag)}") == "wrong-alg"


@pytest.mark.parametrize(
    "extra",
    [
        {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": world.STRANGER.public.text}},
        {"jku": "https://evil.example/keys"},
        {"b64": False, "crit": ["b64"]},
        {"zip": "DEF"},
        {"kid": ...},
        {"typ": ...},
    ],
    ids=lambda extra: "+".join(extra),
)
def test_a_header_with_more_or_less_than_three_fields(extra: dict[str, Any]) -> None:
    assert refusal(crafted(**extra)) == "wrong-header"


@pytest.mark.parametrize("kid", [None, 1, ["x"], {"x": 1}])
def test_a_kid_that_is_not_a_string(kid: Any) -> None:
    assert refusal(crafted(kid=kid)) == "wrong-header"


@pytest.mark.parametrize("alg", ["Ed25519", "eddsa", "ES256", None, ["EdDSA"]])
def test_another_algorithm(alg: Any) -> None:
    assert refusal(crafted(alg=alg)) == "wrong-alg"


@pytest.mark.parametrize("typ", ["JWT", "clip-request", "CLIP-REQUEST+JWT", Decline.TYP, None])
def test_another_type_of_statement(typ: Any) -> None:
    assert refusal(crafted(typ=typ)) == "wrong-typ"


def test_a_decline_that_is_passed_off_as_an_approval() -> None:
    assert refusal(world.OWNER.sign(world.decline()), Approval, world.OWNERS) == "wrong-typ"


def test_a_header_with_a_key_given_twice() -> None:
    header = json.dumps(
        {"alg": "EdDSA", "kid": world.REQUESTER.public.fingerprint, "typ": Request.TYP}
    )
    twice = header.replace("{", '{"alg": "none", ', 1).encode()
    assert refusal(crafted(twice)) == "duplicate-key"


def test_the_same_signature_in_another_spelling_of_base64() -> None:
    last = world.REQUEST_JWS[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    respelt = world.REQUEST_JWS[:-1] + alphabet[alphabet.index(last) ^ 1]
    padding = "=" * (-len(respelt.rpartition(".")[2]) % 4)
    old, new = (
        base64.urlsafe_b64decode(text.rpartition(".")[2] + padding)
        for text in (world.REQUEST_JWS, respelt)
    )
    assert old == new, "both spell the same bytes"
    assert refusal(respelt) == "not-jws"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text + "=",
        lambda text: text + "\n",
        lambda text: " " + text,
        lambda text: text.replace(".", ". ", 1),
        lambda text: text + ".",
        lambda text: text.rpartition(".")[0],
        lambda text: text.upper(),
        lambda text: json.dumps({"payload": text}),
        lambda text: text + "\u00e9",
    ],
    ids=["padded", "newline", "space", "inner space", "dot", "unsigned", "upper", "json", "accent"],
)
def test_the_same_statement_in_another_form(spoil: Any) -> None:
    assert refusal(spoil(world.REQUEST_JWS)) in {"not-jws", "not-json", "not-utf-8"}


def test_a_statement_that_is_too_large_is_not_even_parsed() -> None:
    assert refusal("A" * 1_000_000) == "too-large"


def test_a_signed_payload_that_does_not_decode() -> None:
    assert refusal(crafted(payload=b"{}")) == "wrong-shape"


def test_reading_the_claimed_signer_checks_the_form() -> None:
    with pytest.raises(MalformedStatement):
        signing.signer(world.REQUEST_JWS + "=", Request)


@pytest.mark.parametrize("kind", STATEMENTS.values(), ids=lambda kind: kind.__name__)
def test_the_claimed_type_of_anything_we_sign(kind: type[Any]) -> None:
    header = {"alg": "EdDSA", "kid": world.OWNER.public.fingerprint, "typ": kind.TYP}
    assert signing.claimed_typ(crafted(header, payload=b"{}", key=world.OWNER)) == kind.TYP
    with pytest.raises(MalformedStatement):
        signing.claimed_typ(crafted(header | {"alg": "none"}, payload=b"{}"))


# Keys


def test_a_signing_key_survives_its_text() -> None:
    key = SigningKey.generate()
    assert SigningKey.from_text(key.to_text()).public.fingerprint == key.public.fingerprint


@pytest.mark.parametrize("text", ["", "AAAA", "not base64!"])
def test_a_damaged_signing_key(text: str) -> None:
    with pytest.raises(KeyFileError):
        SigningKey.from_text(text)


def test_an_id_needs_enough_randomness() -> None:
    assert len(signing.new_jti(bytes(16))) == 22
    with pytest.raises(InternalFault):
        signing.new_jti(bytes(15))


@given(instances(Request))
@settings(max_examples=10)
def test_another_library_reads_what_we_sign(statement: Request) -> None:
    public = Ed25519PublicKey.from_public_bytes(world.REQUESTER.public.raw)
    ours = msgspec.structs.replace(statement, iss=world.REQUESTER.public.fingerprint)
    read = jwt.PyJWS().decode_complete(world.REQUESTER.sign(ours), public, algorithms=["EdDSA"])
    assert read["payload"] == decoding.encode(ours)
    assert read["header"]["typ"] == Request.TYP


@pytest.mark.parametrize(
    "broken", ["", ".", "..", "a.b", "é.b.c", "a.b.!", RFC_JWS[:-2], f".{RFC_JWS}"]
)
def test_what_is_no_signed_document_does_not_verify(broken: str) -> None:
    key = PublicKey(decode_base64url(RFC_PUBLIC))
    signing.verify_signature(RFC_JWS, key)
    with pytest.raises(UntrustedSignature):
        signing.verify_signature(broken, key)
