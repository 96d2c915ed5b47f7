"""The owner's ledger: lines under a Merkle tree (RFC 6962), which only grow.

A line is the JSON object ``{at, detail, event, seq, subject}`` in canonical form (RFC 8785: keys
sorted, no white space, numbers as ECMAScript writes them). Its text in UTF-8 is an entry of the
tree, so that anybody can compute the root of an export with SHA-256 alone.

The **head**, the number of lines and the root over them, stands for all of them: every letter to
the owner carries it, with a proof that the ledger begins with the lines that this owner last
acknowledged. :meth:`Ledger.verify` compares the lines with the stored tree, and with such a head.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TextIO

from agent.consent.statements import ConsistencyProof, LedgerHead
from agent.consent.transparency import merkle
from agent.consent.transparency.tree import Place, Tree
from agent.errors import StorageFault
from agent.vault.records.events import Event
from agent.vault.records.table import Table

Json = None | bool | int | float | str | list[Any] | dict[str, Any]

_log = logging.getLogger(__name__)

_COLUMNS = "seq, at, event, subject, detail"
_BEFORE_ALL = -(2**63)  # a forged line may have any number
_PAGE_LINES = 500
_LAST_LINES = 300  # among which a refusal still counts as lately
_MOST_PROOFS = 32  # in a letter
_PLAIN_NUMBERS = (1e-6, 1e16)  # between these, Python and ECMAScript write floats alike
_ADVICE = "Somebody may have changed the ledger: compare it with an earlier export"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the ledger; the columns are explained in ``gateway.sql``."""

    seq: int
    at: float
    event: str
    subject: str
    detail: Mapping[str, Json]

    def text(self) -> str:
        """The canonical text; ValueError for a number that has no place in it."""
        return _canonical({name: getattr(self, name) for name in self.__slots__})

    def leaf(self) -> bytes:
        """The line's hash in the tree."""
        return merkle.leaf_hash(self.text().encode("utf-8"))


def _canonical(value: Mapping[str, Json]) -> str:
    """RFC 8785 for what occurs here; ValueError for a number that has no place in it."""
    return json.dumps(
        _plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def _plain(value: Any) -> Any:
    """``value`` with its numbers as ECMAScript writes them: 2.0 is 2."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if not isinstance(value, float):
        return value
    smallest, largest = _PLAIN_NUMBERS
    if not math.isfinite(value) or (value != 0 and not smallest <= abs(value) < largest):
        raise ValueError(f"{value} has no place in a ledger")
    return int(value) if value.is_integer() else value


class _Nodes(Table):
    """The stored nodes of the ledger's tree."""

    def __getitem__(self, place: Place) -> bytes:
        query = "SELECT hash FROM ledger_node WHERE level = ? AND number = ?"
        found = self._database.rows(query, place)
        if not found:
            raise _broken((place[1] << place[0]) + 1, "the tree does not have it")
        return bytes(found[0][0])

    def __setitem__(self, place: Place, node: bytes) -> None:
        self._execute("INSERT INTO ledger_node VALUES (?, ?, ?)", *place, node)


class _StoredNodes(_Nodes):
    """Compares the nodes of a tree made anew with the stored ones."""

    def __setitem__(self, place: Place, node: bytes) -> None:
        if self[place] != node:
            level, number = place
            why = "the tree above it was changed" if level else "it was changed"
            raise _broken((number + 1) << level, why)


class Ledger(Table):
    """Reads the ledger of an index."""

    def __len__(self) -> int:
        return len(self._tree())

    def head(self, size: int | None = None) -> LedgerHead:
        """The number of lines, and the root over them; of the first ``size`` if given."""
        tree = self._tree()
        return _head(tree, len(tree) if size is None else size)

    def proofs(self, size: int) -> tuple[ConsistencyProof, ...]:
        """Proofs that the first ``size`` lines begin with those that the owners acknowledged.

        One from a head that was never here is given too: the owner finds that it does not hold.
        """
        tree = self._tree()
        query = (
            "SELECT DISTINCT size FROM acknowledged WHERE size BETWEEN 1 AND ? ORDER BY size DESC"
        )
        return tuple(
            ConsistencyProof(
                from_size=old, path=tuple(node.hex() for node in tree.consistency(old, size))
            )
            for (old,) in self._database.rows(f"{query} LIMIT {_MOST_PROOFS}", (size,))
        )

    def holds(self, head: LedgerHead) -> bool:
        """True if ``head`` is this ledger's, of now or earlier."""
        tree = self._tree()
        return head.size <= len(tree) and _head(tree, head.size) == head

    def _tree(self) -> Tree:
        """The tree of this moment: nodes never change, so lines added meanwhile do no harm."""
        last = self._database.rows("SELECT max(seq) FROM ledger")[0][0]
        return Tree(nodes=_Nodes(self._database), size=max(last or 0, 0))

    def refused_decisions(self, *, since: float) -> list[tuple[str, float]]:
        """Owners' decisions among the last lines that were refused when they first came.

        Each has its digest and its time. Only such a refusal is also among the statements seen,
        and at the very same time: not that of a copy, nor of a stranger's letter.
        """
        return self._database.rows(
            "SELECT subject, line.at FROM (SELECT * FROM ledger ORDER BY seq DESC LIMIT ?) AS line"
            " JOIN seen ON seen.digest = subject AND seen.at = line.at"
            " WHERE event = ? AND line.at > ? ORDER BY seq",
            (_LAST_LINES, str(Event.DECISION_REFUSED), since),
        )

    def tells(self, subject: str, *events: Event) -> bool:
        """True if a line tells of one of ``events`` about ``subject``.

        A subject alone proves little: some are digests of bytes that a stranger chose.
        """
        marks = ", ".join("?" * len(events))
        query = f"SELECT 1 FROM ledger WHERE subject = ? AND event IN ({marks}) LIMIT 1"  # noqa: S608
        return bool(self._database.rows(query, (subject, *map(str, events))))

    def last_at(self, subject: str, *events: Event) -> float | None:
        """The latest time at which a line tells of one of ``events`` about ``subject``."""
        marks = ", ".join("?" * len(events))
        query = f"SELECT max(at) FROM ledger WHERE subject = ? AND event IN ({marks})"  # noqa: S608
        (row,) = self._database.rows(query, (subject, *map(str, events)))
        return None if row[0] is None else float(row[0])

    def says(self, event: Event, subject: str) -> list[Mapping[str, Json]]:
        """The details of the lines that tell of ``event`` about ``subject``, oldest first.

        A forged detail is read as empty; :meth:`verify` names its line.
        """
        query = "SELECT seq, detail FROM ledger WHERE subject = ? AND event = ? ORDER BY seq"
        details: list[Mapping[str, Json]] = []
        for seq, text in self._database.rows(query, (subject, str(event))):
            try:
                details.append(_read_detail(seq, text))
            except StorageFault as error:
                _log.warning("%s", error.message)
                details.append({})
        return details

    def between(self, start: float, end: float) -> Iterator[Entry]:
        """The lines dated from ``start`` until before ``end``, in order.

        Dates need not rise with the numbers: a line may come from before the clock was set.
        """
        query = f"SELECT {_COLUMNS} FROM ledger WHERE at >= ? AND at < ? ORDER BY seq"  # noqa: S608
        return map(_entry, self._database.rows(query, (start, end)))

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """The lines after number ``after``, in order; StorageFault at one without JSON.

        Read a page at a time: the ledger of years is long, and a reader must not block a writer.
        """
        page = f"SELECT {_COLUMNS} FROM ledger WHERE seq > ? ORDER BY seq LIMIT ?"  # noqa: S608
        while rows := self._database.rows(page, (after, _PAGE_LINES)):
            yield from map(_entry, rows)
            after = rows[-1][0]

    def checked(self, expected: LedgerHead | None = None) -> Iterator[Entry]:
        """Each line once it is checked; StorageFault names the first that is broken.

        With ``expected``, a head seen earlier, the ledger must begin with those lines.
        """
        tree = Tree(nodes=_StoredNodes(self._database))
        query = "SELECT max(number) + 1 FROM ledger_node WHERE level = 0"
        leaves = self._database.rows(query)[0][0] or 0  # a writer may add more meanwhile
        _check_root(tree, expected)
        for entry in self.entries(after=_BEFORE_ALL):
            if entry.seq != len(tree) + 1:
                why = f"it is missing; line {entry.seq} stands in its place"
                raise _broken(len(tree) + 1, why)
            try:
                tree.append(entry.leaf())
            except ValueError as error:  # a number that has no place in a ledger
                raise _broken(entry.seq, "it was changed") from error
            _check_root(tree, expected)
            yield entry
        if expected is not None and len(tree) < expected.size:
            why = f"the ledger once had {expected.size} lines and ends at {len(tree)}"
            raise _broken(len(tree) + 1, why)
        if len(tree) < leaves:
            raise _broken(len(tree) + 1, f"the ledger had {leaves} lines and ends before it")

    def verify(self, expected: LedgerHead | None = None) -> int:
        """Check every line as :meth:`checked` does, and return their number."""
        return sum(1 for _ in self.checked(expected))

    def export(self, out: TextIO) -> None:
        """Write all lines as JSON lines."""
        for entry in self.entries():
            try:
                line = entry.text()
            except ValueError as error:
                raise _broken(entry.seq, "it was changed") from error
            out.write(line + "\n")


class LedgerWriter(Ledger):
    """Adds lines."""

    def append(self, event: str, subject: str, detail: Mapping[str, Json], *, at: float) -> Entry:
        """Add a line; ``at`` is kept to the millisecond."""
        tree = self._tree()
        line = Entry(len(tree) + 1, round(at, 3), event, subject, _plain(detail))
        self._execute(
            f"INSERT INTO ledger ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)",  # noqa: S608
            *(line.seq, line.at, line.event, subject, _canonical(detail)),
        )
        tree.append(line.leaf())
        return line

    def acknowledge(self, owner: str, heads: Iterable[LedgerHead], *, at: float) -> None:
        """Replace the heads that ``owner`` named, unless the new ones were signed earlier."""
        newest = "SELECT 1 FROM acknowledged WHERE owner = ? AND at > ?"
        if self._database.rows(newest, (owner, at)):
            return
        self._execute("DELETE FROM acknowledged WHERE owner = ?", owner)
        for size in {head.size for head in heads}:
            self._execute("INSERT INTO acknowledged VALUES (?, ?, ?)", owner, size, at)

    def grow_tree(self) -> None:
        """Make the tree of lines that came from a file without one."""
        tree = Tree(nodes=_Nodes(self._database))
        for entry in self.entries():
            tree.append(entry.leaf())


def _head(tree: Tree, size: int) -> LedgerHead:
    return LedgerHead(size=size, root=tree.root(size).hex())


def _check_root(tree: Tree, expected: LedgerHead | None) -> None:
    if expected is not None and expected.size == len(tree) and expected != _head(tree, len(tree)):
        raise _broken(len(tree), "the ledger up to here is not what it was")


def _entry(row: tuple[int, float, str, str, str]) -> Entry:
    seq, at, event, subject, detail = row
    return Entry(seq, at, event, subject, _read_detail(seq, detail))


def _read_detail(seq: int, text: str) -> dict[str, Json]:
    """The detail of line ``seq``, which must be in canonical form to the byte."""
    try:
        detail = json.loads(text)
        if isinstance(detail, dict) and _canonical(detail) == text:
            return detail
    except (ValueError, RecursionError) as error:
        raise _broken(seq, "its detail is not JSON") from error
    raise _broken(seq, "its detail was changed")


def _broken(seq: int, why: str) -> StorageFault:
    return StorageFault(f"ledger line {seq}: {why}", advice=_ADVICE)
