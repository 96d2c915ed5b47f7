"""Whether a public request may reach the owner at all: numbered rules, one function each.

:func:`judge` asks :data:`RULES` in order and stops at the first that refuses, by
raising :class:`RequestRefused` with the rule's name. The limits come from
``requests:`` in ``agent.yaml``. Their defaults are the rules of the public
request tool of 2021 ("Request for Assistance", help article 1500012585181 for
public safety agencies, below: 2021), and where that page is silent, ours:

==  =====================  ============================================================
no  rule                   source
==  =====================  ============================================================
1   kind-not-accepted      ours: after January 2024 an owner may want legal orders only
2   requester-muted        2021: residents may stop an agency's notifications
3   incident-never         2021: no posts on lawful activity such as protests; the other
                           incidents are what critics ask to be left out
4   reference-missing      2021: a valid reference number of the agency
5   incident-missing       2021: the incident type of an active investigation
6   contact-missing        2021: an e-mail address or a telephone number
7   issued-in-future       ours: nothing counts before its time
8   expired                ours; 2021 names no expiry
9   open-too-long          ours: posts are public and must not pile up
10  window-too-short       2021: at least 15 minutes
11  window-too-long        2021: at most 12 hours
12  window-in-future       ours: a request is about what has happened, not a subscription
13  window-too-old         ours: nothing so old is kept, so nothing could match
14  area-invalid           :mod:`agent.consent.policy.area`
15  area-too-small         2021: at least 0.025 square miles, so that it names no house
16  area-too-large         2021: at most 0.5 square miles
17  place-outside          2021: posts go to residents in the area
18  upload-not-allowed     ours: a bundle goes only where the requester's card says
19  order-incomplete       January 2024: video only for a warrant, which a court has issued
20  too-many-open          ours, against mass requests
21  too-many-today         ours, against mass requests; 2021 had an agency rate cap
22  too-many-on-reference  2021: at most two posts for one investigation
23  jti-reused             RFC 7519, section 4.1.7: one id, one statement
==  =====================  ============================================================

Left to others: form and signature (:mod:`.decoding`, :mod:`.signing`); whether
the requester is known; which clips match; counting the :class:`History`; that
the clock is synced. Left to the owner, who reads the request in full: what 2021
prohibited in the text (profiling, threats, pressure, names of victims), and an
incident that hides behind another word. Rules 4 to 6 see that something stands
there, not that it is true.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from agent import config
from agent.consent.cards import RequesterCard
from agent.consent.policy import area, upload
from agent.consent.policy import wording as spelling
from agent.consent.statements import Request
from agent.errors import InternalFault, RequestRefused

MAX_SKEW_SECONDS = 300  # by which an honest requester's clock may be ahead of ours
_DAY_SECONDS = 86_400


@dataclass(frozen=True)
class History:
    """What this requester has asked before this request.

    ``open``: requests that are open now. ``last_day``: received in the last 24
    hours. ``same_reference``: ever received under the same reference.
    ``jti_used``: another request (another digest) already had this id.
    """

    open: int
    last_day: int
    same_reference: int
    jti_used: bool


@dataclass(frozen=True)
class Case:
    """Everything that a rule may look at; times in Unix seconds."""

    request: Request
    rules: config.Requests
    place: config.Place
    requester: RequesterCard
    history: History
    now: float
    max_clip_age_seconds: float
    allow_loopback_http: bool
    surveyed: area.Survey | None

    @cached_property
    def survey(self) -> area.Survey:
        """What is wrong with the area, or its size: found out once."""
        return self.surveyed or area.survey(self.request.area)

    @property
    def square_miles(self) -> float:
        """The size of an area that can be judged."""
        size = self.survey.square_miles
        assert size is not None
        return size


def judge(
    request: Request,
    *,
    rules: config.Requests,
    place: config.Place,
    requester: RequesterCard,
    history: History,
    now: float,
    max_clip_age_seconds: float,
    allow_loopback_http: bool = False,
    surveyed: area.Survey | None = None,
) -> None:
    """Return if every rule admits ``request``, whose signature ``requester`` has made.

    ``surveyed`` is what :func:`area.survey` says of its area, if the caller asked already.
    Raises :class:`RequestRefused` with the name of the first rule that does not.
    """
    if request.iss != requester.fingerprint:
        raise InternalFault("a request is judged by the card of its signer")
    case = Case(
        request,
        rules,
        place,
        requester,
        history,
        now,
        max_clip_age_seconds,
        allow_loopback_http,
        surveyed,
    )
    for rule in RULES:
        rule(case)


def _kind_accepted(case: Case) -> None:
    """1. The owner answers this kind of request."""
    if case.request.kind not in case.rules.accept:
        raise RequestRefused(
            "kind-not-accepted", f"requests of the kind {case.request.kind} are not accepted"
        )


def _requester_heard(case: Case) -> None:
    """2. The owner has not muted the requester."""
    if case.requester.fingerprint in case.rules.muted:
        raise RequestRefused("requester-muted", f"{case.requester.name} is muted")


def _incident_answered(case: Case) -> None:
    """3. The incident type speaks of nothing that is never answered."""
    for never in case.rules.never_incidents:
        if spelling.speaks_of(case.request.incident, never):
            raise RequestRefused(
                "incident-never", f"incidents of the type {never} are not answered"
            )


def _reference_present(case: Case) -> None:
    """4. There is a reference number."""
    if spelling.is_blank(case.request.reference):
        raise RequestRefused("reference-missing", "there is no reference number")


def _incident_present(case: Case) -> None:
    """5. There is an incident type."""
    if spelling.is_blank(case.request.incident):
        raise RequestRefused("incident-missing", "there is no incident type")


def _contact_present(case: Case) -> None:
    """6. The contact names an e-mail address or a telephone number."""
    if not _reachable(case.request.contact):
        raise RequestRefused(
            "contact-missing", "the contact holds no e-mail address and no telephone number"
        )


def _issued_by_now(case: Case) -> None:
    """7. It was not issued in the future."""
    if case.request.iat > case.now + MAX_SKEW_SECONDS:
        raise RequestRefused("issued-in-future", "the request was issued in the future")


def _not_expired(case: Case) -> None:
    """8. It has not expired, nor did it when it was issued."""
    if case.request.exp <= max(case.now, case.request.iat):
        raise RequestRefused("expired", "the request has expired")


def _open_short_enough(case: Case) -> None:
    """9. It is not open for too long."""
    if case.request.exp - case.request.iat > case.rules.max_open_days * _DAY_SECONDS:
        raise RequestRefused(
            "open-too-long", f"the request is open for more than {case.rules.max_open_days:g} days"
        )


def _window_long_enough(case: Case) -> None:
    """10. The window is not too short."""
    if _window_seconds(case) < case.rules.min_window_seconds:
        raise RequestRefused(
            "window-too-short", f"the window is below {case.rules.min_window_seconds} seconds"
        )


def _window_short_enough(case: Case) -> None:
    """11. The window is not too long."""
    if _window_seconds(case) > case.rules.max_window_seconds:
        raise RequestRefused(
            "window-too-long", f"the window is above {case.rules.max_window_seconds} seconds"
        )


def _window_begun(case: Case) -> None:
    """12. The window has begun; while it is open it may still be running."""
    if case.request.window.start > case.now + MAX_SKEW_SECONDS:
        raise RequestRefused("window-in-future", "the window begins in the future")


def _window_recent(case: Case) -> None:
    """13. The window has not ended before the oldest clip that may still be kept."""
    if case.request.window.end < case.now - case.max_clip_age_seconds:
        raise RequestRefused("window-too-old", "the window ended before the oldest clip kept")


def _area_valid(case: Case) -> None:
    """14. The area is a polygon that can be judged."""
    if case.survey.problem:
        raise RequestRefused("area-invalid", case.survey.problem)


def _area_large_enough(case: Case) -> None:
    """15. The area is not so small that it names a house."""
    size = case.square_miles
    if size < case.rules.min_area_square_miles:
        raise RequestRefused(
            "area-too-small",
            f"{size:.4f} square miles, at least {case.rules.min_area_square_miles:g}",
        )


def _area_small_enough(case: Case) -> None:
    """16. The area is not too large."""
    size = case.square_miles
    if size > case.rules.max_area_square_miles:
        raise RequestRefused(
            "area-too-large",
            f"{size:.4f} square miles, at most {case.rules.max_area_square_miles:g}",
        )


def _place_inside(case: Case) -> None:
    """17. The camera stands in the area."""
    if not area.contains(case.request.area, case.place.latitude, case.place.longitude):
        raise RequestRefused("place-outside", "the area does not hold this camera's place")


def _upload_allowed(case: Case) -> None:
    """18. The requester's card names the host that a bundle would go to."""
    problem = upload.problem(case.request.upload.url, case.requester, case.allow_loopback_http)
    if problem:
        raise RequestRefused("upload-not-allowed", problem)


def _order_complete(case: Case) -> None:
    """19. A legal order names its court and docket."""
    order = case.request.order
    if order is not None and (spelling.is_blank(order.court) or spelling.is_blank(order.docket)):
        raise RequestRefused("order-incomplete", "the order names no court or no docket")


def _few_open(case: Case) -> None:
    """20. The requester has few requests open."""
    if case.history.open >= case.rules.max_open_per_requester:
        raise RequestRefused(
            "too-many-open", f"{case.history.open} requests of this requester are open"
        )


def _few_today(case: Case) -> None:
    """21. The requester has asked little in the last 24 hours."""
    if case.history.last_day >= case.rules.max_daily_per_requester:
        raise RequestRefused(
            "too-many-today", f"{case.history.last_day} requests of this requester in 24 hours"
        )


def _few_on_reference(case: Case) -> None:
    """22. The requester has asked little under this reference."""
    if case.history.same_reference >= case.rules.max_per_reference:
        raise RequestRefused(
            "too-many-on-reference",
            f"{case.history.same_reference} requests under this reference already",
        )


def _jti_fresh(case: Case) -> None:
    """23. No other request had this id."""
    if case.history.jti_used:
        raise RequestRefused("jti-reused", "another request already has this id")


RULES: tuple[Callable[[Case], None], ...] = (
    _kind_accepted,
    _requester_heard,
    _incident_answered,
    _reference_present,
    _incident_present,
    _contact_present,
    _issued_by_now,
    _not_expired,
    _open_short_enough,
    _window_long_enough,
    _window_short_enough,
    _window_begun,
    _window_recent,
    _area_valid,
    _area_large_enough,
    _area_small_enough,
    _place_inside,
    _upload_allowed,
    _order_complete,
    _few_open,
    _few_today,
    _few_on_reference,
    _jti_fresh,
)


def _window_seconds(case: Case) -> int:
    return case.request.window.end - case.request.window.start


_EMAIL = re.compile(r"[^\s@<>]+@[^\s@<>]+\.[^\s@<>.]+")
_TELEPHONE = re.compile(r"\+?\(?[0-9][0-9 ()./-]{5,24}[0-9]")
_MIN_TELEPHONE_DIGITS, _MAX_TELEPHONE_DIGITS = 7, 15  # ITU-T E.164 allows 15


def _reachable(contact: str) -> bool:
    """Whether ``contact`` holds something like an e-mail address or a telephone number."""
    contact = spelling.seen(contact)
    if _EMAIL.search(contact):
        return True
    counts = (sum(map(str.isdigit, found)) for found in _TELEPHONE.findall(contact))
    return any(_MIN_TELEPHONE_DIGITS <= count <= _MAX_TELEPHONE_DIGITS for count in counts)
