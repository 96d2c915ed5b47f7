"""Enrol, list and remove passkeys; unlock by one; ask one for a decision."""

from __future__ import annotations

import re

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent.errors import ClipAgentError, KeyFileError, Refused
from agent.owner.console import step_up
from agent.owner.console.context import Context, Page, endpoint, for_scripts, status_of
from agent.owner.console.guard import SESSION_COOKIE
from agent.owner.console.pages.entrance import path_of, set_cookie
from agent.owner.passkeys.relying_party import RelyingParty

_PATH = "/settings/passkeys"
_CREDENTIAL = re.compile(r"[A-Za-z0-9_-]{1,1364}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def show(context: Context) -> Response:
    """All passkeys, and the form that enrols one."""
    return _show(context, None)


def _show(context: Context, error: ClipAgentError | None) -> Response:
    known, elsewhere, here = context.console.passkeys.enrolled(), None, ""
    try:
        here = RelyingParty.of(context.origin).id
    except Refused as refused:
        elsewhere = refused
    removed = context.field("removed") if context.request.method == "GET" else ""
    still = {one.credential for one in known.passkeys}
    return context.render(
        "passkeys.html",
        status=200 if error is None else status_of(error),
        known=known,
        here=here,
        elsewhere=elsewhere,
        removed=removed if _CREDENTIAL.fullmatch(removed) and removed not in still else "",
        error=error,
    )


def remove(context: Context) -> Response:
    """Remove a passkey, and lock all other browsers; the next page tells its authenticator."""
    passkeys, wanted = context.console.passkeys, context.field("id")
    credentials = {one.id: one.credential for one in passkeys.enrolled().passkeys}
    try:
        passkeys.remove(wanted)
    except ClipAgentError as error:
        return _show(context, error)
    context.console.sessions.lock_others(context.browser.id)
    removed = credentials.get(wanted)
    return context.redirect(_PATH if removed is None else f"{_PATH}?removed={removed}")


# Answers to passkeys.js


def begin(context: Context) -> Response:
    """Options to make a credential, for the right passphrase."""
    asker = step_up.asker(context)
    context.console.sessions.check(context.field(step_up.PASSPHRASE))
    return JSONResponse(context.console.passkeys.begin_enrolment(asker, context.field("name")))


def confirm(context: Context) -> Response:
    """Take the credential; options to ask for its secret."""
    answer = context.field(step_up.PASSKEY).encode()
    return JSONResponse(context.console.passkeys.confirm_enrolment(step_up.asker(context), answer))


def finish(context: Context) -> Response:
    """Enrol the passkey."""
    answer = context.field(step_up.PASSKEY).encode()
    context.console.passkeys.finish_enrolment(step_up.asker(context), answer, context.keys)
    return JSONResponse({"next": _PATH})


def approve(context: Context) -> Response:
    """Options to ask a passkey for one decision, the plan with a digest."""
    plan = context.field(step_up.PLAN)
    if not _DIGEST.fullmatch(plan):
        raise Refused("no-plan", "this page shows no plan", advice="Load it again")
    return JSONResponse(context.console.passkeys.begin_approval(step_up.asker(context), plan))


def begin_unlock(context: Context) -> Response:
    """Options to ask a passkey to unlock."""
    return JSONResponse(context.console.passkeys.begin_unlock(step_up.locked_asker(context)))


def unlock(context: Context) -> Response:
    """Begin a session by a passkey."""
    after, answer = path_of(context.field("next")), context.field(step_up.PASSKEY).encode()
    try:
        keys = context.console.passkeys.unlock(step_up.locked_asker(context), answer)
    except (KeyFileError, Refused) as error:
        return context.render("unlock.html", status=403, next=after, error=error)
    session = context.console.sessions.begin_with(context.browser.id, keys)
    redirect = context.redirect(after)
    set_cookie(context, redirect, SESSION_COOKIE, session.id)
    return redirect


def _post(path: str, page: Page) -> Route:
    return Route(path, endpoint(page), methods=["POST"])


ROUTES = [
    Route(_PATH, endpoint(show), methods=["GET"]),
    _post(f"{_PATH}/remove", remove),
    _post(f"{_PATH}/enrol/begin", for_scripts(begin)),
    _post(f"{_PATH}/enrol/confirm", for_scripts(confirm)),
    _post(f"{_PATH}/enrol/finish", for_scripts(finish)),
    _post("/passkeys/approve", for_scripts(approve)),
    _post("/unlock/passkey/options", for_scripts(begin_unlock)),
    _post("/unlock/passkey", unlock),
]
