"""Attacks on keys and key cards that people pin."""

from __future__ import annotations

from collections.abc import Iterator

from agent.consent.cards import encode_base64url, format_card
from agent.consent.transparency.checkpoint import LOG_KEY, VerifierKey, encode_base64
from tests.consent import world
from tests.consent.logs import FakeLog
from tests.vectors import vector
from tests.vectors.vector import Named

# Encodings of points whose order divides 8: every signature of some texts verifies under them.
SMALL_ORDER = {
    "neutral": bytes([1, *bytes(31)]),
    "order-4": bytes(32),
    "order-2": bytes.fromhex("ec" + "ff" * 30 + "7f"),
    "order-8": bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    "order-8-other-sign": bytes.fromhex(
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85"
    ),
    "not-canonical": bytes.fromhex("ee" + "ff" * 30 + "7f"),
}


def cards() -> Iterator[Named]:
    """Cards and log keys that somebody got the owner to trust."""
    good = format_card(world.CARD)

    def card(name: str, about: str, says: str, old: str, new: str) -> Named:
        assert good.count(old) == 1, old
        return f"card-{name}", vector.written(about, "card", good.replace(old, new), says)

    sign = world.CARD.sign
    for name, raw in SMALL_ORDER.items():
        about = "a key of small order, whose signatures anybody makes"
        yield card(f"key-{name}", about, "small order", sign, encode_base64url(raw))
    yield card("key-short", "a key of 31 bytes", "sign", sign, encode_base64url(bytes(31)))
    respelt = sign[:-1] + chr(ord(sign[-1]) + 1)
    yield card("key-respelt", "the same key in another spelling", "canonical", sign, respelt)
    yield card("key-twice", "a key given twice", "given twice", "sign: ", "sign: x\nsign: ")
    name = f"name: {world.CARD.name}"
    backwards = 'name: "Spring\\u202Efield"'
    yield card("name-backwards", "a name that reads backwards", "U+202E", name, backwards)
    yield card("name-two-lines", "a name of two lines", "name", name, 'name: "ok\\nPolice"')
    yield card("seal-of-nobody", "sealed to no key", "seal", "seal: age1", "seal: age1q")
    yield card("host-anywhere", "any host", "upload_hosts", "evidence.example.org:8443", "'*'")
    yield card("yaml-object", "YAML that makes objects", "constructor", name, f"name: !!{_CALL}")
    levels = [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]" for n in range(1, 13)]
    bomb = "\n".join(["x0: &x0 [ha]", *levels, "? *x12\n: 1"])
    yield (
        "card-key-bomb",
        vector.written(
            "a key that would be a million million words", "card", bomb, "a key must be a word"
        ),
    )
    merged = good.replace("name:", "<<: {role: owner}\nname:", 1)
    yield "card-merged", vector.written("keys merged from elsewhere", "card", merged, "merge")

    log = FakeLog().key
    weak = VerifierKey(log.name, LOG_KEY, SMALL_ORDER["neutral"]).text
    miscopied = log.text.replace(log.id.hex(), "00000000")
    ecdsa = encode_base64(b"\x02" + log.raw)
    for short, about, text, says in (
        ("small-order", "a log's key of small order", weak, "small order"),
        ("miscopied", "a log's key under the id of another", miscopied, "miscopied"),
        ("other-type", "a key of a type nobody checks", f"x+00000000+{ecdsa}", "not supported"),
    ):
        yield f"log-key-{short}", vector.written(about, "log-key", text, says)


_CALL = "python/object/apply:os.system [id]"
