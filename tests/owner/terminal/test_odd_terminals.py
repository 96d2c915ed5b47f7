"""Terminals that lack letters, or say nothing of their width: pages still print, as processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from agent.keyfile import Keys
from tests.owner.at_home import OwnerAtHome
from tests.owner.camera import make_request
from tests.peers.requirements import ROOT


@pytest.fixture
def name(owner: OwnerAtHome, requester: Keys) -> str:
    """An open request whose title has letters that Latin-1 lacks."""
    now = int(time.time())
    title = "Bicycle theft 🚲 on Łódź Street"
    name = owner.post(make_request(requester, iat=now, exp=now + 86_400, title=title))
    assert owner.run("inbox") == 0
    return name[:8]


def run(owner: OwnerAtHome, *arguments: str, **environment: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "agent", "owner", *arguments, "--home", str(owner.folder.path)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    return done.returncode, done.stdout.decode("latin-1"), done.stderr.decode("latin-1")


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "ascii"])
def test_letters_that_the_terminal_lacks_are_replaced(
    owner: OwnerAtHome, name: str, encoding: str
) -> None:
    code, out, err = run(owner, "show", name, PYTHONIOENCODING=encoding)
    assert (code, err) == (0, "")
    assert "Bicycle theft ? on ?" in out
    code, out, err = run(owner, "approve", name, "1", PYTHONIOENCODING=encoding)
    assert code == 1
    assert "Bicycle theft ?" in out
    assert "Traceback" not in err and "--yes" in err


@pytest.mark.parametrize("columns", ["0", "1", "20"])
def test_a_terminal_of_any_width_shows_the_page(
    owner: OwnerAtHome, name: str, columns: str
) -> None:
    code, out, err = run(owner, "show", name, COLUMNS=columns)
    assert (code, err) == (0, "")
    assert "B" in out
