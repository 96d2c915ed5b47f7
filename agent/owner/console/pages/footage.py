"""Clips in the player: fetch one, make what would leave, serve it in ranges, find its faces."""

from __future__ import annotations

import hashlib
import re
from functools import partial

import msgspec
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent.consent.statements import ApprovedClip, ClipOffer
from agent.errors import Refused
from agent.media.editing.content import Prepared
from agent.media.faces.finder import FaceFinder
from agent.owner.client import OwnerClient
from agent.owner.console.context import Context, endpoint, for_scripts
from agent.owner.console.editing import edits
from agent.owner.console.editing.drafts import Draft
from agent.owner.console.editing.screening import Screening
from agent.owner.console.jobs import Job
from agent.owner.decisions.choice import Choice
from agent.owner.pictures import footage as opened_clips
from agent.owner.wording import text

_RANGE = re.compile(r"bytes=(\d{1,18})?-(\d{1,18})?")


def begin(context: Context) -> Response:
    """Start to make a clip ready; the job says where it is.

    Fields: ``camera``, ``clip``, and ``edits`` of this one clip, or the ``draft`` that holds it.
    Without these it is as recorded, converted if browsers cannot play it so.
    """
    client, camera = context.client(), context.field("camera") or None
    device, offer = client.find_clip(context.field("clip"), camera=camera)
    wanted = _wanted(context, client, device, offer)
    screening = Screening.of(context.session)
    work = partial(_work, client, screening, device, offer, wanted)
    job = context.console.jobs.start(context.session, work)
    return JSONResponse({"job": job.id})


def _wanted(
    context: Context, client: OwnerClient, device: str, offer: ClipOffer
) -> ApprovedClip | None:
    """The clip as it would leave with these edits, or by this draft; None: as recorded."""
    if written := context.field("draft"):
        plans = Draft.parse(written).plans(client)
        clips = (clip for plan in plans if plan.device.name == device for clip in plan.clips)
        found = next((clip for clip in clips if clip.id == offer.id), None)
        if found is None or found.sha256 != offer.sha256:
            raise Refused("not-chosen", f"clip {offer.id} is not among those that would leave")
        return found
    if not (written := context.field("edits")):
        return None
    return client.edit_clip(offer, edits.parse(written).choice(), camera=device)


def _work(
    client: OwnerClient,
    screening: Screening,
    device: str,
    offer: ClipOffer,
    wanted: ApprovedClip | None,
    job: Job,
) -> None:
    opened = screening.open_clip(client, job.session, device, offer, job.progress)
    whole = client.edit_clip(offer, Choice(), camera=device)
    name, made = screening.render(opened, wanted if wanted is not None else whole)
    if wanted is None and not made.pictures.plays_in_browsers:
        converted = client.edit_clip(offer, Choice(codec="h264"), camera=device)
        name, made = screening.render(opened, converted)
    job.said = {
        "src": f"/footage/{name}.mp4",
        "seen": f"/footage/{name}/seen",
        "plays": made.pictures.plays_in_browsers,
        "pictures": text.pictures(offer, made.pictures),
        "begins": made.pictures.first_seconds,
        "step": _step(made.pictures),
        "count": made.pictures.pictures,
        "sha256": hashlib.sha256(made.mp4).hexdigest(),
    }


def _step(pictures: Prepared) -> float:
    """The usual time from one picture to the next, in seconds."""
    return (pictures.last_seconds - pictures.first_seconds) / max(1, pictures.pictures - 1) or 0.04


def serve(context: Context) -> Response:
    """A clip that was made ready, or the range of bytes that the player asks for (RFC 9110, 14)."""
    found = Screening.of(context.session).find(context.path("name"))
    if found is None:
        return Response("This clip is no longer in memory. Load the page again.\n", 404)
    whole = found.mp4
    headers = {"accept-ranges": "bytes"}
    span = _span(context.request.headers.get("range", ""), len(whole))
    if span is None:
        return Response(whole, media_type="video/mp4", headers=headers)
    start, end = span
    if start >= end:
        return Response(status_code=416, headers={"content-range": f"bytes */{len(whole)}"})
    headers["content-range"] = f"bytes {start}-{end - 1}/{len(whole)}"
    return Response(whole[start:end], 206, media_type="video/mp4", headers=headers)


def _span(header: str, length: int) -> tuple[int, int] | None:
    """Start and end of the one range that ``header`` names; None for the whole."""
    found = _RANGE.fullmatch(header.strip())
    if found is None or found.groups() == (None, None):
        return None
    first, last = found.groups()
    if first is None:
        return max(0, length - int(last)), length
    return int(first), length if last is None else min(length, int(last) + 1)


def faces(context: Context) -> Response:
    """Start to find the faces of a clip, in its trim; the job says the proposed boxes."""
    client, camera = context.client(), context.field("camera") or None
    device, offer = client.find_clip(context.field("clip"), camera=camera)
    edited = _wanted(context, client, device, offer)
    finder, screening = FaceFinder(), Screening.of(context.session)

    def work(job: Job) -> None:
        opened = screening.open_clip(client, job.session, device, offer, job.progress)
        trim = None if edited is None else edited.trim
        found = opened_clips.find_faces(opened, finder=finder, trim=trim)
        job.said = {
            "redact": msgspec.to_builtins(found.redactions),
            "faces": found.faces,
            "left_out": found.left_out,
        }

    return JSONResponse({"job": context.console.jobs.start(context.session, work).id})


def seen(context: Context) -> Response:
    """Note that the owner has looked at a clip: the player has shown it."""
    found = Screening.of(context.session).find(context.path("name"))
    if found is None:
        raise Refused("not-in-memory", "this clip is no longer in memory", advice="Play it again")
    context.client().mark_seen(found)
    return Response(status_code=204)


ROUTES = [
    Route("/footage", endpoint(for_scripts(begin)), methods=["POST"]),
    Route("/faces", endpoint(for_scripts(faces)), methods=["POST"]),
    Route("/footage/{name:str}.mp4", endpoint(serve), methods=["GET"]),
    Route("/footage/{name:str}/seen", endpoint(for_scripts(seen)), methods=["POST"]),
]
