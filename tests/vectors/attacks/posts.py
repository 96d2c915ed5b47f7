"""Attacks by alerts and withdrawals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agent.consent import decoding
from agent.consent.signing import SigningKey
from agent.consent.statements import Alert, Request, Withdrawal
from tests.consent import world
from tests.consent.world import DAY, HOUR, NOW
from tests.vectors import vector
from tests.vectors.attacks.headers import header
from tests.vectors.attacks.requests import LAST_SECOND
from tests.vectors.vector import Named


def alert(**changes: Any) -> Alert:
    """An alert that may be shown, but for ``changes``."""
    fields: dict[str, Any] = {
        "iss": world.REQUESTER.public.fingerprint,
        "jti": "alert-0000-000001",
        "iat": NOW - HOUR,
        "exp": NOW + DAY,
        "title": "Road closed",
        "text": "State Street is closed until tomorrow.",
        "area": world.square(1),
    }
    return Alert(**(fields | changes))


def withdrawal(signer: SigningKey = world.REQUESTER, **changes: Any) -> Withdrawal:
    """A withdrawal of the request."""
    fields: dict[str, Any] = {
        "iss": signer.public.fingerprint,
        "jti": "withdrawal-000001",
        "iat": NOW - HOUR,
        "request": "0" * 64,
    }
    return Withdrawal(**(fields | changes))


def alerts() -> Iterator[Named]:
    """Information that asks for more, or is not for everybody."""
    good = decoding.encode(alert())

    def shown(name: str, about: str, rule: str, **changes: Any) -> Named:
        compact = world.REQUESTER.sign(alert(**changes))
        made = {"about": about, "check": "alert", "typ": Alert.TYP, "input": compact, "rule": rule}
        return f"alert-{name}", made

    def swapped(name: str, about: str, rule: str, old: bytes, new: bytes) -> Named:
        assert good.count(old) == 1, old
        jws = world.sign_raw(header(typ=Alert.TYP), good.replace(old, new))
        return f"alert-{name}", vector.statement(about, jws, Alert.TYP, rule=rule)

    upload = b'{"upload":{"protocol":"tus","url":"https://evidence.example.org/"},'
    asks = world.sign_raw(header(typ=Alert.TYP), upload + good[1:])
    yield (
        "alert-upload",
        vector.statement("asks for an upload", asks, Alert.TYP, rule="wrong-shape"),
    )
    window = f'"window":{{"from":{NOW - HOUR},"to":{NOW}}},"title"'.encode()
    yield swapped("window", "asks about a time", "wrong-shape", b'"title"', window)
    yield swapped("no-end", "never ends", "wrong-shape", f'"exp":{NOW + DAY},'.encode(), b"")
    end = f'"exp":{NOW + DAY}'.encode()
    yield swapped("infinite", "ends at infinity", "not-finite", end, b'"exp":Infinity')
    yield swapped("terminal", "clears the terminal", "control-character", b"Road", b"\\u001b[2J")
    yield swapped("fake-line", "a title of two lines", "wrong-shape", b"Road", b"ok\\nRoad")
    as_alert = world.REQUEST_JWS
    yield (
        "alert-that-asks",
        vector.statement("a request where alerts are", as_alert, Alert.TYP, rule="wrong-typ"),
    )
    forged = world.sign_raw(header(typ=Alert.TYP), good, world.STRANGER)
    yield (
        "alert-forged",
        vector.statement("under a stolen kid", forged, Alert.TYP, rule="bad-signature"),
    )
    by_owner = world.OWNER.sign(alert(iss=world.OWNER.public.fingerprint))
    about = "an owner's key is none of a requester"
    yield (
        "alert-by-an-owner",
        vector.statement(about, by_owner, Alert.TYP, rule="unknown-signer"),
    )
    yield shown("stale", "has expired", "expired", exp=NOW)
    yield shown(
        "from-tomorrow", "issued tomorrow", "issued-in-future", iat=NOW + DAY, exp=NOW + 2 * DAY
    )
    yield shown("for-ever", "until the year 9999", "open-too-long", exp=LAST_SECOND)
    yield shown("one-house", "to one house", "area-too-small", area=world.square(0.01))
    yield shown("elsewhere", "to another town", "place-outside", area=world.square(1, latitude=43))
    around = world.polygon((179.9, 42), (-179.9, 42), (-179.9, 42.2), (179.9, 42.2))
    yield shown("round-the-world", "across the antimeridian", "area-invalid", area=around)
    ring = world.square(1).coordinates[0]
    crossed = world.polygon(ring[0], ring[2], ring[1], ring[3])
    yield shown("bow-tie", "an area that crosses itself", "area-invalid", area=crossed)


def withdrawals() -> Iterator[Named]:
    """Withdrawals of what their signer did not ask, or that do not say what."""
    good = decoding.encode(withdrawal())

    def swapped(name: str, about: str, rule: str, old: bytes, new: bytes) -> Named:
        assert good.count(old) == 1, old
        jws = world.sign_raw(header(typ=Withdrawal.TYP), good.replace(old, new))
        return f"withdrawal-{name}", vector.statement(about, jws, Withdrawal.TYP, rule=rule)

    digest = b'"' + b"0" * 64 + b'"'
    for name, about, new in (
        ("of-everything", "a wildcard", b'"*"'),
        ("of-several", "several at once", b"[" + digest + b"]"),
        ("of-nothing", "nothing", b"null"),
        ("upper-case", "a digest in capitals", b'"' + b"A" * 64 + b'"'),
        ("digest-long", "a digest with more behind", b'"' + b"0" * 65 + b'"'),
        ("digest-wide", "wide digits", '"{}"'.format("\uff10" * 64).encode()),
        ("path", "a path", b'"../requests/1"'),
    ):
        yield swapped(name, about, "wrong-shape", digest, new)
    yield swapped(
        "twice", "two digests", "duplicate-key", b'"request":', b'"request":"x","request":'
    )
    expires = f'"iat":{NOW - HOUR},"exp":1'.encode()
    iat = f'"iat":{NOW - HOUR}'.encode()
    yield swapped("expires", "one that expires", "wrong-shape", iat, expires)
    forged = world.sign_raw(header(typ=Withdrawal.TYP), good, world.STRANGER)
    yield (
        "withdrawal-forged",
        vector.statement("under a stolen kid", forged, Withdrawal.TYP, rule="bad-signature"),
    )
    by_other = world.sign_raw(
        header(typ=Withdrawal.TYP, kid=world.OTHER_REQUESTER.public.fingerprint),
        good,
        world.OTHER_REQUESTER,
    )
    yield (
        "withdrawal-issuer-other",
        vector.statement("in another's name", by_other, Withdrawal.TYP, rule="wrong-issuer"),
    )
    made = world.REQUESTER.sign(withdrawal())
    about = "a withdrawal where requests are"
    yield "withdrawal-that-asks", vector.statement(about, made, Request.TYP, rule="wrong-typ")
    top, body, _ = world.REQUESTER.sign(withdrawal()).split(".")
    signature = world.REQUEST_JWS.split(".")[2]
    about = "the request's own signature"
    yield (
        "withdrawal-by-the-request",
        vector.statement(about, f"{top}.{body}.{signature}", Withdrawal.TYP, rule="bad-signature"),
    )
