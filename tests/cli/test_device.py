"""``status clips requests ledger reindex``: what the device says of itself."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.cli import device as commands
from agent.cli import main as cli
from agent.consent.transparency.merkle import EMPTY_ROOT
from agent.host.board import Machine
from agent.vault.camera_state import StateFile
from agent.vault.database import gateway
from agent.vault.locks import camera_at_work as at_work
from agent.vault.locks import gateway_at_work
from agent.vault.records.ledger import Ledger, LedgerWriter
from agent.vault.records.requests import RequestTable
from tests.peers.requirements import ROOT, program
from tests.support.board import Board
from tests.support.disks import read_only_below
from tests.vault.records.test_releases import add, release
from tests.vault.records.test_requests import request
from tests.vault.support import Vault

Say = Callable[..., str]


@pytest.fixture
def config(vault: Vault, tmp_path: Path) -> Path:
    path = tmp_path / "agent.yaml"
    assert vault.database.changed(), "the gateway ran once"
    path.write_text(
        "device: {name: porch, place: {latitude: 1, longitude: 2}}\n"
        f"owners: [owner.card.yaml]\nstate_dir: {vault.state_dir.name}\n"
    )
    return path


@pytest.fixture
def say(config: Path, capsys: pytest.CaptureFixture[str]) -> Say:
    """Run a command; what it prints, or, with a ``code``, its one line on stderr."""

    def run(*arguments: str, code: int = 0) -> str:
        assert cli.main([*arguments, "--config", str(config)]) == code
        said = capsys.readouterr()
        if code:
            (line,) = said.err.splitlines()
            return line
        assert said.err == ""
        return said.out

    return run


def write_lines(vault: Vault, count: int) -> None:
    with vault.database.transaction():
        for number in range(count):
            detail = {"rule": "area", "why": f"number {number}"}
            LedgerWriter(vault.database).append(
                "request.refused", "d" * 64, detail, at=1_706_121_000.0
            )


def note(vault: Vault, state: str, detail: str = "", **more: Any) -> None:
    """The state as the camera writes it."""
    StateFile(vault.state_dir, seals_to=()).say(
        at=vault.clock.now(), state=state, detail=detail, **more
    )


# Nothing yet


def test_status_in_the_instant_of_the_gateways_first_start_says_never_started(
    say: Say, vault: Vault
) -> None:
    vault.database.close()
    for path in gateway.path_of(vault.state_dir).parent.glob("*.sqlite*"):
        path.unlink()
    gateway.path_of(vault.state_dir).touch()  # made, and without its schema yet
    assert json.loads(say("status", "--json"))["gateway"] == "never started"


def test_an_empty_vault_says_so_everywhere(say: Say) -> None:
    assert "never started" in say("status")
    assert say("clips") == "no clips yet\n"
    assert say("requests") == "no requests yet\n"
    assert say("clips", "--json") == say("requests", "--json") == ""
    assert say("ledger", "show") == say("ledger", "export") == ""
    assert say("ledger", "verify") == f"ledger: ok, 0 lines, head 0:{EMPTY_ROOT.hex()}\n"
    assert say("reindex").startswith("0 clips indexed")


def test_a_device_that_never_ran_is_one_line_with_the_cure(
    tmp_path: Path, vault: Vault, say: Say
) -> None:
    vault.close()
    shutil.rmtree(vault.state_dir)
    line = say("status", code=1)
    assert line.endswith("there is no such file. Has the service run yet? See state_dir")
    assert not (vault.state_dir / "camera" / "index.sqlite").exists()


# What there is


def test_status_counts_what_is_there(vault: Vault, say: Say) -> None:
    clips = [vault.record(b"x" * 1000) for _ in range(3)]
    encoder = "h264_v4l2m2m (hardware)"
    note(vault, "armed", last_motion_at=1_706_121_000.0, encoder=encoder)
    vault.database.set_health("broker-away", "nobody listens", vault.clock.now())
    add(vault, request(), request("e" * 64, state="EXPIRED"))
    add(
        vault, release("a" * 16), release("b" * 16, state="SEALED"), release("c" * 16, state="SENT")
    )
    write_lines(vault, 2)
    with (
        at_work(vault.state_dir, clock=vault.clock),
        gateway_at_work(vault.state_dir, clock=vault.clock),
    ):
        plain = json.loads(say("status", "--json"))
    assert plain["clips"] == 3
    assert plain["bytes"] == sum(clip.bytes for clip in clips)
    assert plain["camera"] == "armed"
    assert plain["recorded_last_hour"].endswith("%")
    assert plain["encoder"] == encoder
    assert plain["gateway"] == "broker-away nobody listens"
    assert plain["open_requests"] == 1
    assert plain["releases_under_way"] == 2
    assert plain["ledger_lines"] == 2
    assert plain["oldest_clip"].startswith("2024-01-2")
    assert plain["last_motion"].startswith("2024-01-2")
    for_people = [name for name in plain if name not in commands.FOR_PROGRAMS]
    for line, name in zip(say("status").splitlines(), for_people, strict=True):
        assert line.startswith(name.replace("_", " "))


def test_the_keys_of_the_status_are_those_that_the_documents_explain(
    vault: Vault, say: Say
) -> None:
    note(vault, "armed", last_motion_at=1_706_121_000.0)
    vault.database.set_health("connected", "", vault.clock.now())
    plain = json.loads(say("status", "--json"))
    told = re.findall(
        r"^\| `((?!clip_agent_)\w+)` \|", (ROOT / "docs/operate.md").read_text(), re.MULTILINE
    )
    assert set(plain) | {"sealing"} == set(told)


def test_metrics_name_health_and_nothing_of_requests_or_releases(vault: Vault, say: Say) -> None:
    vault.record(b"x" * 1000)
    note(vault, "armed", last_motion_at=1_706_121_000.0)
    vault.database.set_health("broker-away", 'a "word"\nof a stranger', vault.clock.now())
    add(vault, request())
    with gateway_at_work(vault.state_dir, clock=vault.clock):
        said = say("status", "--prometheus")
    assert 'clip_agent_camera_state{state="not-running"} 1\n' in said
    assert 'clip_agent_gateway_state{state="broker-away"} 1\n' in said
    assert "\nclip_agent_clips 1\n" in said
    assert not re.search("request|release|ledger|motion|stranger", said)
    for line in said.splitlines():
        assert re.fullmatch(
            r"# (HELP|TYPE) clip_agent_[a-z_]+ [^\n]+|"
            r'clip_agent_[a-z_]+(\{[a-z]+="[^"\\\n]*"\})? \d+(\.\d+)?',
            line,
        ), line
    document = (ROOT / "docs/operate.md").read_text()
    named = set(re.findall(r"^(clip_agent_\w+)", said, re.MULTILINE))
    assert named <= set(re.findall(r"`(clip_agent_\w+)", document))


def test_prometheus_own_tool_accepts_the_metrics(vault: Vault, say: Say) -> None:
    note(vault, "armed")
    done = subprocess.run(
        [program("promtool"), "check", "metrics"],
        input=say("status", "--prometheus"),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_camera_that_was_killed_is_not_said_to_record(vault: Vault, say: Say) -> None:
    note(vault, "recording")
    assert json.loads(say("status", "--json"))["camera"] == "not-running"
    note(vault, "no-frames", detail="cam is gone")
    assert json.loads(say("status", "--json"))["camera"] == "not-running cam is gone"
    with at_work(vault.state_dir, clock=vault.clock):
        assert json.loads(say("status", "--json"))["camera"] == "no-frames cam is gone"


def test_status_does_not_believe_what_a_read_only_card_says(
    vault: Vault, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither process can write down what became of it."""
    read_only_below(vault.state_dir, monkeypatch)
    said = json.loads(say("status", "--json"))
    for part in ("camera", "gateway"):
        assert said[part] == "unknown: the disk is read-only (before: never started)"


def test_status_looks_at_clock_and_board_itself(
    tmp_path: Path, config: Path, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "synchronized"
    config.write_text(f"{config.read_text()}time: {{synced_marker: {marker}}}\n")
    assert json.loads(say("status", "--json"))["clock_synced"] is False
    marker.touch()
    board = Board(tmp_path)
    monkeypatch.setattr(commands, "Machine", lambda: board.machine)
    board.celsius(81.4)
    board.under_voltage(True)
    plain = json.loads(say("status", "--json"))
    assert plain["clock_synced"] is True
    assert plain["temperature"] == 81.4
    assert plain["under_voltage"] is True
    assert plain["throttled"] is True
    board.under_voltage(False)
    lines = dict(line.rsplit(maxsplit=1) for line in say("status").splitlines())
    assert lines["temperature"] == "81.4"
    assert lines["under voltage"] == "no"
    assert lines["throttled"] == "yes"
    assert lines["encoder"] == "-"


def test_status_on_another_machine_says_that_it_does_not_know(
    tmp_path: Path, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "Machine", lambda: Machine(tmp_path / "no sysfs"))
    plain = json.loads(say("status", "--json"))
    assert plain["temperature"] is plain["under_voltage"] is plain["throttled"] is None


def test_a_clip_whose_length_was_lost_is_not_0_seconds_long(vault: Vault, say: Say) -> None:
    draft = vault.begin()
    draft.finish(duration_seconds=0.0, truncated=True)
    assert json.loads(say("clips", "--json"))["seconds"] is None
    assert "  unknown  " in say("clips")


def test_clips_are_listed_oldest_first_with_what_is_odd_about_them(vault: Vault, say: Say) -> None:
    first = vault.record(seconds=10.04)
    vault.clock.is_synced = False
    second = vault.record()
    rows = [json.loads(line) for line in say("clips", "--json").splitlines()]
    assert [row["id"] for row in rows] == [first.id, second.id]
    assert rows[0]["seconds"] == 10.0
    assert rows[0]["bytes"] == first.bytes
    assert [row["notes"] for row in rows] == ["", "clock was not set"]
    header, *lines = say("clips").splitlines()
    assert header.split() == list(rows[0])
    assert [line.split()[0] for line in lines] == [first.id, second.id]


def test_requests_are_listed_newest_first_with_what_became_of_them(vault: Vault, say: Say) -> None:
    add(
        vault,
        request("1" * 64, received_at=1_706_121_000.0),
        request("2" * 64, received_at=1_706_121_009.0, state="REFUSED", rule="area"),
    )
    rows = [json.loads(line) for line in say("requests", "--json").splitlines()]
    assert [(row["request"], row["state"], row["rule"]) for row in rows] == [
        ("2" * 64, "REFUSED", "area"),
        ("1" * 64, "OPEN", ""),
    ]
    assert len(say("requests").splitlines()) == 3


def test_nothing_in_a_list_acts_on_the_terminal(vault: Vault, say: Say) -> None:
    add(vault, request(reference="\x1b]0;pwned\x07\u202e\nREFUSED"))
    printed = say("requests")
    assert len(printed.splitlines()) == 2
    assert "\\x1b]0;pwned\\x07\\u202e\\nREFUSED" in printed


# The ledger


def test_show_prints_each_line_with_its_detail(vault: Vault, say: Say) -> None:
    write_lines(vault, 2)
    first, rule, why, second, *_ = say("ledger", "show").splitlines()
    assert first.split()[0] == "1"
    assert first.endswith(f"request.refused       {'d' * 64}")
    assert rule.strip() == "rule: area"
    assert why.strip() == "why: number 0"
    assert second.split()[0] == "2"


def test_a_text_of_a_requester_cannot_pass_for_a_line_of_the_ledger(vault: Vault, say: Say) -> None:
    with vault.database.transaction():
        detail = {"why": "no\n     2  2024-01-24 18:30:00 UTC  release.sent\x1b[2K"}
        LedgerWriter(vault.database).append("post.refused", "d" * 64, detail, at=1.0)
    _, why = say("ledger", "show").splitlines()
    assert why.strip().startswith("why: no\\n     2")
    assert why.endswith("\\x1b[2K")


def test_verify_names_the_head_and_export_is_what_it_verified(vault: Vault, say: Say) -> None:
    write_lines(vault, 600)  # more than a page of them
    lines = [json.loads(line) for line in say("ledger", "export").splitlines()]
    assert say("ledger", "show", "--json") == say("ledger", "export")
    assert [line["seq"] for line in lines] == list(range(1, 601))
    head = Ledger(vault.database).head()
    assert head.size == 600
    assert say("ledger", "verify") == f"ledger: ok, 600 lines, head {head}\n"


def test_verify_compares_with_a_head_that_was_seen_earlier(vault: Vault, say: Say) -> None:
    write_lines(vault, 5)
    before = str(Ledger(vault.database).head())
    write_lines(vault, 3)
    said = say("ledger", "verify", "--head", before)
    assert said.startswith("ledger: ok, 8 lines, and begins with the 5 lines of then, head 8:")
    for head, trouble in (
        (before.replace("5:", "4:"), "ledger line 4: the ledger up to here is not what it was"),
        (before.replace("5:", "9:"), "ledger line 9: the ledger once had 9 lines and ends at 8"),
    ):
        assert trouble in say("ledger", "verify", "--head", head, code=1)
    for head in ("5", before[:-1], f"-{before}", before.upper() + "x"):
        with pytest.raises(SystemExit, match="2"):
            say("ledger", "verify", "--head", head)


@pytest.mark.parametrize(
    ("tampering", "said"),
    [
        ("UPDATE ledger SET event = 'nothing' WHERE seq = 3", "ledger line 3: it was changed"),
        ("UPDATE ledger SET at = 9e999 WHERE seq = 3", "ledger line 3: it was changed"),
        ("UPDATE ledger SET at = 1e300 WHERE seq = 3", "ledger line 3: it was changed"),
        ("UPDATE ledger SET detail = '[' WHERE seq = 3", "ledger line 3: its detail is not JSON"),
        ("DELETE FROM ledger WHERE seq = 3", "ledger line 3: it is missing"),
        ("DELETE FROM ledger WHERE seq = 5", "ledger line 5: the ledger had 5 lines"),
        (
            "UPDATE ledger_node SET hash = zeroblob(32) WHERE (level, number) = (1, 1)",
            "ledger line 4: the tree above it was changed",
        ),
    ],
)
def test_a_tampered_ledger_ends_with_1_and_names_the_line(
    vault: Vault, say: Say, tampering: str, said: str
) -> None:
    write_lines(vault, 5)
    vault.database.connection.execute(tampering)
    assert say("ledger", "verify", code=1).startswith(f"clip-agent: {said}")


@pytest.mark.parametrize("at", ["9e999", "1e300", "-1e300", "1e15"])
def test_a_time_that_is_none_can_still_be_shown(vault: Vault, say: Say, at: str) -> None:
    write_lines(vault, 1)
    vault.database.connection.execute(f"UPDATE ledger SET at = {at}")
    assert "(no time)" in say("ledger", "show")


def test_text_that_is_not_text_hides_no_other_line_and_is_found(vault: Vault, say: Say) -> None:
    write_lines(vault, 3)
    vault.database.connection.execute(
        "UPDATE ledger SET subject = CAST(x'ff' AS TEXT) WHERE seq = 2"
    )
    shown = say("ledger", "show")
    assert "\ufffd" in shown
    assert "number 0" in shown
    assert "number 2" in shown
    assert "ledger line 2: it was changed" in say("ledger", "verify", code=1)


# Restored


def test_restored_leaves_a_gateway_at_work_alone_and_says_how_to_go_on(
    vault: Vault, say: Say
) -> None:
    mark = vault.state_dir / "gateway" / "restored"
    mark.parent.mkdir(exist_ok=True)
    with gateway_at_work(vault.state_dir, clock=vault.clock):
        said = say("restored", code=1)
        assert "the gateway is at work there" in said
        assert "systemctl stop" in said
        assert not mark.exists()
    assert "clip-agent owner inbox" in say("restored")
    assert mark.exists()


# Reindex


def test_reindex_leaves_a_camera_at_work_alone(vault: Vault, say: Say) -> None:
    vault.record()
    with at_work(vault.state_dir, clock=vault.clock):
        said = say("reindex", code=1)
        assert "the camera is at work there" in said
        assert "systemctl stop" in said
    assert say("reindex").startswith("1 clips indexed")


def test_the_cure_for_a_damaged_index_is_said_and_cures(vault: Vault, say: Say) -> None:
    clips = [vault.record() for _ in range(2)]
    vault.close()
    index = vault.state_dir / "camera" / "index.sqlite"
    damaged = bytearray(index.read_bytes())
    damaged[4096:] = b"\xaa" * (len(damaged) - 4096)
    index.write_bytes(damaged)
    assert "move this file and those with -wal and -shm" in say("clips", code=1)
    for file in index.parent.glob("index.sqlite*"):
        file.rename(file.with_name(f"damaged.{file.name}"))
    assert say("reindex").startswith("2 clips indexed")
    said = say("clips")
    assert all(clip.id in said for clip in clips)


def test_reindex_brings_lost_rows_back_and_touches_nothing_else(vault: Vault, say: Say) -> None:
    clips = [vault.record() for _ in range(2)]
    add(vault, request())
    with vault.index.transaction() as db:
        db.execute("DELETE FROM clip")
    assert say("clips") == "no clips yet\n"
    assert say("reindex").startswith("2 clips indexed")
    assert [json.loads(line)["id"] for line in say("clips", "--json").splitlines()] == [
        clip.id for clip in clips
    ]
    assert RequestTable(vault.database).all() == [request()]


def test_reading_changes_nothing_on_disk(vault: Vault, say: Say) -> None:
    vault.record()
    write_lines(vault, 2)
    vault.close()
    vault.database.close()
    files = {path: path.read_bytes() for path in vault.state_dir.rglob("*") if path.is_file()}
    for command in (["status"], ["clips"], ["requests"], ["ledger", "show"], ["ledger", "verify"]):
        say(*command)
    assert files == {
        path: path.read_bytes() for path in vault.state_dir.rglob("*") if path.is_file()
    }
