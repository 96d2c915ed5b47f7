"""This machine's part of the setup: users, folders and units, started by systemd.

The Debian package brings units, users and folders itself. An installation by pip or pipx has them
below ``share/clip-agent`` of its environment; the setup writes them to /etc, with the paths of that
environment. A network camera gets the drop-in that lets the camera's process reach it. A further
camera of the machine gets users and folders of its own, and instances of the template units.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from agent import files
from agent.cli.commands import DEFAULT_CONFIG
from agent.cli.instance import Instance, named
from agent.cli.setup.steps import Steps
from agent.config import Config, StreamSource
from agent.errors import ConfigError, EnvironmentFault

_PACKAGED: Final = Path("usr/lib/systemd/system")
_UNITS: Final = Path("etc/systemd/system")
_TABLES: Final = ("sysusers.d", "tmpfiles.d")  # users, and folders
_KINDS: Final = (
    "clip-agent{}.target",
    "clip-agent-camera{}.service",
    "clip-agent-gateway{}.service",
)
_OWN_FILES: Final = {  # of the data: where pip's installation needs them
    **{name: _UNITS / name for kind in _KINDS for name in (kind.format(""), kind.format("@"))},
    "systemd-timesyncd.service.d/clip-agent.conf": _UNITS
    / "systemd-timesyncd.service.d/clip-agent.conf",
    **{f"{table}/clip-agent.conf": Path(f"etc/{table}/clip-agent.conf") for table in _TABLES},
}
_SHIPPED_HOME: Final = "/opt/clip-agent"
_SHIPPED_PYTHON: Final = f"{_SHIPPED_HOME}/venv/bin/python"
_EXAMPLE_ADDRESS: Final = "192.0.2.10"
_HIDDEN: Final = ("/home", "/root", "/run/user", "/tmp")  # noqa: S108 - of ProtectHome=, PrivateTmp=

Run = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command of systemd."""
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603


class System:
    """systemd on this machine, whose files are below ``root``, for the camera ``instance``.

    ``prefix`` is the environment that this program runs in.
    """

    def __init__(
        self,
        steps: Steps,
        instance: Instance,
        *,
        root: Path = Path("/"),
        prefix: Path = Path(sys.prefix),
        run: Run = run,
    ) -> None:
        self._steps = steps
        self._instance = instance
        self._units = (instance.target, *instance.services)
        self._drop_in = root / _UNITS / f"{instance.services[0]}.d/ip-camera.conf"
        self._root = root
        self._prefix = prefix
        self._run = run

    def manages(self) -> bool:
        """Tell if systemd runs here, and units read this configuration; only root changes them."""
        is_booted = (self._root / "run/systemd/system").is_dir()
        is_read = self._instance.config.parent == DEFAULT_CONFIG.parent
        return is_booted and is_read and os.geteuid() == 0

    @property
    def _is_packaged(self) -> bool:
        return files.exists(self._root / _PACKAGED / _KINDS[1].format(""))

    def prepare(self) -> None:
        """Make users, folders and units, unless the Debian package has."""
        tables = [] if self._is_packaged else ["clip-agent.conf"]
        changed = not self._is_packaged and self._write_shared_files()
        if self._instance.name:
            for table, place in zip(_TABLES, self._own_tables, strict=True):
                text = (self._data / table / "clip-agent.conf").read_text()
                text = named(text, self._instance.name)
                self._steps.write(self._root / place, text.encode(), mode=0o644)
            tables.append(self._own_tables[0].name)
        if self._steps.dry_run or not tables:
            return
        self._do("systemd-sysusers", *tables)
        self._do("systemd-tmpfiles", "--create", *tables)
        if changed:
            self._do("systemctl", "daemon-reload")

    def _write_shared_files(self) -> bool:
        home = self._readable_home()
        changed = False
        for name, place in _OWN_FILES.items():
            text = (self._data / name).read_text()
            text = text.replace(_SHIPPED_PYTHON, str(self._prefix / "bin/python"))
            text = text.replace(_SHIPPED_HOME, home)
            changed |= self._steps.write(self._root / place, text.encode(), mode=0o644)
        return changed

    @property
    def _own_tables(self) -> list[Path]:
        """Users and folders of a further camera."""
        return [Path(f"etc/{table}/clip-agent-{self._instance.name}.conf") for table in _TABLES]

    def start(self, settings: Config) -> None:
        """Start both services now and at each boot; start them anew if they run already."""
        self._let_reach(settings)
        self._steps.say(f"{'would start' if self._steps.dry_run else 'starts':12} {self._units[0]}")
        if self._steps.dry_run:
            return
        self._do("systemctl", "--quiet", "enable", self._units[0])
        self._do("systemctl", "restart", *self._units)

    def remove(self) -> None:
        """Stop both services, and remove what :meth:`prepare` and :meth:`start` wrote."""
        self._steps.say(f"{'would stop' if self._steps.dry_run else 'stops':12} {self._units[0]}")
        if not self._steps.dry_run:
            # Units that are not there are no reason to leave the others.
            self._run(["systemctl", "--quiet", "disable", "--now", *self._units])
        self._steps.remove(self._drop_in)
        is_shared = self._is_packaged or bool(self._instance.others())
        shared = [] if is_shared else list(_OWN_FILES.values())
        for place in (*(self._own_tables if self._instance.name else []), *shared):
            self._steps.remove(self._root / place)
        if not self._steps.dry_run:
            self._do("systemctl", "daemon-reload")

    def _let_reach(self, settings: Config) -> None:
        """Give the camera's process a network if its camera is on one; take it away if not."""
        source = settings.camera.source
        if isinstance(source, StreamSource):
            text = (self._data / "examples/ip-camera.conf").read_text()
            text = text.replace(_EXAMPLE_ADDRESS, " ".join(_addresses(source)))
            if source.transport == "udp":  # the camera sends to ports that we must take
                text = text.replace("\n#SocketBindAllow=", "\nSocketBindAllow=")
            changed = self._steps.write(self._drop_in, text.encode(), mode=0o644)
        else:
            changed = self._steps.remove(self._drop_in)
        if changed and not self._steps.dry_run:
            self._do("systemctl", "daemon-reload")

    @property
    def _data(self) -> Path:
        """The units as they are shipped."""
        places = (
            self._prefix / "share/clip-agent/systemd",
            self._root / "usr/share/clip-agent/systemd",
            Path(__file__).parents[3] / "systemd",  # a checkout
        )
        for place in places:
            if place.is_dir():
                return place
        raise EnvironmentFault(
            "this installation has no units for systemd",
            advice="Install the Debian package, or clip-agent by pip from its wheel",
        )

    def _readable_home(self) -> str:
        """The folder that the services must see to run this program."""
        prefix = str(self._prefix)
        if any(prefix == folder or prefix.startswith(f"{folder}/") for folder in _HIDDEN):
            raise EnvironmentFault(
                f"{prefix}: the services cannot see the program there",
                advice="Install the Debian package, or for all users:"
                " `sudo pipx install --global 'clip-agent[camera]'`",
            )
        return prefix

    def _do(self, *command: str) -> None:
        if shutil.which(command[0]) is None and self._run is run:
            raise EnvironmentFault(f"there is no {command[0]}", advice="Debian's package systemd")
        done = self._run(command)
        if done.returncode != 0:
            raise EnvironmentFault(
                f"`{' '.join(command)}` failed: {done.stderr.strip() or done.returncode}",
                advice=f"Look at `journalctl -u {self._units[1]} -u {self._units[2]}`, then run"
                " `clip-agent setup` again: it goes on from here",
            )


def _addresses(source: StreamSource) -> list[str]:
    """The addresses of a camera's streams; ConfigError for a name, which its process cannot ask."""
    found = []
    for url in filter(None, (source.record, source.detect)):
        host = urlsplit(url).hostname
        if host is None:
            continue  # a file
        try:
            found.append(str(ip_address(host)))
        except ValueError as error:
            raise ConfigError(
                f"camera.source: {host} is a name, and the camera's process asks no name server",
                advice="Write the camera's address, such as 192.168.1.20, and give the camera that"
                " address for good in your router",
            ) from error
    return list(dict.fromkeys(found))
