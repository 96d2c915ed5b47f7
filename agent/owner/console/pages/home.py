"""The first page: what waits for the owner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent.owner.console.context import Context, endpoint
from agent.owner.console.pieces import latest, telling
from agent.owner.inbox import lookup
from agent.owner.inbox.items import Answer, NoticeItem, OpenRequest, Overview
from agent.owner.wording import cameras, requests, text
from agent.owner.wording.words import _

_SHOWN = 20  # notices


def home(context: Context) -> Response:
    """All that waits: by the letters that were collected last, or now if there are none yet."""
    overview, now = latest.overview(context), context.console.clock.now()
    current = [one for one in overview.notices if not requests.is_over(one.notice, now)]
    return context.render(
        "home.html",
        overview=overview,
        requests=_requests(overview, now),
        shares=lookup.waiting_shares(overview.releases, me=overview.me),
        troubles=list(cameras.troubles(overview)),
        pauses=[said for one in overview.cameras if (said := cameras.paused(one, now))],
        nothing_asked=all(cameras.says_nothing_is_open(one) for one in overview.cameras),
        notices=[_notice(one) for one in current[:_SHOWN]],
        more_notices=max(len(current) - _SHOWN, 0) + overview.older_notices,
        said=telling.said(context),
    )


@dataclass(frozen=True)
class _Waiting:
    """A request, as all cameras report it. ``answers``: the household's, the newest first.

    ``agree``: a sentence for each approval of another owner, which waits for this one.
    """

    item: OpenRequest
    matching: str
    left: str
    answers: Sequence[Answer]
    agree: Sequence[str]


def _requests(overview: Overview, now: float) -> list[_Waiting]:
    """Legal orders first, then by their ends."""
    together: dict[str, list[OpenRequest]] = {}
    for item in overview.requests:
        together.setdefault(item.digest, []).append(item)
    found = [_waiting(overview, reports, now) for reports in together.values()]
    return sorted(found, key=lambda one: one.item.request.order is None)


def _waiting(overview: Overview, reports: Sequence[OpenRequest], now: float) -> _Waiting:
    first, agree = reports[0], _("{who} has approved {clips}. It waits for you.")
    counts = {one.device: len(one.report.clips) + one.report.more_clips for one in reports}
    return _Waiting(
        item=replace(first, changed=any(one.changed for one in reports)),
        matching=cameras.matching(counts),
        left=text.remaining(first.request.exp - now),
        answers=[one for one in overview.answers if one.request == first.digest],
        agree=[
            agree.format(
                who=text.named(one.report.owners, proposal.owner),
                clips=text.clips(len(proposal.clips)),
            )
            for one in reports
            for proposal in one.report.proposals
            if proposal.owner != overview.me
        ],
    )


def _notice(told: NoticeItem) -> dict[str, object]:
    one = told.notice
    return {
        "told": told,
        "kind": requests.notice_kind(one),
        "meaning": requests.notice_meaning(one),
        "serious": one.kind in requests.SERIOUS_NOTICES,
    }


def news(context: Context) -> Response:
    """The number of collections so far: a page that shows an earlier one offers to load again."""
    return JSONResponse({"collected": context.console.collector.count})


def job(context: Context) -> Response:
    """The state of a job of this session."""
    found = context.console.jobs.find(context.path("id"), context.session)
    if found is None:
        return JSONResponse({"state": "unknown"}, 404)
    error = None if found.error is None else str(found.error)
    return JSONResponse(
        {
            "state": found.state,
            "done": found.done,
            "total": found.total,
            "said": found.said,
            "error": error,
        }
    )


ROUTES = [
    Route("/", endpoint(home), methods=["GET"]),
    Route("/news", endpoint(news), methods=["GET"]),
    Route("/jobs/{id}", endpoint(job), methods=["GET"]),
]
