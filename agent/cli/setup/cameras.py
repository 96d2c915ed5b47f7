"""Cameras that this machine can see, without opening one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from agent.config import Config, PiSource, WebcamSource
from agent.errors import ConfigError

# Sensors of the board's own connector, by the names of their drivers.
_SENSOR: Final = re.compile(r"(imx|ov|arducam|gc|sc)[0-9a-z_-]*\b", re.IGNORECASE)


@dataclass(frozen=True)
class FoundCamera:
    """A camera: a name for people, and its section of agent.yaml."""

    name: str
    source: dict[str, Any]


def find(root: Path = Path("/")) -> list[FoundCamera]:
    """The cameras of this machine: the board's own, then USB."""
    found = []
    sensors = sorted((root / "sys/class/video4linux").glob("v4l-subdev*/name"))
    names = [text for path in sensors if _SENSOR.match(text := path.read_text().strip())]
    for number, name in enumerate(names):
        found.append(
            FoundCamera(f"the board's own camera ({name})", {"type": "pi", "camera": number})
        )
    for link in sorted((root / "dev/v4l/by-id").glob("*-video-index0")):
        device = "/" + str(link.relative_to(root))
        name = link.name.removesuffix("-video-index0").removeprefix("usb-").replace("_", " ")
        found.append(FoundCamera(f"USB camera {name}", {"type": "webcam", "device": device}))
    return found


def device_of(source: dict[str, Any]) -> object:
    """The device of a camera's section, which one process opens; None if it is none."""
    kind = source["type"]
    if kind == "pi":
        return source.get("camera", 0)
    return source.get("device") if kind == "webcam" else None


def device_in(settings: Config) -> object:
    """The same, of the settings of another camera of this machine."""
    source = settings.camera.source
    if isinstance(source, PiSource):
        return source.camera
    return source.device if isinstance(source, WebcamSource) else None


def parse(text: str) -> tuple[dict[str, Any], str | None]:
    """A camera as a person names it: its section, and a network camera's ``name:password``.

    ``pi``, ``scene``, the path of a device or a video, or a URL. Raises ConfigError.
    """
    if text in ("pi", "scene"):
        return {"type": text}, None
    if text.startswith("/dev/"):
        return {"type": "webcam", "device": text}, None
    if "://" not in text and not text.startswith("/"):
        raise ConfigError(
            f"{text!r} is no camera",
            advice="Type an rtsp:// address, a device such as /dev/video0, pi or scene",
        )
    try:
        parts = urlsplit(text)
        login, at, host = parts.netloc.rpartition("@")
    except ValueError as error:
        raise ConfigError("this is no address of a camera") from error
    if not at:
        return {"type": "stream", "record": text}, None
    return {"type": "stream", "record": parts._replace(netloc=host).geturl()}, unquote(login)
