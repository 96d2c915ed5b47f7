"""The units of the watcher and the console, which a user runs."""

from __future__ import annotations

import os
import pkgutil
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.peers.requirements import ROOT, program
from tests.support.units import SERVICES, SYSTEMD, paths, read_unit

WATCH = "user/clip-agent-watch.service"
CONSOLE = "user/clip-agent-console.service"
each_unit = pytest.mark.parametrize("unit", [WATCH, CONSOLE])


def analyze_users(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``systemd-analyze --user`` for somebody with a clone in their home."""
    python = folder / shlex.split(read_unit(WATCH)["ExecStart"][0])[0].removeprefix("%h/")
    python.parent.mkdir(parents=True)
    python.touch(mode=0o755)
    environment = {
        **os.environ,
        "HOME": str(folder),
        "XDG_RUNTIME_DIR": str(folder),
        "SYSTEMD_LOG_LEVEL": "notice",
    }
    command = [program("systemd-analyze"), "--no-pager", "--user", *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


@each_unit
def test_systemd_has_nothing_to_say_about_a_users_unit(tmp_path: Path, unit: str) -> None:
    done = analyze_users(tmp_path / "good", "verify", "--man=no", str(SYSTEMD / unit))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    wrong = tmp_path / Path(unit).name
    wrong.write_text((SYSTEMD / unit).read_text().replace("ProtectHome=", "ProtectHoem="))
    done = analyze_users(tmp_path / "bad", "verify", "--man=no", str(wrong))
    assert "ProtectHoem" in done.stderr, "verify would have said something"


@each_unit
def test_the_sandbox_of_a_users_unit_leaves_little_exposed(tmp_path: Path, unit: str) -> None:
    arguments = ("security", "--offline=true", "--threshold=25", str(SYSTEMD / unit))
    done = analyze_users(tmp_path, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Overall exposure level" in done.stdout


@pytest.mark.parametrize(
    ("name", "kind", "hidden"),
    [
        (WATCH, "notify", {"owner.age", "passkeys", "recovery.txt"}),
        (CONSOLE, "exec", {"recovery.txt"}),
    ],
)
def test_a_users_unit_runs_the_real_command_and_reads_no_more_than_it_needs(
    name: str, kind: str, hidden: set[str]
) -> None:
    from agent.cli.main import build_parser
    from agent.owner.home.folder import OwnerFolder
    from agent.owner.terminal.options.base import DEFAULT_HOME

    unit, home = read_unit(name), str(DEFAULT_HOME).replace("~", "%h")
    command = shlex.split(unit["ExecStart"][0])
    parsed = build_parser().parse_args(command[command.index("agent") + 1 :])
    assert callable(pkgutil.resolve_name(parsed.run))
    assert parsed.home == DEFAULT_HOME
    assert OwnerFolder(DEFAULT_HOME).key_path.name == "owner.age"
    assert paths(unit, "ReadWritePaths") == {home}
    assert paths(unit, "InaccessiblePaths") == {f"{home}/{name}" for name in hidden}
    assert (unit["Type"], unit["RestartPreventExitStatus"]) == ([kind], ["78"])


def test_the_watchdog_of_the_watcher_is_longer_than_all_channels_take() -> None:
    from agent.owner.watch.channels import command, ntfy

    longest = 2 * command._SECONDS + ntfy._SECONDS  # --exec, --desktop, --ntfy
    assert float(read_unit(WATCH)["WatchdogSec"][0]) >= 2 * longest


def test_no_users_unit_is_installed_for_the_system() -> None:
    assert "systemd/user" not in (ROOT / "docs/install.md").read_text()
    templates = {service.replace(".service", "@.service") for service in SERVICES}
    assert {file.name for file in SYSTEMD.glob("*.service")} == {*SERVICES, *templates}
