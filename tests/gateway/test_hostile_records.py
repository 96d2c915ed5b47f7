"""The gateway's own rows, as the camera's process could change them if it were taken over.

It can hide or block requests and releases until the ledger's chain is checked
(docs/threats.md). It cannot make the gateway end at each start.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from agent.consent.statements import ListClips, PauseRequests, ResumeRequests, Window
from agent.gateway.letters import outbox
from agent.mqtt import topics
from tests.support.feed import publish, withdrawal
from tests.support.gateway_world import DEVICE, World
from tests.support.two_owners import write

LONG = "hex(zeroblob(200000))"
NUL = "CAST(x'610062' AS TEXT)"
FF = "CAST(x'ff' AS TEXT)"
MOST, LEAST = str(2**63 - 1), str(-(2**63))

HOSTILE = [
    *[("request", "digest", value) for value in ("''", NUL, "'../../etc/passwd'", LONG)],
    *[("request", column, v) for column in ("rule", "kind", "incident") for v in (NUL, LONG, FF)],
    *[("request", "received_at", value) for value in ("-9e999", "9e999", "1e300")],
    *[("request", "window_start", value) for value in ("9e999", "1e300", "253402300800.0")],
    *[("request", "window_end", value) for value in ("9e999", "-9e999", "1e300", "-5.0")],
    *[("request", "square_miles", value) for value in ("-5.0", "9e999")],
    *[("request", "jws", value) for value in ("''", LONG, FF)],
    *[("request", "state", value) for value in ("''", "'SENT'")],
    ("match", "sha256", "'x'"),
    ("match", "clip", "'../../etc/passwd'"),
    ("muted", "requester", FF),
    ("pause", "at", "9e999"),
    ("pause", "at", "-9e999"),
    *[("notice", "kind", value) for value in ("''", LONG, FF)],
    *[("notice", "at", value) for value in ("-9e999", "1e300", "-5.0", "253402300800.0")],
    *[("notice", "until", value) for value in ("9e999", "1e300", "253402300800.0")],
    *[("notice", column, LONG) for column in ("who", "title", "text", "subject")],
    ("notice", "title", NUL),
    ("notice", "number", MOST),
    *[("flood", "day", value) for value in (LEAST, MOST, "-1")],
    *[("flood", "posts", value) for value in (LEAST, MOST)],
    *[("counted", "posts", value) for value in (LEAST, MOST)],
    ("begun", "at", "9e999"),
    ("begun", "at", "-9e999"),
    *[("release", "request", value) for value in ("''", "'../../etc/passwd'", LONG, "NULL")],
    *[("release", column, v) for column in ("stop", "state", "approval") for v in (NUL, LONG)],
    *[("release", column, "NULL") for column in ("bundle_bytes", "bundle_sha256", "upload_url")],
    *[("release", "attempts", value) for value in (MOST, LEAST)],
    *[("release", "deaths", value) for value in (MOST, LEAST)],
    *[("release", "not_before", value) for value in ("9e999", "-9e999")],
    *[("release", "sent_bytes", value) for value in (MOST, LEAST)],
    *[("letter", "revision", value) for value in (MOST, LEAST)],
    ("letter", "acked", MOST),
    ("ledger", "seq", MOST),
    ("ledger", "seq", str(2**53)),
    ("ledger", "sha256", "'x'"),
    ("ledger", "at", "9e999"),
    ("ledger", "detail", "'{'"),
]


@pytest.mark.parametrize(("table", "column", "value"), HOSTILE, ids=lambda text: text[:24])
def test_no_row_ends_the_gateway(tmp_path: Path, table: str, column: str, value: str) -> None:
    world = World(tmp_path)
    clip = world.house.record()
    post = world.post()
    world.receiver.faults = ["request-lost"] * 3
    world.to_device(world.house.approve(post, [clip]))
    world.to_device(world.house.command(PauseRequests()))
    for row in (
        "notice (kind, at, until, who, title, text, subject)"
        " VALUES ('alert', 1, 9999999999, 'a', 'b', 'c', '')",
        "flood VALUES (1, '', 3)",
        f"flood VALUES (2, '{world.house.requester.id}', 3)",
        f"counted VALUES ('{world.house.requester.id}', 3)",
        "muted VALUES ('x', 3)",
    ):
        write(world, f"INSERT INTO {row}")
    change(world, table, column, value)
    world.receiver.faults = ["request-lost"] * 2
    world.restart()
    world.to_device(world.house.command(ResumeRequests()))
    world.to_device(world.house.command(ListClips(window=Window(start=0, end=253_402_300_799))))
    world.clock.advance(700)
    world.house.record()
    world.post()
    world.clock.advance(100_000)
    world.run()
    world.restart()
    assert world.crashes == 0


def change(world: World, table: str, column: str, value: str) -> None:
    """Write each value into each row where the schema takes it; the others are skipped."""
    with sqlite3.connect(world.house.config.state_dir / "gateway" / "gateway.sqlite") as db:
        db.execute(f"UPDATE OR IGNORE {table} SET {column} = {value}")
    db.close()


@pytest.mark.parametrize("name", ["#", "+", "", "x/y", "0" * 17, "0123456789abcde\x00"])
@pytest.mark.parametrize("kind", ["inbox", "release"])
def test_a_letter_under_a_name_that_none_has_is_not_sent(
    world: World, kind: str, name: str
) -> None:
    """Of a topic with a wildcard the MQTT library makes an error, and a broker an end."""
    topic = f"clip-agent/{DEVICE}/{kind}/{name}"
    write(world, "INSERT INTO letter VALUES (?, x'00', 1, 0, 0)", topic)
    world.restart()
    assert topic not in [topic for topic, _ in world.broker.published]
    assert topics.state(DEVICE) in world.broker.retained


def test_a_letter_larger_than_any_is_not_sent(world: World) -> None:
    topic = topics.inbox(DEVICE, "0" * 16)
    size = outbox.MAX_LETTER_BYTES + 1
    write(world, f"INSERT INTO letter VALUES (?, zeroblob({size}), 1, 0, 0)", topic)
    world.restart()
    assert topic not in world.broker.retained


def test_a_refusal_whose_line_was_forged_is_one_again_and_ends_nothing(world: World) -> None:
    clip, post = world.house.record(), world.post()
    letter = world.house.approve(post, [clip], request="0" * 64)
    world.to_device(letter)
    write(world, "UPDATE ledger SET detail = '{' WHERE event = 'decision.refused'")
    world.to_device(letter)
    assert not world.broker.unacknowledged
    assert not world.receiver.finished


def test_an_early_withdrawal_whose_line_was_forged_ends_nothing(world: World) -> None:
    said = world.house.request()
    jws = world.house.post(said)
    publish(world, withdrawal(world, jws))
    write(world, "UPDATE ledger SET detail = '[1]' WHERE event = 'withdrawal.early'")
    world.post(said)
    assert world.request_state(jws)
    assert not world.broker.unacknowledged
