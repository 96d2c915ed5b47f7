"""Receipts that say two things, or that nobody may believe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agent.consent import decoding
from agent.consent.statements import Receipt
from tests.consent import world
from tests.consent.world import NOW
from tests.vectors import vector
from tests.vectors.attacks.headers import header
from tests.vectors.vector import Named


def receipt(**changes: Any) -> Receipt:
    """A receipt for an accepted bundle, but for ``changes``."""
    fields: dict[str, Any] = {
        "iss": world.REQUESTER.public.fingerprint,
        "jti": "receipt-000000001",
        "iat": NOW,
        "bundle": "b" * 64,
        "release": "c" * 64,
        "verdict": "accepted",
    }
    return Receipt(**(fields | changes))


def rejection(**changes: Any) -> Receipt:
    """A receipt for a rejected bundle, but for ``changes``."""
    fields = {"verdict": "rejected", "rule": "clips-differ", "detail": "one clip too many"}
    return receipt(**(fields | changes))


def receipts() -> Iterator[Named]:
    """Receipts in the wrong shape, or by somebody else."""
    yes, no = decoding.encode(receipt()), decoding.encode(rejection())

    def swapped(
        name: str, about: str, good: bytes, old: bytes, new: bytes, rule: str = "wrong-shape"
    ) -> Named:
        assert good.count(old) == 1, old
        jws = world.sign_raw(header(typ=Receipt.TYP), good.replace(old, new))
        return f"receipt-{name}", vector.statement(about, jws, Receipt.TYP, rule=rule)

    opened = b'"release":"' + b"c" * 64 + b'"'
    empty, named = b'"rule":""', b'"rule":"clips-differ"'
    yield swapped("accepted-unopened", "accepted, never opened", yes, opened, b'"release":null')
    yield swapped("accepted-by-rule", "accepted, and by a rule not", yes, empty, named)
    yield swapped("accepted-but", "accepted, but", yes, b'"detail":""', b'"detail":"but"')
    yield swapped("rejected-without-rule", "rejected for no reason", no, named, empty)
    yield swapped("verdict-other", "neither yes nor no", yes, b'"accepted"', b'"perhaps"')
    yield swapped("verdict-missing", "no verdict", yes, b'"verdict":"accepted",', b"")
    yield swapped("rule-capitals", "a rule in capitals", no, b"clips-differ", b"Clips-Differ")
    yield swapped("rule-escape", "a rule that ends a line", no, b"clips-differ", b"clips\\ndiffer")
    yield swapped("detail-lines", "two lines of detail", no, b"one clip", b"one\\nclip")
    yield swapped("detail-long", "201 characters", no, b"one clip too many", b"x" * 201)
    yield swapped("bundle-short", "half a digest", yes, b"b" * 64, b"b" * 32)
    yield swapped("surplus", "a field that nobody knows", yes, b'"detail"', b'"all":1,"detail"')
    stranger = world.STRANGER.sign(receipt(iss=world.STRANGER.public.fingerprint))
    yield (
        "receipt-stranger",
        vector.statement("of a stranger", stranger, Receipt.TYP, rule="unknown-signer"),
    )
    flipped = world.REQUESTER.sign(receipt())
    forged = flipped[:-3] + ("A" if flipped[-3] != "A" else "B") + flipped[-2:]
    yield (
        "receipt-forged",
        vector.statement("a changed signature", forged, Receipt.TYP, rule="bad-signature"),
    )
