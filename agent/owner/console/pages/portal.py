"""Take the clips of a last page out by hand, for a website's form: a ZIP file of videos and pages.

Each is to the byte what a release would hold, and each camera writes its ledger first
(:mod:`agent.owner.portal.export`). The file is made in memory, for one download.
"""

from __future__ import annotations

import io
import secrets
import zipfile

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent.errors import Refused
from agent.owner.client import OwnerClient
from agent.owner.console.context import Context, endpoint, for_scripts
from agent.owner.console.editing.drafts import Draft
from agent.owner.console.editing.screening import Screening
from agent.owner.console.jobs import Job
from agent.owner.console.sessions import Session
from agent.owner.decisions.sign import ReleasePlan
from agent.owner.pictures.footage import MOST_BYTES, Rendering, check_size
from agent.owner.portal.export import export

_MADE = "for portal"


def begin(context: Context) -> Response:
    """Start to make the file for the ``draft`` and the name of the ``portal``."""
    client, portal = context.client(), context.field("portal").strip()
    plans = Draft.parse(context.field("draft")).plans(client)
    screening = Screening.of(context.session)

    def work(job: Job) -> None:
        made = _render(client, screening, job, plans)
        content = _zip(client, job.session, made, portal)
        name = secrets.token_urlsafe(12)
        job.session.memory[_MADE] = (name, content)  # Refused if it was locked meanwhile
        job.said = {"src": f"/decide/portal/{name}.zip"}

    return JSONResponse({"job": context.console.jobs.start(context.session, work).id})


Made = list[tuple[ReleasePlan, Rendering]]


def _render(
    client: OwnerClient, screening: Screening, job: Job, plans: tuple[ReleasePlan, ...]
) -> Made:
    """Make each clip as it would leave, before any ledger is written: all or none."""
    made: Made = []
    for plan in plans:
        offers = {offer.id: offer for offer in plan.offers}
        for clip in plan.clips:
            check_size(offers[clip.id])
            opened = screening.open_clip(client, job.session, plan.device.name, offers[clip.id])
            made.append((plan, screening.render(opened, clip)[1]))
            if sum(len(one.mp4) for _, one in made) > MOST_BYTES:
                raise Refused(
                    "too-large", "these clips are too large for one file", advice="Choose fewer"
                )
    return made


def _zip(client: OwnerClient, session: Session, made: Made, portal: str) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_STORED) as archive:
        for plan, rendering in made:
            name = f"{rendering.shown.id}-for-portal"
            files = export(
                client,
                rendering,
                session.keys,
                file=f"{name}.mp4",
                portal=portal,
                request=plan.request,
            )
            archive.writestr(f"{name}.mp4", files.mp4)
            archive.writestr(f"{name}.html", files.page)
    return memory.getvalue()


def fetch(context: Context) -> Response:
    """The file, once."""
    found = context.session.memory.pop(_MADE, None)
    match found:
        case (str(name), bytes(content)) if name == context.path("name"):
            headers = {"content-disposition": 'attachment; filename="for-portal.zip"'}
            return Response(content, media_type="application/zip", headers=headers)
    raise Refused("not-in-memory", "this file was downloaded before", advice="Make it again")


ROUTES = [
    Route("/decide/portal", endpoint(for_scripts(begin)), methods=["POST"]),
    Route("/decide/portal/{name:str}.zip", endpoint(fetch), methods=["GET"]),
]
