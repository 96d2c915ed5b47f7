"""Settings: the browsers that were admitted, the language, a new passphrase."""

from __future__ import annotations

import hashlib

from starlette.responses import Response
from starlette.routing import Route

from agent import keyfile
from agent.errors import ClipAgentError, KeyFileError, Refused
from agent.owner.console import step_up
from agent.owner.console.context import Context, endpoint, status_of

_NEW_PASSPHRASE = hashlib.sha256(b"clip-agent new passphrase v1").hexdigest()  # its plan's digest


def settings(context: Context) -> Response:
    """All settings on one page."""
    browsers = sorted(context.console.door.browsers(), key=lambda one: -one.seen_at)
    return context.render("settings.html", browsers=browsers, here=context.browser.id)


def remove_browser(context: Context) -> Response:
    """Lock a browser out: its cookie admits nobody, and its keys are forgotten."""
    browser = context.path("id")
    context.console.door.remove(browser)
    context.console.sessions.lock(browser)
    return context.redirect("/settings")


def ask_passphrase(context: Context) -> Response:
    """Ask for a new passphrase."""
    return _ask_passphrase(context, None)


def _ask_passphrase(context: Context, error: ClipAgentError | None) -> Response:
    status = 200 if error is None else status_of(error)
    shortest = keyfile.MIN_PASSPHRASE_CHARACTERS
    return context.render(
        "passphrase.html", status=status, plan=_NEW_PASSPHRASE, shortest=shortest, error=error
    )


def change_passphrase(context: Context) -> Response:
    """Lock the key file under a new passphrase, by the old one or a passkey."""
    try:
        new = _new_passphrase(context)
        keys = step_up.keys_for(context, _NEW_PASSPHRASE)
    except (KeyFileError, Refused) as error:
        return _ask_passphrase(context, error)
    console = context.console
    keyfile.change_passphrase(console.folder.key_path, keys, "owner", new, now=console.clock.now())
    console.sessions.lock_others(context.browser.id)
    return context.render("passphrase_changed.html")


def _new_passphrase(context: Context) -> str:
    new = context.field("new")
    if new != context.field("again"):
        raise KeyFileError("the two passphrases differ")
    keyfile.check_length(new)
    return new


ROUTES = [
    Route("/settings/passphrase", endpoint(ask_passphrase), methods=["GET"]),
    Route("/settings/passphrase", endpoint(change_passphrase), methods=["POST"]),
    Route("/settings", endpoint(settings), methods=["GET"]),
    Route("/settings/browsers/{id}/remove", endpoint(remove_browser), methods=["POST"]),
]
