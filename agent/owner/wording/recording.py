"""Sentences about recording, about clips that are kept or deleted, and about looking."""

from __future__ import annotations

from agent.consent.statements import Arm
from agent.owner.wording.words import _


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


def kept(*, keep: bool) -> str:
    """The state of a clip after ``keep``."""
    return _("It is not deleted for space.") if keep else _("It is deleted in its turn.")


def before_delete() -> str:
    """A sentence to read before a clip is deleted."""
    return _("The camera deletes it for good. Copies that you saved or sent are not deleted.")


def deleted() -> str:
    """The state after a clip was deleted."""
    return _("The clip is deleted.")


def no_answer(camera: str) -> str:
    """A sentence about a camera that does not answer."""
    return _("{camera} does not answer").format(camera=camera)


def before_look() -> str:
    """A sentence to read before somebody looks through a camera."""
    return _("The camera notes in its ledger that you look.")
