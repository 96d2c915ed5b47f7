"""Owners' commands for the camera: passed on by the wishes, and answered by the camera's state.

The camera obeys an owner's signature, not the gateway. So a command is checked here, noted, and
left in the wishes until the camera has answered; then the owner is told. What the camera says is
believed only about its own work.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.consent import signing
from agent.consent.statements import Arm, CameraCommand, Command, Delete, Keep, Look, StopLooking
from agent.errors import Refused
from agent.gateway.decisions.looks import Looks
from agent.gateway.unit_of_work import UnitOfWork
from agent.vault.camera_state import CommandAnswer, StateReader
from agent.vault.records.camera_commands import CameraCommandRow
from agent.vault.records.events import Event
from agent.vault.wishes import MAX_COMMANDS

_SILENT = "the camera did not answer before the command expired"


@dataclass(frozen=True, eq=False)
class CameraCommands:
    """Passes commands to the camera, and its answers to the owners."""

    work: UnitOfWork
    camera: StateReader
    looks: Looks

    def pass_on(self, statement: Command, command: CameraCommand, jws: str) -> None:
        """Let the camera see a command, which was checked; :class:`Refused` if that is vain."""
        clip = command.clip if isinstance(command, Delete | Keep) else ""
        if clip and self.work.database.clip(clip) is None:
            raise Refused("no-such-clip", "the device holds no such clip")
        if len(self.work.camera_commands.waiting()) >= MAX_COMMANDS:
            raise Refused("too-many-waiting", "the camera has not answered earlier commands yet")
        name, wish = signing.digest(jws)[:16], _wish(command)
        with self.work.acting_on(statement, jws) as change:
            change.camera_commands.put(
                CameraCommandRow(
                    name=name,
                    jws=jws,
                    subject=clip,
                    wish=wish,
                    owner=statement.iss,
                    at=change.now,
                    expires_at=statement.exp,
                )
            )
            change.note(Event.CAMERA_TOLD, clip, {"owner": statement.iss, "wish": wish})
        match command:
            case Look(seconds=seconds):
                self.looks.follow(name, seconds)
            case StopLooking(look=look):
                self.looks.end(look)

    def settle(self) -> None:
        """Tell the owners what the camera has answered, or that it did not; call it often."""
        waiting = self.work.camera_commands.waiting()
        if not waiting:
            return
        state, clock = self.camera.now(), self.work.clock
        answers = {one.command: one for one in (state.answers if state else ())}
        for row in waiting:
            if row.name in answers:
                self._tell(row, answers[row.name])
            elif clock.synced() and clock.now() > row.expires_at:
                self._tell(row, CommandAnswer(command=row.name, event="REFUSED", detail=_SILENT))

    def _tell(self, row: CameraCommandRow, answer: CommandAnswer) -> None:
        event = Event.CAMERA_OBEYED if answer.event == "DONE" else Event.CAMERA_REFUSED
        detail = {"owner": row.owner, "wish": row.wish, "why": answer.detail}
        with self.work.transaction() as change:
            change.camera_commands.drop(row.name)
            change.note(event, row.subject, detail)
            change.tell(row.name, answer.event, answer.detail, what=self._what(row.jws))

    def _what(self, jws: str) -> str:
        """The command as an owner types it; empty if that owner has left meanwhile."""
        try:
            return signing.verify(jws, Command, self.work.parties.owner_keys).what
        except Refused:
            return ""


def _wish(command: CameraCommand) -> str:
    match command:
        case Delete():
            return "delete a clip"
        case Keep(keep=keep):
            return "keep a clip" if keep else "keep a clip no longer"
        case Arm(scheduled=True):
            return "record by its schedule"
        case Look(seconds=seconds):
            return f"show what it sees, for {seconds} seconds"
        case StopLooking():
            return "show no more of what it sees"
        case Arm(armed=armed):
            return "record" if armed else "stop recording"
