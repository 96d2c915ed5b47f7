"""The owner's copy of a camera's ledger, in the pages that the camera signed.

A page is kept as the letter it came in, and all are checked anew whenever they are read: the lines
must be canonical, number on without a gap, and have the root that each signed head of the
ledger names, those of the pages and those
that :mod:`agent.owner.inbox.ledger_watch` remembers. So a camera cannot
show its owner another past than the one whose head it once told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from agent.consent.cards import DeviceCard
from agent.consent.statements import LedgerHead, LedgerPage
from agent.consent.transparency import merkle
from agent.consent.transparency.tree import Tree
from agent.errors import Refused, StorageFault
from agent.owner.home.folder import OwnerFolder
from agent.owner.inbox import verify
from agent.owner.inbox.placing import LEDGER_LINES
from agent.vault.records.ledger import Entry

_FULL_BYTES = 100_000  # of a page's letter; a smaller last page is asked for again
_ADVICE = "Save this copy, fetch the ledger again, and compare both"


class LedgerCopy:
    """The lines of a camera's ledger that are on this computer. ``heads`` must hold for them."""

    def __init__(
        self, folder: OwnerFolder, device: DeviceCard, heads: Iterable[LedgerHead]
    ) -> None:
        self._folder = folder
        self._device = device
        self._texts: list[bytes] = []
        self._heads: dict[int, set[str]] = {}
        self.next_after = 0  # the number after which to ask for lines
        self.newest: LedgerHead | None = None
        self.read_at: float | None = None  # Unix: when the last page came
        for head in heads:
            self._remember(head)
        for _, letter in folder.kept(LEDGER_LINES, device.name):
            try:
                page = verify.read_statement(letter.jws, device)
            except Refused:  # of a camera that had other keys
                continue
            if not isinstance(page, LedgerPage) or page.after != len(self._texts):
                continue  # nobody asked for it
            self._take(page)
            is_full = len(letter.jws) >= _FULL_BYTES
            self.next_after = len(self._texts) if is_full else page.after
            self.read_at = letter.received_at

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def missing(self) -> int:
        """The number of lines that the camera told of and that are not here."""
        return 0 if self.newest is None else max(self.newest.size - len(self), 0)

    def forget(self) -> None:
        """Drop all pages, to fetch them anew."""
        for name in self._folder.names(LEDGER_LINES, self._device.name):
            self._folder.drop(LEDGER_LINES, self._device.name, name)

    # As agent.vault.records.ledger.Ledger has them

    def head(self, size: int | None = None) -> LedgerHead:
        """The number of lines here and the root over them, or of the first ``size``."""
        count = len(self) if size is None else size
        tree = Tree(map(merkle.leaf_hash, self._texts[:count]))
        return LedgerHead(size=count, root=tree.root(count).hex())

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """The lines after a number, in order; StorageFault at one that is none."""
        first = max(after, 0)
        for number, text in enumerate(self._texts[first:], first + 1):
            yield _entry(number, text)

    def checked(self, expected: LedgerHead | None = None) -> Iterator[Entry]:
        """Each line once it is checked; StorageFault names the first that is broken."""
        heads = {size: set(roots) for size, roots in self._heads.items()}
        if expected is not None:
            heads.setdefault(expected.size, set()).add(expected.root)
        tree = Tree()
        for entry, text in zip(self.entries(), self._texts, strict=True):
            tree.append(merkle.leaf_hash(text))
            said = heads.get(len(tree), set())
            if said and said != {tree.root(len(tree)).hex()}:
                raise _broken(len(tree), "the ledger up to here is not what the camera told before")
            yield entry

    def lines(self) -> bytes:
        """All lines as JSON lines, as ``clip-agent ledger export`` on the camera writes them."""
        return b"".join(text + b"\n" for text in self._texts)

    def _take(self, page: LedgerPage) -> None:
        try:
            texts: Sequence[bytes] = page.texts()
        except ValueError:
            texts = (b"",)  # a line that is none: reading it says so
        self._texts += texts
        self._remember(page.ledger)

    def _remember(self, head: LedgerHead) -> None:
        self._heads.setdefault(head.size, set()).add(head.root)
        if self.newest is None or head.size > self.newest.size:
            self.newest = head


def _entry(number: int, text: bytes) -> Entry:
    """The line with this number; StorageFault unless it is one, in canonical form."""
    try:
        entry = msgspec.json.decode(text, type=_Line)
        line = Entry(entry.seq, entry.at, entry.event, entry.subject, entry.detail)
        is_canonical = line.text().encode() == text
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise _broken(number, "it is no line of a ledger") from error
    if not is_canonical:
        raise _broken(number, "it is no line of a ledger")
    if line.seq != number:
        raise _broken(number, f"it is missing; line {line.seq} stands in its place")
    return line


class _Line(Struct, frozen=True, forbid_unknown_fields=True):
    at: float
    detail: dict[str, Any]
    event: str
    seq: int
    subject: str


def _broken(number: int, why: str) -> StorageFault:
    return StorageFault(f"ledger line {number}: {why}", advice=_ADVICE)
