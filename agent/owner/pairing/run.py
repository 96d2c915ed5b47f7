"""Run a pairing: meet the device under its code, check what it offers, and store it.

Everything is checked before anything is stored. A power cut may come between the owner's files and
the device's, and then the pairing is run again: what is there already stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agent.consent.cards import DeviceCard, format_card, parse_card
from agent.errors import ClipAgentError, NetworkFault, Refused
from agent.owner.folder import OwnerFolder, check_device_name
from agent.owner.pairing.broker_access import BrokerAccess, Way
from agent.pairing.code import PairingCode
from agent.pairing.meeting import Meeting
from agent.pairing.messages import Introduction, Offer, Stored
from agent.pairing.sides import Event, OwnerSide

_ANSWER_SECONDS: Final = 20.0
_OFFER_SECONDS: Final = 60.0  # for the device to prepare a login
_STORED_SECONDS: Final = 60.0
_MOST_REASON: Final = 180  # characters


@dataclass(frozen=True)
class Paired:
    """A camera that is enrolled. ``is_new``: it was not before."""

    camera: DeviceCard
    is_new: bool


def pair(folder: OwnerFolder, code: PairingCode, way: Way) -> Paired:
    """Enrol the device that shows ``code``, and become one of its owners.

    Raises Refused if the code is wrong or the device refuses, NetworkFault if one of them falls
    silent, and ConfigError if the camera cannot be enrolled. The device then stores nothing, but
    for a NetworkFault at the end, after which both may have stored all.
    """
    side = OwnerSide(
        code, Introduction(card=format_card(folder.card()), computer=folder.computer())
    )
    with Meeting("owner", code, way.settings()) as meeting:
        meeting.say(side.hello)
        offer = meeting.wait_for_event(side, seconds=_ANSWER_SECONDS)
        if offer == "met":
            offer = meeting.wait_for_event(side, seconds=_OFFER_SECONDS)
        if not isinstance(offer, Offer):
            raise _failure(offer)
        try:
            paired = _store(folder, offer, way)
        except ClipAgentError as error:
            meeting.say(side.stored(error.message[:_MOST_REASON]))
            raise
        meeting.say(side.stored())
        answer = meeting.wait_for_event(side, seconds=_STORED_SECONDS)
    if not isinstance(answer, Stored):
        raise NetworkFault(
            f"{paired.camera.name} does not say that it has stored your card",
            advice="Pair again with the code that it shows then: nothing is done twice",
        )
    if answer.refusal:
        raise _failure(answer)
    return paired


def _failure(event: Event | None) -> ClipAgentError:
    match event:
        case "wrong-code":
            return Refused(
                "wrong-code",
                "the device has another code, or somebody else answered",
                advice="Type the new code that it shows now",
            )
        case "taken":
            return Refused(
                "code-taken",
                "the device answers another computer under this code",
                advice="Type the new code that it shows in a minute. If no other computer of yours"
                " used this one, somebody at your broker tries codes",
            )
        case Stored():
            return Refused("device-refuses", f"the device refuses: {event.refusal}")
    return NetworkFault(
        "no device answers under this code",
        advice="Does it still show this code, and does it use this broker?",
    )


def _store(folder: OwnerFolder, offer: Offer, way: Way) -> Paired:
    card = parse_card(offer.card, DeviceCard, "the device's card")
    check_device_name(card, "the device's card")
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
    access.check(offer)
    is_new = known.get(card.name) != card
    if is_new:
        folder.take_over(card, "the device's card")
    access.store(folder.path)
    return Paired(card, is_new)
