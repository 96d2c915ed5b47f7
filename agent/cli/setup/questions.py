"""Questions of the setup: what no option gave and no machine can find out."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from agent.cli.setup import access_list, cameras
from agent.cli.setup.cameras import FoundCamera
from agent.errors import ConfigError

T = TypeVar("T")

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_RESERVED: Final = (access_list.OWNER, access_list.PAIRING, *access_list.OTHERS)


@dataclass(frozen=True)
class Questions:
    """Asks at the terminal; without one, each question is an error that names its option."""

    ask: Callable[[str], str] = input
    at_terminal: Callable[[], bool] = sys.stdin.isatty

    def name(self, given: str | None) -> str:
        """The camera's name."""
        proposal = _proposal(socket.gethostname())
        return self._until_right(
            given,
            f"Name of this camera, such as front-door [{proposal}]: ",
            "--name",
            lambda text: parse_name(text or proposal),
        )

    def place(self, given: str | None) -> tuple[float, float]:
        """Latitude and longitude in degrees."""
        return self._until_right(
            given,
            "Where it stands, latitude and longitude from any map, such as 42.1015, -72.5898."
            "\nThis never leaves the device: ",
            "--place",
            parse_place,
        )

    def camera(
        self, given: str | None, found: Sequence[FoundCamera]
    ) -> tuple[dict[str, Any], str | None]:
        """The camera's section, and a network camera's login."""
        if given is None and len(found) == 1:
            return found[0].source, None
        lines = [f"  {number}  {camera.name}" for number, camera in enumerate(found, start=1)]
        kind = "Its number, or" if found else "The camera:"
        question = "\n".join([*lines, f"{kind} rtsp:// address, device, or `scene` (a drawing): "])

        def parse(text: str) -> tuple[dict[str, Any], str | None]:
            if text.isdecimal() and 1 <= int(text) <= len(found):
                return found[int(text) - 1].source, None
            return cameras.parse(text)

        return self._until_right(given, question, "--camera", parse)

    def _until_right(
        self, given: str | None, question: str, option: str, parse: Callable[[str], T]
    ) -> T:
        if given is not None:
            try:
                return parse(given)
            except ConfigError as error:
                raise ConfigError(f"{option}: {error.message}", advice=error.advice) from error
        if not self.at_terminal():
            raise ConfigError(f"{option} is missing", advice="There is no terminal to ask")
        while True:
            try:
                return parse(self.ask(question).strip())
            except ConfigError as error:
                print(error)


def parse_name(text: str) -> str:
    """A camera's name for topics and broker users; ConfigError for another."""
    if not _NAME.fullmatch(text):
        raise ConfigError(f"{text!r}: use at most 32 lower-case letters, digits and hyphens")
    if text in _RESERVED or text.startswith(f"{access_list.OWNER}-"):
        raise ConfigError(f"{text!r} is the name of another user of the broker")
    return text


def parse_place(text: str) -> tuple[float, float]:
    """Latitude and longitude, apart by a comma or spaces; ConfigError for another text."""
    try:
        latitude, longitude = (float(part) for part in text.replace(",", " ").split())
    except ValueError as error:
        raise ConfigError(f"{text!r} is not two numbers, such as 42.1015, -72.5898") from error
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise ConfigError("a latitude is from -90 to 90, a longitude from -180 to 180")
    return latitude, longitude


def _proposal(host: str) -> str:
    """A name from this machine's, if it makes one."""
    text = re.sub(r"[^a-z0-9-]", "-", host.partition(".")[0].lower()).strip("-")[:32]
    try:
        return parse_name(text)
    except ConfigError:
        return "camera"
