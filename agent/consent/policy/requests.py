"""The policy for public requests: numbered rules, one function each.

:func:`judge` asks :data:`RULES` in order; the first that refuses raises :class:`RequestRefused`
with its name. The limits come from ``requests:`` in ``agent.yaml``. Their defaults follow the
public request tool of 2021 ("Request for Assistance", help article 1500012585181 for public
safety agencies, below: 2021); where it is silent, they are ours:

==  =====================  ============================================================
no  rule                   source
==  =====================  ============================================================
1   kind-not-accepted      ours: since January 2024 an owner may want legal orders only
2   requester-muted        2021: residents may stop an agency's notifications
3   incident-never         2021: no posts on lawful activity such as protests; critics
                           ask to leave out the other incidents
4   reference-missing      2021: a valid reference number of the agency
5   incident-missing       2021: the incident type of an active investigation
6   contact-missing        2021: an e-mail address or a telephone number
7   issued-in-future       ours: nothing counts before its time
8   expired                ours; 2021 names no expiry
9   open-too-long          ours: posts are public and must not pile up
10  window-too-short       2021: at least 15 minutes
11  window-too-long        2021: at most 12 hours
12  window-in-future       ours: a request asks about the past and is no subscription
13  window-too-old         ours: no clip is kept that long, so none could match
14  area-invalid           :mod:`agent.consent.policy.area`
15  area-too-small         2021: at least 0.025 square miles, so that it names no house
16  area-too-large         2021: at most 0.5 square miles
17  place-outside          2021: posts go to residents in the area
18  upload-not-allowed     ours: bundles go only to hosts on the requester's key card
19  order-incomplete       January 2024: video only for a warrant, which a court issues
20  too-many-open          ours, against mass requests
21  too-many-today         ours, against mass requests; 2021 had an agency rate cap
22  too-many-on-reference  2021: at most two posts for one investigation
23  jti-reused             RFC 7519, section 4.1.7: one id, one statement
==  =====================  ============================================================

Decided elsewhere: form and signature (:mod:`.decoding`, :mod:`.signing`), whether the requester
is known, which clips match, the :class:`History`, and that the clock is synced. Left to the owner,
who reads the whole request: texts that 2021 prohibited (profiling, threats, pressure, names of
victims), and incidents under another name. Rules 4 to 6 check presence, not truth.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from agent import config
from agent.consent.cards import RequesterCard
from agent.consent.policy import area, upload, wording
from agent.consent.statements import Request
from agent.errors import InternalFault, RequestRefused

MAX_SKEW_SECONDS = 300  # an honest requester's clock may be this far ahead of ours
_DAY_SECONDS = 86_400


@dataclass(frozen=True)
class History:
    """Earlier requests of the same requester.

    ``open``: open now. ``last_day``: received in the last 24 hours. ``same_reference``: ever
    received under this reference. ``jti_used``: another digest already had this id.
    """

    open: int
    last_day: int
    same_reference: int
    jti_used: bool


@dataclass(frozen=True, kw_only=True)
class Case:
    """A request with a good signature, and all that a rule may look at; times in Unix seconds.

    ``requester`` is its signer's card. ``surveyed`` is the result of :func:`area.survey` on its
    area, if the caller has it already.
    """

    request: Request
    rules: config.Requests
    place: config.Place
    requester: RequesterCard
    history: History
    now: float
    max_clip_age_seconds: float
    allow_loopback_http: bool = False
    surveyed: area.Survey | None = None

    @cached_property
    def survey(self) -> area.Survey:
        """The area's size or problem, computed once."""
        return self.surveyed or area.survey(self.request.area)

    @property
    def square_miles(self) -> float:
        """The size of a valid area."""
        assert self.survey.square_miles is not None
        return self.survey.square_miles

    @property
    def window_seconds(self) -> int:
        """The length of the window."""
        return self.request.window.end - self.request.window.start


def judge(case: Case) -> None:
    """Return if every rule admits the request; RequestRefused names the first that does not."""
    if case.request.iss != case.requester.fingerprint:
        raise InternalFault("a request is judged by the card of its signer")
    for rule in RULES:
        rule(case)


def _kind_accepted(case: Case) -> None:
    """1. The owner accepts this kind of request."""
    if case.request.kind not in case.rules.accept:
        raise RequestRefused(
            "kind-not-accepted", f"requests of kind {case.request.kind} are not accepted"
        )


def _requester_heard(case: Case) -> None:
    """2. The owner has not muted the requester."""
    if case.requester.fingerprint in case.rules.muted:
        raise RequestRefused("requester-muted", f"{case.requester.name} is muted")


def _incident_answered(case: Case) -> None:
    """3. The incident type is none that the owner never answers."""
    for never in case.rules.never_incidents:
        if wording.speaks_of(case.request.incident, never):
            raise RequestRefused(
                "incident-never", f"incidents of the type {never} are not answered"
            )


def _reference_present(case: Case) -> None:
    """4. There is a reference number."""
    if wording.is_blank(case.request.reference):
        raise RequestRefused("reference-missing", "there is no reference number")


def _incident_present(case: Case) -> None:
    """5. There is an incident type."""
    if wording.is_blank(case.request.incident):
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
    """8. It has not expired, and was issued before its expiry."""
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
    if case.window_seconds < case.rules.min_window_seconds:
        raise RequestRefused(
            "window-too-short",
            f"the window is shorter than {case.rules.min_window_seconds} seconds",
        )


def _window_short_enough(case: Case) -> None:
    """11. The window is not too long."""
    if case.window_seconds > case.rules.max_window_seconds:
        raise RequestRefused(
            "window-too-long", f"the window is longer than {case.rules.max_window_seconds} seconds"
        )


def _window_begun(case: Case) -> None:
    """12. The window has begun; it may still be running."""
    if case.request.window.start > case.now + MAX_SKEW_SECONDS:
        raise RequestRefused("window-in-future", "the window begins in the future")


def _window_recent(case: Case) -> None:
    """13. The window ended after the oldest clip that may still be kept."""
    if case.request.window.end < case.now - case.max_clip_age_seconds:
        raise RequestRefused("window-too-old", "the window ended before the oldest clip kept")


def _area_valid(case: Case) -> None:
    """14. The area is a valid polygon."""
    if case.survey.problem:
        raise RequestRefused("area-invalid", case.survey.problem)


def _area_large_enough(case: Case) -> None:
    """15. The area is too large to name a single house."""
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
        raise RequestRefused("place-outside", "the camera stands outside the area")


def _upload_allowed(case: Case) -> None:
    """18. The requester's card lists the host that a bundle would go to."""
    problem = upload.problem(case.request.upload.url, case.requester, case.allow_loopback_http)
    if problem:
        raise RequestRefused("upload-not-allowed", problem)


def _order_complete(case: Case) -> None:
    """19. A legal order names its court and docket."""
    order = case.request.order
    if order is not None and (wording.is_blank(order.court) or wording.is_blank(order.docket)):
        raise RequestRefused("order-incomplete", "the order names no court or no docket")


def _few_open(case: Case) -> None:
    """20. The requester has few requests open."""
    if case.history.open >= case.rules.max_open_per_requester:
        raise RequestRefused(
            "too-many-open", f"{case.history.open} requests of this requester are open"
        )


def _few_today(case: Case) -> None:
    """21. The requester has made few requests in the last 24 hours."""
    if case.history.last_day >= case.rules.max_daily_per_requester:
        raise RequestRefused(
            "too-many-today", f"{case.history.last_day} requests of this requester in 24 hours"
        )


def _few_on_reference(case: Case) -> None:
    """22. The requester has made few requests under this reference."""
    if case.history.same_reference >= case.rules.max_per_reference:
        raise RequestRefused(
            "too-many-on-reference",
            f"there are {case.history.same_reference} requests under this reference",
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


_EMAIL = re.compile(r"[^\s@<>]+@[^\s@<>]+\.[^\s@<>.]+")
_TELEPHONE = re.compile(r"\+?\(?[0-9][0-9 ()./-]{5,24}[0-9]")
_MIN_TELEPHONE_DIGITS, _MAX_TELEPHONE_DIGITS = 7, 15  # ITU-T E.164 allows 15


def _reachable(contact: str) -> bool:
    """True if ``contact`` holds something like an e-mail address or a telephone number."""
    contact = wording.seen(contact)
    if _EMAIL.search(contact):
        return True
    counts = (sum(map(str.isdigit, found)) for found in _TELEPHONE.findall(contact))
    return any(_MIN_TELEPHONE_DIGITS <= count <= _MAX_TELEPHONE_DIGITS for count in counts)
