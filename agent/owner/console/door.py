"""The browsers that may talk to the console, kept as digests in the owner's folder.

A browser comes in by a link with a random token, which works once and for ten minutes, and gets a
cookie of its own. The cookie opens nothing: it lets the browser ask for the passphrase. Both
live in ``console.json``, so a running console takes a link that another command has made.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from contextlib import suppress

import msgspec
from msgspec import Struct

from agent import files
from agent.clock import Clock
from agent.errors import Refused, StorageFault
from agent.owner.home.folder import OwnerFolder

LINK_SECONDS = 600.0
BROWSER_SECONDS = 90 * 86_400.0
_SEEN_STEP_SECONDS = 86_400.0  # so often at most, a browser's last visit is written down
_MOST_LINKS, _MOST_BROWSERS = 8, 50
_NAME_CHARACTERS = 60


class Link(Struct, frozen=True, forbid_unknown_fields=True):
    """A link that was not used yet: the SHA-256 of its token, and its end (Unix)."""

    sha256: str
    until: float

    def lives(self, now: float) -> bool:
        """False once it is over, also where the clock was set back meanwhile."""
        return now < self.until <= now + LINK_SECONDS


class Browser(Struct, frozen=True, forbid_unknown_fields=True):
    """An admitted browser: a short id, the SHA-256 of its cookie, its name, its days (Unix)."""

    id: str
    sha256: str
    name: str
    admitted_at: float
    seen_at: float


class _State(Struct, frozen=True, forbid_unknown_fields=True):
    links: tuple[Link, ...] = ()
    browsers: tuple[Browser, ...] = ()


class Door:
    """Admits browsers to the console of the owner whose ``folder`` this is."""

    def __init__(
        self,
        folder: OwnerFolder,
        clock: Clock,
        *,
        token: Callable[[], str] = secrets.token_urlsafe,
    ) -> None:
        self._path = folder.path / "console.json"
        self._lock = folder.path / ".console.lock"
        self._clock = clock
        self._token = token

    def link(self) -> str:
        """The token of a new link."""
        token, now = self._token(), self._clock.now()
        with files.locked(self._lock):
            state = self._read()
            links = (*state.links, Link(_digest(token), now + LINK_SECONDS))[-_MOST_LINKS:]
            self._write(msgspec.structs.replace(state, links=links))
        return token

    def admit(self, token: str, name: str) -> str:
        """The cookie of a new browser, for a link's token; Refused ``link-used`` for any other."""
        wanted, now, cookie = _digest(token), self._clock.now(), self._token()
        with files.locked(self._lock):
            state = self._read()
            if not any(link.sha256 == wanted and link.lives(now) for link in state.links):
                raise Refused(
                    "link-used",
                    "this link was used before, or is older than ten minutes",
                    advice="Make a new one with `clip-agent owner console --link`",
                )
            digest = _digest(cookie)
            browser = Browser(digest[:12], digest, name[:_NAME_CHARACTERS], now, now)
            links = tuple(link for link in state.links if link.sha256 != wanted)
            self._write(_State(links, (*state.browsers, browser)[-_MOST_BROWSERS:]))
        return cookie

    def find(self, cookie: str) -> Browser | None:
        """The browser with this cookie, if it was admitted and came back within 90 days."""
        wanted, now = _digest(cookie), self._clock.now()
        found = next((one for one in self._read().browsers if one.sha256 == wanted), None)
        if found is None or now - found.seen_at > BROWSER_SECONDS:
            return None
        if now - found.seen_at > _SEEN_STEP_SECONDS:
            with suppress(StorageFault):  # a full disk must not keep the owner out
                self._change(found.id, msgspec.structs.replace(found, seen_at=now))
        return found

    def browsers(self) -> tuple[Browser, ...]:
        """All admitted browsers, the newest last."""
        return self._read().browsers

    def remove(self, browser: str) -> None:
        """Forget a browser by its id: its cookie admits nobody any more."""
        self._change(browser, None)

    def _change(self, browser: str, new: Browser | None) -> None:
        with files.locked(self._lock):
            state = self._read()
            kept = (new if one.id == browser else one for one in state.browsers)
            browsers = tuple(one for one in kept if one is not None)
            self._write(msgspec.structs.replace(state, browsers=browsers))

    def _read(self) -> _State:
        with files.faults(self._path):
            if not self._path.exists():
                return _State()
            data = self._path.read_bytes()
        try:
            return msgspec.json.decode(data, type=_State)
        except msgspec.DecodeError as error:
            raise StorageFault(
                f"{self._path}: is damaged",
                advice="Delete it, and admit each browser anew: `clip-agent owner console --link`",
            ) from error

    def _write(self, state: _State) -> None:
        now = self._clock.now()
        links = tuple(link for link in state.links if link.lives(now))
        fresh = tuple(one for one in state.browsers if now - one.seen_at <= BROWSER_SECONDS)
        data = msgspec.json.encode(_State(links, fresh))
        files.replace(self._path, data, mode=files.PRIVATE_MODE)


def name_of(user_agent: str) -> str:
    """A name for a browser that its owner recognises: ``Firefox on Android``."""
    browsers = ("Firefox", "Edg", "OPR", "Chrome", "Safari")
    systems = ("Android", "iPhone", "iPad", "Windows", "Mac OS X", "Linux")
    browser = next((one for one in browsers if one in user_agent), "a browser")
    system = next((one for one in systems if one in user_agent), "a computer")
    named = {"Edg": "Edge", "OPR": "Opera", "Mac OS X": "macOS"}
    return f"{named.get(browser, browser)} on {named.get(system, system)}"


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
