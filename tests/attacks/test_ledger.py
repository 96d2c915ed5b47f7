"""A ledger that somebody with the SD card wrote anew is neither gone on from nor believed."""

from __future__ import annotations

import json

import pytest

from agent.vault.database import gateway
from agent.vault.database.gateway import GatewayDatabase
from agent.vault.records.ledger import Ledger, LedgerWriter
from tests.e2e.household import Household


@pytest.mark.timeout(600)
def test_a_ledger_rechained_past_the_owners_head_is_refused_and_told(house: Household) -> None:
    house.start("gateway")
    house.enrol()
    house.post()
    house.post(reference="2024-2")
    house.wait("two requests", lambda: house.ledger().count("request.opened") == 2 or None)
    house.owner("pause-requests")
    head = house.device("ledger", "verify").split("head ")[1].strip()
    house.stop("gateway")
    with GatewayDatabase.open(gateway.path_of(house.state)) as database:
        kept = [line for line in Ledger(database).entries() if line.event != "request.opened"]
        with database.transaction() as connection:
            connection.execute("DELETE FROM ledger")
            connection.execute("DELETE FROM ledger_node")
            writer = LedgerWriter(database)
            for line in kept * 9:
                writer.append(line.event, line.subject, line.detail, at=line.at)
    assert house.device("ledger", "verify").startswith("ledger: ok")  # whole by itself
    failed = house.run("ledger", "verify", "--head", head, "--config", house.config, expected=1)
    assert "is not what it was" in failed
    house.start("gateway")
    ended = house.wait("the refusal", lambda: house.ended("gateway"))
    assert ended == 1
    assert "not the one that this gateway wrote" in house.log("gateway")
    (house.state / "gateway" / "keys" / "ledger-head").unlink()  # the thief does that, too
    house.start("gateway")
    house.owner("resume-requests")

    def warned() -> bool:
        told = json.loads(house.owner("inbox", "--json"))["warnings"]
        return any("was forked" in warning for warning in told)

    house.wait("the warning", warned)
