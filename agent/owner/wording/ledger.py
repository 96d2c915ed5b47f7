"""The verdict on the owner's copy of a ledger, and the meaning of its lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.errors import StorageFault
from agent.owner.ledger.copy import LedgerCopy
from agent.owner.wording import text
from agent.owner.wording.words import _
from agent.vault import ledger_text
from agent.vault.records.ledger import Entry


@dataclass(frozen=True)
class Judged:
    """A copy that was checked: the lines that hold, and sentences about it.

    ``broken``: a line does not hold.
    """

    entries: Sequence[Entry]
    verdict: tuple[str, ...]
    broken: bool


def judge(copy: LedgerCopy) -> Judged:
    """Check every line of a copy."""
    entries: list[Entry] = []
    said: list[str] = []
    try:
        entries.extend(copy.checked())
    except StorageFault as error:
        broken = _(
            "THIS LEDGER IS BROKEN: {why}. The lines before hold together; that one and all after"
            " it prove nothing. Somebody may have changed the ledger."
        )
        said.append(broken.format(why=error.message))
    else:
        if entries:
            whole = _(
                "All {count} lines hold together, and have the head that the camera signed: {head}."
            )
            said.append(whole.format(count=len(entries), head=copy.head()))
    if copy.read_at is None:
        said.append(_("Nothing of it was fetched yet."))
    else:
        said.append(_("Fetched on {when}.").format(when=text.moment(copy.read_at)))
    if copy.missing and copy.read_at is not None:
        more = _("The camera has told of {count} more lines since.")
        said.append(more.format(count=copy.missing))
    return Judged(entries, tuple(said), broken=len(entries) < len(copy))


def sentence(entry: Entry) -> str:
    """The meaning of a line in the reader's language."""
    return ledger_text.sentence(entry, _)


def when(entry: Entry) -> str:
    """The time of a line, also of a forged one."""
    return ledger_text.local(entry.at)


def details(entry: Entry) -> list[tuple[str, str]]:
    """The subject of a line and its values, on one line each."""
    about = [(_("About"), ledger_text.shown(entry.subject))] if entry.subject else []
    return about + [
        (ledger_text.shown(name), ledger_text.detail(name, value))
        for name, value in entry.detail.items()
    ]
