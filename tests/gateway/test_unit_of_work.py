"""The transaction: nothing is written to the records outside of it."""

from __future__ import annotations

import ast
from collections.abc import Callable

import pytest

from agent.errors import InternalFault
from agent.vault.records.events import Event
from tests.peers.requirements import ROOT
from tests.support.gateway_world import World


def test_a_change_is_of_no_use_after_its_transaction(world: World) -> None:
    assert world.gateway is not None
    work = world.gateway.inbox.work
    with work.transaction() as change:
        change.note(Event.CLIPS_LISTED, "", {})
    writes: list[Callable[[], object]] = [
        lambda: change.note(Event.CLIPS_LISTED, "", {}),
        lambda: change.tell("0" * 16, "DONE"),
        lambda: change.decisions.mute("requester", at=1.0),
        lambda: change.releases.set("0" * 16, stop="now"),
    ]
    for write in writes:
        with pytest.raises(InternalFault, match="outside a transaction"):
            write()
    assert [event for event, _ in world.events()].count("clips.listed") == 1


def test_a_transaction_alone_makes_what_writes() -> None:
    made = {
        (path.name, called.id)
        for path in (ROOT / "agent/gateway").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and isinstance(called := call.func, ast.Name)
        if called.id.endswith(("Writer", "Change", "LetterTable")) and called.id != "LetterWriter"
    }
    assert made - {("outbox.py", "LetterTable")} == {
        ("unit_of_work.py", name)
        for name in (
            "AnchoredWriter", "CameraCommandWriter", "Change", "DecisionWriter", "FloodWriter",
            "HoldWriter", "LedgerWriter", "LetterTable", "LogWriter", "NoticeWriter",
            "ReceiptWriter",
            "ReleaseWriter", "RequestWriter",
        )
    }  # fmt: skip
