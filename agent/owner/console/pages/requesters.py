"""Requesters: record, key and requests of each; mute and unmute."""

from __future__ import annotations

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from agent.owner import as_json
from agent.owner.client import OwnerClient
from agent.owner.console.context import Context, endpoint
from agent.owner.console.pieces import telling
from agent.owner.decisions.sign import Plan
from agent.owner.inbox.items import Answer
from agent.owner.inbox.requesters import Requester, known, one_of
from agent.owner.wording import refusals, requests


def every(context: Context) -> Response:
    """The list."""
    client = context.client()
    return context.render(
        "requesters.html", requesters=known(client.inbox), said=telling.said(context)
    )


def show(context: Context) -> Response:
    """The page of one."""
    client = context.client()
    one = one_of(known(client.inbox), context.path("fingerprint"))
    return context.render(
        "requester.html",
        one=one,
        records=[(device, requests.record(record)) for device, record in one.records.items()],
        requests=list({item.digest: item for item in one.requests}.values()),
        answers=_answers(client, one),
        orders_stay=refusals.orders_stay(),
        said=telling.said(context),
    )


def history(context: Context) -> Response:
    """All that is known of a requester, for programs and for keeping."""
    client = context.client()
    one = one_of(known(client.inbox), context.path("fingerprint"))
    data = {
        "requester": one.fingerprint,
        "name": one.name,
        "muted_on": one.muted_on,
        "records": {name: msgspec.to_builtins(record) for name, record in one.records.items()},
        "requests": [
            {**as_json.request(item), "posted": item.report.request} for item in one.requests
        ],
        "answers": [
            {**vars(answer), "files": msgspec.to_builtins(answer.files)}
            for answer in _answers(client, one)
        ],
    }
    name = f"requester-{one.fingerprint[:12]}.json"
    return Response(
        msgspec.json.format(msgspec.json.encode(data)),
        media_type="application/json",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


def mute(context: Context) -> Response:
    """Mute a requester on all cameras."""
    client = context.client()
    one = one_of(known(client.inbox), context.path("fingerprint"))
    plans = client.plans.mute(one.fingerprint)
    telling.tell(context, plans, refusals.muted(one.name))
    return context.redirect(f"/requesters/{one.fingerprint}")


def unmute(context: Context) -> Response:
    """Get a requester's requests again, from the cameras that refuse them."""
    client = context.client()
    one = one_of(known(client.inbox), context.path("fingerprint"))
    plans: list[Plan] = []
    cameras: list[str | None] = [*one.muted_on]
    for camera in cameras or [None]:
        plans += client.plans.mute(one.fingerprint, muted=False, camera=camera)
    telling.tell(context, plans, refusals.muted(one.name or one.fingerprint, muted=False))
    return context.redirect(f"/requesters/{one.fingerprint}")


def _answers(client: OwnerClient, one: Requester) -> list[Answer]:
    """The household's answers to their requests, the newest first."""
    digests = {item.digest for item in one.requests}
    return [answer for answer in client.answers() if answer.request in digests]


ROUTES = [
    Route("/requesters", endpoint(every), methods=["GET"]),
    Route("/requesters/{fingerprint}", endpoint(show), methods=["GET"]),
    Route("/requesters/{fingerprint}/history.json", endpoint(history), methods=["GET"]),
    Route("/requesters/{fingerprint}/mute", endpoint(mute), methods=["POST"]),
    Route("/requesters/{fingerprint}/unmute", endpoint(unmute), methods=["POST"]),
]
