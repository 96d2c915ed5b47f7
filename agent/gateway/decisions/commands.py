"""The owners' commands: one method each.

The letter was opened and its statement checked (:mod:`.handler`); here it takes effect, once.
Then the owner gets a reply: ``DONE``, or the list that was asked for. A refused command changes
nothing and is told like any refused decision. Commands for the camera are answered by the camera
(:mod:`.camera_commands`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from agent.consent import signing
from agent.consent.statements import (
    Arm,
    Command,
    Delete,
    Keep,
    ListClips,
    Look,
    Mute,
    NoteExport,
    PauseRequests,
    Preview,
    ReadLedger,
    ResumeRequests,
    Revoke,
    StopLooking,
    Sync,
    Thumbnails,
    Window,
)
from agent.errors import Refused
from agent.gateway.decisions.camera_commands import CameraCommands
from agent.gateway.decisions.preview import Previews
from agent.gateway.decisions.sync import Syncs, revoke
from agent.gateway.inbox.open_requests import OpenRequests
from agent.gateway.letters.outbox import Replies
from agent.gateway.letters.writer import MAX_OFFERED_CLIPS
from agent.gateway.unit_of_work import UnitOfWork
from agent.vault.records.events import Event


@dataclass(frozen=True, eq=False)
class Commands:
    """Obeys the owners' commands."""

    work: UnitOfWork
    inbox: OpenRequests
    replies: Replies
    previews: Previews
    camera: CameraCommands
    muted_for_good: Collection[str]

    @property
    def syncs(self) -> Syncs:
        """Obeys the command ``sync``."""
        return Syncs(self.work, self.inbox, self.muted_for_good)

    def obey(self, statement: Command, jws: str) -> None:
        """Do what ``statement``, which was checked, says; :class:`Refused` if that cannot be."""
        match statement.command:
            case Preview(clip=clip):
                return self._preview(statement, jws, clip)
            case Thumbnails(clips=clips):
                return self._thumbnails(statement, jws, clips)
            case ListClips(window=window):
                return self._list(statement, jws, window)
            case ReadLedger(after=after):
                return self._read_ledger(statement, jws, after)
            case Revoke(release=release):
                self._revoke(statement, jws, release)
            case Sync() as sync:
                with self.work.acting_on(statement, jws) as change:
                    self.syncs.obey(change, statement, sync)
            case Mute(requester=requester, muted=muted):
                self._mute(statement, jws, requester, muted=muted)
            case PauseRequests():
                with self.work.acting_on(statement, jws) as change:
                    self.inbox.pause(change, statement.iss)
            case ResumeRequests():
                with self.work.acting_on(statement, jws) as change:
                    self.inbox.resume(change, statement.iss)
            case NoteExport() as export:
                self._note_export(statement, jws, export)
            case Delete() | Keep() | Arm() | Look() | StopLooking() as command:
                return self.camera.pass_on(statement, command, jws)
        return self.reply_done(jws)

    def reply_done(self, jws: str) -> None:
        """Tell the owner that the decision in ``jws`` is in force."""
        self.replies.send(jws, self.work.write.outcome(signing.digest(jws)[:16], "DONE"))

    def _preview(self, statement: Command, jws: str, clip: str) -> None:
        if self.work.database.clip(clip) is None:
            raise Refused("no-such-clip", "the device holds no such clip")
        self.previews.check(clip)
        with self.work.acting_on(statement, jws) as change:
            change.note(Event.CLIP_PREVIEWED, clip, {"owner": statement.iss})
        self.previews.start(clip)

    def _thumbnails(self, statement: Command, jws: str, clips: Sequence[str]) -> None:
        known = [clip for clip in clips if self.work.database.clip(clip) is not None]
        if not known:
            raise Refused("no-such-clip", "the device holds none of these clips")
        name = signing.digest(jws)[:16]
        self.previews.check(name)
        with self.work.acting_on(statement, jws) as change:
            span = {"first": min(known), "last": max(known)}
            count: dict[str, int] = {"clips": len(known)}
            change.note(Event.THUMBNAILS_SENT, "", {"owner": statement.iss, **count, **span})
        self.previews.start_thumbnails(name, clips)

    def _note_export(self, statement: Command, jws: str, export: NoteExport) -> None:
        held = self.work.database.clip(export.clip.id)
        if held is None:
            raise Refused("no-such-clip", "the device holds no such clip")
        if held.sha256 != export.clip.sha256:
            raise Refused("clip-changed", "the device holds another clip of this name")
        detail: dict[str, str | int] = {
            "owner": statement.iss,
            "portal": export.portal,
            "file": export.file_sha256,
            "bytes": export.bytes,
        }
        if export.request is not None:
            detail["request"] = export.request
        with self.work.acting_on(statement, jws) as change:
            change.note(Event.CLIP_EXPORTED, export.clip.id, detail)

    def _list(self, statement: Command, jws: str, window: Window) -> None:
        """Reply with the newest clips of ``window``, their keys sealed to the owners."""
        clips, more = self.work.database.newest_clips(
            start=window.start, end=window.end, at_most=MAX_OFFERED_CLIPS
        )
        with self.work.acting_on(statement, jws) as change:
            asked = {"from": window.start, "to": window.end, "clips": len(clips) + more}
            change.note(Event.CLIPS_LISTED, "", {"owner": statement.iss, **asked})
            letter = self.work.write.listing(clips, more)
        self.replies.send(jws, letter)

    def _read_ledger(self, statement: Command, jws: str, after: int) -> None:
        """Reply with the lines after a number; that one did is the last of them."""
        with self.work.acting_on(statement, jws) as change:
            change.note(Event.LEDGER_READ, "", {"owner": statement.iss, "after": after})
            letter = self.work.write.ledger_page(after)
        self.replies.send(jws, letter)

    def _revoke(self, statement: Command, jws: str, name: str) -> None:
        with self.work.acting_on(statement, jws) as change:
            if state := revoke(change, self.work, name, statement.iss):
                raise Refused("release-over", f"the release is {state} already")

    def _mute(self, statement: Command, jws: str, requester: str, *, muted: bool) -> None:
        if muted and requester not in self.work.parties.requesters:
            raise Refused("unknown-requester", "no card of this device has this key")
        if not muted and requester in self.muted_for_good:
            raise Refused("muted-by-config", "the configuration of the device mutes this requester")
        if not muted and requester not in self.work.decisions.muted():
            raise Refused("not-muted", "this requester is not muted")
        with self.work.acting_on(statement, jws) as change:
            if muted:
                self.inbox.mute(change, requester, owner=statement.iss)
            else:
                change.decisions.unmute(requester)
                change.note(Event.REQUESTER_UNMUTED, requester, {"owner": statement.iss})
