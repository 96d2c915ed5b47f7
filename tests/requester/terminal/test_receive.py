"""The intake beside the receiver: no file holds up another."""

from __future__ import annotations

import queue
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from agent.errors import StorageFault
from agent.requester.cases.intake import Intake
from agent.requester.cases.records import Record
from agent.requester.terminal.receive import Arrivals, _arrived, _sentence


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


@dataclass
class RejectingIntake:
    """An intake that rejects what comes, and says which file it did."""

    folder: Path
    taken: queue.Queue[str] = field(default_factory=queue.Queue)

    def take(self, sealed: Path) -> Record:
        sealed.unlink()
        self.taken.put(sealed.stem)
        return Record(
            verdict="rejected", place=sealed.stem, at=0, receipt="", rule="noise", detail="no age"
        )


def test_bundles_of_an_earlier_run_are_taken_in_at_once_and_others_as_they_arrive(
    tmp_path: Path,
) -> None:
    intake = RejectingIntake(tmp_path)
    (tmp_path / "earlier.age").touch()
    arrivals = Arrivals(cast("Intake", intake))
    arrivals.start()
    assert intake.taken.get(timeout=50) == "earlier"
    for name in ("one", "two"):
        (tmp_path / f"{name}.age").touch()
        _arrived(arrivals, tmp_path / f"{name}.age")
        assert intake.taken.get(timeout=50) == name


def test_a_sealed_bundle_is_named_when_it_arrives_and_stays_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "one.age"
    path.write_bytes(b"sealed")
    _arrived(None, path)
    assert capsys.readouterr().out == f"received {path}\n"
    assert path.read_bytes() == b"sealed"


def test_a_line_tells_why_a_bundle_is_rejected_or_whether_its_keys_are_known(
    tmp_path: Path,
) -> None:
    rejected = RejectingIntake(tmp_path)
    (tmp_path / "a.age").touch()
    assert _sentence(rejected.take(tmp_path / "a.age")) == "rejected, as a.age: no age (noise)"
    for known, keys in ((True, "keys seen before"), (False, "keys not known to you")):
        record = Record(verdict="accepted", place="b", at=0, receipt="", known_keys=known)
        assert _sentence(record) == f"accepted, as b: {keys}"
