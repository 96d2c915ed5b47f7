"""This device as a pairing sees it: the code on its screen, its offer, and the owner's card."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from agent import config
from agent.cli.setup import access_list, agent_yaml
from agent.cli.setup.local_broker import LocalBroker
from agent.cli.setup.steps import Steps
from agent.config import MAX_OWNERS, Config
from agent.consent.cards import DeviceCard, OwnerCard, format_card, parse_card
from agent.errors import Refused
from agent.mqtt import link
from agent.mqtt.link import Settings
from agent.pairing.code import CODE_SECONDS, PairingCode
from agent.pairing.messages import BrokerLogin, Offer

_TLS_PORT: Final = 8883
_PLAIN_PORT: Final = 1883


class PairedDevice:
    """The device whose agent.yaml is ``path``. ``mosquitto``: its own broker, if it has one."""

    def __init__(
        self,
        path: Path,
        settings: Config,
        card: DeviceCard,
        mosquitto: LocalBroker | None,
        steps: Steps,
        *,
        address: str,
    ) -> None:
        self._path = path
        self._settings = settings
        self._card = card
        self._mosquitto = mosquitto
        self._steps = steps
        self._address = address

    @contextmanager
    def open_to_pairing(self) -> Iterator[None]:
        """Let computers that are not paired yet knock at the broker, for the block."""
        if self._mosquitto is None:
            yield
            return
        with self._mosquitto.open_to_pairing(self._settings.mqtt):
            yield

    def broker_settings(self) -> Settings:
        """The device's own login."""
        broker = self._settings.mqtt
        password, tls = link.credentials(broker)
        return Settings(
            client_id="",
            host=broker.host,
            port=broker.port,
            username=broker.username,
            password=password,
            tls=tls,
        )

    def show(self, code: PairingCode, why: str) -> None:
        """Print the command that the owner types or pastes."""
        if why:
            self._steps.say(f"\nThat code is no longer good: {why}.")
        minutes = CODE_SECONDS / 60
        self._steps.say(
            f"\nPairing code: {code}   (good for one try within {minutes:.0f} minutes)\n"
            "On your own computer, run:\n\n"
            f"  clip-agent owner pair {code} {self._options()}\n"
        )

    def _options(self) -> str:
        broker = self._settings.mqtt
        if self._mosquitto is not None:
            plain = "" if self._mosquitto.has_tls else " --no-tls"
            return f"--broker {self._address}{plain}"
        port = "" if broker.port == _TLS_PORT else f":{broker.port}"
        plain = "" if broker.tls is not None or broker.port == _PLAIN_PORT else " --no-tls"
        return f"--broker {broker.host}{port}{plain}"

    def offer(self, owner: OwnerCard, computer: str) -> Offer:
        """Check that there is room for the owner, and give the computer a user at the broker."""
        known = self._cards()
        if owner.fingerprint not in known and len(known) >= MAX_OWNERS:
            raise Refused("too-many-owners", f"this camera has {MAX_OWNERS} owners already")
        self._owners_text()
        card = format_card(self._card)
        if self._mosquitto is None:
            return Offer(card=card, ca=self._own_ca())
        digest = hashlib.sha256(f"{owner.fingerprint} {computer}".encode()).hexdigest()
        name = f"{access_list.OWNER}-{digest[:8]}"
        password = self._mosquitto.add_owner(name, self._settings.mqtt)
        return Offer(
            card=card,
            ca=self._mosquitto.certificate_to_trust(),
            login=BrokerLogin(username=name, password=password),
        )

    def _own_ca(self) -> str | None:
        tls = self._settings.mqtt.tls
        return None if tls is None or tls.ca_file is None else config.read_text(tls.ca_file)

    def store(self, owner: OwnerCard) -> None:
        """Write the owner's card, or the newer one of an owner; the card comes first."""
        path = self._cards().get(owner.fingerprint) or self._new_path(owner)
        self._steps.write(path, format_card(owner).encode(), mode=0o644)
        self._steps.write(self._path, self._owners_text().encode())

    def _cards(self) -> dict[str, Path]:
        """The files of the owners' cards by fingerprint."""
        cards = config.load(self._path, is_paired=False).owners
        texts = {path: config.read_text(path) for path in cards}
        return {
            parse_card(text, OwnerCard, str(path)).fingerprint: path for path, text in texts.items()
        }

    def _new_path(self, owner: OwnerCard) -> Path:
        name = re.sub(r"[^a-z0-9]+", "-", owner.name.lower()).strip("-")[:32] or "owner"
        short = hashlib.sha256(owner.fingerprint.encode()).hexdigest()[:8]
        return self._path.parent / agent_yaml.OWNERS / f"{name}-{short}.card.yaml"

    def _owners_text(self) -> str:
        """agent.yaml with the folder of cards among its owners; ConfigError if it cannot be."""
        return agent_yaml.with_owners_folder(config.read_text(self._path), self._path)
