"""``owner ledger``: printed, saved, and checked by the program that the page carries."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agent.errors import Refused, StorageFault
from agent.vault.ledger_html import CHECK_PROGRAM
from tests.owner.at_home import OwnerAtHome


@pytest.fixture
def fetched(owner: OwnerAtHome) -> OwnerAtHome:
    """An owner who has a ledger of six lines here."""
    for number in range(5):
        owner.camera.write_line("request.withdrawn", number=number)
    with owner.camera.serve(owner.broker):
        assert owner.run("ledger") == 0
    return owner


def test_a_ledger_is_printed_in_plain_words_with_its_verdict(
    fetched: OwnerAtHome, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetched.run("ledger", "--offline") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Whoever asked withdrew the request." in said
    assert "All 6 lines hold together" in said
    assert "number: 4" in said


def test_saved_lines_are_checked_without_our_software(fetched: OwnerAtHome, tmp_path: Path) -> None:
    saved, program = tmp_path / "ledger.jsonl", tmp_path / "check.py"
    program.write_text(CHECK_PROGRAM)
    assert fetched.run("ledger", "--offline", "--output", str(saved)) == 0
    printed = subprocess.run(
        [sys.executable, program, saved], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == str(fetched.camera.head())


def test_a_saved_page_says_that_the_ledger_holds(fetched: OwnerAtHome, tmp_path: Path) -> None:
    saved = tmp_path / "ledger.html"
    assert fetched.run("ledger", "--offline", "--output", str(saved)) == 0
    assert "This ledger holds together." in saved.read_text()
    with pytest.raises(StorageFault):
        fetched.run("ledger", "--offline", "--output", str(saved))


def test_a_ledger_that_went_another_way_is_broken(
    fetched: OwnerAtHome, capsys: pytest.CaptureFixture[str]
) -> None:
    camera = fetched.camera
    camera.lines[1] = camera.lines[1].replace(b'"number":1', b'"number":7')
    with camera.serve(fetched.broker):
        assert fetched.run("ledger") == 1
    assert "THIS LEDGER IS BROKEN" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [("--output", "x.pdf"), ("--camera", "garden")])
def test_what_cannot_be_is_refused(owner: OwnerAtHome, arguments: tuple[str, str]) -> None:
    with pytest.raises(Refused):
        owner.run("ledger", "--offline", *arguments)
