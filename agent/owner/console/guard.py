"""The guard before every page: the right address, the right origin, an admitted browser, unlocked.

What it refuses, and the attack behind each rule:

- another ``Host`` than the console's own: a page of a stranger whose name was pointed at this
  computer (DNS rebinding);
- a change (POST) from another origin, or without one: a stranger's page that posts a form (CSRF);
- any request that another site causes, but for following a link to a page, which begins anew
  from a page of the console: cookies do not come with a link of another site;
- a browser without a cookie of the door: another user of this computer, or of the network;
- a page that needs the keys while the browser is locked.

Every answer carries headers by which browsers run no code and load no data but the console's own,
show it in no frame, and store no page.

A GET by a script keeps no session alive: pages that look for news by themselves would never lock.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from html import escape
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.errors import StorageFault
from agent.owner.console.door import Door
from agent.owner.console.sessions import Sessions

_log = logging.getLogger(__name__)

BROWSER_COOKIE, SESSION_COOKIE = "clip-browser", "clip-session"
_HOST = "__Host-"  # browsers take such a cookie from this host alone, over HTTPS (RFC 6265bis)
HEADERS: Mapping[str, str] = {
    "content-security-policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' blob:",
            "media-src 'self' blob:",
            "connect-src 'self'",
            "manifest-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",  # no text becomes markup or code in a script
            "trusted-types 'none'",
        )
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), usb=(), display-capture=()",
    "referrer-policy": "same-origin",  # with no-referrer, browsers post forms with `Origin: null`
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
MAX_FORM_BYTES = 262_144
_SAFE = ("GET", "HEAD")
_ANEW = """<!doctype html>
<meta http-equiv="refresh" content="0; url={path}">
<title>clip-agent</title>
<p><a href="{path}">clip-agent</a>
"""
# Served to anybody who reaches the console: they hold nothing of the owner.
_OPEN = ("/enter", "/static/")
_LOCKED = ("/unlock", "/language")  # for admitted browsers


class Guard:
    """An ASGI middleware. ``origins`` are all under which the console is reached."""

    def __init__(
        self, app: ASGIApp, *, origins: tuple[str, ...], door: Door, sessions: Sessions
    ) -> None:
        self._app = app
        self._origins = origins
        self._hosts = {origin.split("://")[1] for origin in origins}
        self._door = door
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a refused request; let the page answer any other."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        refusal = self._refuse(connection, scope["method"])
        app: ASGIApp = self._app if refusal is None else refusal

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await app(scope, receive, send_guarded)

    def _refuse(self, connection: HTTPConnection, method: str) -> Response | None:
        headers, path = connection.headers, connection.url.path
        if headers.get("host", "").lower() not in self._hosts:
            return _no(421, "This is not the console's address.")
        if method not in _SAFE:
            if headers.get("origin") not in self._origins:
                return _no(403, "Another site has sent this.")
            length = headers.get("content-length", "")
            if "transfer-encoding" in headers:  # then the length is not the one that counts
                return _no(411, "This form does not tell its length.")
            if not length.isdecimal() or int(length) > MAX_FORM_BYTES:
                return _no(413, "This form is too large.")
        site, follows_link = headers.get("sec-fetch-site", "none"), _follows_link(headers, method)
        if site not in ("same-origin", "none") and not follows_link:
            return _no(403, "Another site has asked for this.")
        if path.startswith(_OPEN):
            return None
        try:
            browser = self._door.find(self._cookie(connection, BROWSER_COOKIE))
        except StorageFault as fault:
            _log.error("%s", fault)
            return _no(503, "The console cannot tell which browsers it admitted; its log says why.")
        if browser is None and site not in ("same-origin", "none"):
            return HTMLResponse(_ANEW.format(path=escape(_address(connection))))
        if browser is None:
            return _no(
                403,
                "This browser was not admitted. Open the link that `clip-agent owner console"
                " --link` prints on the computer where the console runs.",
            )
        connection.state.browser = browser
        by_script = method in _SAFE and headers.get("sec-fetch-dest") == "empty"
        cookie = self._cookie(connection, SESSION_COOKIE)
        session = self._sessions.find(cookie, browser.id, counts=not by_script)
        connection.state.session = session
        if session is not None or path.startswith(_LOCKED):
            return None
        if method in _SAFE and headers.get("sec-fetch-mode", "navigate") == "navigate":
            return RedirectResponse(f"/unlock?next={quote(_address(connection), safe='')}", 303)
        return JSONResponse({"rule": "locked"}, 401)

    def _cookie(self, connection: HTTPConnection, name: str) -> str:
        return connection.cookies.get(cookie_name(name, self._origins), "")


def cookie_name(name: str, origins: tuple[str, ...]) -> str:
    """The name of a cookie: behind HTTPS one that no neighbour of the host can set."""
    return f"{_HOST}{name}" if origins[0].startswith("https://") else name


def _address(connection: HTTPConnection) -> str:
    """Path and query. A path is never taken for the name of a host."""
    query = f"?{connection.url.query}" if connection.url.query else ""
    return "/" + quote(connection.url.path, safe="/").lstrip("/") + query


def _follows_link(headers: Mapping[str, str], method: str) -> bool:
    """True for a page that a person opens by a link: it is shown to nobody else."""
    return (
        method == "GET"
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )


def _no(status: int, text: str) -> Response:
    return PlainTextResponse(f"{text}\n", status)
