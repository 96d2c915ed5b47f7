"""Fixtures for the tests of the command line: a checked device, and a vault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent import config
from agent.cli import main as cli
from tests.peers.process import free_port
from tests.support.board import Board
from tests.support.house import House
from tests.vault.conftest import vault

__all__ = ["vault"]

STILL = config.Camera(source=config.SceneSource(width=320, height=180, frames_per_second=10))


class Checked:
    """Output of one run: a line for each thing, by its name."""

    def __init__(self, code: int, printed: str) -> None:
        self.code = code
        lines = [line.split(maxsplit=2) for line in printed.splitlines()]
        self.texts = {name: text for _, name, text in lines}
        self.failed = [name for verdict, name, _ in lines if verdict == "FAIL"]
        assert {verdict for verdict, *_ in lines} <= {"ok", "FAIL"}


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Board:
    """The board that is checked."""
    board = Board(tmp_path)
    monkeypatch.setattr("agent.cli.check.Machine", lambda: board.machine)
    return board


@pytest.fixture
def check(board: Board, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the check on a house whose configuration has these sections in place of its own."""

    def run(house: House | None = None, **changes: Any) -> Checked:
        defaults = {"camera": STILL, "mqtt": away(), "storage": config.Storage(min_free_bytes=0)}
        house = house or House.build(tmp_path / "house", **{**defaults, **changes})
        path = house.root / "agent.yaml"
        path.write_text(config.effective(house.config))
        before = tree(tmp_path)
        code = cli.main(["check", "--config", str(path)])
        assert tree(tmp_path) == before, "a check changes nothing"
        return Checked(code, capsys.readouterr().out)

    return run


def away() -> config.Broker:
    return config.Broker(port=free_port())


def tree(root: Path) -> dict[str, tuple[int, bytes | None]]:
    """Every path below ``root``, with its mode and content; a broker's own files left out."""
    return {
        str(path): (path.stat().st_mode, path.read_bytes() if path.is_file() else None)
        for path in root.rglob("*")
        if "mosquitto" not in path.parts
    }
