"""The location of a stream: the path of a file, or a URL that may carry a name and password.

URLs are parsed as in FFmpeg: between ``://`` and the first ``/ ? #`` stand login and host, divided
by the last ``@``. If a password holds one of these letters unescaped, its beginning is taken for
the host. Hence two rules:

1. Parsing never raises.
2. Nothing before the last ``@``, wherever it stands, is ever shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.S)
_HOST = re.compile(r"(?:\[[0-9A-Za-z:.%]+\]|[^\s:@\[\]]+)(?::[0-9]+)?")
_ENDS_AUTHORITY = re.compile(r"[/?#]")


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
        """Scheme, host and path, fit for a log."""
        if not self.is_clear:
            return f"{self.scheme}://..."
        return f"{self.scheme}://{self.host}{re.split('[?#]', self.rest)[0]}"


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
    """``location`` without user, password and query, fit for a log."""
    url = split(location)
    return location if url is None else url.shown
