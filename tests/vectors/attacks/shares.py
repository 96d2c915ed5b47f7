"""Shares that must release nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agent.consent.cards import encode_base64url
from agent.consent.letters import Letter
from agent.consent.statements import Disclosure, Recipient, Share
from tests.consent import world
from tests.consent.world import CLIP, CLIP_2, CLIP_KEYS, DAY, NOW
from tests.vectors import vector
from tests.vectors.attacks.decisions import raw
from tests.vectors.attacks.keys import SMALL_ORDER
from tests.vectors.attacks.requests import LAST_SECOND
from tests.vectors.vector import Named

NEIGHBOUR = Recipient(
    name="Nina next door", key=world.STRANGER.public.text, seal=world.REQUESTER_RECIPIENT
)


def share(**changes: Any) -> Share:
    """A share of one clip with a neighbour, but for ``changes``."""
    fields: dict[str, Any] = {
        "iss": world.OWNER.public.fingerprint,
        "jti": "share-0000-000001",
        "iat": NOW - 60,
        "exp": NOW + DAY,
        "aud": world.DEVICE.public.fingerprint,
        "recipient": NEIGHBOUR,
        "upload": world.upload("https://neighbour.example/files/"),
        "clips": (world.approved(),),
        "disclose": Disclosure(),
    }
    return Share(**(fields | changes))


def letter(**changes: Any) -> Letter:
    """The letter of a share, with the key of the clip."""
    return Letter(jws=world.OWNER.sign(share(**changes)), keys={CLIP: CLIP_KEYS[CLIP]})


def shares() -> Iterator[Named]:
    """The rules of an approval, but for its request."""
    good = letter()

    def refused(name: str, number: int, rule: str, made: Letter, **context: Any) -> Named:
        about = f"a share {name.replace('-', ' ')}"
        more: dict[str, Any] = {"context": context} if context else {}
        return f"share-{name}", vector.approval(
            about, made, "share", **more, number=number, rule=rule
        )

    def to(**changes: str) -> Letter:
        fields = {"name": NEIGHBOUR.name, "key": NEIGHBOUR.key, "seal": NEIGHBOUR.seal}
        return letter(recipient=Recipient(**(fields | changes)))

    signer = world.STRANGER
    jws = signer.sign(share(iss=signer.public.fingerprint))
    yield refused("by-its-recipient", 1, "unknown-signer", Letter(jws=jws, keys=good.keys))
    yield refused("that-is-an-approval", 2, "wrong-typ", world.letter())
    yield refused(
        "of-another-device", 2, "wrong-device", letter(aud=world.OTHER_DEVICE.public.fingerprint)
    )
    yield refused("replayed", 3, "replayed", good, seen=[share().jti])
    yield refused("expired", 4, "expired", letter(exp=NOW))
    yield refused("until-the-year-9999", 4, "lives-too-long", letter(exp=LAST_SECOND))
    yield refused("of-a-clip-twice", 6, "clip-twice", letter(clips=(world.approved(),) * 2))
    yield refused("of-a-clip-exchanged-on-disk", 6, "clip-changed", good, disk={CLIP: CLIP_2})
    yield refused("of-a-clip-that-is-gone", 6, "clip-gone", good, disk={CLIP: None})
    unheld = letter(clips=(world.approved(id="20240124-171500-000000"),))
    yield refused("of-a-clip-never-held", 6, "clip-gone", unheld)
    yield refused("without-its-key", 7, "key-missing", Letter(jws=good.jws, keys={}))
    more = Letter(jws=good.jws, keys={**good.keys, CLIP_2: CLIP_KEYS[CLIP_2]})
    yield refused("with-a-surplus-key", 7, "key-surplus", more)
    wrong = Letter(jws=good.jws, keys={CLIP: CLIP_KEYS[CLIP_2]})
    yield refused("with-another-clips-key", 7, "wrong-key", wrong)
    weak = encode_base64url(SMALL_ORDER["neutral"])
    yield refused("to-a-key-of-small-order", 8, "bad-recipient", to(key=weak))
    text = NEIGHBOUR.key
    respelt = text[:-1] + chr(ord(text[-1]) + 1)
    yield refused("to-a-key-in-another-spelling", 8, "bad-recipient", to(key=respelt))
    miscopied = NEIGHBOUR.seal[:-1] + ("q" if NEIGHBOUR.seal[-1] != "q" else "p")
    yield refused("sealed-to-nobody", 8, "bad-recipient", to(seal=miscopied))
    for name, url in (
        ("without-tls", "http://neighbour.example/"),
        ("to-loopback", "http://127.0.0.1:1080/"),
        ("to-a-file", "file:///var/lib/clip-agent/"),
        ("to-a-host-as-user", "https://neighbour.example@evil.example/"),
        ("to-a-homograph", "https://n\u0435ighbour.example/"),
        ("to-a-port-too-high", "https://neighbour.example:99999/"),
    ):
        yield refused(name, 8, "upload-not-allowed", letter(upload=world.upload(url)))
    yield refused("retained", 9, "retained", good, retained=True)
    named = f'"name":"{NEIGHBOUR.name}"'.encode()
    for short, about, rule, old, new in (
        ("fake-line", "to a name of two lines", "wrong-shape", named, b'"name":"ok\\nagency"'),
        (
            "backwards",
            "to a name that reads backwards",
            "control-character",
            named,
            b'"name":"\\u202e"',
        ),
        ("seal-upper", "to a key in capitals", "wrong-shape", b"age18j4", b"AGE18J4"),
        (
            "for-a-request",
            "that claims to answer one",
            "wrong-shape",
            b'"clips"',
            b'"request":"","clips"',
        ),
    ):
        opened = Letter(jws=raw(share(), old, new), keys=good.keys)
        yield f"share-{short}", vector.approval(about, opened, "share", rule=rule)
