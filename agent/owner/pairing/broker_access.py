"""The way to the broker: for the pairing itself, and from then on."""

from __future__ import annotations

import secrets
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import yaml
from msgspec.structs import replace

from agent import config, files, tls
from agent.config import Broker, Tls
from agent.errors import ConfigError, Refused
from agent.mqtt import link
from agent.mqtt.link import MqttLink, Settings
from agent.mqtt.session import Session
from agent.owner.home.folder import SETTINGS_NAME
from agent.owner.home.folder import Settings as FolderSettings
from agent.pairing import meeting
from agent.pairing.messages import Offer

_CA_NAME = "broker-ca.pem"
_CHECK_SECONDS = 20.0


@dataclass(frozen=True)
class Way:
    """The broker as the owner named it; ``own`` holds a login that the owner has already.

    Without ``own`` the broker's user ``pairing`` is used, and TLS takes any certificate: the
    pairing protects itself, and brings the certificate to trust from then on.
    """

    host: str
    port: int
    is_encrypted: bool
    own: Broker | None = None

    @classmethod
    def known(cls, broker: Broker) -> Way:
        """The way that the owner's other cameras use."""
        own = None if broker.username is None else broker
        return cls(broker.host, broker.port, broker.tls is not None, own)

    def settings(self) -> Settings:
        """Settings for the pairing; ConfigError for an own password or CA file."""
        if self.own is not None:
            password, context = link.credentials(self.own)
            username = self.own.username
        else:
            username, password = meeting.USERNAME, meeting.PASSWORD
            context = tls.trusting_anybody() if self.is_encrypted else None
        return Settings(
            client_id="",
            host=self.host,
            port=self.port,
            username=username,
            password=password,
            tls=context,
        )


@dataclass(frozen=True)
class BrokerAccess:
    """The broker from now on, and the private files of the owner's folder that it needs."""

    broker: Broker
    contents: Mapping[str, bytes]
    offer: Offer

    @classmethod
    def of(cls, way: Way, offer: Offer, folder: Path) -> BrokerAccess:
        """As the device offers it; what it does not offer stays as the owner has it."""
        before = way.own or Broker(
            host=way.host, port=way.port, tls=Tls() if way.is_encrypted else None
        )
        contents: dict[str, bytes] = {}
        if offer.login is not None:
            path = folder / f"{_safe(offer.login.username)}.password"
            contents[path.name] = f"{offer.login.password}\n".encode()
            before = replace(before, username=offer.login.username, password_file=path)
        if way.is_encrypted and offer.ca is not None:
            path = folder / _CA_NAME
            contents[path.name] = offer.ca.encode()
            before = replace(before, tls=Tls(ca_file=path))
        return cls(before, contents, offer)

    def check(self) -> None:
        """Connect once, before anything is stored. NetworkFault or Refused if that fails."""
        if self.contents or self.broker.username is None:
            with Session(MqttLink(self._settings()), seconds=_CHECK_SECONDS):
                pass

    def _settings(self) -> Settings:
        broker, password = self.broker, None
        if self.offer.login is not None:
            password = self.offer.login.password
        elif broker.password_file is not None:
            password = config.first_line(broker.password_file)
        context = None
        if broker.tls is not None:
            is_new = _CA_NAME in self.contents
            context = _trusting(self.offer.ca or "") if is_new else tls.trusting(broker.tls.ca_file)
        return Settings(
            client_id=f"clip-owner-{secrets.token_hex(6)}",
            host=broker.host,
            port=broker.port,
            username=broker.username,
            password=password,
            tls=context,
        )

    def store(self, folder: Path) -> None:
        """Write the private files, then ``owner.yaml``, which names them.

        It names them without their folder, so that the folder can be copied.
        """
        for name, data in self.contents.items():
            files.replace(folder / name, data, mode=files.PRIVATE_MODE)

        def shorten(value: Path) -> str:
            return value.name if value.parent == folder else str(value)

        plain = msgspec.to_builtins(FolderSettings(mqtt=self.broker), enc_hook=shorten)
        text = yaml.safe_dump(plain, sort_keys=False)
        files.replace(folder / SETTINGS_NAME, text.encode(), mode=files.PRIVATE_MODE)


def _trusting(pem: str) -> ssl.SSLContext:
    try:
        return tls.trusting_text(pem)
    except ConfigError as error:
        raise Refused("broker-certificate", f"the broker's certificate: {error.message}") from error


def _safe(username: str) -> str:
    """``username`` if it can name a file."""
    if not username.replace("-", "").isalnum() or not username.isascii():
        raise Refused("broker-login", f"{username!r} is no user name that a device gives")
    return username
