"""``clip-agent check``: the machine's clock, power, heat, memory and modules."""

from __future__ import annotations

import site
from pathlib import Path
from typing import Any

import pytest

from agent import config
from agent.host.board import Machine
from tests.support.board import Board


def test_a_clock_that_nobody_set_is_told(check: Any, tmp_path: Path) -> None:
    marker = tmp_path / "synchronized"
    checked = check(time=config.Time(synced_marker=marker))
    assert "clock" in checked.failed
    assert "not synced" in checked.texts["clock"]
    marker.touch()
    checked = check(time=config.Time(synced_marker=marker))
    assert checked.texts["clock"] == "synced"


def test_a_weak_power_supply_is_told_with_the_cure(check: Any, board: Board) -> None:
    board.under_voltage(True)
    checked = check()
    assert "machine" in checked.failed
    assert checked.texts["machine"] == (
        "the power supply is too weak now (50 °C, under-voltage)."
        " Use the official power supply of this board, and a short cable"
    )


def test_a_board_that_is_too_hot_is_told_with_the_cure(check: Any, board: Board) -> None:
    board.celsius(84)
    checked = check()
    assert "machine" in checked.failed
    assert "so hot that it slows down (84 °C" in checked.texts["machine"]
    assert "heat sink" in checked.texts["machine"]


def test_a_board_without_sensors_is_no_fault(
    check: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.cli.check.Machine", lambda: Machine(tmp_path / "no sysfs"))
    checked = check()
    assert "machine" not in checked.failed
    assert checked.texts["machine"] == "does not report its temperature"


def test_a_memory_cgroup_that_is_off_is_told_with_the_cure(check: Any, board: Board) -> None:
    board.memory_cgroup(False)
    checked = check()
    assert "memory" in checked.failed
    assert "the units' limits have no effect. On a Raspberry Pi" in checked.texts["memory"]
    assert "cgroup_enable=memory" in checked.texts["memory"]


@pytest.mark.parametrize(
    ("swap", "written_back_to"),
    [("/dev/mmcblk0p3", None), ("/var/swap", None), ("/dev/zram0", "/dev/loop0")],
)
def test_swap_on_a_disk_is_told_unless_the_units_keep_out_of_it(
    check: Any, board: Board, swap: str, written_back_to: str | None
) -> None:
    board.swap(swap, written_back_to=written_back_to)
    assert check().texts["memory"] == "stays in memory: the units keep out of swap"
    board.memory_cgroup(False)
    checked = check()
    assert "memory" in checked.failed
    assert f"{swap} may keep plaintext and keys" in checked.texts["memory"]
    (board.sys / "fs/cgroup/cgroup.controllers").unlink()
    assert check().texts["memory"].startswith(f"swap is on: {swap} may keep plaintext and keys")


def test_zram_is_memory(check: Any, board: Board) -> None:
    board.swap("/dev/zram0", "/dev/zram1")
    assert check().texts["memory"] == "stays in memory: no swap on a disk"


def test_a_core_dump_that_no_limit_stops_is_told(check: Any, board: Board) -> None:
    board.core_pattern("|/usr/lib/systemd/systemd-coredump %P")  # LimitCORE=1 stops this one
    assert "memory" not in check().failed
    board.core_pattern("@@/run/dumps.sock")
    assert check().texts["memory"].startswith("core dumps go to a socket")


def test_modules_in_the_users_own_folder_are_told(
    check: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "ENABLE_USER_SITE", True)
    monkeypatch.setattr(site, "getusersitepackages", lambda: str(tmp_path / "packages"))
    assert "python" not in check().failed
    (tmp_path / "packages").mkdir()
    assert check().texts["python"].startswith(f"{tmp_path}/packages: code in there runs")
