"""The place of each letter in the owner's folder, and the rule by which it replaces another.

A letter is kept if it is about what its topic names (``request-exchanged``, ``wrong-release``) and
is not older than the kept one: brokers redeliver old letters.
"""

from __future__ import annotations

from agent.consent import lifecycle
from agent.consent.cards import DeviceCard
from agent.consent.statements import InboxReport, LedgerPage, Listing, Notices, Outcome, Status
from agent.errors import MalformedStatement, Refused
from agent.mqtt.topics import Topic
from agent.owner.home.folder import OwnerFolder, StoredStatement
from agent.owner.inbox import verify
from agent.owner.inbox.verify import CameraStatement

LETTERS = "letters"
RELEASES = "releases"
NOTICES = "notices"
LISTINGS = "listings"
STATUS = "status"
LEDGER_LINES = "ledger-lines"
CLIPS = "clips"  # the name of the one list of a device


def place(
    statement: CameraStatement, jws: str, topic: Topic, device: DeviceCard, folder: OwnerFolder
) -> tuple[str, str]:
    """Folder and name to keep ``statement`` under; Refused if it came on a wrong topic."""
    match topic.kind, statement:
        case "inbox", InboxReport():
            _check_request(jws, device, topic.ids[0], folder)
            return LETTERS, topic.ids[0]
        case "release", Outcome(subject=subject):
            if subject != topic.ids[0]:
                raise MalformedStatement("wrong-release", "the letter is about another release")
            return RELEASES, subject
        case "release", Listing():
            return LISTINGS, CLIPS
        case "release", LedgerPage(after=after):
            return LEDGER_LINES, f"{after:016d}"
        case "notices", Notices():
            return NOTICES, "notices"
        case "status", Status():
            return STATUS, "status"
    raise MalformedStatement("wrong-typ", f"{statement.TYP} does not belong on this topic")


def may_follow(statement: CameraStatement, kept: CameraStatement | None) -> bool:
    """True if ``statement`` is not older than ``kept``.

    A camera that was set back may not know any more that a release was sent, or delivered.
    """
    if kept is None:
        return True
    if isinstance(kept, Outcome) and kept.event in lifecycle.LEFT:
        told = statement.event if isinstance(statement, Outcome) else ""
        if told not in (kept.event, *lifecycle.LEFT[1:]):
            return False
    return (statement.iat, statement.ledger.size) >= (kept.iat, kept.ledger.size)


def kept_statement(kept: StoredStatement, device: DeviceCard) -> CameraStatement | None:
    """The statement in a kept letter; None if it is of a camera that had other keys."""
    try:
        return verify.read_statement(kept.jws, device)
    except Refused:
        return None


def _check_request(jws: str, device: DeviceCard, name: str, folder: OwnerFolder) -> None:
    digest = verify.read_report(jws, device).digest
    if digest[:16] != name:
        raise MalformedStatement(
            "request-exchanged", "the quoted request is not the one its topic names"
        )
    kept = folder.letter(LETTERS, device.name, name)
    if kept is None or kept_statement(kept, device) is None:
        return
    if verify.read_report(kept.jws, device).digest != digest:
        raise MalformedStatement("request-exchanged", "another request had this name")
