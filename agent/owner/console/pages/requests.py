"""One request: who asks, in plain words what, where, until when, and the clips that match.

The cameras that report it share a page. Choosing clips leads to the page where they are decided;
declining is one click.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent.consent.statements import ClipOffer, Window
from agent.owner.client import OwnerClient
from agent.owner.console.context import Context, endpoint, for_scripts
from agent.owner.console.jobs import Job
from agent.owner.console.pieces import sketch, telling
from agent.owner.inbox.items import Answer, RequestPage, pick
from agent.owner.wording import difference, refusals, requests


@dataclass(frozen=True)
class Match:
    """A matching clip. ``left`` and ``width`` are its place on the time line, in thousandths.

    ``closed``: the reason why this owner cannot open it; ``sent``: earlier releases of it.
    """

    device: str
    number: int
    offer: ClipOffer
    left: float
    width: float
    closed: str
    sent: Sequence[Answer]


def show(context: Context) -> Response:
    """The page of a request."""
    client = context.client()
    pages = client.show_all(context.path("digest"))
    if not pages:
        return context.redirect("/#notices")
    item = pages[0].item
    return context.render(
        "request.html",
        pages=pages,
        item=item,
        boxes=_boxes(pages),
        facts=requests.facts(replace(item, device=_devices(pages)), client.now()),
        records=_records(pages),
        differences=list(difference.differences(item)),
        map=sketch.draw(item.request.area, _places(client)),
        matches=_matches(pages),
        is_open=any(not page.item.closed for page in pages),
        before_decline=[] if item.closed else refusals.before_decline(item),
        orders_stay=refusals.orders_stay(),
        more=sum(page.item.report.more_clips for page in pages),
        said=telling.said(context),
    )


def decline(context: Context) -> Response:
    """Decline on each camera that reports it, and mute if the form says so."""
    digest, mutes = context.path("digest"), bool(context.field("mute"))
    item, plans = context.client().plans.decline(digest, mute=mutes)
    done = refusals.declined()
    if mutes:
        done = f"{done} {refusals.muted(item.report.record.name)}"
    telling.tell(context, plans, done)
    return context.redirect(f"/requests/{item.digest}")


def thumbnails(context: Context) -> Response:
    """Start to fetch the thumbnails of all clips; the job says which can be shown."""
    client = context.client()
    pages = client.show_all(context.path("digest"))
    return JSONResponse(
        {"job": context.console.jobs.start(context.session, partial(_fetch, client, pages)).id}
    )


def _fetch(client: OwnerClient, pages: Sequence[RequestPage], job: Job) -> None:
    shown: list[str] = []
    job.said = {"shown": shown}
    for item in (page.item for page in pages):
        offers = [one for one in item.report.clips if one.id not in item.closed_clips.ids]
        found = client.pictures.thumbnails(item.device, offers, job.session.keys)
        shown += [f"{item.device}/{clip}" for clip, jpeg in found.items() if jpeg is not None]


def thumbnail(context: Context) -> Response:
    """A thumbnail that was fetched before."""
    client, device, clip = context.client(), context.path("device"), context.path("clip")
    for item in client.inbox.all_requests():
        offer = pick(item.report.clips, clip)
        if (item.device, item.digest) == (device, context.path("digest")) and offer is not None:
            found = client.pictures.thumbnails(device, [offer], context.keys, fetch=False)
            if (jpeg := found.get(offer.id)) is not None:
                return Response(jpeg, media_type="image/jpeg")
    return Response(status_code=404)


def _devices(pages: Sequence[RequestPage]) -> str:
    return ", ".join(page.item.device for page in pages)


def _boxes(pages: Sequence[RequestPage]) -> list[requests.Box]:
    """The warnings of all cameras, each once."""
    found = {box: None for page in pages for box in requests.boxes(page)}
    return sorted(found, key=lambda box: not box.is_serious)


def _records(pages: Sequence[RequestPage]) -> list[tuple[str, list[str]]]:
    """The requester's record by camera; one alone if all say the same."""
    said = [(page.item.device, requests.record(page.item.report.record)) for page in pages]
    return said[:1] if all(one[1] == said[0][1] for one in said) else said


def _places(client: OwnerClient) -> dict[str, sketch.LatLon]:
    """The cameras' places, as each told its owner."""
    said = {name: client.inbox.status(name) for name in client.devices}
    return {
        name: (status.place.latitude, status.place.longitude)
        for name, status in said.items()
        if status is not None and status.place is not None
    }


def _matches(pages: Sequence[RequestPage]) -> list[Match]:
    """The clips of all cameras in the order of their times."""
    window = pages[0].item.request.window
    found = [
        Match(
            page.item.device,
            number,
            offer,
            *_span(window, offer),
            closed=page.item.closed_clips.why if offer.id in page.item.closed_clips.ids else "",
            sent=[one for one in page.sent if offer.id in one.clips and one.may_be_out],
        )
        for page in pages
        for number, offer in enumerate(page.item.report.clips, 1)
    ]
    return sorted(found, key=lambda one: (one.offer.started_at, one.offer.start_ms, one.device))


def _span(window: Window, offer: ClipOffer) -> tuple[float, float]:
    """The place of a clip in the time asked about: its begin and its length, in thousandths."""
    total = max(window.end - window.start, 1)
    start = (offer.started_at - window.start) / total
    end = start + max(offer.duration_seconds, 1) / total
    left, right = min(max(start, 0.0), 1.0), min(max(end, 0.0), 1.0)
    return 1_000 * left, max(1_000 * (right - left), 4.0)


ROUTES = [
    Route("/requests/{digest}", endpoint(show), methods=["GET"]),
    Route("/requests/{digest}/thumbnails", endpoint(for_scripts(thumbnails)), methods=["POST"]),
    Route(
        "/requests/{digest}/thumbnails/{device}/{clip}.jpg", endpoint(thumbnail), methods=["GET"]
    ),
    Route("/requests/{digest}/decline", endpoint(decline), methods=["POST"]),
]
