"""Commands in the root: they see nothing of the host, and leave nothing when killed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.pi.rig import PI

ENTER = str(PI / "enter")
SLEEP = ("sh", "-c", "echo ready; exec sleep 100")


@contextmanager
def started(*command: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process and the first line it said; killed in the end."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def inside(root: Path, script: str) -> str:
    done = subprocess.run(
        [ENTER, str(root), "sh", "-c", script], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_command_inside_mounts_nothing_outside(pi_root: Path) -> None:
    with started(ENTER, str(pi_root), *SLEEP) as (process, said):
        assert said == "ready"
        assert str(pi_root) in Path(f"/proc/{process.pid}/mountinfo").read_text()
        assert str(pi_root) not in Path("/proc/self/mountinfo").read_text()


def test_a_command_inside_dies_with_its_starter_even_if_that_was_killed(pi_root: Path) -> None:
    starter = f"""
import subprocess
process = subprocess.Popen({[ENTER, str(pi_root), *SLEEP]!r}, stdout=subprocess.PIPE)
process.stdout.readline()
print(process.pid, flush=True)
process.wait()
"""
    with started(sys.executable, "-c", starter) as (process, said):
        folder = Path("/proc", said)
        assert folder.exists()
        process.kill()
        deadline = time.monotonic() + 60
        while folder.exists() and "State:\tZ" not in (folder / "status").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_the_root_is_read_only_without_network_and_knows_nothing_of_the_host(
    pi_root: Path,
) -> None:
    assert inside(pi_root, "touch /x /usr/x /venv/x 2>&1 | grep -c 'Read-only file system'") == "3"
    assert inside(pi_root, "tail -n +3 /proc/net/dev | cut -d: -f1").split() == ["lo"]
    names = {line.partition("=")[0] for line in inside(pi_root, "env").splitlines()}
    assert names <= {"HOME", "LANG", "PATH", "PWD", "SHLVL", "_", "OLDPWD"}
    devices = set(inside(pi_root, "ls /dev").split())
    assert devices == {"fd", "full", "null", "random", "shm", "urandom", "zero"}
