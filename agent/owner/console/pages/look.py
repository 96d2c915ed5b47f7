"""See what a camera sees now: a picture a second, for at most five minutes."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent.errors import Refused
from agent.owner.console.context import Context, endpoint, for_scripts, why
from agent.owner.console.timeline.looking import Looking
from agent.owner.pictures.look import MAX_SECONDS
from agent.owner.wording import recording, text


def look(context: Context) -> Response:
    """Choose a camera, and see its pictures."""
    return context.render(
        "look.html",
        cameras=sorted(context.client().devices),
        camera=context.field("camera"),
        before=recording.before_look(),
        minutes=MAX_SECONDS // 60,
    )


def begin(context: Context) -> Response:
    """Begin to look through ``camera``."""
    client, camera = context.client(), context.field("camera")
    client.plans.camera(camera)
    Looking.begin(context.session, client, camera, context.console.clock)
    return JSONResponse({})


def state(context: Context) -> Response:
    """The number and time of the newest picture, and the end with its reason."""
    looking = _looking(context)
    looking.asked()
    picture = looking.picture
    return JSONResponse(
        {
            "number": looking.number,
            "at": "" if picture is None else text.second(picture.at),
            "over": looking.over,
            "error": "" if looking.error is None else why(looking.error),
        }
    )


def picture(context: Context) -> Response:
    """The newest picture."""
    found = _looking(context).picture
    if found is None:
        return Response(status_code=404)
    return Response(found.jpeg, media_type="image/jpeg")


def end(context: Context) -> Response:
    """End the look."""
    _looking(context).stop()
    return JSONResponse({})


def _looking(context: Context) -> Looking:
    found = Looking.of(context.session)
    if found is None:
        raise Refused("no-look", "no camera shows what it sees", advice="Begin anew")
    return found


ROUTES = [
    Route("/look", endpoint(look), methods=["GET"]),
    Route("/look", endpoint(for_scripts(begin)), methods=["POST"]),
    Route("/look/state", endpoint(for_scripts(state)), methods=["GET"]),
    Route("/look/picture", endpoint(for_scripts(picture)), methods=["GET"]),
    Route("/look/end", endpoint(for_scripts(end)), methods=["POST"]),
]
