"""Sentences about a decision that was sent: did the camera obey?"""

from __future__ import annotations

from agent.owner.inbox.items import Delivery
from agent.owner.wording import text
from agent.owner.wording.words import _


def told(sent: Delivery, done: str) -> str:
    """The outcome of a decision that releases nothing; ``done``: what is then the case."""
    if sent.away is not None:
        said = _("Signed and sent. {away}. It obeys as soon as it is back.")
        return said.format(away=text.away(sent.away))
    if sent.last is None:
        said = _(
            "Signed and sent. {camera} has not answered yet; it obeys as soon as it is online."
        )
        return said.format(camera=sent.device)
    if is_refused(sent):
        said = _("{camera} has refused it: {why}")
        return said.format(camera=sent.device, why=sent.last.detail)
    return _("{camera}: done. {what}").format(camera=sent.device, what=done)


def is_refused(sent: Delivery) -> bool:
    """True if the camera said no."""
    return sent.last is not None and sent.last.event == "REFUSED"


def is_open(sent: Delivery) -> bool:
    """True if the camera has not answered."""
    return sent.away is not None or sent.last is None
