"""The index: whose file it is, who may write when, and what it says."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from agent.errors import InternalFault, StorageFault
from agent.vault.database import migrations, schema
from agent.vault.database.index import Clip, Health, Index, Totals
from agent.vault.records.decisions import DecisionTable
from tests.peers.requirements import ROOT
from tests.vault.support import Vault


def clip(number: int, *, start: float = 1_000.0, seconds: float = 10.0, **other: object) -> Clip:
    """A row without files."""
    known: dict[str, object] = {
        "id": f"20240124-183000-{number:06x}",
        "started_at": start,
        "duration_seconds": seconds,
        "monotonic_seconds": 5.0,
        "boot_id": "boot",
        "clock_synced": True,
        "bytes": 100,
        "sha256": "0" * 64,
        "sealed_key": "c2VhbGVk",
        "truncated": False,
    }
    return Clip(**{**known, **other})  # type: ignore[arg-type]


@pytest.fixture
def index(vault: Vault) -> Index:
    """The index of an empty vault."""
    return vault.index


def put(index: Index, *clips: Clip) -> None:
    with index.transaction():
        for each in clips:
            index.put_clip(each)


def add_request(index: Index, digest: str, state: str, *clips: str) -> None:
    with index.transaction() as db:
        db.execute(
            "INSERT INTO request (digest, jws, jti, requester, reference, state, rule,"
            " received_at, window_start, window_end, expires_at)"
            " VALUES (?, '', '', '', '', ?, '', 0, 0, 0, 0)",
            (digest, state),
        )
        for each in clips:
            db.execute(
                "INSERT INTO match (request, clip, sha256) VALUES (?, ?, '')", (digest, each)
            )


# Whose file it is


def test_a_new_index_is_made_as_the_schema_says(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state" / "agent.sqlite"
    with Index.open(path) as index:
        pragmas = {
            name: index.connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "application_id")
        }
        assert pragmas == {
            "journal_mode": "wal",
            "synchronous": 2,
            "foreign_keys": 1,
            "application_id": 0x434C4950,
        }
    with Index.open(path, create=False) as again:
        assert again.clips() == []


def test_index_and_what_sqlite_makes_beside_it_are_group_writable(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with Index.open(tmp_path / "state" / "agent.sqlite") as index:
            index.set_health("camera", "armed", "", 1.0)
            files = sorted((tmp_path / "state").iterdir())
            assert [path.name for path in files] == [
                "agent.sqlite",
                "agent.sqlite-shm",
                "agent.sqlite-wal",
            ]
            assert {path.stat().st_mode & 0o777 for path in files} == {0o660}
    finally:
        os.umask(before)


def test_a_missing_index_is_not_made_for_a_reader(tmp_path: Path) -> None:
    with pytest.raises(StorageFault, match="there is no index here"):
        Index.open(tmp_path / "agent.sqlite", create=False)
    (tmp_path / "agent.sqlite").touch()
    with pytest.raises(StorageFault, match="the index is empty"):
        Index.open(tmp_path / "agent.sqlite", create=False)


def test_another_programs_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "agent.sqlite"
    for application_id in (0, 7):
        path.unlink(missing_ok=True)
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE theirs (x)")
            other.execute(f"PRAGMA application_id = {application_id}")
        other.close()
        content = path.read_bytes()
        with pytest.raises(StorageFault, match="not one of clip-agent's"):
            Index.open(path)
        assert path.read_bytes() == content


def test_a_file_that_is_not_a_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "agent.sqlite"
    path.write_bytes(b"this is a text and not a database, " * 100)
    with pytest.raises(StorageFault, match="not a database"):
        Index.open(path)


def test_the_file_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "agent.sqlite"
    with Index.open(path) as index:
        index.connection.execute(f"PRAGMA user_version = {schema.version() + 1}")
    with pytest.raises(StorageFault, match="newer clip-agent") as caught:
        Index.open(path)
    assert caught.value.advice


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("DROP TABLE health", "table health is missing"),
        ("CREATE TABLE extra (x)", "table extra is not ours"),
        ("ALTER TABLE clip ADD COLUMN extra TEXT", "column clip.extra is not ours"),
        ("ALTER TABLE clip DROP COLUMN truncated", "column clip.truncated is missing"),
        ("DROP INDEX clip_by_time", "index clip_by_time is missing"),
        ("CREATE TRIGGER t AFTER DELETE ON ledger BEGIN SELECT 1; END", "trigger t is not ours"),
        ("CREATE VIEW v AS SELECT 1", "v is not ours"),
        ("PRAGMA user_version = 0", "user_version is `0`, not"),
        (
            "DROP TABLE seen; CREATE TABLE seen (jti TEXT PRIMARY KEY, digest BLOB NOT NULL,"
            " at REAL NOT NULL) STRICT, WITHOUT ROWID",
            "column seen.digest is `BLOB",
        ),
        (
            "DROP TABLE seen; CREATE TABLE seen (jti TEXT PRIMARY KEY, digest TEXT NOT NULL,"
            " at REAL NOT NULL)",
            "table seen is `without rowid 0, strict 0`",
        ),
    ],
)
def test_a_file_that_differs_from_the_schema_is_refused(
    tmp_path: Path, change: str, complaint: str
) -> None:
    path = tmp_path / "agent.sqlite"
    with Index.open(path) as index:
        index.connection.executescript(change)
    with pytest.raises(StorageFault) as caught:
        Index.open(path)
    assert complaint in caught.value.message


VERSION_1 = Path(__file__).with_name("schema-1.sql")  # as clip-agent 0.1.0 made it
VERSION_2 = Path(__file__).with_name("schema-2.sql")  # as it was for a while between releases


def old_file(path: Path) -> None:
    with closing(sqlite3.connect(path)) as old:
        old.executescript(VERSION_1.read_text())
        old.execute("INSERT INTO health VALUES ('camera', 1.0, 'armed', '', 0.5)")
        row = "('d', 'jws', 'j', 'r', 'ref', 'OPEN', '', 1, 2, 3, 4)"
        old.execute(f"INSERT INTO request VALUES {row}")
        old.execute("INSERT INTO match (request, clip, sha256) VALUES ('d', 'clip', '00')")
        columns = "id, request, approval, state, detail, approved_at, expires_at"
        for release, state in (("0123456789abcdef", "SENT"), ("fedcba9876543210", "APPROVED")):
            row = f"('{release}', 'd', 'approval', '{state}', '', 5, 6)"
            old.execute(f"INSERT INTO release ({columns}) VALUES {row}")
        old.execute("INSERT INTO ledger VALUES (1, 1.0, 'event', 's', '{}', '0', 'h')")
        old.commit()


def test_a_file_of_version_1_is_brought_up_to_date_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "agent.sqlite"
    old_file(path)
    with Index.open(path, create=False) as index:
        assert index.rows("PRAGMA user_version") == [(schema.version(),)]
        assert index.health("camera") == Health("camera", 1.0, "armed", "", 0.5, "")
        assert index.rows("SELECT digest, state FROM request") == [("d", "OPEN")]
        assert index.rows("SELECT id, state, second FROM release") == [
            ("0123456789abcdef", "SENT", ""),
            ("fedcba9876543210", "APPROVED", ""),
        ]
        assert index.rows("SELECT * FROM release_clip") == [("fedcba9876543210", "clip")]
        assert index.rows("SELECT seq, event FROM ledger") == [(1, "event")]


def test_a_file_of_version_2_is_brought_up_to_date_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "agent.sqlite"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(VERSION_2.read_text())
        columns = (
            "digest, jws, jti, requester, reference, state, rule, received_at, window_start,"
            " window_end, expires_at"
        )
        for digest in ("told", "not told"):
            row = (digest, "jws", "j", "r", "ref", "OPEN", "", 5, 2, 3, 4)
            old.execute(f"INSERT INTO request ({columns}) VALUES (?{', ?' * 10})", row)
        old.execute("INSERT INTO match VALUES ('told', 'clip', '00')")
        old.execute("INSERT INTO letter VALUES ('topic', x'00', 3, 3)")
        release = "id, request, approval, state, detail, approved_at, expires_at, attempts"
        values = "'0123456789abcdef', 'told', 'approval', 'APPROVED', '', 5, 6, 4"
        old.execute(f"INSERT INTO release ({release}) VALUES ({values})")
        old.commit()
    with Index.open(path, create=False) as index:
        assert index.rows("PRAGMA user_version") == [(schema.version(),)]
        assert index.rows("SELECT digest, told_at FROM request ORDER BY digest") == [
            ("not told", None),
            ("told", 5.0),
        ]
        assert index.rows("SELECT clip, gone FROM match") == [("clip", 0)]
        assert index.rows("SELECT id, attempts, deaths FROM release") == [
            ("0123456789abcdef", 4, 0)
        ]
        assert index.rows("SELECT topic, acked, at FROM letter") == [("topic", 3, 0.0)]
        assert DecisionTable(index).begun_at() == 0, "it began before anybody noted when"


def test_a_process_of_the_old_program_can_still_write_its_health(tmp_path: Path) -> None:
    path = tmp_path / "agent.sqlite"
    old_file(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as old, Index.open(path) as index:
        old.execute(
            "INSERT OR REPLACE INTO health (part, at, state, detail, last_motion_at)"
            " VALUES ('gateway', 2.0, 'connected', '', NULL)"
        )
        assert index.health("gateway") == Health("gateway", 2.0, "connected", "", None, "")


def test_an_upgrade_that_is_cut_off_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "agent.sqlite"
    old_file(path)
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "_ADDED_BY_3", ("SELECT no_such_function()",))
        with pytest.raises(InternalFault, match="no_such_function"):
            Index.open(path)
    with Index.open(path) as index:
        assert index.health("camera") is not None


def test_an_older_file_of_any_version_gets_the_tables_of_the_schema(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "agent.sqlite"
    Index.open(path).close()
    next_version = (
        schema.text()
        .replace(f"user_version = {schema.version()}", f"user_version = {schema.version() + 1}")
        .replace(" log_origin ", " log_name ")
    )
    with Index.open(path) as index:
        add_request(index, "d", "OPEN", "clip")
    monkeypatch.setattr(schema, "text", lambda: next_version)
    schema._wanted.cache_clear()
    try:
        with Index.open(path) as index:
            assert index.rows("SELECT digest, log_name FROM request") == [("d", "")]
            assert index.held_clips() == ["clip"]
            assert index.rows("PRAGMA foreign_key_check") == []
    finally:
        schema._wanted.cache_clear()


def test_every_column_of_the_schema_has_a_comment() -> None:
    inside = False
    for line in schema.text().splitlines():
        if line.startswith("CREATE TABLE"):
            inside = True
        elif line.startswith(")"):
            inside = False
        elif inside and line.strip() and not line.strip().startswith("PRIMARY KEY"):
            assert "--" in line, line


# Who may write, and when


def test_a_transaction_is_all_or_nothing(index: Index) -> None:
    with pytest.raises(ZeroDivisionError), index.transaction():
        index.put_clip(clip(1))
        raise ZeroDivisionError
    assert index.clips() == []
    put(index, clip(2))
    assert [each.id for each in index.clips()] == [clip(2).id]


def test_a_transaction_in_a_transaction_is_our_mistake(index: Index) -> None:
    with index.transaction():
        index.put_clip(clip(1))
        with pytest.raises(InternalFault, match="inside another"), index.transaction():
            pass
    assert len(index.clips()) == 1


def test_a_row_that_the_schema_refuses_is_our_mistake(index: Index) -> None:
    with pytest.raises(InternalFault), index.transaction() as db:
        db.execute("INSERT INTO match (request, clip, sha256) VALUES ('no such request', 'x', 'y')")
    with pytest.raises(InternalFault), index.transaction() as db:
        db.execute("INSERT INTO seen VALUES (1, 2)")
    with pytest.raises(InternalFault), index.transaction() as db:
        db.execute("SELECT * FROM no_such_table")
    assert not index.connection.in_transaction


def test_a_writer_that_waits_too_long_says_so(index: Index, tmp_path: Path) -> None:
    index.connection.execute("PRAGMA busy_timeout = 1")
    with (
        Index.open(tmp_path / "state" / "agent.sqlite") as other,
        other.transaction(),
        pytest.raises(StorageFault, match="locked"),
        index.transaction(),
    ):
        raise AssertionError("two writers at once")
    with index.transaction():
        index.put_clip(clip(1))


_WRITER = """
import sys
from contextlib import closing
from pathlib import Path
from agent.vault.database.index import Index
from agent.vault.records.ledger import Ledger, LedgerWriter

with Index.open(Path(sys.argv[1])) as index:
    for number in range(40):
        with index.transaction():
            LedgerWriter(index).append("event", sys.argv[2], {"number": number}, at=1.0)
        index.set_health(sys.argv[2], f"state {number}", "", 1.0)
"""


def test_two_processes_make_and_write_one_index_at_once(tmp_path: Path) -> None:
    from agent.vault.records.ledger import Ledger

    path = tmp_path / "state" / "agent.sqlite"
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, path, part], cwd=ROOT)
        for part in ("camera", "gateway")
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    with Index.open(path) as index:
        assert Ledger(index).verify() == 80
        for part in ("camera", "gateway"):
            mine = [e.detail["number"] for e in Ledger(index).entries() if e.subject == part]
            assert mine == list(range(40))


def test_many_openers_at_once_make_one_index(tmp_path: Path) -> None:
    path = tmp_path / "state" / "agent.sqlite"
    ready = threading.Barrier(6)
    faults: list[BaseException] = []

    def open_it() -> None:
        ready.wait()
        try:
            Index.open(path).close()
        except StorageFault as error:
            faults.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


# Change and idleness


def test_changed_tells_of_others_commits_once_and_not_of_our_own(
    index: Index, tmp_path: Path
) -> None:
    assert not index.changed()
    put(index, clip(1))
    assert not index.changed()
    with Index.open(tmp_path / "state" / "agent.sqlite") as other:
        assert not index.changed()
        put(other, clip(2))
        assert index.changed()
        assert not index.changed()
        other.set_health("gateway", "armed", "", 1.0)
        assert index.changed()


def test_idling_writes_nothing(vault: Vault) -> None:
    vault.record()
    vault.index.set_health("camera", "armed", "", 1.0)

    def look() -> dict[str, tuple[int, int]]:
        return {
            str(path): (path.stat().st_size, path.stat().st_mtime_ns)
            for path in vault.state_dir.rglob("*")
            if not path.name.endswith("-shm")  # memory shared by the processes
        }

    before = look()
    for _ in range(50):
        vault.clock.advance(60)
        vault.index.changed()
        vault.index.clips()
        vault.index.held_clips()
        vault.index.set_health("camera", "armed", "", vault.clock.now())
        vault.store.recover()
        vault.store.correct_times()
    assert look() == before


# What it says


def test_clips_that_overlap_a_window_are_found_at_its_very_edges(index: Index) -> None:
    put(index, clip(3, start=300), clip(1, start=100), clip(2, start=200))
    ids = [each.id[-1] for each in index.clips()]
    assert ids == ["1", "2", "3"]

    def found(start: float | None, end: float | None) -> str:
        return "".join(each.id[-1] for each in index.clips(start=start, end=end))

    assert found(210, 300) == "23"
    assert found(210.5, 299.5) == ""
    assert found(205, 206) == "2"
    assert found(0, 1_000) == "123"
    assert found(None, 200) == "12"
    assert found(210, None) == "23"


def test_a_clip_marked_as_deleting_is_hidden(index: Index) -> None:
    put(index, clip(1), clip(2))
    with index.transaction():
        assert index.mark_deleting(clip(1).id)
        assert not index.mark_deleting("20240124-183000-ffffff")
    assert index.clips() == [clip(2)]
    assert index.clip(clip(1).id) is None
    assert index.clip(clip(2).id) == clip(2)
    assert index.totals() == Totals(count=1, bytes=100, oldest=1_000.0)
    assert index.deleting_clips() == [clip(1).id]


def test_totals_of_nothing(index: Index) -> None:
    assert index.totals() == Totals(count=0, bytes=0, oldest=None)


def test_clips_are_known_in_the_order_of_their_recording(index: Index) -> None:
    put(index, clip(1, start=5_000))
    put(index, clip(2, start=1, clock_synced=False))
    put(index, clip(3, start=6_000))
    assert [each.id[-1] for each in index.clips_as_recorded()] == ["1", "2", "3"]
    put(index, clip(1, start=7_000))  # known anew, not recorded anew
    assert [each.id[-1] for each in index.clips_as_recorded()] == ["1", "2", "3"]


def test_clips_of_open_requests_and_of_releases_that_wait_are_held(index: Index) -> None:
    add_request(index, "open", "OPEN", "a", "b")
    add_request(index, "open too", "OPEN", "b")
    add_request(index, "declined", "DECLINED", "c")
    add_request(index, "expired", "EXPIRED", "d", "x")
    for state, request, clip in (
        ("APPROVED", "expired", "d"),
        ("PROPOSED", None, "e"),
        ("SEALED", None, "f"),
        ("REVOKED", None, "g"),
    ):
        with index.transaction() as db:
            db.execute(
                "INSERT INTO release (id, request, approval, state, detail, approved_at,"
                " expires_at) VALUES (?, ?, '', ?, '', 0, 0)",
                (state, request, state),
            )
            db.execute("INSERT INTO release_clip VALUES (?, ?)", (state, clip))
    assert index.held_clips() == ["a", "b", "d", "e"]


def test_health_is_written_when_it_changes_and_only_then(index: Index) -> None:
    assert index.health("camera") is None
    index.set_health("camera", "armed", "", 10.0)
    written = index.connection.total_changes
    index.set_health("camera", "armed", "", 20.0)
    assert index.connection.total_changes == written
    assert index.health("camera") == Health("camera", 10.0, "armed", "", None)
    index.set_health("camera", "recording", "", 30.0, last_motion_at=29.0)
    index.set_health("camera", "armed", "", 40.0)
    assert index.health("camera") == Health("camera", 40.0, "armed", "", 29.0)
    index.set_health("gateway", "armed", "", 50.0)
    assert index.health("camera") == Health("camera", 40.0, "armed", "", 29.0)
    index.set_health("camera", "armed", "", 60.0, encoder="libx264 (software)")
    index.set_health("camera", "armed", "", 70.0, encoder="libx264 (software)")
    known = Health("camera", 60.0, "armed", "", 29.0, "libx264 (software)")
    assert index.health("camera") == known


def test_an_index_may_be_handed_to_another_thread(index: Index) -> None:
    worker = threading.Thread(target=put, args=(index, clip(1)))
    worker.start()
    worker.join()
    assert len(index.clips()) == 1
