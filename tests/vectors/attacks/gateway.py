"""Attacks that need a gateway and its past: topics, replays, restarts, clocks.

Written as steps for :mod:`tests.vectors.play`, which says what each means.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.vectors.vector import Named, Vector, played

_HOUR, _DAY = 3_600, 86_400
_FEED, _OWNER = "clip-feed", "clip-agent/front-door/owner"


def _do(verb: str, /, **more: Any) -> Vector:
    return {"do": verb, **more}


_RECORD = _do("record", name="clip")
_POST = _do("post", name="request")
_APPROVE = _do("approve", name="approval")
_TO_DEVICE = _do("send", what="approval", topic=_OWNER)
_RELEASED = (_RECORD, _POST, _APPROVE, _TO_DEVICE)


def topics() -> Iterator[Named]:
    """A request or an approval where it does not belong."""
    asked = _do("ask", name="request")
    for name, about, topic, rule in (
        ("nul", "a NUL in the topic", f"{_FEED}/requests/{{jti}}\0", "not-ours"),
        ("plus", "an MQTT wildcard for an id", f"{_FEED}/requests/+", "not-ours"),
        ("hash", "an MQTT wildcard for everything below", f"{_FEED}/requests/#", "not-ours"),
        ("up", "a topic that goes up", f"{_FEED}/requests/../requests/{{jti}}", "not-ours"),
        ("deeper", "a level too many", f"{_FEED}/requests/{{jti}}/x", "not-ours"),
        ("empty-level", "an empty level", f"{_FEED}/requests//{{jti}}", "not-ours"),
        ("slash-behind", "a slash behind", f"{_FEED}/requests/{{jti}}/", "not-ours"),
        ("slash-in-front", "a slash in front", f"/{_FEED}/requests/{{jti}}", "not-ours"),
        ("other-feed", "another feed", "clip-feed2/requests/{jti}", "not-ours"),
        ("homoglyph", "a Cyrillic letter in the feed", "clip-f\u0435ed/requests/{jti}", "not-ours"),
        ("case", "the feed in capitals", "CLIP-FEED/requests/{jti}", "not-ours"),
        ("sys", "the broker's own topics", "$SYS/clip-feed/requests/{jti}", "not-ours"),
        ("long", "a level of a thousand letters", f"{_FEED}/requests/{'x' * 1_000}", "not-ours"),
        ("wide", "wide digits in an id", f"{_FEED}/requests/\uff10\uff11", "not-ours"),
        ("line-feed", "a line feed in the topic", f"{_FEED}/requests/{{jti}}\n", "not-ours"),
        ("unknown-kind", "a kind that nobody knows", f"{_FEED}/commands/{{jti}}", "not-ours"),
        ("inbox", "into the owner's inbox", "clip-agent/front-door/inbox/0", "not-ours"),
        (
            "other-id",
            "under another id than its own",
            f"{_FEED}/requests/{'x' * 22}",
            "wrong-topic",
        ),
        ("alerts", "a request among alerts", f"{_FEED}/alerts/{{jti}}", "wrong-typ"),
        ("withdrawals", "a request among withdrawals", f"{_FEED}/withdrawals/{{jti}}", "wrong-typ"),
        ("owner", "a request in the owner's place", _OWNER, "not-sealed-to-us"),
    ):
        sent = _do("send", what="request", topic=topic)
        yield f"topic-{name}", played(about, _RECORD, asked, sent, rule=rule)
    for name, about, topic, rule in (
        (
            "approval-on-feed",
            "an approval posted in public",
            f"{_FEED}/requests/{'x' * 22}",
            "not-jws",
        ),
        ("approval-elsewhere", "another device's topic", "clip-agent/back-door/owner", "not-ours"),
        ("approval-below", "below the device's topic", f"{_OWNER}/x", "not-ours"),
        ("approval-wildcard", "to all devices", "clip-agent/+/owner", "not-ours"),
    ):
        sent = _do("send", what="approval", topic=topic)
        yield f"topic-{name}", played(about, _RECORD, _POST, _APPROVE, sent, rule=rule)


def replays() -> Iterator[Named]:
    """Replayed letters."""
    restart = _do("restart")

    def replayed(name: str, about: str, *between: Vector) -> Named:
        steps = (*_RELEASED, *between, _TO_DEVICE)
        return f"replay-{name}", played(about, *steps, rule="replayed", uploads=1)

    yield replayed("at-once", "an approval comes twice")
    yield replayed("after-restart", "again after a restart", restart)
    back = _do("step-clock", seconds=-_HOUR)
    yield replayed("clock-back", "again, the clock having jumped back", back)
    forward = _do("step-clock", seconds=2 * _HOUR)
    yield replayed("clock-forward", "again, the clock having jumped ahead", forward)
    both = (_do("step-clock", seconds=-_DAY // 2), restart)
    yield replayed("clock-back-after-restart", "again, in an earlier boot as it seems", *both)
    late = _do("wait", seconds=3 * _DAY)
    yield replayed("after-expiry", "again, when request and approval have expired", late)
    retained = _do("send", what="approval", topic=_OWNER, retained=True)
    yield (
        "replay-retained",
        played(
            "kept by the broker", _RECORD, _POST, _APPROVE, retained, rule="retained", uploads=0
        ),
    )
    after_week = (*_RELEASED, _do("wait", seconds=8 * _DAY), restart, _TO_DEVICE)
    yield "replay-after-a-week", played("after a week", *after_week, rule="replayed", uploads=1)
    other_device = _do("send", what="approval", topic=_OWNER, device="back-door")
    yield (
        "replay-other-device",
        played(
            "another device's letter",
            *(_RECORD, _POST, _APPROVE, other_device),
            rule="not-sealed-to-us",
            uploads=0,
        ),
    )
    second = _do("post", name="second")
    across = _do("approve", name="across", request="second", jti_of="approval")
    sent = _do("send", what="across", topic=_OWNER)
    yield (
        "replay-across-requests",
        played(
            "the same id for another request",
            *_RELEASED,
            second,
            across,
            sent,
            rule="replayed",
            uploads=1,
        ),
    )
    unposted = (_RECORD, _do("ask", name="request"), _APPROVE, _TO_DEVICE)
    yield (
        "replay-before-request",
        played("an approval of what never came", *unposted, rule="unknown-request", uploads=0),
    )
    declined = (_do("decline", name="decline"), _do("send", what="decline", topic=_OWNER))
    yield (
        "replay-after-decline",
        played(
            "held back until after a decline",
            _RECORD,
            _POST,
            _APPROVE,
            *declined,
            _TO_DEVICE,
            rule="request-closed",
            uploads=0,
        ),
    )
    yield (
        "replay-decline",
        played("a decline comes twice", _RECORD, _POST, *declined, declined[1], rule="replayed"),
    )
    withdrawn = _do("withdraw", name="withdrawal")
    yield (
        "replay-after-withdrawal",
        played(
            "held back until after a withdrawal",
            _RECORD,
            _POST,
            _APPROVE,
            withdrawn,
            _TO_DEVICE,
            rule="request-closed",
            uploads=0,
        ),
    )
    again = _do("send", what="request", topic=f"{_FEED}/requests/{{jti}}")
    yield (
        "replay-request-after-decline",
        played(
            "a declined request is posted again",
            _RECORD,
            _POST,
            *declined,
            restart,
            again,
            state="DECLINED",
            letters=0,
        ),
    )
    yield (
        "replay-request-after-withdrawal",
        played(
            "a withdrawn request is posted again",
            _RECORD,
            _POST,
            withdrawn,
            restart,
            again,
            state="WITHDRAWN",
            letters=0,
        ),
    )
    yield (
        "replay-request-after-expiry",
        played(
            "an expired request is posted again, the clock having jumped back",
            _RECORD,
            _POST,
            _do("wait", seconds=3 * _DAY),
            _do("step-clock", seconds=-3 * _DAY),
            restart,
            again,
            state="EXPIRED",
            letters=0,
        ),
    )
    edited = _do("ask", name="edited", jti_of="request", text="Everybody who walked by")
    sent = _do("send", what="edited", topic=f"{_FEED}/requests/{{jti}}")
    yield (
        "replay-edited",
        played("another text under the same id", _RECORD, _POST, edited, sent, rule="jti-reused"),
    )
    foreign = _do("withdraw", name="withdrawal", by="other")
    yield (
        "withdrawal-of-anothers",
        played(
            "withdraws what another has asked",
            _RECORD,
            _POST,
            foreign,
            rule="no-such-request",
            state="OPEN",
            letters=1,
        ),
    )


def times() -> Iterator[Named]:
    """A device that does not know what time it is."""
    unsynced, synced = _do("unsync"), _do("sync")
    yield (
        "clock-unknown",
        played(
            "an approval while the time is unknown",
            _RECORD,
            _POST,
            _APPROVE,
            unsynced,
            _TO_DEVICE,
            uploads=0,
            rule="waits",
        ),
    )
    yield (
        "clock-unknown-then-late",
        played(
            "it has expired when the time is known",
            _RECORD,
            _POST,
            _APPROVE,
            unsynced,
            _TO_DEVICE,
            _do("step-clock", seconds=2 * _DAY - 60),
            synced,
            uploads=0,
            rule="expired",
        ),
    )
    yield (
        "clock-back-before-issue",
        played(
            "a clock set back to before it was issued",
            _RECORD,
            _POST,
            _APPROVE,
            _do("step-clock", seconds=-_HOUR),
            _TO_DEVICE,
            uploads=0,
            rule="issued-in-future",
        ),
    )
    yield (
        "clock-past-request",
        played(
            "the request ends before the approval does",
            _RECORD,
            _do("post", name="request", open_seconds=600),
            _APPROVE,
            _do("wait", seconds=601),
            _TO_DEVICE,
            uploads=0,
            rule="request-closed",
        ),
    )
    yield (
        "clock-year-9999",
        played(
            "a clock at the end of the year 9999",
            _RECORD,
            _POST,
            _APPROVE,
            _do("step-clock", to=253_402_300_799),
            _TO_DEVICE,
            uploads=0,
            rule="expired",
        ),
    )


def _letter(what: str) -> Vector:
    return _do("send", what=what, topic=_OWNER)


def households() -> Iterator[Named]:
    """Old commands, and one owner who would be two."""
    asked = (_RECORD, _POST)
    pause = _do("command", name="pause", what={"do": "pause-requests"})
    resume = _do("command", name="resume", what={"do": "resume-requests"})
    paused = (*asked, pause, _letter("pause"), resume, _letter("resume"), _letter("pause"))
    yield (
        "replay-pause",
        played("an old pause comes after the resume", *paused, rule="replayed", letters=1),
    )
    muted = {"do": "mute", "requester": "{requester}", "muted": True}
    mute = _do("command", name="mute", what=muted)
    unmute = _do("command", name="unmute", what=muted | {"muted": False})
    steps = (*asked, mute, _letter("mute"), unmute, _letter("unmute"), _letter("unmute"))
    yield "replay-unmute", played("a requester unmuted twice", *steps, rule="replayed")
    share = _do("share", name="share")
    shared = (_RECORD, share, _letter("share"), _do("restart"), _letter("share"))
    yield (
        "replay-share",
        played("a share comes twice", *shared, rule="replayed", uploads=1),
    )
    kept = _do("send", what="share", topic=_OWNER, retained=True)
    yield (
        "replay-share-retained",
        played("a share that the broker keeps", _RECORD, share, kept, rule="retained", uploads=0),
    )
    two = {"two": True}
    again = _do("approve", name="again")
    alone = (*asked, _APPROVE, _TO_DEVICE, again, _letter("again"))
    yield (
        "household-one-owner-twice",
        played("one owner approves twice", *alone, house=two, rule="already-proposed", uploads=0),
    )
    twice = (*asked, _APPROVE, _TO_DEVICE, _do("restart"), _TO_DEVICE)
    yield (
        "household-one-letter-twice",
        played("one owner's letter comes twice", *twice, house=two, rule="replayed", uploads=0),
    )
    lent = _do("approve", name="lent", by="partner", jti_of="approval")
    same_id = (*asked, _APPROVE, _TO_DEVICE, lent, _letter("lent"))
    yield (
        "household-same-id",
        played(
            "the other's approval under the same id",
            *same_id,
            house=two,
            rule="replayed",
            uploads=0,
        ),
    )
    partner = _do("approve", name="partner", by="partner")
    agreed = (*asked, _APPROVE, _TO_DEVICE, partner, _letter("partner"))
    yield (
        "household-agreed-once",
        played(
            "both have agreed, and the second letter comes again",
            *agreed,
            _letter("partner"),
            house=two,
            rule="replayed",
            uploads=1,
        ),
    )
    decline = _do("decline", name="decline", by="partner")
    against = (
        *asked,
        _APPROVE,
        _TO_DEVICE,
        decline,
        _letter("decline"),
        partner,
        _letter("partner"),
    )
    yield (
        "household-after-decline",
        played("agreed to after a decline", *against, house=two, rule="request-closed", uploads=0),
    )
    expired = (*asked, _APPROVE, partner, _TO_DEVICE, _do("wait", seconds=_DAY), _letter("partner"))
    yield (
        "household-too-late",
        played("agreed to when it has expired", *expired, house=two, rule="expired", uploads=0),
    )
    withheld = (_RECORD, share, _letter("share"), _do("restart"), _letter("share"))
    yield (
        "household-share-alone",
        played("one owner shares, twice", *withheld, house=two, rule="replayed", uploads=0),
    )


def logs() -> Iterator[Named]:
    """Posts to one household alone."""
    pinned = {"log": True}
    asked = (_RECORD, _do("ask", name="request"))
    topic = f"{_FEED}/requests/{{jti}}"

    def sent(proof: str = "") -> Vector:
        return _do("send", what="request", topic=topic, **({"proof": proof} if proof else {}))

    yield (
        "secret-request",
        played("a request without a proof", *asked, sent(), house=pinned, rule="proof-missing"),
    )
    yield (
        "secret-request-with-anothers-proof",
        played(
            "with the proof of another post",
            *asked,
            sent("another"),
            house=pinned,
            rule="not-included",
        ),
    )
    fork = (*asked, sent("own"), _do("ask", name="second"))
    convicted = _do("send", what="second", topic=topic, proof="fork")
    yield (
        "secret-request-in-a-fork",
        played(
            "in a list that nobody else is shown",
            *fork,
            convicted,
            house=pinned,
            rule="log-forked",
            state="OPEN",
        ),
    )
    alert = (_do("alert", name="alert"),)
    again = _do("send", what="alert", topic=f"{_FEED}/alerts/{{jti}}")
    yield (
        "replay-alert",
        played("an alert comes three times", *alert, again, _do("restart"), again, notices=1),
    )
    yield (
        "secret-alert",
        played("an alert without a proof", *alert, house=pinned, rule="proof-missing", notices=0),
    )
