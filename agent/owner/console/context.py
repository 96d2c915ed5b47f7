"""One request of a browser, as the pages see it: the owner's client, keys, form and templates.

A page is a function of a :class:`Context`. It runs in a thread, so it may wait for the broker.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jinja2
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from agent.clock import Clock
from agent.errors import (
    ClipAgentError,
    ConfigError,
    EnvironmentFault,
    InternalFault,
    KeyFileError,
    Refused,
    WrongPassphrase,
)
from agent.keyfile import Keys
from agent.owner.client import OwnerClient
from agent.owner.console import languages
from agent.owner.console.collector import Collector
from agent.owner.console.door import Browser, Door
from agent.owner.console.guard import cookie_name
from agent.owner.console.jobs import Jobs
from agent.owner.console.sessions import Session, Sessions
from agent.owner.home.folder import OwnerFolder
from agent.owner.passkeys.passkeys import Passkeys
from agent.owner.passkeys.relying_party import RelyingParty
from agent.owner.wording import text, words

_log = logging.getLogger(__name__)

LANGUAGE_COOKIE = "clip-language"
Page = Callable[["Context"], Response]


@dataclass(frozen=True)
class Console:
    """The parts that all pages share. ``origins``: the first is the one to show people."""

    folder: OwnerFolder
    clock: Clock
    origins: tuple[str, ...]
    door: Door
    sessions: Sessions
    jobs: Jobs
    collector: Collector
    passkeys: Passkeys

    def client(self) -> OwnerClient:
        """A client of the owner; each request has its own."""
        return OwnerClient(self.folder, clock=self.clock)

    @property
    def is_secure(self) -> bool:
        """True behind HTTPS: cookies are sent on no other connection then."""
        return self.origins[0].startswith("https://")


@dataclass(frozen=True)
class Context:
    """A request. ``form`` is empty but for a POST."""

    request: Request
    console: Console
    form: FormData
    language: str

    @property
    def browser(self) -> Browser:
        """The admitted browser."""
        browser: Browser = self.request.state.browser
        return browser

    @property
    def session(self) -> Session:
        """The unlocked session; the guard lets no other request come this far."""
        session: Session | None = getattr(self.request.state, "session", None)
        if session is None:
            raise InternalFault("a page was reached while locked")
        return session

    @property
    def keys(self) -> Keys:
        """The owner's keys."""
        return self.session.keys

    def client(self) -> OwnerClient:
        """A client of the owner."""
        return self.console.client()

    @property
    def origin(self) -> str:
        """The address under which this browser reached the console; the guard knows it."""
        host = self.request.headers.get("host", "").lower()
        return next(one for one in self.console.origins if one.split("://")[1] == host)

    @property
    def back(self) -> str:
        """The page that this browser shows, or came from by a form: a path of the console."""
        came_from = urlsplit(self.request.headers.get("referer", ""))
        is_form = self.request.method == "POST" and came_from.netloc == self.request.url.netloc
        shown = came_from if is_form else self.request.url
        path = "/" + shown.path.lstrip("/")
        return f"{path}?{shown.query}" if shown.query else path

    def has_passkeys(self) -> bool:
        """True if a passkey is enrolled for the address where this browser is."""
        try:
            party = RelyingParty.of(self.origin)
        except Refused:
            return False
        return bool(self.console.passkeys.enrolled().at(party.id))

    def path(self, name: str) -> str:
        """A parameter in the page's path."""
        value: str = self.request.path_params[name]
        return value

    def field(self, name: str, default: str = "") -> str:
        """A text field of the form, or of the query of a GET."""
        source = self.form if self.request.method == "POST" else self.request.query_params
        value = source.get(name, default)
        return value if isinstance(value, str) else default

    def fields(self, name: str) -> list[str]:
        """All values of a field, such as the chosen clips."""
        source = self.form if self.request.method == "POST" else self.request.query_params
        return [one for one in source.getlist(name) if isinstance(one, str)]

    def render(self, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """A page from a template."""
        page = _TEMPLATES.get_template(template).render(
            language=self.language,
            languages=languages.NAMES,
            path=self.request.url.path,
            back=self.back,
            unlocked=getattr(self.request.state, "session", None) is not None,
            now=self.console.clock.now(),
            collector=self.console.collector,
            has_passkeys=self.has_passkeys,
            **values,
        )
        return HTMLResponse(page, status)

    def redirect(self, path: str) -> RedirectResponse:
        """To another page, by GET."""
        return RedirectResponse(path, 303)


def endpoint(page: Page) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint that runs ``page`` in a thread; a fault becomes a page that says so."""

    async def run(request: Request) -> Response:
        console: Console = request.app.state.console
        form = FormData()
        if request.method == "POST":
            form = await request.form(max_files=0)
        language = request.cookies.get(cookie_name(LANGUAGE_COOKIE, console.origins), "")
        if language not in languages.NAMES:
            language = languages.preferred(request.headers.get("accept-language", ""))
        context = Context(request, console, form, language)
        with words.speaking(languages.catalogue(language)):
            try:
                return await run_in_threadpool(page, context)
            except ClipAgentError as error:
                return context.render("fault.html", status=status_of(error), error=error)
            except Exception:  # noqa: BLE001 - the browser is told, the log has it whole
                _log.exception("%s %s", request.method, request.url.path)
                mistake = InternalFault(words._("The console made a mistake; its log says more"))
                return context.render("fault.html", status=500, error=mistake)

    return run


def nowhere(context: Context) -> Response:
    """The page for a path that no page has."""
    error = Refused("no-page", words._("There is no page here"))
    return context.render("fault.html", status=404, error=error)


def for_scripts(page: Page) -> Page:
    """The same page, whose faults are JSON for the script that asked."""

    def run(context: Context) -> Response:
        try:
            return page(context)
        except ClipAgentError as error:
            return JSONResponse({"error": why(error)}, status_of(error))

    return run


def why(error: ClipAgentError) -> str:
    """The words of an error for a page, which has no command-line options to advise."""
    if isinstance(error, WrongPassphrase):
        return words._("That is not your passphrase, or the file with your keys is damaged.")
    return str(error)


def status_of(error: ClipAgentError) -> int:
    """The HTTP status that says whose fault it was."""
    match error:
        case KeyFileError():
            return 403
        case Refused() | ConfigError():
            return 409
        case EnvironmentFault():
            return 503
    return 500


def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_callables(  # type: ignore[attr-defined]  # added by the extension
        words._, words.ngettext, newstyle=True
    )
    environment.globals["text"] = text
    environment.filters.update(
        why=why,
        moment=text.moment,
        brief=text.brief,
        second=text.second,
        clock=text.clock,
        size=text.size,
        outcome=text.outcome,
        answer_subject=text.subject,
    )
    return environment


_TEMPLATES = _templates()
