"""The default policy: one refusal a rule, and all rules against an independent predicate."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import config
from agent.consent.policy import requests as policy
from agent.consent.policy import upload
from agent.consent.policy.area import Survey
from agent.consent.policy.requests import RULES, History
from agent.consent.statements import LegalOrder, Polygon, Request, Window
from agent.errors import InternalFault, RequestRefused
from tests.consent import world
from tests.consent.world import DAY, HOUR, NO_HISTORY, NOW, ORDER, PLACE, polygon, square

MINUTE = 60


def judge(request: Request | None = None, **changes: Any) -> None:
    """Judge ``request`` by the default policy, with ``changes`` to the arguments."""
    arguments: dict[str, Any] = {
        "rules": world.RULES,
        "place": PLACE,
        "requester": world.CARD,
        "history": NO_HISTORY,
        "now": float(NOW),
        "max_clip_age_seconds": world.MAX_CLIP_AGE,
    }
    policy.judge(policy.Case(request=request or world.request(), **(arguments | changes)))


def refusal(request: Request | None = None, **changes: Any) -> str:
    """The rule that refuses ``request``."""
    with pytest.raises(RequestRefused) as caught:
        judge(request, **changes)
    assert len(caught.value.message) <= 200
    return caught.value.rule


def rules(**changes: Any) -> config.Requests:
    """The default rules, changed."""
    return msgspec.structs.replace(world.RULES, **changes)


def window(start: int, end: int) -> Request:
    """A request for this window."""
    return world.request(window=Window(start=start, end=end))


def test_a_good_request_is_admitted() -> None:
    judge()


def test_a_good_legal_order_is_admitted() -> None:
    judge(world.request(kind="legal-order", order=ORDER))


# 1 to 3: who asks, and for what


def test_warrants_only() -> None:
    only = rules(accept=("legal-order",))
    assert refusal(rules=only) == "kind-not-accepted"
    judge(world.request(kind="legal-order", order=ORDER), rules=only)


def test_closed_to_everybody() -> None:
    closed = rules(accept=())
    assert refusal(rules=closed) == "kind-not-accepted"
    order = world.request(kind="legal-order", order=ORDER)
    assert refusal(order, rules=closed) == "kind-not-accepted"


def test_a_muted_requester() -> None:
    assert refusal(rules=rules(muted=(world.CARD.fingerprint,))) == "requester-muted"
    judge(rules=rules(muted=(world.OTHER_REQUESTER.public.fingerprint,)))


@pytest.mark.parametrize(
    "incident",
    [
        "protest",
        "Protest",
        "PROTEST ",
        "protest march",
        "Assembly, unlawful",
        "reproductive health",
        "Reproductive_Health",
        "reproductive\u2013health",
        "immigration/customs",
        "pro\u200btest",
        "pro\u00adtest",
        "pr\u00f3test",
        "\uff50rotest",
        "\u24c5rotest",
    ],
)
def test_an_incident_on_the_list_in_any_spelling(incident: str) -> None:
    assert refusal(world.request(incident=incident)) == "incident-never"


@pytest.mark.parametrize("incident", ["hit and run", "protestant church fire", "health", "cafe"])
def test_an_incident_that_only_resembles_the_list(incident: str) -> None:
    judge(world.request(incident=incident))


def test_the_owners_own_list_ignores_spelling_too() -> None:
    own = rules(never_incidents=("Noise Complaint", ""))
    assert refusal(world.request(incident="noise_complaint"), rules=own) == "incident-never"
    judge(world.request(incident="protest"), rules=own)


# 4 to 6: what must be there

BLANK = pytest.mark.parametrize("blank", ["", "   ", "\u00a0", "\u200b", "-", "?!", "\n"])


@BLANK
def test_no_reference(blank: str) -> None:
    assert refusal(world.request(reference=blank)) == "reference-missing"


@BLANK
def test_no_incident(blank: str) -> None:
    assert refusal(world.request(incident=blank)) == "incident-missing"


@pytest.mark.parametrize(
    "contact",
    [
        "",
        " ",
        "Springfield Police",
        "call 911",
        "tips@springfield",
        "@a.b",
        "1 2 3",
        "2024-01",
        "1234567890123456",
        "x" * 200,
    ],
)
def test_no_way_to_reach_the_requester(contact: str) -> None:
    assert refusal(world.request(contact=contact)) == "contact-missing"


@pytest.mark.parametrize(
    "contact",
    [
        "tips@springfield.example",
        "Det. Ada Smith <a.smith@police.example>",
        "+1 413 555 0100",
        "(413) 555-0100",
        "413.555.0100",
        "Springfield Police, 413-555-0100",
        "+49 30/4664-0",
    ],
)
def test_a_way_to_reach_the_requester(contact: str) -> None:
    judge(world.request(contact=contact))


# 7 to 9: the request's own time


def test_issued_in_the_future() -> None:
    judge(world.request(iat=NOW + 5 * MINUTE))
    assert refusal(world.request(iat=NOW + 5 * MINUTE + 1)) == "issued-in-future"


def test_expired() -> None:
    judge(world.request(exp=NOW + 1))
    assert refusal(world.request(exp=NOW)) == "expired"


def test_expired_before_it_was_issued() -> None:
    assert refusal(world.request(iat=NOW + 200, exp=NOW + 100)) == "expired"


def test_open_for_more_than_a_week() -> None:
    judge(world.request(iat=NOW, exp=NOW + 7 * DAY))
    assert refusal(world.request(iat=NOW, exp=NOW + 7 * DAY + 1)) == "open-too-long"


def test_open_for_ever_because_issued_long_ago() -> None:
    assert refusal(world.request(iat=0, exp=NOW + DAY)) == "open-too-long"


# 10 to 13: the window


def test_a_window_below_a_quarter_of_an_hour() -> None:
    judge(window(NOW - HOUR, NOW - 45 * MINUTE))
    assert refusal(window(NOW - HOUR, NOW - 45 * MINUTE - 1)) == "window-too-short"


def test_a_window_above_half_a_day() -> None:
    judge(window(NOW - 12 * HOUR, NOW))
    assert refusal(window(NOW - 12 * HOUR, NOW + 1)) == "window-too-long"


def test_a_window_that_has_not_begun() -> None:
    judge(window(NOW + 5 * MINUTE, NOW + HOUR))
    assert refusal(window(NOW + 5 * MINUTE + 1, NOW + HOUR)) == "window-in-future"


def test_a_window_from_before_the_oldest_clip() -> None:
    oldest = NOW - int(world.MAX_CLIP_AGE)
    judge(window(oldest - HOUR, oldest))
    assert refusal(window(oldest - HOUR, oldest - 1)) == "window-too-old"


# 14 to 17: the area


def test_an_invalid_area() -> None:
    bow_tie = polygon((-72.6, 42.1), (-72.5, 42.2), (-72.5, 42.1), (-72.6, 42.2))
    assert refusal(world.request(area=bow_tie)) == "area-invalid"


def test_an_area_that_names_a_house() -> None:
    judge(world.request(area=square(0.16)))
    assert refusal(world.request(area=square(0.155))) == "area-too-small"


def test_an_area_that_names_a_town() -> None:
    judge(world.request(area=square(0.70)))
    assert refusal(world.request(area=square(0.71))) == "area-too-large"


def test_an_area_elsewhere() -> None:
    assert refusal(world.request(area=square(0.5, longitude=-72.6))) == "place-outside"


def test_the_refusal_of_an_area_does_not_tell_where_the_camera_stands() -> None:
    with pytest.raises(RequestRefused) as caught:
        judge(world.request(area=square(0.5, longitude=-72.6)))
    assert "42" not in str(caught.value)


def test_a_surveyed_area_is_not_surveyed_again() -> None:
    """The device surveys once, for its record and for these rules."""
    judge(surveyed=Survey(0.3, ""))
    assert refusal(surveyed=Survey(None, "crosses itself")) == "area-invalid"
    assert refusal(surveyed=Survey(0.6, "")) == "area-too-large"


# 18: where the bundle would go

GOOD_URLS = [
    "https://evidence.example.org",
    "https://evidence.example.org/",
    "https://evidence.example.org/files/?case=2024-00117",
    "https://evidence.example.org:8443/files/",
]
BAD_URLS = [
    "",
    "evidence.example.org",
    "//evidence.example.org/",
    "http://evidence.example.org/",
    "HTTPS://evidence.example.org/",
    "https://Evidence.Example.org/",
    "https://evidence.example.org./",
    "https://evidence.example.org:443/",
    "https://evidence.example.org:08443/",
    "https://evidence.example.org:99999/",
    "https://evidence.example.org:/",
    "https://evidence.example.org:8443:443/",
    "https://evil.example/",
    "https://evil.example/evidence.example.org",
    "https://evil.example?evidence.example.org",
    "https://evil.example#evidence.example.org",
    "https://evidence.example.org.evil.example/",
    "https://evidence.example.org@evil.example/",
    "https://evil.example@evidence.example.org/",
    "https://user:password@evidence.example.org/",
    "https://evidence.example.org/#fragment",
    "https://evil.example\\@evidence.example.org/",
    "https://evidence.example.org\\.evil.example/",
    "https://evidence.example.org%2f.evil.example/",
    "https://evidence.example.org /",
    " https://evidence.example.org/",
    "https://evidence.example.org/\n",
    "https://evidence.example.org/ header: x",
    "https://\u0435vidence.example.org/",
    "https://evidence\u3002example.org/",
    "https://\uff45vidence.example.org/",
    "https://evidence\u200b.example.org/",
    "https://xn--vidence-ufh.example.org/",
    "https:///evidence.example.org/",
    "https:evidence.example.org/",
    "https://",
    "https://127.0.0.1/",
    "https://[::1]/",
    "ftp://evidence.example.org/",
    "file:///etc/passwd",
    "http://127.0.0.1:1080/files/",
]


@pytest.mark.parametrize("url", GOOD_URLS)
def test_an_upload_to_a_listed_host(url: str) -> None:
    judge(world.request(upload=world.upload(url)))


@pytest.mark.parametrize("url", BAD_URLS)
def test_an_upload_to_anywhere_else(url: str) -> None:
    assert refusal(world.request(upload=world.upload(url))) == "upload-not-allowed"


LOOPBACK = ["http://127.0.0.1:1080/", "http://[::1]:1080/", "http://127.9.9.9/files"]


@pytest.mark.parametrize("url", LOOPBACK)
def test_loopback_without_tls_when_listed_and_allowed(url: str) -> None:
    card = world.card(upload_hosts=("127.0.0.1:1080", "[::1]:1080", "127.9.9.9"))
    assert not upload.problem(url, card, allow_loopback_http=True)
    assert upload.problem(url, card, allow_loopback_http=False)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost/",
        "http://evidence.example.org/",
        "http://127.0.0.1.example.org/",
        "http://127.1/",
        "http://127.0.0.01/",
        "http://2130706433/",
        "http://0.0.0.0/",
        "http://10.0.0.1/",
        "http://127.0.0.1:80@evil.example/",
        "http://[::2]/",
    ],
)
def test_hosts_that_only_look_like_loopback(url: str) -> None:
    host = re.sub(r"https?://([^/]*)/.*", r"\1", url)
    assert upload.problem(url, world.card(upload_hosts=(host,)), allow_loopback_http=True)


def test_loopback_must_be_listed_too() -> None:
    assert upload.problem("http://127.0.0.1:2080/", world.CARD, allow_loopback_http=True)


# 19: the order


@pytest.mark.parametrize("blank", ["", "  ", "--"])
@pytest.mark.parametrize("field", ["court", "docket"])
def test_a_legal_order_without_court_or_docket(field: str, blank: str) -> None:
    order: LegalOrder = msgspec.structs.replace(ORDER, **{field: blank})
    assert refusal(world.request(kind="legal-order", order=order)) == "order-incomplete"


# 20 to 23: how much is asked


@pytest.mark.parametrize(
    ("counted", "most", "rule"),
    [
        ("open", 2, "too-many-open"),
        ("last_day", 4, "too-many-today"),
        ("same_reference", 2, "too-many-on-reference"),
    ],
)
def test_one_request_too_many(counted: str, most: int, rule: str) -> None:
    counts: dict[str, Any] = {counted: most - 1}
    judge(history=replace(NO_HISTORY, **counts))
    counts[counted] += 1
    assert refusal(history=replace(NO_HISTORY, **counts)) == rule


def test_another_request_under_a_used_id() -> None:
    assert refusal(history=replace(NO_HISTORY, jti_used=True)) == "jti-reused"


# The rules as a whole


def test_judging_a_request_by_another_requesters_card_is_our_mistake() -> None:
    with pytest.raises(InternalFault):
        judge(requester=world.card(sign=world.OTHER_REQUESTER.public.text))


def test_the_rules_are_numbered_in_order_and_listed_at_the_head() -> None:
    numbers = [int((rule.__doc__ or "").partition(".")[0]) for rule in RULES]
    listed = re.findall(r"^(\d+) +([a-z-]+)  ", policy.__doc__ or "", re.MULTILINE)
    assert numbers == [int(number) for number, _ in listed] == list(range(1, len(RULES) + 1))


def test_the_first_rule_that_refuses_names_the_refusal() -> None:
    worst = world.request(incident="protest", contact="", exp=NOW - 1)
    assert refusal(worst, history=History(9, 9, 9, True)) == "incident-never"


# Against a predicate written otherwise


AREAS: dict[str, tuple[Polygon, bool]] = {
    "good": (square(0.5), True),
    "smallest": (square(0.16), True),
    "largest": (square(0.70), True),
    "too small": (square(0.1), False),
    "too large": (square(1.0), False),
    "elsewhere": (square(0.5, latitude=42.2), False),
    "crossed": (polygon((-72.6, 42.1), (-72.5, 42.2), (-72.5, 42.1), (-72.6, 42.2)), False),
}
INCIDENTS = {"burglary": True, "missing person": True, "Protest": False, "": False}
CONTACTS = {"a@b.example": True, "413 555 0100": True, "nobody": False, "": False}
URLS = {GOOD_URLS[2]: True, GOOD_URLS[3]: True, BAD_URLS[3]: False, BAD_URLS[12]: False}
OFTEN_GOOD = st.sampled_from([True] * 9 + [False])


def one_of(choices: dict[str, bool]) -> st.SearchStrategy[str]:
    """Mostly one of the good choices, for a request has many ways to be refused."""
    sides = {
        side: [name for name, good in choices.items() if good == side] for side in (True, False)
    }
    return OFTEN_GOOD.flatmap(lambda side: st.sampled_from(sides[side]))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Request, History, str]:
    """A request, its history, and the name of its area."""
    kind = draw(st.sampled_from(["voluntary", "legal-order"]))
    issued = NOW + draw(st.integers(-8 * DAY, 400) | st.integers(-DAY, 0))
    start = NOW + draw(st.integers(-31 * DAY, 400) | st.integers(-DAY, -HOUR))
    length = draw(st.integers(1, 13 * HOUR) | st.integers(15 * MINUTE, 12 * HOUR))
    court = draw(one_of({"Superior Court": True, " ": False}))
    area = draw(one_of({name: good for name, (_, good) in AREAS.items()}))
    request = world.request(
        kind=kind,
        order=msgspec.structs.replace(ORDER, court=court) if kind == "legal-order" else None,
        incident=draw(one_of(INCIDENTS)),
        reference=draw(one_of({"2024-1": True, "": False})),
        contact=draw(one_of(CONTACTS)),
        iat=issued,
        exp=max(0, issued + draw(st.integers(-10, 8 * DAY) | st.integers(DAY, 7 * DAY))),
        window=Window(start=start, end=start + length),
        area=AREAS[area][0],
        upload=world.upload(draw(one_of(URLS))),
    )
    few = st.sampled_from([0, 0, 0, 0, 1, 1, 2, 3, 4])
    history = History(draw(few), draw(few), draw(few), not draw(OFTEN_GOOD))
    return request, history, area


def acceptable(request: Request, history: History, area: str, accept: tuple[str, ...]) -> bool:
    """The default policy once more, in one breath."""
    age = NOW - request.iat
    return (
        request.kind in accept
        and INCIDENTS[request.incident]
        and request.reference != ""
        and CONTACTS[request.contact]
        and age >= -300
        and request.exp > NOW
        and 0 < request.exp - request.iat <= 604_800
        and 900 <= request.window.end - request.window.start <= 43_200
        and request.window.start <= NOW + 300
        and NOW - request.window.end <= 30 * 86_400
        and AREAS[area][1]
        and URLS[request.upload.url]
        and (request.order is None or request.order.court != " ")
        and history.open < 2
        and history.last_day < 4
        and history.same_reference < 2
        and not history.jti_used
    )


@settings(max_examples=200)
@given(case=cases(), accept=st.sampled_from([("voluntary", "legal-order"), ("legal-order",)]))
def test_the_policy_admits_exactly_what_an_independent_predicate_admits(
    case: tuple[Request, History, str], accept: tuple[config.Kind, ...]
) -> None:
    request, history, area = case
    try:
        judge(request, history=history, rules=rules(accept=accept))
        admitted = True
    except RequestRefused:
        admitted = False
    assert admitted == acceptable(request, history, area, accept)
