"""An owner reads the ledger: pages of lines, as the device has them."""

from __future__ import annotations

import pytest

from agent.consent import letters as mail
from agent.consent import signing
from agent.consent.statements import LedgerHead, LedgerPage, ReadLedger
from agent.consent.transparency import merkle
from agent.consent.transparency.tree import Tree
from agent.mqtt import topics
from agent.vault.records.ledger import Ledger
from tests.support.gateway_world import DEVICE, World
from tests.support.two_owners import write


def pages(world: World) -> list[LedgerPage]:
    """The replies of the device, oldest first."""
    card = world.house.device_card()
    keys, found = {card.fingerprint: card.key}, []
    for topic, payload in world.broker.published:
        if topic.startswith(topics.release(DEVICE, "")) and topic not in world.broker.retained:
            jws = mail.open_letter(payload, world.house.owner.identity).jws
            if signing.claimed_typ(jws) == LedgerPage.TYP:
                found.append(signing.verify(jws, LedgerPage, keys))
    return found


def test_the_ledger_is_sent_with_the_line_that_says_so(world: World) -> None:
    world.house.record()
    world.post()
    world.to_device(world.house.command(ReadLedger(after=0)))
    (page,) = pages(world)
    with world.house.open_database() as database:
        entries = list(Ledger(database).entries())
    assert page.texts() == [entry.text().encode() for entry in entries]
    assert (page.after, page.ledger.size) == (0, len(entries))
    assert entries[-1].event == "ledger.read"
    assert entries[-1].detail == {"owner": world.house.owner.id, "after": 0}


def test_the_ledger_comes_in_pages_that_join(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(6):
        world.post()
    assert world.gateway is not None
    world.gateway.decisions.work.write.max_bytes = 3_000
    texts: list[bytes] = []
    for _ in range(20):
        world.to_device(world.house.command(ReadLedger(after=len(texts))))
        page = pages(world)[-1]
        assert page.after == len(texts)
        texts += page.texts()
        if len(texts) == page.ledger.size:
            break
    assert len(pages(world)) > 1
    root = Tree(map(merkle.leaf_hash, texts)).root(len(texts)).hex()
    assert page.ledger == LedgerHead(size=len(texts), root=root)


@pytest.mark.parametrize("after", [10, 2**53])
def test_there_is_nothing_after_the_end_of_the_ledger(world: World, after: int) -> None:
    world.to_device(world.house.command(ReadLedger(after=after)))
    (page,) = pages(world)
    assert page.texts() == []


def test_a_ledger_that_is_broken_is_refused_by_name(world: World) -> None:
    world.post()
    write(world, "UPDATE ledger SET detail = 'no JSON' WHERE seq = 1")
    world.to_device(world.house.command(ReadLedger(after=0)))
    assert pages(world) == []
    (outcome,) = world.outcomes().values()
    assert outcome.detail.startswith("ledger-broken: the line after 0")
