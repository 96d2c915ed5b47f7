"""Requests that are well formed and signed, and must not reach the owner."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from agent.consent import decoding
from agent.consent.cards import encode_base64url
from agent.consent.statements import Window
from tests.consent import world
from tests.consent.world import DAY, HOUR, NOW
from tests.vectors import vector
from tests.vectors.attacks.headers import header
from tests.vectors.attacks.payloads import GOOD, swap
from tests.vectors.vector import Named

LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z
_POINT = b"[-72.58980,42.1010],"  # with the blank below: a multiple of 3, so that base64 repeats


def refused(name: str, about: str, rule: str, **changes: Any) -> Named:
    """A request that the default policy must refuse."""
    return name, vector.policy(about, world.request(**changes), rule=rule)


def requests() -> Iterator[Named]:
    """About what, when, and how often."""
    yield refused("protest", "about a protest", "incident-never", incident="Protest march")
    hidden = "pro\u200btest"
    yield refused("protest-hidden", "an invisible character", "incident-never", incident=hidden)
    wide = "\uff50\uff52\uff4f\uff54\uff45\uff53\uff54"
    yield refused("protest-wide", "in wide letters", "incident-never", incident=wide)
    accents = "pr\u00f3t\u00e9st"
    yield refused("protest-accents", "with accents", "incident-never", incident=accents)
    dashes = "unlawful_PROTEST/assembly"
    yield refused("protest-joined", "among other marks", "incident-never", incident=dashes)
    filled = "pro\u3164test"
    yield refused("protest-filled", "a letter that is blank", "incident-never", incident=filled)
    unassigned = "pro\u2065test"
    about = "an invisible character that is not assigned yet"
    yield refused("protest-unassigned", about, "incident-never", incident=unassigned)
    yield refused("protesters", "whoever protests", "incident-never", incident="Protesters wanted")
    yield refused("immigrants", "whoever immigrates", "incident-never", incident="immigrants")
    circled = "p\u20ddro\u20ddtest"
    yield refused("protest-circled", "letters in circles", "incident-never", incident=circled)
    yield refused("no-reference", "a blank reference", "reference-missing", reference="\u00a0 -")
    blank = "\u3164\uffa0"
    yield refused("reference-filled", "blank letters", "reference-missing", reference=blank)
    yield refused("incident-filled", "blank letters", "incident-missing", incident=blank)
    nobody = "\u200b@\u200b.\u200b"
    yield refused("contact-hidden", "an address nobody can see", "contact-missing", contact=nobody)
    yield refused("no-contact", "nobody to reach", "contact-missing", contact="call 911")
    tomorrow: Any = {"iat": NOW + DAY, "exp": NOW + 2 * DAY}
    yield refused("from-tomorrow", "issued tomorrow", "issued-in-future", **tomorrow)
    latest: Any = {"iat": LAST_SECOND - 1, "exp": LAST_SECOND}
    yield refused("from-year-9999", "issued in the year 9999", "issued-in-future", **latest)
    yield refused("stale", "has expired", "expired", exp=NOW)
    before: Any = {"iat": NOW - HOUR, "exp": NOW - 2 * HOUR}
    yield refused("expired-first", "expires before it is issued", "expired", **before)
    yield refused("for-ever", "open for a year", "open-too-long", exp=NOW + 365 * DAY)
    yield refused("until-year-9999", "open until the year 9999", "open-too-long", exp=LAST_SECOND)
    minutes = Window(start=NOW - HOUR, end=NOW - HOUR + 60)
    yield refused("minute", "a window of one minute", "window-too-short", window=minutes)
    days = Window(start=NOW - 2 * DAY, end=NOW)
    yield refused("mass", "a window of two days", "window-too-long", window=days)
    endless = Window(start=0, end=LAST_SECOND)
    yield refused("window-of-all-time", "all time", "window-too-long", window=endless)
    ahead = Window(start=NOW + HOUR, end=NOW + 2 * HOUR)
    yield refused("subscription", "what is yet to happen", "window-in-future", window=ahead)
    past = Window(start=0, end=HOUR)
    yield refused("window-1970", "the first hour of 1970", "window-too-old", window=past)
    nameless = msgspec.structs.replace(world.ORDER, court=" ")
    legal: Any = {"kind": "legal-order", "order": nameless}
    yield refused("order-of-no-court", "an order of no court", "order-incomplete", **legal)
    for name, rule, history in (
        ("flood-open", "too-many-open", {"open": 2}),
        ("flood-today", "too-many-today", {"last_day": 4}),
        ("flood-reference", "too-many-on-reference", {"same_reference": 2}),
        ("id-again", "jti-reused", {"jti_used": True}),
    ):
        about = "asked too often, or twice"
        yield name, vector.policy(about, context={"history": history}, rule=rule)


def areas() -> Iterator[Named]:
    """Areas that are none, or the wrong ones."""

    def invalid(name: str, about: str, *corners: tuple[float, float]) -> Named:
        return refused(name, about, "area-invalid", area=world.polygon(*corners))

    ring = world.square(0.5).coordinates[0]
    (west, south), (east, _), (_, north), _, _ = ring
    yield invalid("bow-tie", "an area that crosses itself", ring[0], ring[2], ring[1], ring[3])
    around = ((179.9, 42.0), (-179.9, 42.0), (-179.9, 42.2), (179.9, 42.2))
    yield invalid("round-the-world", "across the antimeridian", *around)
    edge = ((179.99, 42.0), (180.0, 42.0), (-180.0, 42.01), (179.99, 42.01))
    yield invalid("antimeridian-edge", "180 degrees east and west are one place", *edge)
    pole = ((-72.6, 89.99), (-72.5, 89.99), (-72.5, 90.0), (-72.6, 90.0))
    yield invalid("pole", "at the pole, where degrees have no width", *pole)
    middle = (west + east) / 2
    spike = (*ring[:2], (east, south + (north - south) / 2), (middle, south), *ring[2:4])
    yield invalid("area-touches", "a corner on another edge", *spike)
    back = (ring[0], ring[1], (middle, south), ring[2], ring[3])
    yield invalid("area-folds", "an edge that runs back over itself", *back)
    yield invalid("corner-twice", "passes a corner twice", *ring[:3], ring[1], ring[3])
    yield invalid("line", "a line", (west, south), (east, north), (west, south), (east, north))
    flat = ((west, south), (middle, south), (east, south))
    yield invalid("no-width", "three corners in a line", *flat)
    atoms = [(1e-300 * x, 1e-300 * y) for n in range(49) for x, y in ((n, 0), (128 + n, 128))]
    yield invalid("area-of-atoms", "exact fractions of it would take seconds", *atoms)
    almost = (*ring[:4], (west, south + 1e-14))
    area = world.polygon(*ring[:4])
    open_ring = msgspec.structs.replace(area, coordinates=(almost,))
    yield refused("ring-open", "a gap of a nanometre", "area-invalid", area=open_ring)
    yield refused("one-house", "one house", "area-too-small", area=world.square(0.02))
    sliver = world.polygon((west, south), (east, south), (east, south + 1e-9))
    yield refused("sliver", "a hair's breadth", "area-too-small", area=sliver)
    yield refused("whole-town", "a town", "area-too-large", area=world.square(10))
    elsewhere = world.square(0.5, latitude=43.0)
    yield refused("elsewhere", "another town", "place-outside", area=elsewhere)
    turned = world.square(0.5, latitude=world.PLACE.longitude, longitude=world.PLACE.latitude)
    yield refused("turned", "latitude before longitude", "place-outside", area=turned)

    shape = "wrong-shape"
    points = decoding.encode(world.request().area)
    rings = points.partition(b'"coordinates":[')[2][:-2]
    yield swap("hole", "a hole, and who knows what is in it", shape, rings, rings + b"," + rings)
    multi = b'"type":"MultiPolygon"'
    yield swap("multi-polygon", "several areas", shape, b'"type":"Polygon"', multi)
    yield swap("no-ring", "an area of nothing", shape, rings, b"")
    corner = f"[{west!r},{south!r}]".encode()
    first = b'"coordinates":[[' + corner
    height = b'"coordinates":[[' + corner[:-1] + b",100]"
    yield swap("height", "a corner in the air", shape, first, height)
    many = b'"coordinates":[[' + b"[0,0]," * 100 + corner
    yield swap("points-105", "more corners than are allowed", shape, first, many)
    yield _million_points()


def _million_points() -> Named:
    before, after = GOOD.split(b'"coordinates":[[', 1)
    before += b'"coordinates":[['
    before += b" " * (-len(before) % 3)
    point = _POINT + b" " * (-len(_POINT) % 3)
    jws = world.sign_raw(header(), before + point * 1_000_000 + after)
    head = f"{encode_base64url(header())}.{encode_base64url(before)}"
    period = encode_base64url(point)
    tail = jws[len(head) + len(period) * 1_000_000 :]
    about = "an area of a million corners"
    return "points-million", vector.statement(
        about, [head, (period, 1_000_000), tail], rule="too-large"
    )


def uploads() -> Iterator[Named]:
    """Upload addresses that are not allowed."""

    def upload(name: str, about: str, url: str) -> Named:
        return refused(f"upload-{name}", about, "upload-not-allowed", upload=world.upload(url))

    yield upload("plain", "without TLS", "http://evidence.example.org/")
    yield upload("elsewhere", "another host", "https://evil.example/evidence.example.org/")
    yield upload("suffix", "a host below", "https://evidence.example.org.evil.example/")
    yield upload("user", "the host as user", "https://evidence.example.org@evil.example/")
    yield upload("backslash", "readers differ", "https://evil.example\\@evidence.example.org/")
    yield upload("homograph", "a Cyrillic letter", "https://\u0435vidence.example.org/")
    yield upload("case", "upper case", "https://EVIDENCE.example.org/")
    yield upload("port", "another port", "https://evidence.example.org:9999/")
    yield upload("fragment", "a fragment", "https://evidence.example.org/#@evil.example/")
    yield upload("loopback", "our own machine", "http://127.0.0.1:1080/")
    yield upload("dot", "the host with a dot behind", "https://evidence.example.org./")
    yield upload("file", "a file", "file:///var/lib/clip-agent/keys")
    yield upload("tab", "a space that some drop", "https://evil.example/ evidence.example.org")
    yield upload("decimal", "an address as one number", "https://2130706433/")
