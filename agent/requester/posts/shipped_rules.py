"""Shipped rules by which cameras would refuse a post, checked before it is sent.

A camera that refuses says nothing, so only this check can tell a requester. The rules are those of
:mod:`agent.consent.policy` with their defaults; the history is that of the posts sent from here.
A camera's place, mutes and stricter limits are known to it alone, and not checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from agent import config
from agent.consent import signing
from agent.consent.cards import RequesterCard
from agent.consent.policy import alerts, requests
from agent.consent.policy.requests import History
from agent.consent.statements import Alert, Polygon, Request, Withdrawal
from agent.errors import Refused, RequestRefused
from agent.requester.posts import publish
from agent.requester.posts.publish import Post

_DAY_SECONDS = 86_400
_RULES = config.Requests()
_OLDEST_CLIP_SECONDS = config.Storage().max_age_days * _DAY_SECONDS


def objections(
    jws: str,
    card: RequesterCard,
    sent: Iterable[str],
    *,
    now: float,
    allow_loopback_http: bool = False,
) -> list[str]:
    """A sentence for each rule that the post ``jws`` breaks, after the posts ``sent`` before it.

    ``now`` is in Unix seconds. Raises :class:`Refused` if ``jws`` is no post of ``card``.
    """
    post, earlier = publish.read(jws, card), _earlier(jws, card, sent)
    return list(_objections(post, earlier, card, now, allow_loopback_http))


def _objections(
    post: Post, earlier: dict[str, Post], card: RequesterCard, now: float, loopback: bool
) -> Iterator[str]:
    in_a_day = [one for one in earlier.values() if one.iat > now - _DAY_SECONDS]
    if not isinstance(post, Withdrawal) and len(in_a_day) >= _RULES.max_kept_daily_per_requester:
        yield f"{len(in_a_day)} posts in 24 hours: further ones are only counted (flood)"
    match post:
        case Request():
            case = requests.Case(
                request=post,
                rules=_RULES,
                place=_corner(post.area),
                requester=card,
                history=_history(post, earlier, now),
                now=now,
                max_clip_age_seconds=_OLDEST_CLIP_SECONDS,
                allow_loopback_http=loopback,
            )
            for rule in requests.RULES:
                try:
                    rule(case)
                except RequestRefused as error:
                    yield f"{error.message} ({error.rule})"
                    if error.rule == "area-invalid":
                        return  # the rules after it need an area
        case Alert():
            try:
                alerts.judge(post, rules=_RULES, place=_corner(post.area), now=now)
            except RequestRefused as error:
                yield f"{error.message} ({error.rule})"


def _earlier(jws: str, card: RequesterCard, sent: Iterable[str]) -> dict[str, Post]:
    """The posts sent before, by digest, without this one and those of other keys."""
    found: dict[str, Post] = {}
    for text in sent:
        try:
            found[signing.digest(text)] = publish.read(text, card)
        except Refused:
            continue
    found.pop(signing.digest(jws), None)
    return found


def _history(request: Request, earlier: dict[str, Post], now: float) -> History:
    withdrawn = {one.request for one in earlier.values() if isinstance(one, Withdrawal)}
    asked = {name: one for name, one in earlier.items() if isinstance(one, Request)}
    return History(
        open=sum(1 for name, one in asked.items() if one.exp > now and name not in withdrawn),
        last_day=sum(1 for one in asked.values() if one.iat > now - _DAY_SECONDS),
        same_reference=sum(1 for one in asked.values() if one.reference == request.reference),
        jti_used=any(one.jti == request.jti for one in asked.values()),
    )


def _corner(area: Polygon) -> config.Place:
    """A corner of the area, which belongs to it."""
    longitude, latitude = area.coordinates[0][0]
    return config.Place(latitude=latitude, longitude=longitude)
