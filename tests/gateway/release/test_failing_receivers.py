"""Uploads through a proxy that fails for a while: nothing that may pass ends a release."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import config
from agent.gateway.release.tus_client import TusClient
from tests.peers.tus_server import TusServer
from tests.support import statements
from tests.support.failing_proxy import FailingProxy
from tests.support.gateway_world import World, state_of
from tests.support.house import fragmented_mp4

CHUNK = 262_144
VIDEO = fragmented_mp4(size=256, noisy=True)  # some chunks of it
METHODS = ("POST", "HEAD", "PATCH")
STATUSES = [301, 302, 307, 308, 400, 401, 403, 404, 405, 408, 409, 410, 411, 412, 413, 415, 418]
STATUSES += [422, 423, 425, 429, 431, 451, 460, 500, 501, 502, 503, 504, 507, 520]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world that uploads with the real client."""
    upload = config.Upload(allow_loopback_http=True, chunk_bytes=CHUNK)
    world = World(tmp_path, upload=upload)
    world.receiver = TusClient(  # type: ignore[assignment]
        timeout_seconds=30, ca_file=None, allow_loopback_http=True
    )
    world.restart()
    yield world
    world.kill()


def approve(world: World, proxy: FailingProxy) -> str:
    """Approve one clip for a request that names the proxy; the release's id."""
    card = world.house.config.requesters
    place = proxy.url.split("/")[2]
    card.write_text(re.sub(r"127\.0\.0\.1:[0-9]+", place, card.read_text()))
    world.restart()
    clip = world.house.record(video=VIDEO)
    post = world.post(world.house.request(upload=statements.upload(proxy.url)))
    world.to_device(world.house.approve(post, [clip]))
    database = world.house.open_database()
    rows = database.rows("SELECT id FROM release ORDER BY approved_at DESC LIMIT 1")
    database.close()
    return str(rows[0][0])


def wait(world: World, release_id: str, *, seconds: int = 6_000, step: int = 20) -> str:
    """Let time pass until the release is over, at most so long; its state."""
    for _ in range(seconds // step):
        if (state := state_of(world, release_id)) != "SEALED":
            return state
        world.clock.advance(step)
        world.run()
    return state_of(world, release_id)


@pytest.mark.parametrize("method", METHODS)
def test_no_status_of_a_proxy_that_restarts_ends_a_release(
    world: World, tus_server: TusServer, method: str
) -> None:
    with FailingProxy(tus_server.url, [(method, status) for status in STATUSES]) as proxy:
        if method == "HEAD":  # asked after a failure only
            proxy.failures += [("PATCH", 502)] * 10  # some while it takes the upload for gone
        release_id = approve(world, proxy)
        assert wait(world, release_id, seconds=60_000, step=300) == "SENT"
        failed = [status for seen, status in proxy.seen if seen == method and status >= 300]
        assert failed == STATUSES
    assert len(tus_server.finished()) == 1


@pytest.mark.parametrize("most_bytes", [200_000, 100_000, 65_536])
def test_a_proxy_that_takes_small_bodies_only_gets_small_chunks(
    world: World, tus_server: TusServer, most_bytes: int
) -> None:
    with FailingProxy(tus_server.url, most_bytes=most_bytes) as proxy:
        release_id = approve(world, proxy)
        assert wait(world, release_id, seconds=60) == "SENT"
        assert [status for _, status in proxy.seen].count(413) <= 3
    assert len(tus_server.finished()) == 1


def test_a_proxy_that_takes_no_chunk_is_asked_ever_more_rarely(
    world: World, tus_server: TusServer
) -> None:
    with FailingProxy(tus_server.url, most_bytes=1_000) as proxy:
        release_id = approve(world, proxy)
        assert wait(world, release_id, seconds=3_600) == "SEALED"
        assert len(proxy.seen) < 60


def test_an_upload_that_a_proxy_says_is_gone_goes_on_and_one_that_is_gone_begins_anew(
    world: World, tus_server: TusServer
) -> None:
    passing = [("PATCH", 404), *[("HEAD", 404)] * 3]
    with FailingProxy(tus_server.url, passing) as proxy:
        assert wait(world, approve(world, proxy), step=5) == "SENT"
        assert [method for method, _ in proxy.seen].count("POST") == 1
    lasting = [("PATCH", 404), *[("HEAD", 404)] * 30]
    with FailingProxy(tus_server.url, lasting) as proxy:
        wait(world, approve(world, proxy), seconds=1_200)
        assert [method for method, _ in proxy.seen].count("POST") >= 2


def test_a_pause_that_the_receiver_asks_for_is_kept_and_has_an_end(
    world: World, tus_server: TusServer
) -> None:
    with FailingProxy(tus_server.url, [("POST", 503)], retry_after="600") as proxy:
        release_id = approve(world, proxy)
        for _ in range(29):
            world.clock.advance(20)
            world.run()
        assert proxy.seen == [("POST", 503)]
        assert wait(world, release_id, seconds=60) == "SENT"
    with FailingProxy(tus_server.url, [("POST", 503)], retry_after="9999999") as proxy:
        approve(world, proxy)
        world.clock.advance(3_601)
        world.run()
        assert len(tus_server.finished()) == 2


def test_the_owner_reads_why_a_release_waits_and_that_it_goes_on(
    world: World, tus_server: TusServer
) -> None:
    with FailingProxy(tus_server.url, [("POST", 401)] * 6) as proxy:
        release_id = approve(world, proxy)
        told = set()
        for _ in range(60):
            world.clock.advance(20)
            world.run()
            told.add(world.outcomes()[release_id].detail)
        [waits] = {detail for detail in told if detail}
        assert waits.startswith("waits: the receiver answers HTTP 401; next try ")
        assert world.outcomes()[release_id].event == "SENT"
