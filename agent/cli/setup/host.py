"""This device as a pairing sees it: the code on its screen, its offer, and the owner's card."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from agent import config
from agent.cli.setup import access_list, agent_yaml
from agent.cli.setup.device_pairing import Comer
from agent.cli.setup.local_broker import LocalBroker
from agent.cli.setup.questions import parse_name
from agent.cli.setup.steps import Steps
from agent.config import MAX_OWNERS, Broker, Config
from agent.consent.cards import DeviceCard, OwnerCard, format_card, parse_card
from agent.errors import Refused
from agent.mqtt import link
from agent.mqtt.link import Settings
from agent.pairing.code import CODE_SECONDS, PairingCode
from agent.pairing.messages import BrokerLogin, Offer


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
            f"  clip-agent owner pair {code}{self._options()}\n"
        )
        if self._mosquitto is not None:
            self._steps.say(
                "Or, on another camera that shall use this broker:\n\n"
                f"  sudo clip-agent setup --code {code}{self._options()}\n"
            )
        else:
            broker = self._settings.mqtt
            self._steps.say(
                "A computer that is paired with no camera yet also needs"
                f" --broker {broker.host}:{broker.port}\n"
                "and a login of its own there (--username, --password-file, --ca-file or --tls)."
            )

    def _options(self) -> str:
        """Options that name the broker; none at a broker elsewhere, which the owner knows."""
        if self._mosquitto is None:
            return ""
        return f" --broker {self._address}{'' if self._mosquitto.has_tls else ' --no-tls'}"

    def offer(self, comer: Comer, computer: str) -> Offer:
        """Give an owner's computer, or another camera, a user at the broker."""
        if isinstance(comer, DeviceCard):
            return self._offer_to_camera(comer)
        self._check(comer)
        if self._mosquitto is None:
            return Offer(card=format_card(self._card), ca=self._own_ca())
        digest = hashlib.sha256(f"{comer.fingerprint} {computer}".encode()).hexdigest()
        name = f"{access_list.OWNER}-{digest[:8]}"
        return self._offer(self._mosquitto, name, self._mosquitto.add_owner)

    def _check(self, owner: OwnerCard) -> None:
        """Raise Refused or ConfigError unless the card of ``owner`` can be stored."""
        known = self._cards()
        path = known.get(owner.fingerprint)
        if path is None:
            if len(known) >= MAX_OWNERS:
                raise Refused("too-many-owners", f"this camera has {MAX_OWNERS} owners already")
        else:
            # Who only has a code must not take an owner's place unseen.
            before = parse_card(config.read_text(path), OwnerCard, str(path))
            if (before.seal, before.recovery) != (owner.seal, owner.recovery):
                raise Refused(
                    "other-keys",
                    f"{path.name} has other keys of {before.name} to seal clips to",
                    advice="If they are truly new, delete that card first",
                )
        self._owners_text()

    def _offer_to_camera(self, camera: DeviceCard) -> Offer:
        if self._mosquitto is None:
            raise Refused(
                "not-the-brokers-camera",
                "this camera does not keep the broker, so it gives no logins",
                advice="Use the code of the camera beside the broker",
            )
        return self._offer(self._mosquitto, parse_name(camera.name), self._mosquitto.add_camera)

    def _offer(self, mosquitto: LocalBroker, name: str, add: Callable[[str, Broker], str]) -> Offer:
        password = add(name, self._settings.mqtt)
        return Offer(
            card=format_card(self._card),
            ca=mosquitto.certificate_to_trust(),
            login=BrokerLogin(username=name, password=password),
        )

    def _own_ca(self) -> str | None:
        tls = self._settings.mqtt.tls
        return None if tls is None or tls.ca_file is None else config.read_text(tls.ca_file)

    def store(self, comer: Comer) -> None:
        """Write an owner's card, or the newer one of an owner; the card comes first."""
        if isinstance(comer, DeviceCard):
            return
        path = self._cards().get(comer.fingerprint) or self._new_path(comer)
        self._steps.write(path, format_card(comer).encode(), mode=0o644)
        self._steps.write(self._path, self._owners_text().encode())

    def withdraw(self, comer: Comer) -> None:
        """Take the login of another camera back; an owner's name is used again next time."""
        if isinstance(comer, DeviceCard) and self._mosquitto is not None:
            self._mosquitto.remove(comer.name)

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
        return agent_yaml.owners_of(self._path) / f"{name}-{short}.card.yaml"

    def _owners_text(self) -> str:
        """agent.yaml with the folder of cards among its owners; ConfigError if it cannot be."""
        return agent_yaml.with_owners_folder(config.read_text(self._path), self._path)
