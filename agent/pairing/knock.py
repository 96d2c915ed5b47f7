"""The side that knocks, from its hello to the end; an owner's computer, or a second camera."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from agent.errors import ClipAgentError, NetworkFault, Refused
from agent.mqtt.link import Settings
from agent.pairing.code import PairingCode
from agent.pairing.meeting import Meeting
from agent.pairing.messages import Introduction, Offer, Stored
from agent.pairing.sides import Event, OwnerSide

T = TypeVar("T")

_ANSWER_SECONDS: Final = 20.0
_OFFER_SECONDS: Final = 60.0  # for the device to prepare a login
_STORED_SECONDS: Final = 60.0
_MOST_REASON: Final = 180  # characters


def knock(
    code: PairingCode, broker: Settings, introduction: Introduction, store: Callable[[Offer], T]
) -> T:
    """Meet the device that shows ``code``; what ``store`` makes of its offer.

    Raises Refused if the code is wrong or the device refuses, NetworkFault if it falls silent, and
    the error of ``store``. The device then stores nothing, but for a NetworkFault at the end, after
    which both may have stored all.
    """
    side = OwnerSide(code, introduction)
    with Meeting("owner", code, broker) as meeting:
        meeting.say(side.hello)
        offer = meeting.wait_for_event(side, seconds=_ANSWER_SECONDS)
        if offer == "met":
            offer = meeting.wait_for_event(side, seconds=_OFFER_SECONDS)
        if not isinstance(offer, Offer):
            raise _failure(offer)
        try:
            stored = store(offer)
        except ClipAgentError as error:
            meeting.say(side.stored(error.message[:_MOST_REASON]))
            raise
        meeting.say(side.stored())
        answer = meeting.wait_for_event(side, seconds=_STORED_SECONDS)
    if not isinstance(answer, Stored):
        raise NetworkFault(
            "the device does not say that it has stored your card",
            advice="Pair again with the code that it shows then: nothing is done twice",
        )
    if answer.refusal:
        raise _failure(answer)
    return stored


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
