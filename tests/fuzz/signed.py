"""Targets: signed and sealed bytes from strangers."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyrage

from agent.consent import decoding, letters, signing
from agent.consent.cards import decode_base64url, encode_base64url
from agent.consent.letters import Letter
from agent.consent.policy import alerts, area
from agent.consent.policy import requests as policy
from agent.consent.statements import (
    STATEMENTS,
    Alert,
    Approval,
    Redaction,
    Request,
    Share,
    Statement,
)
from agent.errors import (
    InternalFault,
    MalformedStatement,
    RequestRefused,
    UnreadableLetter,
    UntrustedSignature,
)
from agent.mqtt import topics
from agent.owner.wording import redaction_text
from tests.consent import world
from tests.fuzz.target import Target
from tests.vectors import make

FOLDER = Path(make.__file__).parent
KINDS = tuple(STATEMENTS.values())
SIGNERS = world.OWNERS | world.REQUESTERS
_PARTS = 3


def vectors(*checks: str) -> list[dict[str, Any]]:
    """The vectors of these checks."""
    files = sorted([*FOLDER.glob("good/*.json"), *FOLDER.glob("hostile/*.json")])
    loaded = [json.loads(path.read_text("utf-8")) for path in files]
    return [one for one in loaded if one["check"] in checks]


def posts() -> list[tuple[str, str]]:
    """Type and compact JWS of all vectors that have one whole."""
    opened = {"approval": Approval.TYP, "share": Share.TYP}
    inside = [(opened[one["check"]], one["input"]["jws"]) for one in vectors(*opened)]
    alone = vectors("statement", "policy", "alert", "decision")
    whole = [(one["typ"], one["input"]) for one in alone if isinstance(one["input"], str)]
    return [*whole, *inside]


def run_jws(data: bytes) -> None:
    """Any bytes as a statement of any type, by the keys of the vectors."""
    try:
        typ = signing.claimed_typ(data)
    except MalformedStatement:
        typ = ""
    kinds: set[type[Statement]] = {STATEMENTS.get(typ, Request), Request}
    for kind in kinds:
        try:
            statement = signing.verify(data, kind, SIGNERS)
        except (MalformedStatement, UntrustedSignature):
            continue
        assert isinstance(statement, kind)
        assert typ == kind.TYP
        assert data.decode("ascii").count(".") == _PARTS - 1
        again = ".".join(
            encode_base64url(decode_base64url(part)) for part in data.decode("ascii").split(".")
        )
        assert again.encode() == data, "two texts of one statement"


def seeds_jws() -> Sequence[bytes]:
    return [post.encode("utf-8", "surrogatepass") for _, post in posts()]


def run_statement(data: bytes) -> None:
    """The first byte chooses a type, the rest is a payload that its author has signed."""
    if not data:
        return
    kind = KINDS[data[0] % len(KINDS)]
    try:
        statement = decoding.decode(data[1:], kind, kind.MAX_BYTES)
    except MalformedStatement:
        return
    encoded = decoding.encode(statement)
    assert decoding.decode(encoded, kind, 2 * kind.MAX_BYTES) == statement
    for signer in (world.REQUESTER, world.OWNER):
        if statement.iss == signer.public.fingerprint:
            assert signing.verify(signer.sign(statement), kind, SIGNERS) == statement
            _judge(statement)


def _judge(statement: Statement) -> None:
    """Judge a post as the gateway does; the only error may be a refusal."""
    try:
        match statement:
            case Request() if statement.iss == world.CARD.fingerprint:
                policy.judge(
                    policy.Case(
                        request=statement,
                        rules=world.RULES,
                        place=world.PLACE,
                        requester=world.CARD,
                        history=world.NO_HISTORY,
                        now=float(world.NOW),
                        max_clip_age_seconds=world.MAX_CLIP_AGE,
                    )
                )
                check_area(statement.area)
            case Alert():
                alerts.judge(statement, rules=world.RULES, place=world.PLACE, now=float(world.NOW))
    except RequestRefused:
        return


def check_area(polygon: Any) -> None:
    """Check the properties of a valid area; RequestRefused if it is not valid."""
    area.check(polygon)
    ring = polygon.coordinates[0]
    size = area.square_miles(polygon)
    assert 0 <= size < 5_000, size  # a degree by a degree at the equator, and not NaN
    turned = type(polygon)(type="Polygon", coordinates=(tuple(reversed(ring)),))
    area.check(turned)
    assert abs(area.square_miles(turned) - size) <= 1e-6 * max(size, 1)
    for longitude, latitude in ring:
        assert area.contains(polygon, latitude, longitude), "a corner lies outside"
    west, east = min(x for x, _ in ring), max(x for x, _ in ring)
    south, north = min(y for _, y in ring), max(y for _, y in ring)
    middle = (south + north) / 2, (west + east) / 2
    assert area.contains(polygon, *middle) == area.contains(turned, *middle)
    assert not area.contains(polygon, middle[0], east + 1e-3)


def seeds_statement() -> Sequence[bytes]:
    numbers = {kind.TYP: bytes([number]) for number, kind in enumerate(KINDS)}
    found = []
    for typ, post in posts():
        parts = post.split(".")
        with contextlib.suppress(IndexError, ValueError):
            found.append(numbers[typ] + base64.urlsafe_b64decode(parts[1] + "=="))
    return found


_DEVICE = pyrage.x25519.Recipient.from_str(world.DEVICE_RECIPIENT)


def run_letter(data: bytes) -> None:
    """The inside of a letter, sealed to the device as anybody can."""
    try:
        letter = letters.open_letter(pyrage.encrypt(data, [_DEVICE]), world.DEVICE_IDENTITY)
    except UnreadableLetter as error:
        assert "AGE-SECRET-KEY" not in str(error)
        return
    assert "AGE-SECRET-KEY" not in repr(letter)
    assert decoding.decode(decoding.encode(letter), Letter, letters.MAX_LETTER_BYTES) == letter
    run_jws(letter.jws.encode("utf-8", "replace"))


def _sealed() -> list[bytes]:
    return [base64.b64decode(one["input"]) for one in vectors("letter")]


def seeds_letter() -> Sequence[bytes]:
    reader = letters.parse_identity(world.DEVICE_IDENTITY)
    found = [json.dumps(one["input"]).encode() for one in vectors("approval", "share")]
    for sealed in _sealed():
        try:
            found.append(pyrage.decrypt(sealed, [reader]))
        except pyrage.DecryptError:
            continue
    return found


def run_sealed(data: bytes) -> None:
    """A letter as it comes from the broker."""
    try:
        letter = letters.open_letter(data, world.DEVICE_IDENTITY)
    except UnreadableLetter:
        return
    assert letter == world.letter(), "opened what nobody has sealed"


_FEED = "clip-feed"


def run_topic(data: bytes) -> None:
    """A topic means what it says, letter for letter, or nothing."""
    text = data.decode("utf-8", "replace")
    topic = topics.parse(text, feed=_FEED)
    if topic is None:
        return
    start = [_FEED, topic.kind] if not topic.device else [topics.ROOT, topic.device, topic.kind]
    assert "/".join([*start, *topic.ids]) == text
    assert not set("\0+#./ \n") & set("".join((topic.device, *topic.ids)))
    assert text.isascii()


def seeds_topic() -> Sequence[bytes]:
    sent = [step["topic"] for one in vectors("gateway") for step in one["steps"] if "topic" in step]
    device, jti = "front-door", "x" * 22
    ours = [
        topics.request(_FEED, jti),
        topics.alert(_FEED, jti),
        topics.withdrawal(_FEED, jti),
        topics.log_link(_FEED, 7),
        topics.availability(device),
        topics.state(device),
        topics.inbox(device, "0" * 16),
        topics.owner(device),
        topics.preview(device, world.CLIP, 3),
        topics.release(device, "0" * 16),
        topics.notices(device),
    ]
    return [text.encode() for text in dict.fromkeys([*ours, *sent])]


def run_base64url(data: bytes) -> None:
    """One text for each value of base64url."""
    text = data.decode("utf-8", "replace")
    try:
        decoded = decode_base64url(text)
    except ValueError:
        return
    assert encode_base64url(decoded) == text
    try:
        assert len(signing.new_jti(decoded)) >= 22
    except InternalFault:
        assert len(decoded) < 16


def run_redaction(data: bytes) -> None:
    """A redaction that an owner signed, or typed: where its box is, in and out of a trim."""
    try:
        redaction = decoding.decode(data, Redaction, Approval.MAX_BYTES)
    except MalformedStatement:
        with contextlib.suppress(ValueError):
            redaction_text.parse(data.decode("utf-8", "replace").replace("@", ""))
        return
    assert redaction_text.parse(redaction_text.typed(redaction)) == (redaction,)
    assert redaction_text.lines([redaction])
    first, last = (redaction.positions[place].at_seconds for place in (0, -1))
    for begin, end in ((0.0, 1.0), (first, first + 0.5), ((first + last) / 2, last + 1)):
        shown = redaction.region(begin, begin + 0.04)
        assert shown is None or -1e-6 <= shown.left < shown.right <= 1.000_002
        kept = redaction.within(begin, end)
        if shown is not None:
            left = kept.region(begin, begin + 0.04) if kept else None
            assert left is not None
            assert left.left <= shown.left + 1e-6
            assert left.right >= shown.right - 1e-6
            assert left.top <= shown.top + 1e-6
            assert left.bottom >= shown.bottom - 1e-6


def seeds_redaction() -> Sequence[bytes]:
    still = Redaction.still(x=0.75, y=0, width=0.25, height=1)
    return [*map(decoding.encode, (world.WALKER, still)), b"2-8@2:0.1,0.2,0.1,0.3/6:0,0,1,1"]


TARGETS = (
    Target("redactions", run_redaction, seeds_redaction, 8_000),
    Target("jws", run_jws, seeds_jws, 24_000),
    Target("statements", run_statement, seeds_statement),
    Target("letters", run_letter, seeds_letter),
    Target("sealed", run_sealed, _sealed, 100_000),  # age is slow where a header is large
    Target("topics", run_topic, seeds_topic, 300),
    Target("base64url", run_base64url, lambda: [b"", b"AAAA", b"-_-_", b"AA==", b"Ab"], 200),
)
