"""The device's side of a pairing: show a code, meet one owner under it, store their card.

A code is good for one try and ten minutes. After a wrong one, or when time is up, a new one is
shown; after five of them the setup gives up, so that nobody can go on guessing unseen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from agent.consent.cards import OwnerCard, parse_card
from agent.errors import ClipAgentError, NetworkFault, Refused
from agent.mqtt.link import Settings
from agent.pairing.code import CODE_SECONDS, PairingCode
from agent.pairing.meeting import Meeting
from agent.pairing.messages import Introduction, Offer, Stored
from agent.pairing.sides import DeviceSide, Event

MOST_CODES: Final = 5

_PROOF_SECONDS: Final = 60.0
_STORE_SECONDS: Final = 120.0
_MOST_REASON: Final = 180  # characters


class Host(Protocol):
    """The device that is paired."""

    def show(self, code: PairingCode, why: str) -> None:
        """Show a code; ``why`` the one before is no longer good, or empty."""

    def offer(self, owner: OwnerCard, computer: str) -> Offer:
        """Prepare all that the owner needs, after checking that ``owner`` can be stored."""

    def store(self, owner: OwnerCard) -> None:
        """Make ``owner`` an owner of this device."""


def pair(
    host: Host, broker: Settings, *, new_code: Callable[[], PairingCode] = PairingCode.generate
) -> OwnerCard:
    """Show codes until an owner is paired.

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


def _finish(host: Host, meeting: Meeting, side: DeviceSide, said: Introduction) -> OwnerCard:
    try:
        owner = parse_card(said.card, OwnerCard, "the owner's card")
        offer = host.offer(owner, said.computer)
        meeting.say(side.offer(offer))
        answer = meeting.wait_for_event(side, seconds=_STORE_SECONDS)
        if not isinstance(answer, Stored):
            raise NetworkFault(
                "the owner's computer has fallen silent, and nothing was stored here",
                advice="Run `clip-agent setup --pair` again",
            )
        if answer.refusal:
            raise Refused("owner-refuses", f"the owner's computer refuses: {answer.refusal}")
        host.store(owner)
    except ClipAgentError as error:
        if not isinstance(error, NetworkFault):
            meeting.say(side.stored(error.message[:_MOST_REASON]))
        raise
    meeting.say(side.stored())
    return owner
