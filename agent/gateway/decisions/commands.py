"""What an owner tells the device to do, beside deciding: one method a command.

The letter was opened and its statement checked (:mod:`.decisions`); here it takes
effect, once. State and ledger line commit together. Then the owner is answered by a
message that is not retained: ``DONE``, or the list that was asked for. An answer that
does not arrive says nothing: a command is of use at once or not at all, and the owner
asks again. What is refused changes nothing and is told like any refused decision.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping

from agent.consent import lifecycle, signing
from agent.consent.cards import RequesterCard
from agent.consent.statements import (
    LEGAL_ORDER,
    Command,
    ListClips,
    Mute,
    PauseRequests,
    Preview,
    ResumeRequests,
    Revoke,
    Window,
)
from agent.errors import NetworkFault, Refused
from agent.gateway.decisions.approvals import REVOKED_EARLY
from agent.gateway.inbox.open_requests import OpenRequests
from agent.gateway.letters.writer import MAX_OFFERED_CLIPS
from agent.gateway.unit_of_work import UnitOfWork
from agent.mqtt import topics
from agent.mqtt.link import Link

log = logging.getLogger(__name__)


class Replies:
    """Says something to the owner once, if the broker is there."""

    def __init__(self, *, link: Link, device_name: str) -> None:
        self._link = link
        self._device_name = device_name

    def send(self, jws: str, letter: bytes) -> None:
        """Answer the decision in ``jws`` with a sealed ``letter``."""
        topic = topics.release(self._device_name, signing.digest(jws)[:16])
        try:
            self._link.publish(topic, letter, retained=False)
        except NetworkFault:
            log.info("not connected: the owner gets no answer, and may ask again")


class Commands:
    """Obeys the owners' commands."""

    def __init__(
        self,
        *,
        work: UnitOfWork,
        inbox: OpenRequests,
        answers: Replies,
        requesters: Mapping[str, RequesterCard],
        muted_for_good: Collection[str],
        check_preview: Callable[[str], None],
        start_preview: Callable[[str], None],
    ) -> None:
        self._work = work
        self._inbox = inbox
        self._answers = answers
        self._requesters = requesters
        self._muted_for_good = muted_for_good
        self._check_preview = check_preview
        self._start_preview = start_preview

    def obey(self, statement: Command, jws: str) -> None:
        """Do what ``statement``, which was checked, says; :class:`Refused` if that cannot be."""
        match statement.command:
            case Preview(clip=clip):
                self._preview(statement, jws, clip)
            case ListClips(window=window):
                self._list(statement, jws, window)
            case Revoke(release=release):
                self._revoke(statement, jws, release)
                self.answer_done(jws)
            case Mute(requester=requester, muted=muted):
                self._mute(statement, jws, requester, muted=muted)
                self.answer_done(jws)
            case PauseRequests():
                with self._work.acting_on(statement, jws) as now:
                    self._inbox.pause(statement.iss, at=now)
                self.answer_done(jws)
            case ResumeRequests():
                with self._work.acting_on(statement, jws) as now:
                    self._inbox.resume(statement.iss, at=now)
                self.answer_done(jws)

    def answer_done(self, jws: str) -> None:
        """Tell the owner that the decision in ``jws`` is in force."""
        letter = self._work.report(signing.digest(jws)[:16], "DONE")
        self._answers.send(jws, letter)

    def silence(self, requester: str, *, owner: str, at: float) -> None:
        """Inside a transaction: show nothing more of ``requester``, nor what it asks now.

        A legal demand stays: it is not declined unread.
        """
        self._work.cases.mute(requester, at=at)
        self._work.note("requester.muted", requester, {"owner": owner})
        for case in self._work.cases.open_requests():
            if case.requester == requester and case.kind != LEGAL_ORDER:
                why = {"owner": owner, "why": "the requester was muted"}
                self._inbox.decline(case.digest, why, at=at)

    def _preview(self, statement: Command, jws: str, clip: str) -> None:
        if self._work.index.clip(clip) is None:
            raise Refused("no-such-clip", "the device holds no such clip")
        self._check_preview(clip)
        with self._work.acting_on(statement, jws):
            self._work.note("clip.previewed", clip, {"owner": statement.iss})
        self._start_preview(clip)

    def _list(self, statement: Command, jws: str, window: Window) -> None:
        """The newest clips of ``window``, with the keys as they are sealed to the owners."""
        clips, more = self._work.index.newest_clips(
            start=window.start, end=window.end, at_most=MAX_OFFERED_CLIPS
        )
        with self._work.acting_on(statement, jws) as now:
            asked = {"from": window.start, "to": window.end, "clips": len(clips) + more}
            self._work.note("clips.listed", "", {"owner": statement.iss, **asked})
            letter = self._work.reports.listing(
                clips=clips, more_clips=more, head=self._work.ledger.head(), at=now
            )
        self._answers.send(jws, letter)

    def _revoke(self, statement: Command, jws: str, release: str) -> None:
        """Stop a release, or one whose approval the broker brings later, which must not count.

        Either of two owners who agreed may name it by their own approval, the one they know.
        Looked at inside the transaction: the thread of releases may just have sent it.
        """
        with self._work.acting_on(statement, jws):
            cases = self._work.cases
            case = cases.release(release) or cases.completed_by(release)
            if case is None:
                self._work.note(REVOKED_EARLY, release, {"owner": statement.iss})
                return
            if case.state in lifecycle.finals(lifecycle.RELEASE):
                raise Refused("release-over", f"the release is {case.state} already")
            self._work.note("release.revoke-asked", case.id, {"owner": statement.iss})
            cases.ask_to_stop("revoked by the owner", release=case.id)

    def _mute(self, statement: Command, jws: str, requester: str, *, muted: bool) -> None:
        if muted and requester not in self._requesters:
            raise Refused("unknown-requester", "no card of this device has this key")
        if not muted and requester in self._muted_for_good:
            raise Refused("muted-by-config", "the configuration of the device mutes this requester")
        if not muted and requester not in self._work.cases.muted():
            raise Refused("not-muted", "this requester is not muted")
        with self._work.acting_on(statement, jws) as now:
            if muted:
                self.silence(requester, owner=statement.iss, at=now)
            else:
                self._work.cases.unmute(requester)
                self._work.note("requester.unmuted", requester, {"owner": statement.iss})
