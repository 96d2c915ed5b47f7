"""The ledgers: each line in plain words, checked against the heads that the camera signed."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response
from starlette.routing import Route

from agent import __version__
from agent.owner.console.context import Context, endpoint
from agent.owner.console.pieces import telling
from agent.owner.ledger.copy import LedgerCopy
from agent.owner.wording import ledger as words
from agent.owner.wording.words import _
from agent.vault import ledger_html

_A_PAGE = 200  # lines


def choose(context: Context) -> Response:
    """The ledger of the first camera."""
    return context.redirect(f"/ledger/{next(iter(context.client().devices))}")


def show(context: Context) -> Response:
    """The lines of one camera, the newest first; those with the words that are looked for."""
    client, device, wanted = context.client(), context.path("device"), context.field("words")
    judged = words.judge(client.ledgers.read(device))
    lines = [
        (entry, words.when(entry), words.sentence(entry), words.details(entry))
        for entry in reversed(judged.entries)
    ]
    if wanted:
        found = wanted.casefold()
        lines = [line for line in lines if found in f"{line[0].event} {line[1:]}".casefold()]
    first = max(_number(context.field("from")), 0)
    return context.render(
        "ledger.html",
        device=device,
        devices=list(client.devices),
        judged=judged,
        lines=lines[first : first + _A_PAGE],
        total=len(lines),
        first=first,
        step=_A_PAGE,
        wanted=wanted,
        said=telling.said(context),
    )


def fetch(context: Context) -> Response:
    """Ask the camera for the lines that are not here, or for all."""
    device, anew = context.path("device"), bool(context.field("anew"))
    copy = context.client().ledgers.fetch(device, context.keys, anew=anew)
    telling.note(context, _("{count} lines are here.").format(count=len(copy)))
    return context.redirect(f"/ledger/{device}")


def as_lines(context: Context) -> Response:
    """All lines, as ``clip-agent ledger export`` writes them on the camera."""
    return _file(context, lambda copy: copy.lines(), "jsonl", "application/jsonl")


def as_page(context: Context) -> Response:
    """The page to hand to a lawyer."""
    device, now = context.path("device"), context.console.clock.now()

    def page(copy: LedgerCopy) -> bytes:
        pieces = ledger_html.page(copy, device=device, now=now, version=__version__)
        return "".join(pieces).encode()

    return _file(context, page, "html", "text/html; charset=utf-8")


def _file(
    context: Context, content: Callable[[LedgerCopy], bytes], suffix: str, media_type: str
) -> Response:
    device = context.path("device")
    copy = context.client().ledgers.read(device)
    name = f"ledger-{device}.{suffix}"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content(copy), media_type=media_type, headers=headers)


def _number(typed: str) -> int:
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 10 else 0


ROUTES = [
    Route("/ledger", endpoint(choose), methods=["GET"]),
    Route("/ledger/{device}", endpoint(show), methods=["GET"]),
    Route("/ledger/{device}/fetch", endpoint(fetch), methods=["POST"]),
    Route("/ledger/{device}/lines.jsonl", endpoint(as_lines), methods=["GET"]),
    Route("/ledger/{device}/page.html", endpoint(as_page), methods=["GET"]),
]
