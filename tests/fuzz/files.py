"""Targets: files written by people, and files from a disk that may have been tampered with."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import msgspec

from agent import config
from agent.consent import decoding
from agent.consent.cards import (
    DeviceCard,
    OwnerCard,
    RequesterCard,
    format_card,
    parse_card,
    parse_requesters,
)
from agent.consent.transparency.tree import Tree
from agent.errors import ClipDamaged, ConfigError, StorageFault
from agent.new_files import WrittenFile
from agent.vault.clips import sidecar
from agent.vault.clips.sidecar import Opening, Sidecar
from agent.vault.database.gateway import GatewayDatabase
from agent.vault.records.ledger import Entry, Json, Ledger, LedgerWriter
from tests.consent import world
from tests.fuzz.signed import vectors
from tests.fuzz.target import Target

_EXAMPLES = Path(__file__).parents[2] / "config"
_SCRATCH = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path(tempfile.gettempdir())


def scratch() -> Path:
    """A folder in memory, away with the process's temporary files if it is left over."""
    return Path(tempfile.mkdtemp(prefix="clip-agent-fuzz-", dir=_SCRATCH))


def _text(data: bytes) -> str | None:
    """Text as file readers pass it on: UTF-8, or nothing."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def run_card(data: bytes) -> None:
    """A card of each role, and a book of cards."""
    text = _text(data)
    if text is None:
        return
    for kind in (OwnerCard, DeviceCard, RequesterCard):
        try:
            card = parse_card(text, kind, "card.yaml")
        except ConfigError:
            continue
        assert parse_card(format_card(card), kind, "again") == card
    try:
        book = parse_requesters(text, "requesters.yaml")
    except ConfigError:
        return
    assert all(card.fingerprint == key for key, card in book.items())


def seeds_card() -> Sequence[bytes]:
    written = [one["input"] for one in vectors("card")]
    owner = OwnerCard(
        role="owner",
        name="Olive",
        sign=world.OWNER.public.text,
        seal=world.OWNER_RECIPIENT,
        recovery=world.REQUESTER_RECIPIENT,
    )
    book = "requesters:\n- " + format_card(world.CARD).replace("\n", "\n  ").rstrip()
    shipped = (_EXAMPLES / "requesters.yaml").read_text()
    return [text.encode() for text in (*written, format_card(owner), book, shipped)]


def run_config(data: bytes) -> None:
    """``agent.yaml``; what it came to, printed, is the same configuration."""
    folder = scratch()
    path = folder / "agent.yaml"
    path.write_bytes(data)
    try:
        loaded = config.load(path)
        path.write_text(config.effective(loaded))
        assert config.load(path) == loaded
    except ConfigError:
        return
    finally:
        shutil.rmtree(folder)


def seeds_config() -> Sequence[bytes]:
    shipped = [path.read_bytes() for path in sorted(_EXAMPLES.glob("agent*.yaml"))]
    return [*shipped, b"device: {name: x, place: {latitude: 1, longitude: 2}}\nowners: [a]\n"]


def run_sidecar(data: bytes) -> None:
    """A sidecar, opening or finished."""
    folder = scratch()
    path = folder / "clip.json"
    path.write_bytes(data)
    try:
        for kind in (Opening, Sidecar):
            try:
                read = sidecar.read(path, kind, world.CLIP)
            except ClipDamaged:
                continue
            assert decoding.decode(sidecar.encode(read), kind, 2 * sidecar.MAX_BYTES) == read
    finally:
        shutil.rmtree(folder)


def seeds_sidecar() -> Sequence[bytes]:
    opening = Opening(
        id=world.CLIP,
        started_at=1.5,
        monotonic_seconds=2.5,
        boot_id="00000000-0000-0000-0000-000000000001",
        clock_synced=True,
        sealed_key="AAAA",
        codec="h264",
        width=64,
        height=64,
    )
    whole = sidecar.finished(
        opening,
        WrittenFile("0" * 64, 10),
        duration_seconds=2.0,
        truncated=False,
        sealed_thumbnail="AAAA",
    )
    return [sidecar.encode(opening), sidecar.encode(whole), b"{}"]


_COLUMNS = (int, float, str, str, str)


class FakeRows:
    """An index whose ledger has these rows, of the types that its strict tables let in.

    The tree is the one over ``rows`` as they stand, where they can have one.
    """

    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        self._rows = sorted(rows)
        self._nodes: dict[tuple[int, int], bytes] = {}
        tree = Tree(nodes=self._nodes)
        for seq, at, event, subject, detail in self._rows:
            with suppress(ValueError, RecursionError, TypeError):
                tree.append(Entry(seq, at, event, subject, json.loads(detail)).leaf())

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows that :class:`Ledger` asks for."""
        if "max(number)" in query:
            return [
                (max((number + 1 for level, number in self._nodes if not level), default=None),)
            ]
        if "FROM ledger_node" in query:
            node = self._nodes.get((values[0], values[1]))
            return [] if node is None else [(node,)]
        return [row for row in self._rows if row[0] > values[0]]


def run_ledger(data: bytes) -> None:
    """Rows as JSON lines: a ledger verifies, or the first broken line is named."""
    rows: list[tuple[Any, ...]] = []
    for line in data.split(b"\n"):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            return
        if not isinstance(row, list) or tuple(map(type, row)) != _COLUMNS:
            return
        if not -(2**63) < row[0] < 2**63 or any(row[0] == one[0] for one in rows):
            return
        if any(not _is_text(text) for text in row[2:]):
            return
        rows.append(tuple(row))
    ledger = Ledger(cast(GatewayDatabase, FakeRows(rows)))
    try:
        count = ledger.verify()
    except StorageFault as fault:
        assert "ledger line" in fault.message
        return
    assert count == len(rows)
    for entry in ledger.entries():
        line = json.loads(entry.text())
        assert (line["seq"], line["detail"]) == (entry.seq, entry.detail)


def _is_text(text: str) -> bool:
    try:
        return bool(text.encode("utf-8")) or True
    except UnicodeEncodeError:
        return False


def seeds_ledger() -> Sequence[bytes]:
    folder = scratch()
    try:
        database = GatewayDatabase.open(folder / "gateway.sqlite")
        with database.transaction():
            for number in range(3):
                detail: dict[str, Json] = {"rule": "expired", "n": number, "share": 0.5}
                LedgerWriter(database).append("post.refused", "x", detail, at=1.5 + number)
        columns = "seq, at, event, subject, detail"
        rows = database.rows(f"SELECT {columns} FROM ledger ORDER BY seq")
        database.close()
    finally:
        shutil.rmtree(folder)
    lines = [msgspec.json.encode(list(row)) for row in rows]
    return [b"\n".join(lines[:count]) for count in (1, 2, 3)]


TARGETS = (
    Target("cards", run_card, seeds_card, 4_000),
    Target("config", run_config, seeds_config, 20_000),
    Target("sidecars", run_sidecar, seeds_sidecar, 4_000),
    Target("ledger", run_ledger, seeds_ledger, 8_000),
)
