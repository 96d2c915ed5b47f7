"""Approvals, declines and commands that must have no effect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from agent.consent import decoding
from agent.consent.letters import Letter
from agent.consent.signing import SigningKey, digest
from agent.consent.statements import (
    Approval,
    ApprovedClip,
    Command,
    Decline,
    ListClips,
    Look,
    Mute,
    NoteExport,
    Preview,
    ReadLedger,
    Revoke,
    Statement,
    Thumbnails,
    Window,
)
from tests.consent import world
from tests.consent.world import CLIP, CLIP_2, CLIP_3, CLIP_KEYS, DAY, NOW
from tests.vectors import vector
from tests.vectors.attacks.headers import header
from tests.vectors.attacks.requests import LAST_SECOND
from tests.vectors.vector import Named


def raw(statement: Statement, old: bytes, new: bytes) -> str:
    """``statement`` with ``old`` replaced, signed by the owner."""
    payload = decoding.encode(statement)
    assert payload.count(old) == 1, old
    head = header(kid=world.OWNER.public.fingerprint, typ=statement.TYP)
    return world.sign_raw(head, payload.replace(old, new), world.OWNER)


def approvals() -> Iterator[Named]:
    """Letters, already opened, that must release nothing: one at least for each rule."""

    def refused(name: str, number: int, rule: str, letter: Letter, **context: Any) -> Named:
        about = name.replace("-", " ")
        more: dict[str, Any] = {"context": context} if context else {}
        return f"approval-{name}", vector.approval(about, letter, **more, number=number, rule=rule)

    def of(**changes: Any) -> Letter:
        return world.letter(world.approval(**changes))

    def by(signer: SigningKey) -> Letter:
        return world.letter(world.approval(iss=signer.public.fingerprint), signer=signer)

    good = world.letter()
    yield refused("by-a-stranger", 1, "unknown-signer", by(world.STRANGER))
    yield refused("by-the-requester", 1, "unknown-signer", by(world.REQUESTER))
    yield refused("by-the-device-itself", 1, "unknown-signer", by(world.DEVICE))
    payload = decoding.encode(world.approval())
    head = header(kid=world.OWNER.public.fingerprint, typ=Approval.TYP)
    forged = Letter(jws=world.sign_raw(head, payload, world.STRANGER), keys=good.keys)
    yield refused("re-signed-under-the-owners-kid", 1, "bad-signature", forged)
    top, body, _ = good.jws.split(".")
    lent = Letter(jws=f"{top}.{body}.{world.REQUEST_JWS.split('.')[2]}", keys=good.keys)
    yield refused("under-the-requests-signature", 1, "bad-signature", lent)
    for name, statement in (("decline", world.decline()), ("command", world.command())):
        told = Letter(jws=world.OWNER.sign(statement), keys=good.keys)
        yield refused(f"that-is-a-{name}", 2, "wrong-typ", told)
    asked = Letter(jws=world.REQUEST_JWS, keys=good.keys)
    yield refused("that-is-the-request", 2, "wrong-typ", asked)
    other = of(aud=world.OTHER_DEVICE.public.fingerprint)
    yield refused("for-another-device", 2, "wrong-device", other)
    yield refused("for-the-owner", 2, "wrong-device", of(aud=world.OWNER.public.fingerprint))
    yield refused("replayed", 3, "replayed", good, seen=[world.approval().jti])
    again = of(clips=(world.approved(CLIP_2),))
    yield refused("with-a-used-id", 3, "replayed", again, seen=[world.approval().jti])
    yield refused("expired", 4, "expired", of(exp=NOW))
    yield refused("expired-before-issued", 4, "expired", of(iat=NOW, exp=NOW))
    yield refused("from-the-future", 4, "issued-in-future", of(iat=NOW + 301))
    latest = of(iat=LAST_SECOND - 1, exp=LAST_SECOND)
    yield refused("from-the-year-9999", 4, "issued-in-future", latest)
    yield refused("living-too-long", 4, "lives-too-long", of(exp=NOW + 8 * DAY))
    yield refused("until-the-year-9999", 4, "lives-too-long", of(exp=LAST_SECOND))
    yield refused("since-1970", 4, "lives-too-long", of(iat=0))
    edited = digest(world.REQUESTER.sign(world.request(text="Everybody who walked by")))
    yield refused("for-an-edited-request", 5, "unknown-request", of(request=edited))
    yield refused("for-a-closed-request", 5, "request-closed", good, request={"is_open": False})
    late = {"expires_at": float(NOW)}
    yield refused("for-an-expired-request", 5, "request-expired", good, request=late)
    outside = of(clips=(world.approved(CLIP_3),))
    yield refused("of-a-clip-not-matched", 6, "clip-not-matched", outside)
    both = of(clips=(world.approved(), world.approved(CLIP_3)))
    yield refused("of-a-clip-too-many", 6, "clip-not-matched", both)
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
    damaged = Letter(jws=good.jws, keys={CLIP: CLIP_KEYS[CLIP][:-1] + "2"})
    yield refused("with-a-damaged-key", 7, "wrong-key", damaged)
    away = {"upload_url": "https://evil.example/files/"}
    yield refused("to-an-unlisted-host", 8, "upload-not-allowed", good, request=away)
    yield refused("retained", 9, "retained", good, retained=True)
    yield from _approvals_that_do_not_decode(good)


def _approvals_that_do_not_decode(good: Letter) -> Iterator[Named]:
    clip = f'"id":"{CLIP}"'.encode()
    aud = f'"aud":"{world.DEVICE.public.fingerprint}"'.encode()
    shape = "wrong-shape"
    for name, about, rule, old, new in (
        ("clip-path", "a clip that is a path", shape, clip, b'"id":"../../keys/device"'),
        ("clip-wildcard", "all clips", shape, clip, b'"id":"*"'),
        ("clip-wide", "wide digits", shape, clip, clip.replace(b"2", "\uff12".encode(), 1)),
        ("clip-nul", "a NUL", "control-character", clip, clip[:-1] + b'\\u0000"'),
        ("no-clips", "of nothing in particular", shape, b'"clips":[', b'"clips":[],"x":['),
        ("trim-nan", "a trim to nowhere", "not-finite", b'"trim":null', b'"trim":NaN'),
        (
            "trim-reversed",
            "a trim that ends before it begins",
            shape,
            b'"trim":null',
            b'"trim":{"from_seconds":9,"to_seconds":1}',
        ),
        (
            "codec-unknown",
            "a codec that is no codec",
            shape,
            b'"codec":null',
            b'"codec":"mjpeg"',
        ),
        (
            "codec-hevc",
            "a codec that nothing is converted to",
            shape,
            b'"codec":null',
            b'"codec":"hevc"',
        ),
        (
            "redact-outside",
            "redacted outside the picture",
            shape,
            b'"redact":[]',
            b'"redact":[{"positions":[[0,0.9,0,0.5,0.5]]}]',
        ),
        (
            "redact-of-nothing",
            "a redact of no size",
            shape,
            b'"redact":[]',
            b'"redact":[{"positions":[[0,0,0,0,0]]}]',
        ),
        (
            "redact-of-no-position",
            "a redact that is nowhere",
            shape,
            b'"redact":[]',
            b'"redact":[{"positions":[]}]',
        ),
        (
            "redact-backwards",
            "a redact whose positions are not in order of time",
            shape,
            b'"redact":[]',
            b'"redact":[{"positions":[[2,0,0,1,1],[1,0,0,1,1]]}]',
        ),
        (
            "redact-twice-at-once",
            "a redact at two places at a time",
            shape,
            b'"redact":[]',
            b'"redact":[{"positions":[[1,0,0,0.5,1],[1,0.5,0,0.5,1]]}]',
        ),
        (
            "redact-that-ends-first",
            "a redact that ends before it begins",
            shape,
            b'"redact":[]',
            b'"redact":[{"positions":[[0,0,0,1,1]],"from_seconds":9,"to_seconds":1}]',
        ),
        (
            "redact-by-name",
            "a redact whose position is an object",
            shape,
            b'"redact":[]',
            b'"redact":[{"positions":[{"at_seconds":0,"x":0,"y":0,"width":1,"height":1}]}]',
        ),
        (
            "redact-unknown-field",
            "a redact that says more than is known",
            shape,
            b'"redact":[]',
            b'"redact":[{"positions":[[0,0,0,1,1]],"fill":"blur"}]',
        ),
        ("disclose-all", "more than was ticked", shape, b'"disclose":{', b'"disclose":{"all":true'),
        ("aud-list", "for several devices", shape, aud, b'"aud":[' + aud[6:] + b"]"),
    ):
        jws = raw(world.approval(), old, new)
        opened = Letter(jws=jws, keys=good.keys)
        yield f"approval-{name}", vector.approval(about, opened, rule=rule)


def _every_rule(kind: type[Decline | Command], made: Any, prefix: str) -> Iterator[Named]:
    """Attacks on rules 1 to 4 and 9; ``made`` takes changes and returns a statement."""

    def refused(name: str, number: int, rule: str, compact: str, **context: Any) -> Named:
        about = f"a {prefix} {name.replace('-', ' ')}"
        more: dict[str, Any] = {"context": context} if context else {}
        return f"{prefix}-{name}", vector.decision(
            about, compact, kind, **more, number=number, rule=rule
        )

    def of(**changes: Any) -> str:
        return world.OWNER.sign(made(**changes))

    stranger, requester = world.STRANGER, world.REQUESTER
    by = stranger.sign(made(iss=stranger.public.fingerprint))
    yield refused("by-a-stranger", 1, "unknown-signer", by)
    by = requester.sign(made(iss=requester.public.fingerprint))
    yield refused("by-the-requester", 1, "unknown-signer", by)
    head = header(kid=world.OWNER.public.fingerprint, typ=kind.TYP)
    forged = world.sign_raw(head, decoding.encode(made()), stranger)
    yield refused("under-a-stolen-kid", 1, "bad-signature", forged)
    yield refused("that-is-an-approval", 2, "wrong-typ", world.letter().jws)
    yield refused(
        "for-another-device", 2, "wrong-device", of(aud=world.OTHER_DEVICE.public.fingerprint)
    )
    yield refused("replayed", 3, "replayed", of(), seen=[made().jti])
    yield refused("expired", 4, "expired", of(exp=NOW))
    yield refused("from-the-future", 4, "issued-in-future", of(iat=NOW + 301))
    yield refused("until-the-year-9999", 4, "lives-too-long", of(exp=LAST_SECOND))
    yield refused("retained", 9, "retained", of(), retained=True)


def declines() -> Iterator[Named]:
    """Declines that nobody enrolled has signed, or that say something else."""
    yield from _every_rule(Decline, world.decline, "decline")
    request = f'"request":"{digest(world.REQUEST_JWS)}"'.encode()
    for name, about, old, new in (
        ("of-everything", "of every request", request, b'"request":"*"'),
        ("mute-text", "mutes by a text", b'"mute":false', b'"mute":"false"'),
        ("mute-whom", "mutes somebody else", b'"mute":false', b'"mute":true,"requester":"x"'),
    ):
        jws = raw(world.decline(), old, new)
        yield f"decline-{name}", vector.decision(about, jws, Decline, rule="wrong-shape")


def commands() -> Iterator[Named]:
    """Commands that nobody enrolled has signed, or that reach for something else."""
    yield from _every_rule(Command, world.command, "command")
    pause = b'{"do":"pause-requests"}'
    file, (nine, zero) = "f" * 64, (b'"bytes":9', b'"bytes":0')
    whole = ApprovedClip(id=CLIP, sha256=file, trim=None, redact=())
    export = NoteExport(clip=whole, file_sha256=file, bytes=9, portal="Axon")
    window = ListClips(window=Window(start=NOW - DAY, end=NOW))
    cases: tuple[tuple[str, str, Any, bytes, bytes], ...] = (
        ("unknown", "one that nobody knows", world.command(), pause, b'{"do":"reboot"}'),
        ("none", "nothing to do", world.command(), pause, b"{}"),
        ("null", "null", world.command(), pause, b"null"),
        ("list", "several at once", world.command(), pause, b"[" + pause + b"]"),
        (
            "surplus",
            "with a field more",
            world.command(),
            pause,
            b'{"do":"pause-requests","for":1}',
        ),
        (
            "preview-path",
            "to send a file",
            world.command(command=Preview(clip=CLIP)),
            CLIP.encode(),
            b"../keys/device.txt",
        ),
        (
            "preview-topic",
            "to send to another topic",
            world.command(command=Preview(clip=CLIP)),
            CLIP.encode(),
            f"{CLIP}/#".encode(),
        ),
        (
            "ledger-before",
            "to read lines before the first",
            world.command(command=ReadLedger(after=7)),
            b'"after":7',
            b'"after":-7',
        ),
        (
            "ledger-words",
            "to read a ledger by its path",
            world.command(command=ReadLedger(after=7)),
            b'"after":7',
            b'"after":"../keys"',
        ),
        (
            "revoke-path",
            "to stop a path",
            world.command(command=Revoke(release="0" * 16)),
            b"0" * 16,
            b"../../outbox/*",
        ),
        (
            "revoke-upper",
            "to stop a release in capitals",
            world.command(command=Revoke(release="0" * 16)),
            b"0" * 16,
            b"A" * 16,
        ),
        (
            "mute-everybody",
            "to mute everybody",
            world.command(command=Mute(requester=world.REQUESTER.public.fingerprint, muted=True)),
            b'"requester":"' + world.REQUESTER.public.fingerprint.encode(),
            b'"requester":"*',
        ),
        ("export-empty", "to note a file of no bytes", world.command(command=export), nine, zero),
        (
            "export-path",
            "to note a clip elsewhere",
            world.command(command=export),
            CLIP.encode(),
            b"../../gateway.sqlite",
        ),
        (
            "thumbnails-none",
            "thumbnails of no clip",
            world.command(command=Thumbnails(clips=(CLIP,))),
            f'["{CLIP}"]'.encode(),
            b"[]",
        ),
        (
            "thumbnails-many",
            "thumbnails of more clips than an answer holds",
            world.command(command=Thumbnails(clips=(CLIP,))),
            f'["{CLIP}"]'.encode(),
            json.dumps([CLIP] * 201).encode(),
        ),
        (
            "look-long",
            "a look that does not end",
            world.command(command=Look(seconds=300)),
            b'"seconds":300',
            b'"seconds":301',
        ),
        (
            "look-none",
            "a look of no time",
            world.command(command=Look(seconds=300)),
            b'"seconds":300',
            b'"seconds":0',
        ),
        (
            "list-reversed",
            "a time that ends before it begins",
            world.command(command=window),
            f'"to":{NOW}'.encode(),
            f'"to":{NOW - 2 * DAY}'.encode(),
        ),
    )
    for name, about, statement, old, new in cases:
        jws = raw(statement, old, new)
        yield f"command-{name}", vector.decision(about, jws, Command, rule="wrong-shape")
    twice = raw(world.command(), pause, b'{"do":"resume-requests","do":"pause-requests"}')
    yield "command-twice", vector.decision("two in one", twice, Command, rule="duplicate-key")
