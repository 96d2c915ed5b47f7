"""Run a pairing: meet the device under its code, check what it offers, and store it.

Everything is checked before anything is stored. A power cut may come between the owner's files and
the device's, and then the pairing is run again: what is there already stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.consent.cards import DeviceCard, format_card
from agent.errors import Refused
from agent.owner.home.folder import OwnerFolder, parse_device_card
from agent.owner.pairing.broker_access import BrokerAccess, Way
from agent.pairing.code import PairingCode
from agent.pairing.knock import knock
from agent.pairing.messages import Introduction, Offer


@dataclass(frozen=True)
class Paired:
    """A camera that is enrolled. ``is_new``: it was not before."""

    camera: DeviceCard
    is_new: bool


def pair(folder: OwnerFolder, code: PairingCode, way: Way) -> Paired:
    """Enrol the device that shows ``code``, and become one of its owners.

    Raises ConfigError if the camera cannot be enrolled, and what :func:`knock` raises.
    """
    introduction = Introduction(card=format_card(folder.card()), computer=folder.computer())
    return knock(code, way.settings(), introduction, lambda offer: _store(folder, offer, way))


def _store(folder: OwnerFolder, offer: Offer, way: Way) -> Paired:
    card = parse_device_card(offer.card, "the device's card")
    known, settings = folder.devices(), folder.settings()
    here, there = (way.host, way.port), (settings.mqtt.host, settings.mqtt.port)
    if here != there and known.keys() - {card.name}:
        raise Refused(
            "another-broker",
            f"your other cameras use the broker {there[0]}:{there[1]}, and this one"
            f" {here[0]}:{here[1]}",
            advice="All cameras of an owner share a broker: give the new one that broker, or use"
            " a folder of its own (--home)",
        )
    access = BrokerAccess.of(way, offer, folder.path)
    access.check()
    is_new = known.get(card.name) != card
    if is_new:
        folder.take_over(card, "the device's card")
    access.store(folder.path)
    return Paired(card, is_new)
