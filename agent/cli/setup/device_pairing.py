"""The device's side of a pairing: show a code, meet one owner under it, store their card.

Another camera of the household may come instead, for a login at this one's broker.

A code is good for one try and ten minutes. After a wrong one, or when time is up, a new one is
shown; after five of them the setup gives up, so that nobody can go on guessing unseen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeAlias

from agent.consent.cards import DeviceCard, OwnerCard, parse_card
from agent.errors import ClipAgentError, ConfigError, NetworkFault, Refused
from agent.mqtt.link import Settings
from agent.pairing.code import CODE_SECONDS, PairingCode
from agent.pairing.meeting import Meeting
from agent.pairing.messages import Introduction, Offer, Stored
from agent.pairing.sides import DeviceSide, Event

MOST_CODES: Final = 5

_PROOF_SECONDS: Final = 60.0
_STORE_SECONDS: Final = 120.0
_MOST_REASON: Final = 180  # characters


Comer: TypeAlias = OwnerCard | DeviceCard


class Host(Protocol):
    """The device that is paired."""

    def show(self, code: PairingCode, why: str) -> None:
        """Show a code; ``why`` the one before is no longer good, or empty."""

    def offer(self, comer: Comer, computer: str) -> Offer:
        """Prepare all that ``comer`` needs, after checking that it can be stored."""

    def store(self, comer: Comer) -> None:
        """Make an owner one of this device's, or keep the login of another camera."""

    def withdraw(self, comer: Comer) -> None:
        """Take back what was prepared for ``comer``, who has not stored it."""


def pair(
    host: Host, broker: Settings, *, new_code: Callable[[], PairingCode] = PairingCode.generate
) -> Comer:
    """Show codes until somebody is paired.

    Raises Refused when all codes are used up or a side refuses, and NetworkFault if the broker or
    the owner falls silent.
    """
    why = ""
    for _ in range(MOST_CODES):
        code = new_code()
        side = DeviceSide(code)
        with Meeting("device", code, broker) as meeting:
            host.show(code, why)
            event = meeting.wait_for_event(side, seconds=CODE_SECONDS)
            if event == "met":
                event = meeting.wait_for_event(side, seconds=_PROOF_SECONDS)
            if isinstance(event, Introduction):
                return _finish(host, meeting, side, event)
        why = _reason(event, is_used=side.is_used)
    raise Refused(
        "no-more-codes",
        f"{MOST_CODES} codes were used up: {why}",
        advice="If it was not you who tried, look for a stranger at your broker. Then run"
        " `clip-agent setup --pair` again",
    )


def _reason(event: Event | None, *, is_used: bool) -> str:
    if event == "wrong-code":
        return "somebody tried another code, and each is good for one try"
    return "somebody answered without the code" if is_used else "nobody came in time"


def _finish(host: Host, meeting: Meeting, side: DeviceSide, said: Introduction) -> Comer:
    try:
        comer = _card(said.card)
        meeting.say(side.offer(host.offer(comer, said.computer)))
        try:
            _hear_that_it_is_stored(meeting, side)
        except ClipAgentError:
            host.withdraw(comer)
            raise
        host.store(comer)
    except ClipAgentError as error:
        if not isinstance(error, NetworkFault):
            meeting.say(side.stored(error.message[:_MOST_REASON]))
        raise
    meeting.say(side.stored())
    return comer


def _hear_that_it_is_stored(meeting: Meeting, side: DeviceSide) -> None:
    answer = meeting.wait_for_event(side, seconds=_STORE_SECONDS)
    if not isinstance(answer, Stored):
        raise NetworkFault(
            "the other computer has fallen silent, and nothing was stored here",
            advice="Run `clip-agent setup --pair` again",
        )
    if answer.refusal:
        raise Refused("other-refuses", f"the other computer refuses: {answer.refusal}")


def _card(text: str) -> Comer:
    """An owner's card, or another camera's."""
    try:
        return parse_card(text, OwnerCard, "the owner's card")
    except ConfigError as error:
        try:
            return parse_card(text, DeviceCard, "the other camera's card")
        except ConfigError:
            raise error from None
