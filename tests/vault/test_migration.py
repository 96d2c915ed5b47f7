"""The folder of before, in which both processes shared one database, and what is left of it."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent.errors import StorageFault
from agent.gateway.device_keys import load_or_create
from agent.vault import migration
from agent.vault.clips.store import reindex
from agent.vault.database import gateway
from agent.vault.database.gateway import GatewayDatabase
from agent.vault.records.decisions import DecisionTable
from agent.vault.records.ledger import Ledger, LedgerWriter
from tests.vault.support import Vault

VERSION_1 = Path(__file__).parent / "database" / "schema-1.sql"  # as clip-agent 0.1.0 made it
VERSION_3 = Path(__file__).parent / "database" / "schema-3.sql"
VERSION_2 = (
    Path(__file__).parent / "database" / "schema-2.sql"
)  # as it was for a while between releases


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


def test_a_file_of_version_1_is_carried_over_and_loses_nothing(tmp_path: Path) -> None:
    old_file(tmp_path / "agent.sqlite")
    with carried(tmp_path) as database:
        assert database.rows("SELECT digest, state FROM request") == [("d", "OPEN")]
        assert database.rows("SELECT id, state, second FROM release") == [
            ("0123456789abcdef", "SENT", ""),
            ("fedcba9876543210", "APPROVED", ""),
        ]
        assert database.rows("SELECT * FROM release_clip") == [("fedcba9876543210", "clip")]
        assert database.rows("SELECT seq, event FROM ledger") == [(1, "event")]


def test_a_file_of_version_2_is_carried_over_and_loses_nothing(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "agent.sqlite")) as old:
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
    with carried(tmp_path) as database:
        assert database.rows("SELECT digest, told_at FROM request ORDER BY digest") == [
            ("not told", None),
            ("told", 5.0),
        ]
        assert database.rows("SELECT clip, gone FROM match") == [("clip", 0)]
        assert database.rows("SELECT id, attempts, deaths FROM release") == [
            ("0123456789abcdef", 4, 0)
        ]
        assert database.rows("SELECT topic, acked, at FROM letter") == [("topic", 3, 0.0)]
        assert DecisionTable(database).begun_at() == 0, "it began before anybody noted when"


def carried(state_dir: Path) -> GatewayDatabase:
    """The gateway's database after the old one was moved to it."""
    (state_dir / "gateway").mkdir(exist_ok=True)
    migration.move_gateway(state_dir)
    migration.carry_over(state_dir)
    return GatewayDatabase.open(gateway.path_of(state_dir), create=False)


def old_household(tmp_path: Path) -> tuple[Path, list[str], str, int]:
    """The folder of before with clips, keys and a ledger: it, its clips, its key, its lines."""
    new, old = Vault(tmp_path / "new"), tmp_path / "old"
    clips = [new.record(b"x" * number).id for number in (1, 100)]
    key = load_or_create(new.state_dir, name="porch").id
    old.mkdir()
    (new.state_dir / "camera" / "clips").rename(old / "clips")
    (new.state_dir / "gateway" / "keys").rename(old / "keys")
    (old / "outbox").mkdir()
    (old / "device.card.yaml").touch()
    with closing(sqlite3.connect(old / "agent.sqlite")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(VERSION_3.read_text())
    with new.database.transaction():
        for number in range(3):
            LedgerWriter(new.database).append("event", str(number), {}, at=1.0)
    rows = new.database.rows("SELECT *, '', '' FROM ledger")
    with closing(sqlite3.connect(old / "agent.sqlite")) as database, database:
        database.executemany("INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    return old, clips, key, len(rows)


def test_clips_keys_and_ledger_of_before_are_carried_to_the_new_folders(tmp_path: Path) -> None:
    state_dir, clips, key, lines = old_household(tmp_path)
    assert migration.is_needed(state_dir)
    migration.move_camera(state_dir)
    with carried(state_dir) as database:
        assert Ledger(database).verify() == lines
    assert not migration.is_needed(state_dir)
    assert load_or_create(state_dir, name="porch").id == key
    assert reindex(state_dir).clips == len(clips)
    assert sorted(path.name for path in state_dir.iterdir()) == ["camera", "gateway", "wishes"]


def test_what_was_carried_over_is_not_carried_over_again(tmp_path: Path) -> None:
    state_dir, *_, lines = old_household(tmp_path)
    carried(state_dir).close()
    old = state_dir / "gateway" / "agent.sqlite"
    shutil.copy(old.with_name("agent.sqlite.old"), old)  # as if it was cut off before the end
    with carried(state_dir) as database:
        assert Ledger(database).verify() == lines
    assert not old.exists()


def test_a_copy_that_is_cut_off_begins_again(tmp_path: Path) -> None:
    state_dir, *_, lines = old_household(tmp_path)
    (state_dir / "gateway").mkdir()
    (state_dir / "gateway" / "gateway.sqlite.new").write_bytes(b"half of it")
    with carried(state_dir) as database:
        assert Ledger(database).verify() == lines


@pytest.mark.parametrize("name", ["clips", "keys", "agent.sqlite"])
def test_a_link_of_the_old_folder_is_not_followed(tmp_path: Path, name: str) -> None:
    """Both processes could write there; root moves it."""
    state_dir, *_ = old_household(tmp_path)
    (state_dir / name).rename(tmp_path / "elsewhere")
    (state_dir / name).symlink_to(tmp_path / "elsewhere")
    (state_dir / "gateway").mkdir()
    with pytest.raises(StorageFault):
        migration.move_camera(state_dir)
        migration.move_gateway(state_dir)


def test_two_vaults_are_not_mixed(vault: Vault) -> None:
    vault.record()
    shutil.copytree(vault.state_dir / "camera" / "clips", vault.state_dir / "clips")
    with pytest.raises(StorageFault, match="cannot be moved"):
        migration.move_camera(vault.state_dir)


def test_the_group_may_not_write_to_the_clips_of_before(vault: Vault) -> None:
    clip = vault.record()
    day = vault.store.path(clip.id).parent
    for folder in (day, day.parent):
        folder.chmod(0o2770)
    migration.close_to_group(vault.state_dir)
    assert {folder.stat().st_mode & 0o7777 for folder in (day, day.parent)} == {0o2750}
