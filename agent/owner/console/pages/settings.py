"""Settings: the browsers that were admitted, and the language."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from agent.owner.console.context import Context, endpoint


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


ROUTES = [
    Route("/settings", endpoint(settings), methods=["GET"]),
    Route("/settings/browsers/{id}/remove", endpoint(remove_browser), methods=["POST"]),
]
