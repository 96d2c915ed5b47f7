"""A real broker for tests: Debian's mosquitto on a free port of 127.0.0.1.

>>> with Mosquitto(tmp_path, users={"camera": "secret"}, acl="user camera\\n...") as broker:
...     connect("127.0.0.1", broker.port)
...     broker.restart()      # same port; sessions and retained messages survive

Mosquitto writes what it keeps after every second change and when it ends in order, so
:meth:`Mosquitto.kill` may lose the last change, as a power cut does.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.peers.certificates import ServerCertificate
from tests.peers.process import Peer, free_port
from tests.peers.requirements import program

HOST = "127.0.0.1"
_READY = "running"


class Mosquitto:
    """A broker in ``folder``. Anonymous clients are let in unless ``users`` are given.

    It listens at one port of all ``hosts``; ``host`` is the first of them. ``settings`` are
    more lines of its configuration. One that ``is_quiet`` logs no message and stores nothing.
    """

    def __init__(
        self,
        folder: Path,
        *,
        users: Mapping[str, str] | None = None,
        acl: str | None = None,
        certificate: ServerCertificate | None = None,
        hosts: Sequence[str] = (HOST,),
        settings: Sequence[str] = (),
        is_quiet: bool = False,
    ) -> None:
        self._folder = folder
        self._users = users
        self._acl = acl
        self._certificate = certificate
        self._settings = settings
        self._is_quiet = is_quiet
        self._program = program("mosquitto")
        folder.mkdir(parents=True, exist_ok=True)
        self._peer = Peer(folder / "mosquitto.log")
        self.host, self.hosts = hosts[0], hosts
        self.port = 0
        if users is not None:
            self._write_passwords(users)

    def _write_passwords(self, users: Mapping[str, str]) -> None:
        path = self._folder / "passwords"
        path.touch(mode=0o600)
        for name, password in users.items():
            command = [program("mosquitto_passwd"), "-b", str(path), name, password]
            subprocess.run(command, check=True, capture_output=True)

    def _write_config(self) -> Path:
        lines = [
            *(f"listener {self.port} {host}" for host in self.hosts),
            f"allow_anonymous {'false' if self._users is not None else 'true'}",
            f"user {pwd.getpwuid(os.geteuid()).pw_name}",
            "log_dest stderr",
            *self._settings,
        ]
        if self._is_quiet:
            lines += ["log_type error", "log_type information", "connection_messages false"]
        else:
            lines += [
                "log_type all",
                "persistence true",
                f"persistence_location {self._folder}/",
                "autosave_on_changes true",
                "autosave_interval 1",
            ]
        if self._users is not None:
            lines.append(f"password_file {self._folder / 'passwords'}")
        if self._acl is not None:
            (self._folder / "acl").write_text(self._acl)
            (self._folder / "acl").chmod(0o600)
            lines.append(f"acl_file {self._folder / 'acl'}")
        if self._certificate is not None:
            lines.append(f"certfile {self._certificate.certificate_file}")
            lines.append(f"keyfile {self._certificate.key_file}")
        path = self._folder / "mosquitto.conf"
        path.write_text("\n".join(lines) + "\n")
        return path

    def start(self) -> Self:
        """Start, on the port of the run before if there was one."""
        if self.port:
            self._run()
            return self
        for attempt in range(5):
            self.port = free_port()
            try:
                self._run()
            except RuntimeError:  # somebody else took the port meanwhile
                if attempt == 4:
                    raise
            else:
                break
        return self

    def _run(self) -> None:
        self._peer.run([self._program, "-c", str(self._write_config())], ready=_READY)

    def stop(self) -> None:
        """End it in order (SIGTERM)."""
        self._peer.terminate()

    def kill(self) -> None:
        """End it without warning (SIGKILL)."""
        self._peer.kill()

    def restart(self) -> None:
        """Stop and start on the same port."""
        self.stop()
        self.start()

    def forget(self) -> None:
        """Start again on the same port without sessions and retained messages."""
        self.stop()
        for kept in self._folder.glob("*.db*"):
            kept.unlink()
        self.start()

    def log(self) -> str:
        """The log of the broker in this run."""
        return self._peer.output()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self.kill()
