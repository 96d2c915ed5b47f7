"""The cameras: health and keys of each by its own word; arm, disarm, pause, enrol, remove."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import Route

from agent.consent.cards import format_fingerprint
from agent.consent.statements import Arm
from agent.errors import Refused
from agent.owner.console.context import Context, endpoint
from agent.owner.console.pieces import latest, telling
from agent.owner.home.folder import parse_device_card
from agent.owner.inbox.items import CameraReport
from agent.owner.wording import cameras, recording, refusals, text
from agent.owner.wording.words import _

_ARM: dict[str, Arm] = {
    "arm": Arm(armed=True),
    "disarm": Arm(armed=False),
    "schedule": Arm(armed=True, scheduled=True),
}


@dataclass(frozen=True)
class _Camera:
    """A camera as its card shows it. ``heard``: when its status came; ``paused``: two sentences."""

    report: CameraReport
    fingerprint: str
    heard: str
    rows: list[cameras.Row]
    sealed: list[str]
    silence: str
    paused: tuple[str, str] | None


def devices(context: Context) -> Response:
    """All cameras."""
    client, now, overview = context.client(), context.console.clock.now(), latest.overview(context)
    card = client.folder.card()
    shown = [
        _Camera(
            report=one,
            fingerprint=client.devices[one.device].fingerprint,
            heard="" if said is None else f"{text.moment(said.iat)} ({text.ago(now - said.iat)})",
            rows=[] if said is None else list(cameras.rows(one, said)),
            sealed=[] if said is None else cameras.sealed_to(said, card),
            silence=text.unheard(one) if one.silence else "",
            paused=cameras.paused(one, now),
        )
        for one in overview.cameras
        if one.device in client.devices
        for said in (one.status,)
    ]
    return context.render(
        "devices.html",
        cameras=shown,
        before_disarm=recording.before_disarm(),
        before_pause=refusals.before_pause(),
        said=telling.said(context),
    )


def arm(context: Context) -> Response:
    """Switch recording on, off, or to its schedule."""
    command = _ARM.get(context.field("how"))
    if command is None:
        raise Refused("wrong-form", "recording is switched on, off, or to its schedule")
    plans = context.client().plans.command(command, context.field("camera") or None)
    telling.tell(context, plans, recording.armed(command))
    return context.redirect("/devices")


def pause(context: Context) -> Response:
    """Pause requests, or resume them."""
    paused = context.field("how") == "pause"
    plans = context.client().plans.pause(paused=paused, camera=context.field("camera") or None)
    telling.tell(context, plans, refusals.paused(paused=paused))
    return context.redirect("/devices")


def pair(context: Context) -> Response:
    """Pair with a camera that shows a code."""
    paired = context.client().pair(context.field("code"))
    camera, fingerprint = paired.camera.name, format_fingerprint(paired.camera.fingerprint)
    done = _("Paired with {camera}. The camera shows the same fingerprint: {fingerprint}.")
    telling.note(context, done.format(camera=camera, fingerprint=fingerprint))
    return context.redirect("/devices")


def enrol(context: Context) -> Response:
    """Take over a camera's card that the owner pasted; of a renamed camera it replaces the old."""
    folder, origin = context.client().folder, _("the card")
    card = folder.take_over(parse_device_card(context.field("card"), origin), origin)
    done = _("{camera} is enrolled. Compare its fingerprint with the one at the camera.")
    telling.note(context, done.format(camera=card.name))
    return context.redirect("/devices")


def remove(context: Context) -> Response:
    """Forget a camera and what it wrote; the last one stays, or nothing could be shown."""
    client, name = context.client(), context.path("name")
    if len(client.devices) < 2:
        raise Refused("last-camera", "the last camera cannot be removed here", advice=_ADVICE)
    client.folder.remove(name)
    telling.note(context, _("{camera} is forgotten.").format(camera=name))
    return context.redirect("/devices")


_ADVICE = "Use `clip-agent owner card --remove` in a terminal"


def _post(path: str, page: Callable[[Context], Response]) -> Route:
    return Route(path, endpoint(page), methods=["POST"])


ROUTES = [
    Route("/devices", endpoint(devices), methods=["GET"]),
    _post("/devices/arm", arm),
    _post("/devices/pause", pause),
    _post("/devices/pair", pair),
    _post("/devices/enrol", enrol),
    _post("/devices/{name}/remove", remove),
]
