"""The name and password of a network camera.

They stand in a file, in the environment, or in the URL itself, in this order. They go
into the URL that FFmpeg opens and nowhere else: no message names them, and
:func:`agent.config.location.redacted` keeps that URL out of logs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from agent.config.location import split
from agent.config.yamlfile import first_line
from agent.errors import ConfigError

VARIABLE = "CLIP_AGENT_CAMERA_LOGIN"

# RFC 3986 allows these in user information without an escape. FFmpeg has room for 127
# characters and cuts off the rest in silence.
_PLAIN = "!$&'()*+,;="
_MOST_CHARACTERS = 127


@dataclass(frozen=True, slots=True)
class Login:
    """Our login at the camera. Prints without its secrets."""

    name: str = field(repr=False)
    password: str = field(repr=False)

    def into(self, url: str) -> str:
        """``url`` with this login in place of any that it carries."""
        parts = split(url)
        if parts is None:
            return url
        return f"{parts.scheme}://{self._escaped}@{parts.host}{parts.rest}"

    @property
    def fits(self) -> bool:
        """True if FFmpeg has room for it."""
        return len(self._escaped) <= _MOST_CHARACTERS

    @property
    def _escaped(self) -> str:
        return f"{quote(self.name, safe=_PLAIN)}:{quote(self.password, safe=_PLAIN)}"


def read_login(file: Path | None, environment: Mapping[str, str]) -> Login | None:
    """The login in ``file``, else in the environment; None leaves it to the URL.

    Raises :class:`ConfigError`, which names the place, but nothing of the content.
    """
    if file is not None:
        return _parsed(first_line(file), f"{file}: its first line")
    if VARIABLE in environment:
        return _parsed(environment[VARIABLE], f"the environment variable {VARIABLE}")
    return None


def _parsed(text: str, where: str) -> Login:
    name, colon, password = text.partition(":")
    if not (name and colon and password):
        raise ConfigError(
            f"{where} is no login for a camera", advice="Write name:password, nothing else"
        )
    login = Login(name, password)
    if not login.fits:
        raise ConfigError(
            f"{where} is longer than FFmpeg can send to a camera",
            advice="Give the camera's user a shorter password, of plain letters and digits",
        )
    return login
