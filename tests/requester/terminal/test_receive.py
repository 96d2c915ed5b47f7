"""The intake beside the receiver: no file holds up another."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from agent.errors import StorageFault
from agent.requester.cases.intake import Intake
from agent.requester.cases.records import Record
from agent.requester.terminal.receive import Arrivals


@dataclass
class FailingIntake:
    """An intake that fails with the first file."""

    folder: Path
    fault: Exception
    taken: list[str] = field(default_factory=list)

    def take(self, sealed: Path) -> Record:
        if sealed.stem == "a":
            raise self.fault
        self.taken.append(sealed.stem)
        return Record(verdict="accepted", place=sealed.stem, at=0, receipt="")


@pytest.mark.parametrize("fault", [StorageFault("full"), RuntimeError("odd"), MemoryError()])
def test_a_file_that_cannot_be_taken_in_holds_up_no_other(tmp_path: Path, fault: Exception) -> None:
    """The receiver is open to everybody, and the next file may be a bundle."""
    for name in "abc":
        (tmp_path / f"{name}.age").touch()
    intake = FailingIntake(tmp_path, fault)
    Arrivals(cast("Intake", intake)).take_all()
    assert intake.taken == ["b", "c"]
