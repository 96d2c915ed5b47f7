"""The two databases: whose file it is, who may write when, and what it says."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from agent.errors import DiskFull, InternalFault, StorageFault
from agent.vault.database import gateway
from agent.vault.database.gateway import GatewayDatabase, Health
from agent.vault.database.index import Clip, Index, Totals, path_of
from tests.peers.requirements import ROOT
from tests.support.disks import full_below
from tests.vault.support import Vault, as_recorded


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
    """The camera's index of an empty vault."""
    return vault.index


@pytest.fixture
def database(vault: Vault) -> GatewayDatabase:
    """The gateway's database of an empty vault."""
    return vault.database


def put(index: Index, *clips: Clip) -> None:
    with index.transaction():
        for each in clips:
            index.put_clip(each)


def add_request(database: GatewayDatabase, digest: str, state: str, *clips: str) -> None:
    with database.transaction() as db:
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


@pytest.mark.parametrize(("kind", "number"), [(Index, 0x434C4943), (GatewayDatabase, 0x434C4947)])
def test_a_new_database_is_made_as_the_schema_says(
    tmp_path: Path, kind: type[Index | GatewayDatabase], number: int
) -> None:
    path = tmp_path / "new" / "state" / "new.sqlite"
    with kind.open(path) as made:
        pragmas = {
            name: made.connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "application_id")
        }
        assert pragmas == {
            "journal_mode": "wal",
            "synchronous": 2,
            "foreign_keys": 1,
            "application_id": number,
        }
    with kind.open(path, create=False) as again:
        assert again.clips() == []


@pytest.mark.parametrize("umask", [0o077, 0o000])
@pytest.mark.parametrize("kind", [Index, GatewayDatabase])
def test_a_database_and_what_sqlite_makes_beside_it_are_for_one_user_alone(
    tmp_path: Path, kind: type[Index | GatewayDatabase], umask: int
) -> None:
    before = os.umask(umask)
    try:
        with kind.open(tmp_path / "state" / "a.sqlite") as made, made.transaction() as db:
            db.execute("CREATE TABLE more (x)")
            files = sorted((tmp_path / "state").iterdir())
            assert [path.name for path in files] == ["a.sqlite", "a.sqlite-shm", "a.sqlite-wal"]
            assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    finally:
        os.umask(before)


def test_neither_process_opens_the_database_of_the_other(vault: Vault) -> None:
    vault.database.close()
    with pytest.raises(StorageFault, match="not one of clip-agent's"):
        Index.open(gateway.path_of(vault.state_dir))
    with pytest.raises(StorageFault, match="not one of clip-agent's"):
        GatewayDatabase.open(path_of(vault.state_dir))


def test_a_missing_index_is_not_made_for_a_reader(tmp_path: Path) -> None:
    with pytest.raises(StorageFault, match="there is no such file"):
        Index.open(tmp_path / "a.sqlite", create=False)
    (tmp_path / "a.sqlite").touch()
    with pytest.raises(StorageFault, match="is empty"):
        Index.open(tmp_path / "a.sqlite", create=False)


def test_another_programs_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
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
    path = tmp_path / "a.sqlite"
    path.write_bytes(b"this is a text and not a database, " * 100)
    with pytest.raises(StorageFault, match="not a database"):
        Index.open(path)


def test_an_index_of_before_gets_the_new_indexes_and_keeps_its_clips(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with Index.open(path) as index:
        put(index, clip(1), clip(2, kept=True))
        for name in ("of_boot", "dated", "unsynced", "kept", "deleting"):
            index.connection.execute(f"DROP INDEX clip_{name}")
        index.connection.execute("PRAGMA user_version = 1")
    with Index.open(path) as index:
        assert index.clips() == [clip(1), clip(2, kept=True)]
        assert index.held([clip(1).id]) == [(clip(2).id, 100), (clip(1).id, 100)]


def test_held_clips_are_asked_for_again_after_a_change(index: Index) -> None:
    put(index, clip(1), clip(2))
    asked = (clip(2).id, clip(1).id)
    assert [one.id for one in index.held(asked)] == [clip(1).id, clip(2).id]
    with index.transaction():
        index.set_kept(clip(2).id, True)
    assert [one.id for one in index.held(asked)] == [clip(2).id, clip(1).id]
    with index.transaction():
        index.mark_deleting(clip(2).id)
    assert [one.id for one in index.held(asked)] == [clip(1).id]
    assert index.held(()) == []


def test_only_the_first_unsynced_clip_of_each_boot_can_have_a_correction_cut_off(
    index: Index,
) -> None:
    put(index, clip(1), *(clip(n, clock_synced=False) for n in (2, 3)))
    put(index, *(clip(n, clock_synced=False, boot_id="other") for n in (4, 5)))
    firsts = [one.id for one in index.first_unsynced_of_each_boot()]
    assert firsts == [clip(2).id, clip(4).id]
    assert [one.id for one in index.unsynced_clips("boot")] == [clip(2).id, clip(3).id]
    assert [one.id for one in index.unsynced_clips("other", at_most=1)] == [clip(4).id]


def test_the_file_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with Index.open(path) as index:
        index.connection.execute(f"PRAGMA user_version = {Index.SCHEMA.version + 1}")
    with pytest.raises(StorageFault, match="newer clip-agent") as caught:
        Index.open(path)
    assert caught.value.advice


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("DROP TABLE health", "table health is missing"),
        ("CREATE TABLE extra (x)", "table extra is not ours"),
        ("ALTER TABLE clip ADD COLUMN extra TEXT", "column clip.extra is not ours"),
        ("ALTER TABLE clip DROP COLUMN boot_id", "column clip.boot_id is missing"),
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
    path = tmp_path / "a.sqlite"
    with GatewayDatabase.open(path) as database:
        database.connection.executescript(change)
    with pytest.raises(StorageFault) as caught:
        GatewayDatabase.open(path)
    assert complaint in caught.value.message


@pytest.mark.parametrize("kind", [Index, GatewayDatabase])
def test_every_column_of_a_schema_has_a_comment(kind: type[Index | GatewayDatabase]) -> None:
    inside = False
    for line in kind.SCHEMA.text.splitlines():
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


def test_a_row_that_the_schema_refuses_is_our_mistake(database: GatewayDatabase) -> None:
    with pytest.raises(InternalFault), database.transaction() as db:
        db.execute("INSERT INTO match (request, clip, sha256) VALUES ('no such request', 'x', 'y')")
    with pytest.raises(InternalFault), database.transaction() as db:
        db.execute("INSERT INTO seen VALUES (1, 2)")
    with pytest.raises(InternalFault), database.transaction() as db:
        db.execute("SELECT * FROM no_such_table")
    assert not database.connection.in_transaction


def test_a_writer_that_waits_too_long_says_so(index: Index, tmp_path: Path) -> None:
    index.connection.execute("PRAGMA busy_timeout = 1")
    with (
        Index.open(tmp_path / "state" / "camera" / "index.sqlite") as other,
        other.transaction(),
        pytest.raises(StorageFault, match="locked"),
        index.transaction(),
    ):
        raise AssertionError("two writers at once")
    with index.transaction():
        index.put_clip(clip(1))


_WRITER = """
import sys
from pathlib import Path
from agent.vault.database.gateway import GatewayDatabase
from agent.vault.records.ledger import LedgerWriter

with GatewayDatabase.open(Path(sys.argv[1])) as database:
    for number in range(40):
        with database.transaction():
            LedgerWriter(database).append("event", sys.argv[2], {"number": number}, at=1.0)
        database.set_health(sys.argv[2], f"state {number}", 1.0)
"""


def test_two_writers_make_and_write_one_database_at_once(tmp_path: Path) -> None:
    """The gateway's threads do; processes are the stricter test."""
    from agent.vault.records.ledger import Ledger

    path = tmp_path / "state" / "gateway.sqlite"
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, path, part], cwd=ROOT)
        for part in ("loop", "releases")
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    with GatewayDatabase.open(path) as database:
        assert Ledger(database).verify() == 80
        for part in ("loop", "releases"):
            mine = [e.detail["number"] for e in Ledger(database).entries() if e.subject == part]
            assert mine == list(range(40))


@pytest.mark.parametrize("attempt", range(20))
def test_many_openers_at_once_make_one_index(tmp_path: Path, attempt: int) -> None:
    path = tmp_path / "state" / "camera" / "index.sqlite"
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
    left = {file.name.removeprefix("index.sqlite") for file in path.parent.iterdir()}
    # Of two that close at once, neither may be the last by SQLite's count: its files may stay.
    assert left - {"-wal", "-shm"} == {""}, "no draft and no lock"


def test_a_start_that_was_cut_off_leaves_nothing_that_stops_the_next(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    (tmp_path / "index.sqlite.new").write_bytes(b"half a page")
    (tmp_path / "index.sqlite.new-journal").write_bytes(b"of an earlier draft")
    path.touch()
    with Index.open(path) as index:
        assert index.clips() == []
        assert sorted(file.name for file in tmp_path.iterdir()) == [
            "index.sqlite",
            "index.sqlite-shm",
            "index.sqlite-wal",
        ]


# Change and idleness


def test_changed_tells_once_of_each_commit(vault: Vault) -> None:
    database = vault.database
    assert database.changed(), "nothing is known at first"
    assert not database.changed()
    database.set_health("connected", "", 1.0)
    assert database.changed()
    assert not database.changed()
    with GatewayDatabase.open(gateway.path_of(vault.state_dir)) as other:
        assert not database.changed()
        other.set_health("stopped", "", 1.0)
        assert database.changed()
        assert not database.changed()


def test_idling_writes_nothing(vault: Vault) -> None:
    vault.record()
    vault.database.set_health("connected", "", 1.0)

    def look() -> dict[str, tuple[int, int]]:
        return {
            str(path): (path.stat().st_size, path.stat().st_mtime_ns)
            for path in vault.state_dir.rglob("*")
            if not path.name.endswith("-shm")  # memory shared by the processes
        }

    before = look()
    for _ in range(50):
        vault.clock.advance(60)
        vault.database.changed()
        vault.database.held_clips()
        vault.database.set_health("connected", "", vault.clock.now())
        vault.index.clips()
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
    assert [each.id[-1] for each in as_recorded(index)] == ["1", "2", "3"]
    put(index, clip(1, start=7_000))  # known anew, not recorded anew
    assert [each.id[-1] for each in as_recorded(index)] == ["1", "2", "3"]


def test_clips_of_open_requests_and_of_releases_that_wait_are_held(
    database: GatewayDatabase,
) -> None:
    add_request(database, "open", "OPEN", "a", "b")
    add_request(database, "open too", "OPEN", "b")
    add_request(database, "declined", "DECLINED", "c")
    add_request(database, "expired", "EXPIRED", "d", "x")
    for state, request, clip in (
        ("APPROVED", "expired", "d"),
        ("PROPOSED", None, "e"),
        ("SEALED", None, "f"),
        ("REVOKED", None, "g"),
    ):
        with database.transaction() as db:
            db.execute(
                "INSERT INTO release (id, request, approval, state, detail, approved_at,"
                " expires_at) VALUES (?, ?, '', ?, '', 0, 0)",
                (state, request, state),
            )
            db.execute("INSERT INTO release_clip VALUES (?, ?)", (state, clip))
    assert database.held_clips() == ["a", "b", "d", "e"]
    assert database.held_clips(at_most=2) == ["a", "b"]


def test_health_is_written_when_it_changes_and_only_then(database: GatewayDatabase) -> None:
    assert database.health() is None
    database.set_health("connected", "", 10.0)
    written = database.connection.total_changes
    database.set_health("connected", "", 20.0)
    assert database.connection.total_changes == written
    assert database.health() == Health(10.0, "connected", "")
    database.set_health("broker-away", "nobody listens", 30.0)
    assert database.health() == Health(30.0, "broker-away", "nobody listens")


def test_an_index_may_be_handed_to_another_thread(index: Index) -> None:
    worker = threading.Thread(target=put, args=(index, clip(1)))
    worker.start()
    worker.join()
    assert len(index.clips()) == 1


@pytest.mark.parametrize("is_full", [True, False])
def test_a_disk_too_full_to_open_the_index_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_full: bool
) -> None:
    """SQLite says only that it cannot open a file: its log has no room."""
    path = tmp_path / "index.sqlite"
    Index.open(path).close()
    path.with_name("index.sqlite-wal").mkdir()  # stands for that
    if is_full:
        full_below(tmp_path, monkeypatch)
    with pytest.raises(StorageFault) as caught:
        Index.open(path)
    assert isinstance(caught.value, DiskFull) == is_full
    assert str(path) in caught.value.message
    assert ("Free some space" in caught.value.advice) == is_full
