"""Come in, unlock, lock, choose the language."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from agent.errors import KeyFileError, Refused
from agent.owner.console import languages
from agent.owner.console.context import LANGUAGE_COOKIE, Context, endpoint
from agent.owner.console.door import BROWSER_SECONDS, name_of
from agent.owner.console.guard import BROWSER_COOKIE, SESSION_COOKIE, cookie_name


def enter(context: Context) -> Response:
    """Show a button: programs that look at links before people do would use this one up."""
    return context.render("enter.html", token=context.field("token"), error=None)


def admit(context: Context) -> Response:
    """Admit this browser by a link's token."""
    name = name_of(context.request.headers.get("user-agent", ""))
    try:
        cookie = context.console.door.admit(context.field("token"), name)
    except Refused as error:
        return context.render("enter.html", status=403, token="", error=error)
    answer = context.redirect("/unlock")
    set_cookie(context, answer, BROWSER_COOKIE, cookie, seconds=BROWSER_SECONDS)
    return answer


def ask(context: Context) -> Response:
    """Ask for the passphrase."""
    return context.render("unlock.html", next=path_of(context.field("next")), error=None)


def unlock(context: Context) -> Response:
    """Begin a session by the passphrase."""
    after = path_of(context.field("next"))
    try:
        session = context.console.sessions.begin(context.browser.id, context.field("passphrase"))
    except (KeyFileError, Refused) as error:
        status = 429 if isinstance(error, Refused) else 403
        return context.render("unlock.html", status=status, next=after, error=error)
    answer = context.redirect(after)
    set_cookie(context, answer, SESSION_COOKIE, session.id)
    return answer


def lock(context: Context) -> Response:
    """End the session of this browser."""
    context.console.sessions.lock(context.browser.id)
    answer = context.redirect("/unlock")
    name = cookie_name(SESSION_COOKIE, context.console.origins)
    answer.delete_cookie(name, secure=context.console.is_secure)
    return answer


def active(_: Context) -> Response:
    """Nothing: the guard has noted that somebody uses the page."""
    return Response(status_code=204)


def language(context: Context) -> Response:
    """Choose the language of the pages."""
    answer = context.redirect(path_of(context.field("next")))
    if (chosen := context.field("language")) in languages.NAMES:
        set_cookie(context, answer, LANGUAGE_COOKIE, chosen, seconds=BROWSER_SECONDS)
    return answer


def path_of(text: str) -> str:
    """The path in ``text`` if it is one of the console; never another site."""
    is_ours = text.startswith("/") and not text.startswith(("//", "/\\"))
    return text if is_ours and text.isprintable() else "/"


def set_cookie(
    context: Context, answer: Response, name: str, value: str, *, seconds: float | None = None
) -> None:
    """Set a cookie that no script reads and no other site causes to be sent."""
    answer.set_cookie(
        cookie_name(name, context.console.origins),
        value,
        max_age=None if seconds is None else int(seconds),
        secure=context.console.is_secure,
        httponly=True,
        samesite="strict",
    )


ROUTES = [
    Route("/enter", endpoint(enter), methods=["GET"]),
    Route("/enter", endpoint(admit), methods=["POST"]),
    Route("/unlock", endpoint(ask), methods=["GET"]),
    Route("/unlock", endpoint(unlock), methods=["POST"]),
    Route("/lock", endpoint(lock), methods=["POST"]),
    Route("/active", endpoint(active), methods=["POST"]),
    Route("/language", endpoint(language), methods=["POST"]),
]
