"""The location of a stream: the path of a file, or a URL that may carry a name and password.

URLs are parsed as in FFmpeg: between ``://`` and the first ``/ ? #`` stand login and host, divided
by the last ``@``. If a password holds one of these letters unescaped, its beginning is taken for
the host. Cameras put passwords everywhere: ``/user=admin&password=...``, ``/admin/PASSWORD/0``,
``?token=...``. Hence three rules:

1. Parsing never raises.
2. Of a URL only scheme and host are ever shown, and nothing before the last ``@``, wherever it
   stands.
3. A text that is no URL is shown if it is surely a path: a URL without its scheme is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.S)
_HOST = re.compile(r"(?:\[[0-9A-Za-z:.%]+\]|[\w.-]+)(?::[0-9]+)?")
_ENDS_AUTHORITY = re.compile(r"[/?#]")
_SURELY_A_PATH = re.compile(r"(?:file:)?/(?!/).*|[\w. -]+", re.S)
_HIDDEN = "..."


@dataclass(frozen=True, slots=True)
class Url:
    """The parts of a URL. Prints without what is secret."""

    scheme: str
    login: str = field(repr=False)
    host: str = field(repr=False)  # with its port
    rest: str = field(repr=False)  # path, query, fragment

    @property
    def is_clear(self) -> bool:
        """True if host and login can be told apart; if not, neither may be shown."""
        return bool(_HOST.fullmatch(self.host)) and "@" not in self.rest

    @property
    def shown(self) -> str:
        """Scheme and host, fit for a log."""
        return f"{self.scheme}://{self.host if self.is_clear else _HIDDEN}"


def split(location: str) -> Url | None:
    """The parts of a URL; None for the path of a file."""
    match = _URL.fullmatch(location)
    if match is None or match[1] == "file":
        return None
    scheme, rest = match[1], match[2]
    if not rest.startswith("//"):
        return Url(scheme, "", "", rest)
    rest = rest.removeprefix("//")
    end = found.start() if (found := _ENDS_AUTHORITY.search(rest)) else len(rest)
    login, _, host = rest[:end].rpartition("@")
    return Url(scheme, login, host, rest[end:])


def is_url(location: str) -> bool:
    """True if ``location`` is on a network and not the path of a file."""
    return split(location) is not None


def redacted(location: str) -> str:
    """Scheme and host of a URL, or the path of a file; fit for a log."""
    url = split(location)
    if url is not None:
        return url.shown
    return location if _SURELY_A_PATH.fullmatch(location) else _HIDDEN
