"""The owner's ledger: each line carries the digest of the line before.

A line is the JSON object ``{at, detail, event, prev, seq, subject}`` in canonical form
(RFC 8785: keys sorted, no white space, numbers as ECMAScript writes them), and its
digest the SHA-256 of that text in UTF-8. The first line follows 64 zeros. An
exported line is the same object with its digest as ``sha256``, so anybody can check an
export with a JSON library and SHA-256.

The chain shows a line that was changed, removed, inserted or moved. Lines cut off at the end
leave a shorter, valid chain: only a head remembered elsewhere shows that, which is why every
letter to the owner carries it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TextIO

from agent.consent.statements import LedgerHead
from agent.errors import StorageFault
from agent.vault.records.events import Event
from agent.vault.records.table import Table

Json = None | bool | int | float | str | list[Any] | dict[str, Any]

_log = logging.getLogger(__name__)

BEFORE_THE_FIRST = "0" * 64
_COLUMNS = "seq, at, event, subject, detail, prev, sha256"
_BEFORE_ALL = -(2**63)  # a forged line may have any number
_MOST_LINES = 2**53 - 1  # a forged line may have the number behind which there is none
_END_OF_FIRST_RUN = (
    "SELECT seq, sha256 FROM ledger AS line WHERE seq BETWEEN 1 AND ?"
    " AND NOT EXISTS (SELECT 1 FROM ledger WHERE seq = line.seq + 1) ORDER BY seq LIMIT 1"
)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PAGE_LINES = 500
_PLAIN_NUMBERS = (1e-6, 1e16)  # between these, Python and ECMAScript write floats alike
_ADVICE = "Somebody may have changed the ledger: compare it with an earlier export"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the ledger; the columns are explained in ``schema.sql``."""

    seq: int
    at: float
    event: str
    subject: str
    detail: Mapping[str, Json]
    prev: str
    sha256: str

    def text(self) -> str:
        """The canonical text that the digest is taken of."""
        return _canonical(self._fields())

    def exported(self) -> str:
        """The line as it is exported."""
        return _canonical({**self._fields(), "sha256": self.sha256})

    def digest(self) -> str:
        """The digest that :attr:`sha256` must be."""
        return hashlib.sha256(self.text().encode("utf-8")).hexdigest()

    def _fields(self) -> dict[str, Any]:
        names = ("seq", "at", "event", "subject", "detail", "prev")
        return {name: getattr(self, name) for name in names}


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


class Ledger(Table):
    """Reads the ledger of an index."""

    def head(self) -> LedgerHead:
        """The last line's number and digest; line 0 and zeros while there is none."""
        last = self._index.rows("SELECT seq, sha256 FROM ledger ORDER BY seq DESC LIMIT 1")
        if last and last[0][0] >= _MOST_LINES:
            last = self._index.rows(_END_OF_FIRST_RUN, (_MOST_LINES,))
        seq, sha256 = last[0] if last else (0, BEFORE_THE_FIRST)
        if seq < 0 or not _DIGEST.fullmatch(sha256):  # forged: the chain breaks here and says so
            seq, sha256 = max(seq, 0), BEFORE_THE_FIRST
        return LedgerHead(seq=seq, sha256=sha256)

    def tells(self, subject: str, *events: Event) -> bool:
        """True if a line tells of one of ``events`` about ``subject``.

        A subject alone proves little: some are digests of bytes that a stranger chose.
        """
        marks = ", ".join("?" * len(events))
        query = f"SELECT 1 FROM ledger WHERE subject = ? AND event IN ({marks}) LIMIT 1"  # noqa: S608
        return bool(self._index.rows(query, (subject, *map(str, events))))

    def says(self, event: Event, subject: str) -> list[Mapping[str, Json]]:
        """The details of the lines that tell of ``event`` about ``subject``, oldest first.

        A forged detail is read as empty; :meth:`verify` names its line.
        """
        query = "SELECT seq, detail FROM ledger WHERE subject = ? AND event = ? ORDER BY seq"
        details: list[Mapping[str, Json]] = []
        for seq, text in self._index.rows(query, (subject, str(event))):
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
        return map(_entry, self._index.rows(query, (start, end)))

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """The lines after number ``after``, in order; StorageFault at one without JSON.

        Read a page at a time: the ledger of years is long, and a reader must not block a writer.
        """
        page = f"SELECT {_COLUMNS} FROM ledger WHERE seq > ? ORDER BY seq LIMIT ?"  # noqa: S608
        while rows := self._index.rows(page, (after, _PAGE_LINES)):
            yield from map(_entry, rows)
            after = rows[-1][0]

    def verify(self, expected: LedgerHead | None = None) -> int:
        """Check every line and return how many there are.

        Raises :class:`StorageFault` naming the first line that is broken. With
        ``expected``, a head seen earlier, that line must be there and be the same.
        """
        return verify_chain(self.entries(after=_BEFORE_ALL), expected)

    def export(self, out: TextIO) -> None:
        """Write all lines as JSON lines."""
        for entry in self.entries():
            try:
                line = entry.exported()
            except ValueError as error:
                raise _broken(entry.seq, "it was changed") from error
            out.write(line + "\n")


class LedgerWriter(Ledger):
    """Adds lines."""

    def append(self, event: str, subject: str, detail: Mapping[str, Json], *, at: float) -> Entry:
        """Add a line; ``at`` is kept to the millisecond."""
        head = self.head()
        line = Entry(head.seq + 1, round(at, 3), event, subject, _plain(detail), head.sha256, "")
        line = replace(line, sha256=line.digest())
        self._execute(
            f"INSERT INTO ledger ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            *(line.seq, line.at, line.event, subject, _canonical(detail), line.prev, line.sha256),
        )
        return line


def _entry(row: tuple[int, float, str, str, str, str, str]) -> Entry:
    seq, at, event, subject, detail, prev, sha256 = row
    return Entry(seq, at, event, subject, _read_detail(seq, detail), prev, sha256)


def _read_detail(seq: int, text: str) -> dict[str, Json]:
    """The detail of line ``seq``, which must be in canonical form to the byte."""
    try:
        detail = json.loads(text)
        if isinstance(detail, dict) and _canonical(detail) == text:
            return detail
    except (ValueError, RecursionError) as error:
        raise _broken(seq, "its detail is not JSON") from error
    raise _broken(seq, "its detail was changed")


def _holds(entry: Entry) -> bool:
    try:
        return entry.digest() == entry.sha256
    except ValueError:  # a number that has no place in a ledger
        return False


def verify_chain(entries: Iterable[Entry], expected: LedgerHead | None = None) -> int:
    """Check lines from anywhere as :meth:`Ledger.verify` does."""
    count, head = 0, BEFORE_THE_FIRST
    for entry in entries:
        if entry.seq != count + 1:
            raise _broken(count + 1, f"it is missing; line {entry.seq} stands in its place")
        if entry.prev != head:
            raise _broken(entry.seq, "it does not follow the line before")
        if not _holds(entry):
            raise _broken(entry.seq, "it was changed")
        count, head = entry.seq, entry.sha256
        if expected is not None and count == expected.seq and head != expected.sha256:
            raise _broken(count, "it is not the line that was there before")
    if expected is not None and count < expected.seq:
        raise _broken(count + 1, f"the ledger once had {expected.seq} lines and ends at {count}")
    return count


def _broken(seq: int, why: str) -> StorageFault:
    return StorageFault(f"ledger line {seq}: {why}", advice=_ADVICE)
