"""The hostile vectors, one attack each, in the order in which a device would meet them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pyrage

from agent.consent import decoding, mail
from agent.consent.mail import Letter
from agent.consent.signing import decode_base64url, digest, encode_base64url
from agent.consent.statements import Approval, Request, Window
from tests.consent import world
from tests.consent.world import CLIP, CLIP_2, CLIP_3, CLIP_KEYS, DAY, HOUR, NOW
from tests.vectors import vector
from tests.vectors.vector import Named

GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493


def _header(**changes: Any) -> bytes:
    header = {"alg": "EdDSA", "kid": world.REQUESTER.public.id, "typ": Request.TYP} | changes
    return json.dumps({name: value for name, value in header.items() if value is not ...}).encode()


def headers() -> Iterator[Named]:
    """Attacks on header, signature and form."""
    payload = decoding.encode(world.request())
    header, body, signature = world.REQUEST_JWS.split(".")

    def signed(name: str, about: str, rule: str, **changes: Any) -> Named:
        return name, vector.statement(about, world.sign_raw(_header(**changes), payload), rule=rule)

    yield signed("alg-none", "the algorithm that signs nothing", "wrong-alg", alg="none")
    yield signed("alg-hmac", "an algorithm with a shared secret", "wrong-alg", alg="HS512")
    yield signed("typ-missing", "a statement of no type", "wrong-header", typ=...)
    yield signed("typ-other", "a request passed off as an alert", "wrong-typ", typ="clip-alert+jwt")
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": world.STRANGER.public.text}
    yield signed("header-brings-key", "the header brings its own key", "wrong-header", jwk=jwk)
    crit: Any = {"b64": False, "crit": ["b64"]}
    yield signed("header-unencoded", "RFC 7797: a payload read otherwise", "wrong-header", **crit)
    yield signed("kid-list", "a kid that is no string", "wrong-header", kid=["x"])
    yield signed("kid-stranger", "a kid of nobody we know", "unknown-signer", kid="A" * 43)
    stolen = world.sign_raw(_header(), payload, world.STRANGER)
    yield "kid-stolen", vector.statement("signed under a stolen kid", stolen, rule="bad-signature")
    by_other = world.sign_raw(
        _header(kid=world.OTHER_REQUESTER.public.id), payload, world.OTHER_REQUESTER
    )
    yield (
        "issuer-other",
        vector.statement("one requester as another", by_other, rule="wrong-issuer"),
    )
    twice = _header().replace(b"{", b'{"alg": "none", ', 1)
    duplicate = world.sign_raw(twice, payload)
    yield "header-twice", vector.statement("alg given twice", duplicate, rule="duplicate-key")

    def form(name: str, about: str, compact: str, rule: str = "not-jws") -> Named:
        return name, vector.statement(about, compact, rule=rule)

    yield form("unsigned", "the signature is left out", f"{header}.{body}.")
    yield form("padded", "base64 with padding: another digest", world.REQUEST_JWS + "=")
    yield form("line-break", "a line break at the end: another digest", world.REQUEST_JWS + "\n")
    yield form("json-form", "JSON serialization", json.dumps({"payload": body}))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    respelt = world.REQUEST_JWS[:-1] + alphabet[alphabet.index(world.REQUEST_JWS[-1]) ^ 1]
    yield form("respelt", "the same bytes in another spelling of base64url", respelt)
    swapped = world.REQUESTER.sign(world.request(title="another")).split(".")[1]
    moved = f"{header}.{swapped}.{signature}"
    yield form("payload-swapped", "another payload, same signature", moved, "bad-signature")
    raw = decode_base64url(signature)
    scalar = int.from_bytes(raw[32:], "little") + GROUP_ORDER
    twin = encode_base64url(raw[:32] + scalar.to_bytes(32, "little"))
    yield form(
        "signature-twin", "S plus the group order", f"{header}.{body}.{twin}", "bad-signature"
    )
    yield form("too-large", "more than a statement may hold", "A" * 30_000, "too-large")


def payloads() -> Iterator[Named]:
    """Attacks inside a payload that its author has signed."""
    good = decoding.encode(world.request())

    def swap(name: str, about: str, rule: str, old: bytes, new: bytes) -> Named:
        assert good.count(old) == 1, old
        jws = world.sign_raw(_header(), good.replace(old, new))
        return name, vector.statement(about, jws, rule=rule)

    yield swap("not-utf-8", "a byte that is not UTF-8", "not-utf-8", b"Grey van,", b"Gr\xe9y,")
    yield swap("trailing-comma", "JSON that only some read", "not-json", b"null}", b"null,}")
    yield swap("second-value", "a second value behind", "not-json", b"null}", b"null}{}")
    yield swap("nested", "nested too deeply", "not-json", b"null}", b"[" * 8_000)
    twice = b'"title":"x","title":'
    yield swap("key-twice", "the title given twice", "duplicate-key", b'"title":', twice)
    respelt = b'"\\u0074itle":"x","title":'
    yield swap("key-twice-respelt", "twice, spelt otherwise", "duplicate-key", b'"title":', respelt)
    yield swap("not-a-number", "NaN compares with nothing", "not-finite", b"null}", b"NaN}")
    yield swap("infinite", "too large for a number", "not-finite", b"null}", b"1e999}")
    escape = b"\\u001b[2J"
    yield swap("terminal", "clears the terminal", "control-character", b"Grey van", escape)
    yield swap("backwards", "reads backwards", "control-character", b"Grey", b"\\u202eyerG")
    yield swap("surrogate", "half a character", "control-character", b"Grey", b"\\ud800")
    yield swap("fake-line", "a line break in a title", "wrong-shape", b"Grey", b"ok\\napproved")
    yield swap("surplus", "a field that nobody knows", "wrong-shape", b"null}", b'null,"all":1}')
    yield swap("missing", "no kind", "wrong-shape", b'"kind":"voluntary",', b"")
    iat = f'"iat":{NOW - HOUR}'.encode()
    yield swap("text-for-number", "a time as text", "wrong-shape", iat, b'"iat":"1706117400"')
    yield swap("before-1970", "a negative time", "wrong-shape", iat, b'"iat":-1')
    yield swap("fraction", "a fraction of a second", "wrong-shape", iat, b'"iat":1.5')
    legal = b"legal-order"
    yield swap("order-missing", "a legal order without one", "wrong-shape", b"voluntary", legal)


def requests() -> Iterator[Named]:
    """Requests that are well formed and signed, and must not reach the owner."""

    def refused(name: str, about: str, rule: str, **changes: Any) -> Named:
        return name, vector.policy(about, world.request(**changes), rule=rule)

    def upload(name: str, about: str, url: str) -> Named:
        return refused(name, about, "upload-not-allowed", upload=world.upload(url))

    yield refused("protest", "about a protest", "incident-never", incident="Protest march")
    hidden = "pro\u200btest"
    yield refused("protest-hidden", "an invisible character", "incident-never", incident=hidden)
    wide = "\uff50\uff52\uff4f\uff54\uff45\uff53\uff54"
    yield refused("protest-wide", "in wide letters", "incident-never", incident=wide)
    yield refused("no-reference", "a blank reference", "reference-missing", reference="\u00a0 -")
    yield refused("no-contact", "nobody to reach", "contact-missing", contact="call 911")
    tomorrow: Any = {"iat": NOW + DAY, "exp": NOW + 2 * DAY}
    yield refused("from-tomorrow", "issued tomorrow", "issued-in-future", **tomorrow)
    yield refused("stale", "has expired", "expired", exp=NOW)
    yield refused("for-ever", "open for a year", "open-too-long", exp=NOW + 365 * DAY)
    minutes = Window(start=NOW - HOUR, end=NOW - HOUR + 60)
    yield refused("minute", "a window of one minute", "window-too-short", window=minutes)
    days = Window(start=NOW - 2 * DAY, end=NOW)
    yield refused("mass", "a window of two days", "window-too-long", window=days)
    ahead = Window(start=NOW + HOUR, end=NOW + 2 * HOUR)
    yield refused("subscription", "what is yet to happen", "window-in-future", window=ahead)
    ring = world.square(0.5).coordinates[0]
    bow_tie = world.polygon(ring[0], ring[2], ring[1], ring[3])
    yield refused("bow-tie", "an area that crosses itself", "area-invalid", area=bow_tie)
    around = world.polygon((179.9, 42), (-179.9, 42), (-179.9, 42.2), (179.9, 42.2))
    yield refused("round-the-world", "across the antimeridian", "area-invalid", area=around)
    yield refused("one-house", "one house", "area-too-small", area=world.square(0.02))
    yield refused("whole-town", "a town", "area-too-large", area=world.square(10))
    elsewhere = world.square(0.5, latitude=43.0)
    yield refused("elsewhere", "another town", "place-outside", area=elsewhere)
    yield upload("upload-plain", "without TLS", "http://evidence.example.org/")
    yield upload("upload-elsewhere", "another host", "https://evil.example/evidence.example.org/")
    yield upload("upload-suffix", "a host below", "https://evidence.example.org.evil.example/")
    yield upload("upload-user", "the host as user", "https://evidence.example.org@evil.example/")
    yield upload(
        "upload-backslash", "readers differ", "https://evil.example\\@evidence.example.org/"
    )
    yield upload("upload-homograph", "a Cyrillic letter", "https://\u0435vidence.example.org/")
    yield upload("upload-case", "upper case", "https://EVIDENCE.example.org/")
    yield upload("upload-port", "another port", "https://evidence.example.org:9999/")
    yield upload("upload-fragment", "a fragment", "https://evidence.example.org/#@evil.example/")
    yield upload("upload-loopback", "our own machine", "http://127.0.0.1:1080/")
    nameless = msgspec.structs.replace(world.ORDER, court=" ")
    legal: Any = {"kind": "legal-order", "order": nameless}
    yield refused("order-of-no-court", "an order of no court", "order-incomplete", **legal)
    for name, rule, history in (
        ("flood-open", "too-many-open", {"open": 2}),
        ("flood-today", "too-many-today", {"last_day": 4}),
        ("flood-reference", "too-many-on-reference", {"same_reference": 2}),
        ("id-again", "jti-reused", {"jti_used": True}),
    ):
        yield (
            name,
            vector.policy("asked too often, or twice", context={"history": history}, rule=rule),
        )


def approvals() -> Iterator[Named]:
    """Letters, already opened, that must release nothing: one at least for each rule."""

    def refused(name: str, number: int, rule: str, letter: Letter, **context: Any) -> Named:
        about = name.removeprefix("approval-").replace("-", " ")
        more: dict[str, Any] = {"context": context} if context else {}
        return f"approval-{name}", vector.approval(about, letter, **more, number=number, rule=rule)

    def of(**changes: Any) -> Letter:
        return world.letter(world.approval(**changes))

    good = world.letter()
    stranger = world.approval(iss=world.STRANGER.public.id)
    by_stranger = world.letter(stranger, signer=world.STRANGER)
    yield refused("by-a-stranger", 1, "unknown-signer", by_stranger)
    payload = decoding.encode(world.approval())
    header = _header(kid=world.OWNER.public.id, typ=Approval.TYP)
    forged = Letter(jws=world.sign_raw(header, payload, world.STRANGER), keys=good.keys)
    yield refused("re-signed-under-the-owners-kid", 1, "bad-signature", forged)
    declined = Letter(jws=world.OWNER.sign(world.decline()), keys=good.keys)
    yield refused("that-is-a-decline", 2, "wrong-typ", declined)
    other = of(aud=world.OTHER_DEVICE.public.id)
    yield refused("for-another-device", 2, "wrong-device", other)
    yield refused("replayed", 3, "replayed", good, seen=[world.approval().jti])
    yield refused("expired", 4, "expired", of(exp=NOW))
    yield refused("from-the-future", 4, "issued-in-future", of(iat=NOW + 301))
    yield refused("living-too-long", 4, "lives-too-long", of(exp=NOW + 8 * DAY))
    edited = digest(world.REQUESTER.sign(world.request(text="Everybody who walked by")))
    yield refused("for-an-edited-request", 5, "unknown-request", of(request=edited))
    yield refused("for-a-closed-request", 5, "request-closed", good, request={"is_open": False})
    late = {"expires_at": float(NOW)}
    yield refused("for-an-expired-request", 5, "request-expired", good, request=late)
    outside = of(clips=(world.approved(CLIP_3),))
    yield refused("of-a-clip-not-matched", 6, "clip-not-matched", outside)
    mixed = of(clips=(world.approved(CLIP, sha256=world.sealed_digest(CLIP_2)),))
    yield refused("of-a-clip-with-another-digest", 6, "wrong-digest", mixed)
    yield refused("of-a-clip-twice", 6, "clip-twice", of(clips=(world.approved(),) * 2))
    yield refused("of-a-clip-exchanged-on-disk", 6, "clip-changed", good, disk={CLIP: CLIP_2})
    yield refused("of-a-clip-that-is-gone", 6, "clip-gone", good, disk={CLIP: None})
    yield refused("without-its-key", 7, "key-missing", Letter(jws=good.jws, keys={}))
    more = Letter(jws=good.jws, keys={**good.keys, CLIP_2: CLIP_KEYS[CLIP_2]})
    yield refused("with-a-surplus-key", 7, "key-surplus", more)
    wrong = Letter(jws=good.jws, keys={CLIP: CLIP_KEYS[CLIP_2]})
    yield refused("with-another-clips-key", 7, "wrong-key", wrong)
    away = {"upload_url": "https://evil.example/files/"}
    yield refused("to-an-unlisted-host", 8, "upload-not-allowed", good, request=away)
    yield refused("retained", 9, "retained", good, retained=True)


def letters() -> Iterator[Named]:
    """Letters that the device cannot open, or that hold something else."""
    device = pyrage.x25519.Recipient.from_str(world.DEVICE_RECIPIENT)
    whole = mail.seal(world.letter(), [world.DEVICE_RECIPIENT])
    flipped = bytes([*whole[:-1], whole[-1] ^ 1])
    foreign = mail.seal(world.letter(), [world.OWNER_RECIPIENT])
    for name, about, sealed in (
        ("flipped", "one bit is flipped", flipped),
        ("cut", "the last byte is missing", whole[:-1]),
        ("longer", "a byte too many", whole + b"\0"),
        ("foreign", "to somebody else", foreign),
    ):
        yield f"letter-{name}", vector.letter(about, sealed, rule="not-sealed-to-us")
    for name, about, plain, rule in (
        ("junk", "sealed junk", b"junk", "not-json"),
        ("surplus", "a field more", b'{"jws":"","keys":{},"also":1}', "wrong-shape"),
        ("path", "a clip id that is a path", b'{"jws":"","keys":{"../x":""}}', "wrong-shape"),
        ("twice", "keys given twice", b'{"jws":"","keys":{},"keys":{}}', "duplicate-key"),
    ):
        yield f"letter-{name}", vector.letter(about, pyrage.encrypt(plain, [device]), rule=rule)
