"""The clips of a day on all cameras: thumbnails, a player, and what can be told the camera."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import partial
from urllib.parse import urlencode

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent.consent.statements import Delete, Keep
from agent.errors import Refused
from agent.owner.client import OwnerClient
from agent.owner.console.context import Context, endpoint, for_scripts
from agent.owner.console.jobs import Job
from agent.owner.console.pieces import telling
from agent.owner.console.timeline import days
from agent.owner.console.timeline.days import Days, Filter
from agent.owner.decisions.sign import Plan
from agent.owner.inbox.items import Away, TimelineClip
from agent.owner.wording import recording, text
from agent.vault.wishes import MAX_COMMANDS

_MOST_THUMBNAILS = 200  # in one question of the page
_JPEG = "image/jpeg"


def timeline(context: Context) -> Response:
    """A day, if it was listed; else the page asks for it."""
    client, now = context.client(), context.console.clock.now()
    day, chosen = days.parse(context.field("day"), now=now), _filter(context)
    listed = Days.of(context.session).get(day)
    clips = [] if listed is None else [one for one in listed.clips if chosen.admits(one)]
    today = days.parse("", now=now)
    return context.render(
        "timeline.html",
        day=day,
        before=_address(day - timedelta(days=1), chosen),
        after=_address(day + timedelta(days=1), chosen) if day < today else "",
        chosen=chosen,
        cameras=sorted(client.devices),
        listed=listed,
        hours=list(days.hours(clips)),
        count=len(clips),
        before_delete=recording.before_delete(),
        silent=[] if listed is None else _silent(listed.silent),
        said=telling.said(context),
    )


def _filter(context: Context) -> Filter:
    try:
        seconds = float(context.field("seconds") or 0)
    except ValueError as error:
        raise Refused("wrong-length", "the length must be a number of seconds") from error
    return Filter(context.field("camera"), bool(context.field("kept")), seconds)


def _address(day: date, chosen: Filter) -> str:
    fields = {
        "day": day.isoformat(),
        "camera": chosen.camera,
        "kept": "1" if chosen.kept else "",
        "seconds": f"{chosen.seconds:g}" if chosen.seconds else "",
    }
    return "/timeline?" + urlencode({name: value for name, value in fields.items() if value})


def _silent(silent: Mapping[str, Away | None]) -> list[str]:
    return [
        text.away(one) if one is not None else recording.no_answer(name)
        for name, one in silent.items()
    ]


def listing(context: Context) -> Response:
    """Start to list a day; the job says how many clips there are so far."""
    day = days.parse(context.field("day"), now=context.console.clock.now())
    job = context.console.jobs.start(context.session, partial(_list, context.client(), day))
    return JSONResponse({"job": job.id})


def _list(client: OwnerClient, day: date, job: Job) -> None:
    found = client.timeline(job.session.keys, days.window(day), progress=job.progress)
    Days.of(job.session).put(day, found)


def thumbnails(context: Context) -> Response:
    """Start to fetch the thumbnails of clips that the page shows: ``clip`` is ``camera/id``."""
    known, wanted = Days.of(context.session), dict[str, list[TimelineClip]]()
    for name in context.fields("clip")[:_MOST_THUMBNAILS]:
        device, _, clip = name.partition("/")
        wanted.setdefault(device, []).append(known.clip(device, clip))
    work = partial(_fetch, context.client(), wanted)
    return JSONResponse({"job": context.console.jobs.start(context.session, work).id})


def _fetch(client: OwnerClient, wanted: dict[str, list[TimelineClip]], job: Job) -> None:
    shown: list[str] = []
    job.said = {"shown": shown}
    for device, clips in wanted.items():
        offers = [one.offer for one in clips]
        found = client.pictures.thumbnails(device, offers, job.session.keys)
        shown += [f"{device}/{clip}" for clip, jpeg in found.items() if jpeg is not None]


def thumbnail(context: Context) -> Response:
    """A thumbnail that was fetched before."""
    clip = Days.of(context.session).clip(context.path("device"), context.path("clip"))
    client = context.client()
    found = client.pictures.thumbnails(clip.device, [clip.offer], context.keys, fetch=False)
    jpeg = found.get(clip.offer.id)
    if jpeg is None:
        return Response(status_code=404)
    return Response(jpeg, media_type=_JPEG)


def tell(context: Context) -> Response:
    """Keep clips, keep them no longer, or delete them."""
    how, names = context.field("how"), context.fields("clip")
    client, plans, done = context.client(), list[Plan](), ""
    for name in names:
        device, _, clip = name.partition("/")
        match how:
            case "keep" | "no-longer":
                plans += client.plans.command(Keep(clip=clip, keep=how == "keep"), device)
                done = recording.kept(keep=how == "keep")
            case "delete":
                plans += client.plans.command(Delete(clip=clip), device)
                done = recording.deleted()
            case _:
                raise Refused("wrong-form", "a clip is kept, kept no longer, or deleted")
    if not plans:
        raise Refused("no-clips", "choose clips first", advice="Go back to choose them")
    if len(plans) > MAX_COMMANDS:
        raise Refused("too-many", f"a camera takes {MAX_COMMANDS} at a time", advice="Choose fewer")
    telling.tell(context, plans, done)
    Days.of(context.session).forget()
    return context.redirect(_back(context))


def _back(context: Context) -> str:
    day = days.parse(context.field("day"), now=context.console.clock.now())
    return _address(day, _filter(context))


ROUTES = [
    Route("/timeline", endpoint(timeline), methods=["GET"]),
    Route("/timeline/list", endpoint(for_scripts(listing)), methods=["POST"]),
    Route("/timeline/thumbnails", endpoint(for_scripts(thumbnails)), methods=["POST"]),
    Route("/timeline/thumbnail/{device}/{clip}.jpg", endpoint(thumbnail), methods=["GET"]),
    Route("/timeline/tell", endpoint(tell), methods=["POST"]),
]
