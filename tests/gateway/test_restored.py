"""A database that is gone: the gateway goes on without it only by a person's word."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from agent.errors import StorageFault
from tests.gateway.letters.test_status import last
from tests.support.gateway_world import World, state_of


def lose(world: World, how: str) -> Path:
    """Take the database away, and return the file of the ledger's head."""
    world.kill()
    folder = world.house.config.state_dir / "gateway"
    for file in folder.glob("gateway.sqlite*"):
        file.unlink()
    if how == "empty":
        (folder / "gateway.sqlite").touch()
    return folder / "keys" / "ledger-head"


@pytest.mark.parametrize("how", ["deleted", "empty"])
def test_a_database_that_is_gone_is_not_made_anew_in_silence(world: World, how: str) -> None:
    world.post()
    lose(world, how)
    for _ in range(2):  # a refused start changes nothing
        with pytest.raises(StorageFault, match=r"gateway\.sqlite: is gone") as caught:
            world.restart()
        assert "Restore" in caught.value.advice and "ledger-head" in caught.value.advice


@pytest.mark.parametrize("how", ["deleted", "empty"])
def test_approvals_of_before_a_lost_database_are_refused_and_owners_warned(
    world: World, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    clip = world.house.record()
    post = world.post()
    approval = world.house.approve(post, [clip])
    world.to_device(approval)
    (sent,) = world.outcomes()
    assert state_of(world, sent) == "SENT"
    before = len(world.receiver.finished)

    lose(world, how).unlink()
    world.clock.advance(60)
    with caplog.at_level(logging.ERROR):
        world.restart()
    assert "is gone, and with it the requests and the ledger" in caplog.text
    events = [event for event, _ in world.events()]
    assert "state.restored" in events and "ledger.unanchored" in events
    assert last(world).warnings

    world.to_device(approval)  # the broker, or whoever kept it, brings it again
    world.run()
    assert len(world.receiver.finished) == before, "the clip does not leave a second time"
    refused = [detail["rule"] for event, detail in world.events() if event == "decision.refused"]
    assert refused == ["before-the-ledger"]


def test_a_start_cut_off_after_the_loss_was_noticed_still_holds(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.post()
    lose(world, "deleted").unlink()
    with monkeypatch.context() as cut:
        cut.setattr("agent.gateway.ledger_anchor.LedgerAnchor.check", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            world.restart()
    world.restart()
    assert [event for event, _ in world.events("state")] == ["state.restored"]
    assert last(world).warnings


def test_keys_that_the_setup_made_before_the_first_start_are_no_loss(world: World) -> None:
    head = lose(world, "deleted")
    head.unlink()
    head.with_name("mqtt-client-id").unlink()  # only the keys are left, as setup leaves them
    world.restart()
    assert world.events("state") == [] and last(world).warnings == ()
