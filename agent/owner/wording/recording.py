"""Sentences about recording: on, off, by its schedule."""

from __future__ import annotations

from agent.consent.statements import Arm
from agent.owner.words import _


def before_disarm() -> str:
    """A sentence to read before recording is switched off."""
    return _("Nothing is recorded until you arm it again, also after a restart of the camera.")


def armed(command: Arm) -> str:
    """The state after ``command``."""
    if not command.armed:
        return _("Recording is off.")
    if command.scheduled:
        return _(
            "It records when something moves, in the times of `camera.armed` in its agent.yaml."
        )
    return _("It records when something moves.")
