"""A public log of Tessera with a witness: posts are proved from its tiles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from agent.consent.transparency import proof
from agent.consent.transparency.proof import LogPolicy, read_proof
from agent.consent.transparency.tree import Tree
from agent.consent.transparency.view import Included, LogView
from agent.errors import NotPublic
from tests.e2e.household import LATELY, Household
from tests.scale.conftest import Report
from tests.scale.engines.log.tessera import TesseraLog, Witness

pytestmark = pytest.mark.timeout(900)
OTHERS = 300  # more than a full tile


@pytest.fixture
def log(tmp_path: Path) -> Iterator[TesseraLog]:
    with TesseraLog(tmp_path / "log") as running:
        yield running


@pytest.fixture
def witness(tmp_path: Path, log: TesseraLog) -> Iterator[Witness]:
    (tmp_path / "witness").mkdir()
    with Witness(tmp_path / "witness", log) as running:
        yield running


def size_of(note: str) -> int:
    return int(note.split("\n")[1])


def proved(tree: Tree, index: int, note: str) -> bytes:
    return proof.format_proof(index, tree.inclusion(index, size_of(note)), note).encode()


def linked(tree: Tree, old_size: int, note: str) -> bytes:
    path = tree.consistency(old_size, size_of(note)) if old_size else []
    return proof.format_link(old_size, path, note).encode()


def test_every_entry_is_proved_from_the_tiles_and_no_other(
    log: TesseraLog, witness: Witness, report: Report
) -> None:
    entries = [b"the first entry"]
    log.add(entries[0])
    early = witness.cosign(log.checkpoint())
    more = [b"eyJhbGciOiJFZERTQSJ9.post%d.sig" % number for number in range(OTHERS)]
    with ThreadPoolExecutor(32) as pool:
        placed = sorted(zip(pool.map(log.add, more), more, strict=True))
    entries += [entry for _, entry in placed]
    bare = log.checkpoint()
    note = witness.cosign(bare)
    old_size, size = size_of(early), size_of(note)
    tree = log.tree(size)
    assert (old_size, size) == (1, len(entries))

    policy = LogPolicy.pin(log.key, [witness.key], 1)
    assert policy.verify(note).root == tree.root(size)
    for index, entry in enumerate(entries):
        found = read_proof(proved(tree, index, note), policy)
        assert found.holds(entry) and not found.holds(entry + b"x")
    with pytest.raises(NotPublic, match="0 of 1 witnesses"):
        policy.verify(bare)

    view, answer = LogView(policy).check(entries[0], proved(tree, 0, early))
    assert isinstance(answer, Included)
    view = view.advance(linked(tree, old_size, note))
    view, answer = view.check(entries[-1], proved(tree, size - 1, note))
    assert isinstance(answer, Included) and not view.troubles
    report(f"Tessera with litewitness: {size} of {size} entries are proved from the tiles")


def test_a_gateway_hears_the_requests_that_stand_in_the_log_and_no_other(
    house: Household, log: TesseraLog, witness: Witness, tmp_path: Path, report: Report
) -> None:
    settings = yaml.safe_load(house.config.read_text())
    settings["feed"] |= {"log_key": log.key, "witness_keys": [witness.key], "witnesses_needed": 1}
    house.config.write_text(yaml.safe_dump(settings))
    house.start("gateway")
    house.enrol()
    outside = house.post(reference="outside")

    inside, note = [], ""
    for number in range(2):
        signed, proof_file, link = (
            tmp_path / f"{number}.{end}" for end in ("jws", "proof", "link")
        )
        path = house.write_request(LATELY, reference=f"inside {number}")
        house.requester("post", path, "--allow-loopback-http", "--sign-only", signed)
        index, old_size = log.add(signed.read_bytes()), size_of(note) if note else 0
        note = witness.cosign(log.checkpoint())
        tree = log.tree(size_of(note))
        proof_file.write_bytes(proved(tree, index, note))
        link.write_bytes(linked(tree, old_size, note))
        grown: list[str | Path] = ["--link", link] if old_size else []
        posted = house.requester("post", signed, "--proof", proof_file, *grown, "--json")
        inside.append(str(json.loads(posted)["digest"]))

    def told(digest: str) -> str:
        lines = [line for line in house.ledger_lines() if digest in json.dumps(line)]
        return " ".join(str(line["event"]) for line in lines)

    house.wait("the requests", lambda: all("request.opened" in told(one) for one in inside))
    house.wait("the refusal", lambda: "post.refused" in told(outside))
    assert "request" not in told(outside)
    report(
        "Tessera with litewitness: a gateway that needs both heard 2 posts of 2, and none outside"
    )
