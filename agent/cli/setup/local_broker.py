"""The Mosquitto on this machine: its configuration, its users, and their passwords.

What is in place stays: a certificate, a configuration of before, rules that somebody added. Users
of paired computers come and go with a reload (SIGHUP), which ends no connection.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from agent import config, files
from agent.cli.setup import access_list, certificate
from agent.cli.setup.steps import Steps
from agent.config import Broker
from agent.errors import EnvironmentFault, NetworkFault, Refused
from agent.mqtt.link import MqttLink, Settings
from agent.mqtt.session import Session
from agent.pairing import meeting

FOLDER: Final = Path("/etc/mosquitto")

_FOREIGN: Final = re.compile(
    r"^\s*(listener|port|bind_address|acl_file|password_file|allow_anonymous|per_listener_settings"
    r"|plugin|auth_plugin)\s",
    re.MULTILINE,
)
_PROGRAM: Final = "mosquitto"
_PASSWORD_BYTES: Final = 16
_RELOAD_SECONDS: Final = 15.0
_PAUSE_SECONDS: Final = 0.2
_SECONDS: Final = 10.0


class LocalBroker:
    """Mosquitto's folder, with what this device needs in it."""

    def __init__(self, folder: Path, steps: Steps) -> None:
        self._folder = folder
        self._steps = steps
        self._main = folder / "mosquitto.conf"
        self._own = folder / "conf.d" / "clip-agent.conf"
        self._acl = folder / "clip-agent.acl"
        self._passwords = folder / "clip-agent.passwd"

    @property
    def is_there(self) -> bool:
        """Tell if Mosquitto is installed."""
        return files.exists(self._main)

    def foreign_settings(self) -> Path | None:
        """A file by which somebody else has configured listeners or users, if there is one.

        Two configurations of them do not go together: Mosquitto would not start.
        """
        others = [self._main, *sorted((self._folder / "conf.d").glob("*.conf"))]
        for path in others:
            if path != self._own and _FOREIGN.search(self._text(path)):
                return path
        return None

    @property
    def has_tls(self) -> bool:
        """Tell if other computers reach it over TLS."""
        return self._certificate_file() is not None

    def certificate_to_trust(self) -> str | None:
        """The certificate of the TLS listener if it signs for itself, PEM."""
        path = self._certificate_file()
        if path is None:
            return None
        pem = config.read_text(path)
        return pem if certificate.signs_for_itself(pem) else None

    def _certificate_file(self) -> Path | None:
        if not files.exists(self._own):
            return None
        found = re.search(r"^certfile\s+(\S+)", config.read_text(self._own), re.MULTILINE)
        return Path(found[1]) if found else None

    def prepare(self, device: str, broker: Broker, *, like: Path, names: Sequence[str]) -> None:
        """Give the device its user at ``broker``, Mosquitto its configuration, and try both.

        ``like`` is a file or folder of the gateway, who reads the password. ``names`` are for the
        certificate.
        """
        assert broker.password_file is not None
        if files.exists(broker.password_file):
            password = config.first_line(broker.password_file)
        else:
            password = secrets.token_hex(_PASSWORD_BYTES)
            line = f"{password}\n".encode()
            self._steps.write(broker.password_file, line, mode=0o400, like=like)
        user = broker.username or device
        changed = self._add(user, password, like=access_list.DEVICE, device=device)
        rules = access_list.with_user(
            self._text(self._acl), access_list.PAIRING, like=access_list.PAIRING
        )
        changed |= self._write(self._acl, rules)
        # A setup that was killed while it showed a code leaves this user behind.
        passwords = access_list.without_user(self._text(self._passwords), meeting.USERNAME)
        changed |= self._write(self._passwords, passwords)
        is_new = self._configure(names)
        if self._steps.dry_run:
            return
        if changed and not is_new:
            self._reload()
        # A setup that was cut off may have written a configuration that nobody has read.
        if is_new or not self._takes(broker, user, password):
            self._restart()
            if not self._takes(broker, user, password):
                raise NetworkFault(
                    f"Mosquitto does not let {user} in",
                    advice=f"Look at its log, and at {self._own} and the files that it names",
                )

    def _configure(self, names: Sequence[str]) -> bool:
        """Write certificate and configuration; True if they are new to the broker."""
        if files.exists(self._own):
            return False
        folder = self._folder / "certs"
        own, key = folder / "clip-agent.pem", folder / "clip-agent.key"
        if not (files.exists(own) and files.exists(key)):
            self._steps.folder(folder, mode=0o755)
            pem, private = certificate.make(names, now=time.time())
            self._write(key, private)  # first: a certificate alone would stay without its key
            self._write(own, pem, mode=0o644)
        text = access_list.shipped("clip-agent.conf").replace("/etc/mosquitto", str(self._folder))
        text = re.sub(r"^# (listener 8883|certfile |keyfile )", r"\1", text, flags=re.MULTILINE)
        text = text.replace("certs/server.", "certs/clip-agent.")
        return self._write(self._own, text, mode=0o644)

    def _add(self, name: str, password: str, *, like: str, device: str = "") -> bool:
        rules = access_list.with_user(self._text(self._acl), name, like=like, device=device)
        passwords = access_list.with_password(self._text(self._passwords), name, password)
        changed = self._write(self._acl, rules)
        return self._write(self._passwords, passwords) or changed

    def _write(self, path: Path, data: str | bytes, *, mode: int = 0o600) -> bool:
        raw = data.encode() if isinstance(data, str) else data
        # Only secrets are Mosquitto's own files: it need not change its configuration.
        return self._steps.write(path, raw, mode=mode, user=_PROGRAM if mode == 0o600 else None)

    @staticmethod
    def _text(path: Path) -> str:
        return config.read_text(path) if files.exists(path) else ""

    @contextmanager
    def open_to_pairing(self, broker: Broker) -> Iterator[None]:
        """Let computers that are not paired yet knock, for the block."""
        name, password = meeting.USERNAME, meeting.PASSWORD
        self._change_passwords(
            access_list.with_password(self._text(self._passwords), name, password)
        )
        if not self._takes(broker, name, password):
            raise NetworkFault(f"Mosquitto does not let its user {name} in")
        try:
            yield
        finally:
            self._change_passwords(access_list.without_user(self._text(self._passwords), name))

    def _change_passwords(self, text: str) -> None:
        if self._write(self._passwords, text):
            self._reload()

    def add_owner(self, name: str, broker: Broker) -> str:
        """A user with an owner's rules and a new password, which the ``broker`` takes already."""
        return self._add_taken(name, broker, like=access_list.OWNER)

    def add_camera(self, name: str, broker: Broker) -> str:
        """The same for another camera. Refused if there is a user of this name."""
        known = self._text(self._passwords).splitlines()
        if any(line.partition(":")[0] == name for line in known):
            raise Refused(
                "camera-name-taken",
                f"this broker has a user {name!r} already",
                advice="Give the other camera another name. If it is the same one, first remove its"
                f" user: mosquitto_passwd -D {self._passwords} {name}",
            )
        return self._add_taken(name, broker, like=access_list.DEVICE, device=name)

    def remove(self, name: str) -> None:
        """Take a user's password away."""
        self._change_passwords(access_list.without_user(self._text(self._passwords), name))

    def forget(self, name: str) -> None:
        """The same for a camera whose machine keeps others, unless this is a dry run."""
        passwords = self._text(self._passwords)
        changed = self._write(self._passwords, access_list.without_user(passwords, name))
        if changed and not self._steps.dry_run and self._process() is not None:
            self._reload()

    def _add_taken(self, name: str, broker: Broker, *, like: str, device: str = "") -> str:
        password = secrets.token_hex(_PASSWORD_BYTES)
        self._add(name, password, like=like, device=device)
        self._reload()
        if not self._takes(broker, name, password):
            raise NetworkFault(f"Mosquitto does not let its new user {name} in")
        return password

    def dismantle(self) -> None:
        """Remove what :meth:`prepare` and the pairings wrote; Mosquitto goes on without."""
        certs = self._folder / "certs"
        paths = (self._own, self._acl, self._passwords)
        removed = [
            self._steps.remove(path)
            for path in (*paths, certs / "clip-agent.pem", certs / "clip-agent.key")
        ]
        if any(removed) and not self._steps.dry_run:
            self._restart()

    @staticmethod
    def _takes(broker: Broker, name: str, password: str) -> bool:
        """Tell if ``broker`` lets a user in, now or once it has read its users anew."""
        settings = Settings(
            client_id=f"clip-setup-{secrets.token_hex(6)}",
            host=broker.host,
            port=broker.port,
            username=name,
            password=password,
        )
        deadline = time.monotonic() + _RELOAD_SECONDS
        while time.monotonic() < deadline:
            with suppress(NetworkFault), Session(MqttLink(settings), seconds=_SECONDS):
                return True
            time.sleep(_PAUSE_SECONDS)
        return False

    def _restart(self) -> None:
        command = shutil.which("systemctl")
        if command is not None:
            self._steps.say("restarts    mosquitto")
            done = subprocess.run(  # noqa: S603 - a fixed command
                [command, "restart", "mosquitto"], capture_output=True, text=True, check=False
            )
            if done.returncode == 0:
                return
        raise EnvironmentFault(
            "Mosquitto has a new configuration and could not be restarted",
            advice="Restart it, and run `clip-agent setup` again: it goes on from here",
        )

    def _reload(self) -> None:
        """SIGHUP: Mosquitto reads users and rules anew."""
        number = self._process()
        if number is None:
            raise EnvironmentFault(
                "Mosquitto could not be told to read its users anew: it does not run",
                advice="`systemctl restart mosquitto`, then run this again",
            )
        os.kill(number, signal.SIGHUP)

    def _process(self) -> int | None:
        """The number of Mosquitto's process: systemd's word, or what Mosquitto wrote at its start.

        Debian 13's configuration names no pid_file.
        """
        command = shutil.which("systemctl")
        found = re.search(r"^pid_file\s+(\S+)", self._text(self._main), re.MULTILINE)
        try:
            if found is not None:
                number = int(Path(found[1]).read_text())
            elif command is not None:
                asked = [command, "show", "--property=MainPID", "--value", _PROGRAM]
                done = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603
                number = int(done.stdout)
            else:
                return None
            name = Path(f"/proc/{number}/comm").read_text().strip()
        except (OSError, ValueError):
            return None
        return number if name == _PROGRAM else None
