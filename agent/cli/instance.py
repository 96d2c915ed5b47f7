"""The cameras of one machine: that of ``agent.yaml``, and more of them, each under a name.

A further camera NAME has ``NAME.yaml`` and, beside it, the folder ``NAME`` with its owners' cards
and its passwords; a state folder, two users, and instances ``@NAME`` of target and services. A part
that was taken over reaches no other camera. The list of requesters is the machine's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.cli.commands import DEFAULT_CONFIG
from agent.errors import ConfigError

STATE: Final = Path("/var/lib/clip-agent")
CAMERA: Final = "clip-camera"
GATEWAY: Final = "clip-gateway"

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,17}")  # Linux' users: 31 characters, clip-gateway-…
_TAKEN: Final = ("agent", "requesters", "owners", "camera", "gateway", "wishes", "root")


@dataclass(frozen=True)
class Instance:
    """A camera of this machine by its configuration; ``name`` is empty for agent.yaml's."""

    config: Path
    name: str

    @classmethod
    def of(cls, config: Path) -> Instance:
        """The camera whose configuration is ``config``."""
        return cls(config, "" if config.name == DEFAULT_CONFIG.name else config.stem)

    def check_name(self) -> None:
        """Raise ConfigError for a name that files, folders or users of this machine cannot have."""
        if self.name and (not _NAME.fullmatch(self.name) or self.name in _TAKEN):
            raise ConfigError(
                f"{self.name!r} cannot name a further camera of this machine",
                advice="Use at most 18 lower-case letters, digits and hyphens, and none of "
                + ", ".join(_TAKEN),
            )

    @property
    def folder(self) -> Path:
        """The folder of its cards and passwords."""
        return self.config.parent / self.name

    @property
    def state_dir(self) -> Path:
        """The folder of its clips, ledger and keys that its units show it."""
        return STATE / self.name

    @property
    def target(self) -> str:
        """The unit that starts both services."""
        return named("clip-agent.target", self.name)

    @property
    def services(self) -> tuple[str, str]:
        """The units of camera and gateway."""
        camera = named("clip-agent-camera.service", self.name)
        return camera, named("clip-agent-gateway.service", self.name)

    def others(self) -> list[Instance]:
        """The other cameras that were set up beside this one."""
        found = [Instance.of(path) for path in sorted(self.config.parent.glob("*.yaml"))]
        return [
            one
            for one in found
            if one.config != self.config and (not one.name or one.folder.is_dir())
        ]


def named(text: str, name: str) -> str:
    """A text of the first camera, as it is for the camera ``name``; ``%i`` makes a template."""
    if not name:
        return text
    for first, own in (
        ("/etc/clip-agent/agent.yaml", f"/etc/clip-agent/{name}.yaml"),
        (str(STATE), f"{STATE}/{name}"),
        ("/run/clip-agent/root", f"/run/clip-agent/{name}"),
        (CAMERA, f"{CAMERA}-{name}"),
        (GATEWAY, f"{GATEWAY}-{name}"),
        ("clip-agent.target", f"clip-agent@{name}.target"),
        ("clip-agent-camera.service", f"clip-agent-camera@{name}.service"),
        ("clip-agent-gateway.service", f"clip-agent-gateway@{name}.service"),
    ):
        text = text.replace(first, own)
    return text
