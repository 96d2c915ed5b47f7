"""Releases on their way, live, with the reason and the next try; stop one while possible."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent.errors import ClipAgentError, Refused
from agent.owner.console.context import Context, endpoint, for_scripts
from agent.owner.console.pieces import telling
from agent.owner.inbox.items import Answer
from agent.owner.wording import releases, text
from agent.owner.wording.words import _

_FRESH_SECONDS = 3.0
_UNSENT = "unsent"


@dataclass(frozen=True)
class Progress:
    """A release as its page shows it."""

    answer: Answer
    steps: list[releases.Step]
    lines: list[str]
    can_stop: bool
    is_final: bool
    away: str

    @property
    def state(self) -> str:
        """The last report in words."""
        return text.outcome(self.answer.event, self.answer.detail)

    @property
    def key(self) -> str:
        """Its camera and id, as the addresses have them."""
        return f"{self.answer.device}/{self.answer.release}"

    def plain(self) -> dict[str, Any]:
        """The same for the page's script."""
        return {
            "key": self.key,
            "state": self.state,
            "steps": [step.place for step in self.steps],
            "lines": self.lines,
            "stop": self.can_stop,
            "final": self.is_final,
            "away": self.away,
        }


def every(context: Context) -> Response:
    """All answers of the household, the newest first."""
    return context.render("releases.html", answers=context.client().answers())


def one(context: Context) -> Response:
    """One release."""
    key = f"{context.path('device')}/{context.path('release')}"
    return _show(context, [key], [])


def several(context: Context) -> Response:
    """The releases that were just sent, and what could not be sent."""
    faults = context.session.memory.pop(_UNSENT, [])
    return _show(context, context.fields("release"), faults if isinstance(faults, list) else [])


def note_unsent(context: Context, faults: Mapping[str, ClipAgentError]) -> None:
    """Keep for the next page what could not be sent; an address could be made by a stranger."""
    context.session.memory[_UNSENT] = [f"{camera}: {why}" for camera, why in faults.items()]


def state(context: Context) -> Response:
    """The states of releases, from letters that are a few seconds old at most."""
    fault = ""
    try:
        context.console.collector.refresh(context.keys, older_than_seconds=_FRESH_SECONDS)
    except ClipAgentError as error:
        fault = str(error)
    found = [one.plain() for one in _progress(context, context.fields("release"))]
    return JSONResponse({"releases": found, "fault": fault})


def revoke(context: Context) -> Response:
    """Stop a release that was not sent."""
    device, release = context.path("device"), context.path("release")
    client = context.client()
    answer, plan = client.plans.revoke(release)
    if answer.device != device:
        raise Refused("no-such-release", f"{device} has no release {release}")
    client.send(plan, context.keys)
    telling.note(context, _("You asked the camera to stop it. Its answer shows below."))
    return context.redirect(f"/releases/{device}/{answer.release}")


def _show(context: Context, keys: list[str], faults: list[str]) -> Response:
    found = _progress(context, keys)
    if not found:
        raise Refused("no-such-release", "no such release is known here")
    said = telling.said(context)
    return context.render("release.html", releases=found, faults=faults, said=said)


def _progress(context: Context, keys: list[str]) -> list[Progress]:
    overview = context.console.collector.overview
    away = {} if overview is None else overview.away
    return [
        Progress(
            answer=answer,
            steps=releases.steps(answer),
            lines=text.left(answer.event, answer.files),
            can_stop=releases.may_stop(answer),
            is_final=not releases.may_change(answer),
            away=text.away(away[answer.device]) if answer.device in away else "",
        )
        for answer in context.client().answers()
        if answer.release and f"{answer.device}/{answer.release}" in keys
    ]


ROUTES = [
    Route("/releases", endpoint(every), methods=["GET"]),
    Route("/releases/sent", endpoint(several), methods=["GET"]),
    Route("/releases/state", endpoint(for_scripts(state)), methods=["GET"]),
    Route("/releases/{device}/{release}", endpoint(one), methods=["GET"]),
    Route("/releases/{device}/{release}/revoke", endpoint(revoke), methods=["POST"]),
]
