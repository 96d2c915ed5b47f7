"""Owners' commands that the camera obeys by itself: delete a clip, keep it, arm, disarm, look.

They come in the gateway's wishes, and count by their owner's signature alone: a gateway that was
taken over can withhold them, and nothing else. Each is obeyed once. The answer goes into the
camera's state, from which the gateway tells the owner.

The id of this device, to which commands are addressed, is in the public card that the gateway
writes. The camera keeps the first card it sees as ``camera/device.card.yaml``; a gateway that
shows another one later could otherwise bring in commands for another camera.

The last command to arm or disarm is kept as its owner signed it, in ``camera/arming.jws``, so that
a damaged state does not switch recording on. If neither can be read, nothing is recorded: a switch
that an owner turned off stays off, and the status says so at once.

Where no owner's word stands, the schedule decides, or else, if agent.yaml has
``homeassistant.may_arm``, the last word of Home Assistant's switch since. No owner signs that word:
a gateway that was taken over can forge it, and that is all that this setting gives away.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from agent import files
from agent.camera.commands.looks import Looks
from agent.camera.commands.schedule import Schedule
from agent.clock import Clock
from agent.consent import cards, signing
from agent.consent.cards import DeviceCard, PublicKey
from agent.consent.decisions.common import DecisionContext, check_decision
from agent.consent.statements import Arm, Arming, Command, Delete, Keep, Look, StopLooking
from agent.errors import ApprovalRefused, ClipDamaged, ConfigError, MalformedStatement, Refused
from agent.vault import wishes
from agent.vault.camera_state import MAX_ANSWERS, CommandAnswer, StateFile
from agent.vault.clips.store import ClipStore
from agent.vault.database.index import Index

_ARMING_NAME = "arming.jws"
_MAX_ARMING_BYTES = 8_192
_CARD_NAME = "device.card.yaml"
_MAX_CARD_BYTES = 65_536

_log = logging.getLogger(__name__)


@dataclass(kw_only=True, eq=False)
class OwnerCommands:
    """Obeys what the owners signed; ``max_kept_bytes`` bounds the clips that they keep."""

    state_dir: Path
    owners: Mapping[str, PublicKey]
    store: ClipStore
    index: Index
    state: StateFile
    clock: Clock
    schedule: Schedule
    looks: Looks
    max_kept_bytes: float
    may_switch: bool = False  # homeassistant.may_arm

    def __post_init__(self) -> None:
        self._handled: object = None  # stamp of the last wishes, whose commands are all answered
        self._judgement = 0.0, 0.0, True  # from when, until when, and recording
        self._recall_arming()
        self._arming = self.state.said.arming
        self._switch = self.state.said.switch if self.may_switch else None
        self._follow_schedule()

    @property
    def armed(self) -> bool:
        """False while an owner has switched recording off, or the schedule has."""
        return self._arming.armed

    def look(self) -> None:
        """Follow schedule and switch, and obey new commands once the clock is set; once a second.

        Raises :class:`~agent.errors.StorageFault`; the next call goes on.
        """
        self._obey_wishes()
        self._follow_schedule()
        if (self._arming, self._switch) != (self.state.said.arming, self.state.said.switch):
            self.state.say(at=self.clock.now(), arming=self._arming, switch=self._switch)

    def _follow_schedule(self) -> None:
        """Judge by switch or schedule where they decide.

        A clock that is not set switches nothing off by a schedule.
        """
        said, has_schedule = self.state.said.arming, bool(self.schedule.periods)
        if not said.is_free:
            self._arming = said
            return
        if self._switch is not None and self._switch.at > (said.at or 0):
            self._arming = replace(
                said, armed=self._switch.armed, scheduled=False, until=None, switched=True
            )
            return
        armed, until = True, None
        if has_schedule and self.clock.synced():
            armed, until = self._judged(self.clock.now())
        scheduled = has_schedule or said.owner is not None
        self._arming = replace(said, armed=armed, scheduled=scheduled, until=until, switched=False)

    def _judged(self, now: float) -> tuple[bool, int | None]:
        """The schedule's word, and until when it holds. It is asked anew only then."""
        since, until, armed = self._judgement
        if not since <= now < until:
            armed, end = self.schedule.armed(now), self.schedule.changes_at(now)
            until = math.inf if end is None else end
            self._judgement = now, until, armed
        return armed, None if math.isinf(until) else int(until)

    def _obey_wishes(self) -> None:
        stamp = wishes.stamp(self.state_dir)
        if stamp == self._handled:
            return
        wanted = wishes.read(self.state_dir)
        if self.may_switch and wanted.switch is not None:  # its times are the gateway's
            self._switch = wanted.switch
        if not self.clock.synced():
            return
        known = {answer.command for answer in self.state.said.answers}
        for jws in wanted.commands:
            name = signing.digest(jws)[:16]
            if name not in known and (answer := self._act(jws, name)) is not None:
                answers = (*self.state.said.answers, answer)[-MAX_ANSWERS:]
                self.state.say(at=self.clock.now(), answers=answers)
        self._handled = stamp

    def _act(self, jws: str, name: str) -> CommandAnswer | None:
        """Obey one command; obeyed before, it gives the same answer again. None: not an owner's."""
        if (before := self.index.answer_to(name)) is not None:
            return CommandAnswer(command=name, event="DONE", detail=before)
        try:
            command = check_decision(jws, Command, self._context())
            detail = self._obey(command, jws)
        except Refused as error:
            _log.warning("command %s refused: %s (%s)", name, error.rule, error.message)
            if isinstance(error, MalformedStatement) or (
                isinstance(error, ApprovalRefused) and error.number == 1
            ):
                return None  # the gateway alone says so: that is not worth a write to the card
            return CommandAnswer(command=name, event="REFUSED", detail=error.message[:200])
        with self.index.transaction():
            self.index.note_command(command.jti, name, detail, at=self.clock.now())
        _log.info("an owner's command %s is obeyed: %s", name, detail)
        return CommandAnswer(command=name, event="DONE", detail=detail)

    def _context(self) -> DecisionContext:
        return DecisionContext(
            owners=self.owners,
            device_id=self._device_id(),
            now=self.clock.now(),
            since=0.0,
            seen=self.index.command_seen,
            retained=False,
        )

    def _obey(self, statement: Command, jws: str) -> str:
        match statement.command:
            case Delete(clip=clip):
                if not self.store.delete(clip):
                    raise Refused("no-such-clip", "the camera holds no such clip")
                return "the clip is deleted"
            case Keep(clip=clip, keep=keep):
                self._keep(clip, keep=keep)
                return "the clip is kept" if keep else "the clip is no longer kept"
            case Arm() as command:
                self._arm(statement, command, jws)
                if command.scheduled:
                    return "recording is on by its schedule"
                return "recording is on" if command.armed else "recording is off"
            case Look(seconds=seconds):
                self.looks.begin(signing.digest(jws), statement.iss, seconds)
                return "pictures are on their way"
            case StopLooking(look=look):
                self.looks.end(look)
                return "no more pictures"
        raise Refused("not-for-the-camera", "the camera does not obey this command")

    def _keep(self, clip_id: str, *, keep: bool) -> None:
        clip = self.index.clip(clip_id)
        if clip is None:
            raise Refused("no-such-clip", "the camera holds no such clip")
        kept = self.index.kept_bytes(but=clip_id)
        if keep and kept + clip.bytes > self.max_kept_bytes:
            raise Refused("no-room", "the clips that are kept fill their share of the space")
        try:
            self.store.keep(clip_id, keep=keep)
        except ClipDamaged as error:
            raise Refused("clip-damaged", "the clip's sidecar is damaged") from error

    def _arm(self, statement: Command, command: Arm, jws: str) -> None:
        """Switch recording; of two commands that cross, the one signed last counts."""
        if statement.iat < (self.state.said.arming.at or 0):
            raise Refused("older-command", "a later command of an owner stands")
        files.replace(self._arming_path, jws.encode())
        self.state.say(at=self.clock.now(), arming=_arming(statement, command))
        self._arming = self.state.said.arming
        self._follow_schedule()

    @property
    def _arming_path(self) -> Path:
        return self.state_dir / "camera" / _ARMING_NAME

    def _recall_arming(self) -> None:
        """Follow the last command to arm or disarm if the state has lost it."""
        if not files.exists(self._arming_path):
            return
        try:
            jws = _text(self._arming_path, _MAX_ARMING_BYTES)
            statement = signing.verify(jws, Command, self.owners)
        except (ClipDamaged, UnicodeDecodeError, Refused) as error:
            if not self.state.is_whole:
                _log.error("%s cannot be read (%s): recording is off", self._arming_path, error)
                self.state.recall(Arming(armed=False))
            return
        said, command = self.state.said.arming, statement.command
        if isinstance(command, Arm) and (not self.state.is_whole or statement.iat > (said.at or 0)):
            self.state.recall(_arming(statement, command))

    def _device_id(self) -> str:
        """The fingerprint on the card that was seen first; Refused while there is none."""
        ours = self.state_dir / "camera" / _CARD_NAME
        try:
            if not files.exists(ours):
                text = _text(self.state_dir / "wishes" / _CARD_NAME)
                cards.parse_card(text, DeviceCard, _CARD_NAME)
                files.replace(ours, text.encode())
            return cards.parse_card(_text(ours), DeviceCard, str(ours)).fingerprint
        except (ClipDamaged, ConfigError, UnicodeDecodeError) as error:
            raise Refused("no-device-card", "the camera does not know its device's card") from error


def _arming(statement: Command, command: Arm) -> Arming:
    """The state of the switch as ``statement`` sets it."""
    return Arming(
        armed=command.armed,
        owner=statement.iss,
        at=statement.iat,
        scheduled=command.scheduled,
    )


def _text(path: Path, most_bytes: int = _MAX_CARD_BYTES) -> str:
    with files.open_regular(path, folders=1) as file, files.faults(path):
        return file.read(most_bytes).decode()
