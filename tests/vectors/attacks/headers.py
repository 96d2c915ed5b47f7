"""Attacks on the header, the form and the signature of a JWS."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

from agent.consent import decoding
from agent.consent.cards import decode_base64url, encode_base64url
from agent.consent.statements import Alert, Request
from tests.consent import world
from tests.vectors import vector
from tests.vectors.attacks.keys import SMALL_ORDER
from tests.vectors.vector import Named

GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def header(**changes: Any) -> bytes:
    """The header of a request, changed; ``...`` leaves a field out."""
    fields = {
        "alg": "EdDSA",
        "kid": world.REQUESTER.public.fingerprint,
        "typ": Request.TYP,
    } | changes
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


def kid_of(raw: bytes) -> str:
    """The fingerprint (RFC 7638) of any 32 bytes, also of those that are no key."""
    jwk = f'{{"crv":"Ed25519","kty":"OKP","x":"{encode_base64url(raw)}"}}'
    return encode_base64url(hashlib.sha256(jwk.encode()).digest())


def headers() -> Iterator[Named]:
    """A header that says something else than ours, under a signature that is right."""
    payload = decoding.encode(world.request())

    def signed(name: str, about: str, rule: str, **changes: Any) -> Named:
        return name, vector.statement(about, world.sign_raw(header(**changes), payload), rule=rule)

    def raw(name: str, about: str, rule: str, text: bytes) -> Named:
        return name, vector.statement(about, world.sign_raw(text, payload), rule=rule)

    yield signed("alg-none", "the algorithm that signs nothing", "wrong-alg", alg="none")
    yield signed("alg-none-mixed", "the same, as no list has it", "wrong-alg", alg="nOnE")
    yield signed("alg-lower", "ours, spelt otherwise", "wrong-alg", alg="eddsa")
    yield signed("alg-fully-specified", "RFC 9864's name for ours", "wrong-alg", alg="Ed25519")
    yield signed("alg-es256", "another curve", "wrong-alg", alg="ES256")
    yield signed("alg-list", "a list of algorithms to choose from", "wrong-alg", alg=["EdDSA"])
    yield signed("alg-null", "no algorithm", "wrong-alg", alg=None)
    yield signed("alg-missing", "nothing said of the algorithm", "wrong-header", alg=...)
    yield signed("typ-missing", "a statement of no type", "wrong-header", typ=...)
    yield signed("typ-other", "a request passed off as an alert", "wrong-typ", typ=Alert.TYP)
    yield signed("typ-any", "any JWT", "wrong-typ", typ="JWT")
    yield signed("typ-case", "our type in capitals", "wrong-typ", typ=Request.TYP.upper())
    long = f"application/{Request.TYP}"
    yield signed("typ-long", "our type in its long form (RFC 7515, 4.1.9)", "wrong-typ", typ=long)
    yield signed("typ-list", "several types at once", "wrong-typ", typ=[Request.TYP, Alert.TYP])
    nul = Request.TYP + "\0"
    yield signed("typ-nul", "a NUL behind the type", "control-character", typ=nul)
    yield signed("kid-missing", "nobody's", "wrong-header", kid=...)
    yield signed("kid-list", "a kid that is no string", "wrong-header", kid=["x"])
    yield signed("kid-null", "a kid that is null", "wrong-header", kid=None)
    yield signed("kid-stranger", "a kid of nobody we know", "unknown-signer", kid="A" * 43)
    yield signed("kid-path", "a kid that is a path", "unknown-signer", kid="../../../dev/null")
    sql = "x' OR '1'='1"
    yield signed("kid-sql", "a kid that is a query", "unknown-signer", kid=sql)
    url = "https://evil.example/key.json"
    yield signed("kid-url", "a kid to fetch a key from", "unknown-signer", kid=url)
    us = world.REQUESTER.public.fingerprint
    looks_alike = "\u0410" + us[1:]
    yield signed("kid-homoglyph", "a Cyrillic letter", "unknown-signer", kid=looks_alike)
    yield signed("kid-padded", "our kid with padding", "unknown-signer", kid=us + "=")
    yield signed("kid-line", "our kid with a line feed", "unknown-signer", kid=us + "\n")
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": world.STRANGER.public.text}
    yield signed("header-brings-key", "the header brings its own key", "wrong-header", jwk=jwk)
    yield signed("header-jku", "where to fetch a key", "wrong-header", jku=url)
    yield signed("header-x5c", "a certificate", "wrong-header", x5c=["MIIB"])
    yield signed("header-zip", "a payload to inflate", "wrong-header", zip="DEF")
    crit: Any = {"b64": False, "crit": ["b64"]}
    yield signed("header-unencoded", "RFC 7797: a payload read otherwise", "wrong-header", **crit)
    yield signed("header-large", "a header that goes on and on", "too-large", kid="A" * 500)
    twice = header().replace(b"{", b'{"alg": "none", ', 1)
    yield raw("header-twice", "alg given twice", "duplicate-key", twice)
    respelt = header().replace(b"{", b'{"\\u0061lg": "none", ', 1)
    yield raw("header-twice-respelt", "twice, spelt otherwise", "duplicate-key", respelt)
    upper = header().replace(b'"alg"', b'"ALG"')
    yield raw("header-upper", "names in capitals", "wrong-header", upper)
    yield raw("header-list", "a header that is a list", "wrong-header", b'["alg","kid","typ"]')
    yield raw("header-bom", "a byte order mark", "not-json", b"\xef\xbb\xbf" + header())
    yield raw("header-utf-16", "in UTF-16", "not-utf-8", header().decode().encode("utf-16"))
    yield raw("header-nested", "nested too deeply", "not-json", b"[" * 512)


def forms() -> Iterator[Named]:
    """Texts that are not a compact JWS, or one in another spelling with another digest."""
    top, body, signature = world.REQUEST_JWS.split(".")

    def form(name: str, about: str, compact: str, rule: str = "not-jws") -> Named:
        return name, vector.statement(about, compact, rule=rule)

    none = encode_base64url(header(alg="none"))
    yield form("alg-none-unsigned", "nothing signs nothing", f"{none}.{body}.")
    yield form("unsigned", "the signature is left out", f"{top}.{body}.")
    yield form("detached", "the payload is elsewhere", f"{top}..{signature}")
    yield form("two-parts", "two parts", f"{top}.{body}")
    yield form("five-parts", "five parts, as of an encrypted one", f"{top}.{body}.a.b.{signature}")
    yield form("dots", "dots alone", "..")
    yield form("empty", "nothing", "")
    yield form("padded", "base64 with padding: another digest", world.REQUEST_JWS + "=")
    yield form("line-break", "a line break at the end: another digest", world.REQUEST_JWS + "\n")
    yield form("space", "a space in front: another digest", " " + world.REQUEST_JWS)
    yield form("nul", "a NUL at the end", world.REQUEST_JWS + "\0")
    yield form("jws-bom", "a byte order mark in front", "\ufeff" + world.REQUEST_JWS)
    wide = world.REQUEST_JWS.replace("e", "\uff45", 1)
    yield form("wide-letter", "a wide letter among the others", wide)
    yield form("half-character", "half a character", world.REQUEST_JWS + "\ud800")
    plus = f"{top}.{body[:-1]}+.{signature}"
    yield form("standard-alphabet", "the alphabet of plain base64", plus)
    yield form("json-form", "JSON serialization", json.dumps({"payload": body}))
    flat = {"payload": body, "protected": top, "signature": signature}
    yield form("json-form-whole", "JSON serialization, complete", json.dumps(flat))
    respelt = world.REQUEST_JWS[:-1] + _ALPHABET[_ALPHABET.index(world.REQUEST_JWS[-1]) ^ 1]
    yield form("respelt", "the same bytes in another spelling of base64url", respelt)
    yield form("too-large", "more than a statement may hold", "A" * 30_000, "too-large")


def signatures() -> Iterator[Named]:
    """Signatures that somebody else made, or nobody."""
    payload = decoding.encode(world.request())
    top, body, signature = world.REQUEST_JWS.split(".")
    raw = decode_base64url(signature)
    point, scalar = raw[:32], raw[32:]

    def bad(name: str, about: str, made: bytes, under: str = f"{top}.{body}") -> Named:
        text = f"{under}.{encode_base64url(made)}"
        return name, vector.statement(about, text, rule="bad-signature")

    for bits in (256, 512):
        about = f"HS{bits} keyed with the requester's public key"
        begun = f"{encode_base64url(header(alg=f'HS{bits}'))}.{body}"
        mac = hmac.digest(world.REQUESTER.public.raw, begun.encode(), f"sha{bits}")
        rule = "wrong-alg" if bits == 512 else "not-jws"  # HS512 is as long as Ed25519
        forged = f"{begun}.{encode_base64url(mac)}"
        yield f"alg-hs{bits}", vector.statement(about, forged, rule=rule)
    mac = hmac.digest(world.REQUESTER.public.raw, f"{top}.{body}".encode(), "sha512")
    yield bad("alg-hs512-unsaid", "a MAC of the public key in a signature's place", mac)

    stolen = world.sign_raw(header(), payload, world.STRANGER)
    yield "kid-stolen", vector.statement("signed under a stolen kid", stolen, rule="bad-signature")
    other = world.OTHER_REQUESTER
    by_other = world.sign_raw(header(kid=other.public.fingerprint), payload, other)
    yield (
        "issuer-other",
        vector.statement("one requester as another", by_other, rule="wrong-issuer"),
    )
    swapped = world.REQUESTER.sign(world.request(title="another")).split(".")[1]
    yield bad("payload-swapped", "another payload, same signature", raw, f"{top}.{swapped}")
    respelt = encode_base64url(header())
    yield bad("header-swapped", "the header spelt otherwise", raw, f"{respelt}.{body}")

    twin = int.from_bytes(scalar, "little") + GROUP_ORDER
    yield bad("signature-twin", "S plus the group order", point + twin.to_bytes(32, "little"))
    negated = GROUP_ORDER - int.from_bytes(scalar, "little")
    yield bad("signature-negated", "S negated", point + negated.to_bytes(32, "little"))
    yield bad("signature-high-bits", "S with high bits set", raw[:-1] + bytes([raw[-1] | 0xE0]))
    mirrored = point[:-1] + bytes([point[-1] ^ 0x80])
    yield bad("signature-mirrored", "R on the other side of the curve", mirrored + scalar)
    yield bad("signature-turned", "S before R", scalar + point)
    yield bad("signature-zero", "zeros", bytes(64))
    yield bad("signature-ones", "all bits set: no point of the curve", b"\xff" * 64)
    off_curve = bytes([2, *bytes(31)])
    yield bad("signature-off-curve", "R is no point of the curve", off_curve + scalar)
    yield bad(
        "signature-neutral", "R is the neutral point, S zero", SMALL_ORDER["neutral"] + bytes(32)
    )
    order_8 = SMALL_ORDER["order-8"] + bytes(32)
    yield bad("signature-order-8", "R of order 8, S zero", order_8)
    for name, public in (("small-order", SMALL_ORDER["neutral"]), ("off-curve", off_curve)):
        begun = f"{encode_base64url(header(kid=kid_of(public)))}.{body}"
        text = f"{begun}.{encode_base64url(SMALL_ORDER['neutral'] + bytes(32))}"
        about = (
            "under a key under which it would verify"
            if name == "small-order"
            else ("under a key that is no point of the curve")
        )
        yield f"kid-{name}", vector.statement(about, text, rule="unknown-signer")
