"""Objections to a post that cameras with the shipped rules would refuse."""

from __future__ import annotations

from typing import Any

import pytest

from agent import config
from agent.consent import signing
from agent.consent.policy import requests
from agent.consent.statements import Request
from agent.errors import UntrustedSignature
from agent.requester.posts.shipped_rules import objections
from tests.consent import world
from tests.consent.world import DAY, HOUR, NOW
from tests.vectors.attacks import posts

RULES = config.Requests()


def asked(number: int, **changes: Any) -> str:
    fields = {"jti": f"request-0000-{number:04}", "reference": f"24-{number}", **changes}
    return world.REQUESTER.sign(world.request(**fields))


def rules(jws: str, *sent: str, now: float = NOW) -> list[str]:
    found = objections(jws, world.CARD, sent, now=now)
    return [one.rpartition("(")[2].rstrip(")") for one in found]


def test_a_good_request_has_none() -> None:
    assert rules(asked(0)) == []


def test_a_third_open_request_and_a_fifth_in_a_day_are_named() -> None:
    sent = [asked(number) for number in range(4)]
    for count in range(5):
        expected = ["too-many-open"] * (count >= 2) + ["too-many-today"] * (count >= 4)
        assert rules(asked(9), *sent[:count]) == expected


def test_withdrawn_expired_and_older_requests_do_not_count_as_open_or_of_today() -> None:
    sent = [asked(number, iat=NOW - 2 * DAY, exp=NOW + HOUR) for number in range(4)]
    back = [
        world.REQUESTER.sign(
            posts.withdrawal(request=signing.digest(jws), jti=f"withdrawal-{n:06}")
        )
        for n, jws in enumerate(sent)
    ]
    assert rules(asked(9), *sent) == ["too-many-open"]
    assert rules(asked(9), *sent, *back) == []
    assert rules(asked(9, iat=NOW + HOUR, exp=NOW + DAY), *sent, now=NOW + HOUR) == []


def test_the_same_post_again_does_not_count_itself() -> None:
    sent = [asked(number) for number in range(2)]
    assert rules(sent[0], *sent) == []


def test_a_third_post_on_a_reference_and_an_id_used_twice_are_named() -> None:
    sent = [asked(number, reference="24-1", exp=NOW + 1) for number in range(2)]
    assert rules(asked(5, reference="24-1"), *sent, now=NOW + 2) == ["too-many-on-reference"]
    assert "jti-reused" in rules(asked(1, text="In other words"), sent[1])


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"contact": "me"}, "contact-missing"),
        ({"exp": NOW + 8 * DAY}, "open-too-long"),
        ({"area": world.square(0.01)}, "area-too-small"),
        ({"area": world.square(0.9)}, "area-too-large"),
        ({"area": world.polygon((0, 0), (1, 1), (0, 1), (1, 0))}, "area-invalid"),
        ({"upload": world.upload("https://elsewhere.example/")}, "upload-not-allowed"),
        ({"incident": "protest"}, "incident-never"),
    ],
)
def test_a_file_that_was_signed_before_is_judged_like_a_new_one(
    changes: dict[str, Any], rule: str
) -> None:
    assert rules(asked(0, **changes)) == [rule]


def test_a_window_older_than_clips_are_kept_as_shipped_is_named() -> None:
    later = NOW + int(config.Storage().max_age_days + 1) * DAY
    asks_late = asked(0, iat=later - 60, exp=later + DAY)
    assert rules(asks_late, now=later) == ["window-too-old"]


def test_each_rule_that_is_broken_is_named() -> None:
    found = rules(asked(0, contact="me", area=world.square(0.9)))
    assert found == ["contact-missing", "area-too-large"]


def test_an_alert_is_judged_too() -> None:
    good = world.REQUESTER.sign(posts.alert())
    assert rules(good) == []
    assert rules(world.REQUESTER.sign(posts.alert(exp=NOW + 9 * DAY))) == ["open-too-long"]


def test_a_flood_is_named() -> None:
    sent = [
        world.REQUESTER.sign(posts.withdrawal(jti=f"withdrawal-{number:06}"))
        for number in range(RULES.max_kept_daily_per_requester)
    ]
    assert "flood" in rules(asked(0), *sent)


def test_posts_of_former_keys_do_not_count_and_a_strangers_is_refused() -> None:
    strange = world.STRANGER.sign(world.request(iss=world.STRANGER.public.fingerprint))
    assert rules(asked(0), *[strange] * 9) == []
    with pytest.raises(UntrustedSignature):
        rules(strange)


def test_the_camera_refuses_by_the_first_rule_that_is_named_here() -> None:
    """Both sides read the same rules."""
    jws = asked(0, contact="me", area=world.square(0.9))
    request = signing.verify(jws, Request, world.REQUESTERS)
    case = requests.Case(
        request=request, rules=RULES, place=world.PLACE, requester=world.CARD,
        history=world.NO_HISTORY, now=NOW, max_clip_age_seconds=world.MAX_CLIP_AGE,
    )  # fmt: skip
    with pytest.raises(Exception, match="contact") as caught:
        requests.judge(case)
    assert caught.value.rule == rules(jws)[0]  # type: ignore[attr-defined]
