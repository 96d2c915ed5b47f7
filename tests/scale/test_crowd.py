"""Ten thousand cameras on one broker: what they cost, and how soon a post reaches all."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from agent.config import Feed
from agent.gateway.app import feed_topics
from tests.peers.mosquitto import Mosquitto
from tests.scale.city import City
from tests.scale.conftest import Report
from tests.scale.crowd import Crowd, Totals, allow_files
from tests.scale.engines.nats import NatsCluster

pytestmark = pytest.mark.timeout(1800)
CAMERAS = 10_000
POSTS = 20  # that are open at a time
PINGS = 60  # an hour
RENEW_SECONDS = 20  # what is sent takes some seconds to read here
FILTERS = feed_topics(Feed())


def test_ten_thousand_cameras_share_a_mosquitto(tmp_path: Path, city: City, report: Report) -> None:
    allow_files(CAMERAS + 1_000)
    with Mosquitto(tmp_path / "feed", is_quiet=True) as feed:
        live_an_hour([feed.port], city, lambda line: report(f"mosquitto: {line}"))


def test_ten_thousand_cameras_share_a_nats_cluster(
    city: City, nats: NatsCluster, report: Report
) -> None:
    allow_files(CAMERAS + 1_000)
    live_an_hour(nats.ports, city, lambda line: report(f"NATS, 3 nodes: {line}"))


def live_an_hour(ports: list[int], city: City, report: Report) -> None:
    """Start, and do what gateways do in an hour, as fast as it goes."""
    city.post(POSTS, ports[0])
    with Crowd(ports, cameras=CAMERAS, filters=FILTERS) as crowd:
        began = time.monotonic()
        start, renewals = fill(crowd)
        seconds = time.monotonic() - began
        report(
            f"{CAMERAS:,} cameras connect and have {POSTS} posts each after {seconds:.1f} s and"
            f" {renewals} renewals, {each(start, Totals())}"
        )
        city.add_gateway("a-real-one", ports[0])

        for _ in range(PINGS):
            crowd.ping()
        pinged = crowd.totals()
        report(f"{PINGS} pings, {each(pinged, start)}")

        crowd.tell("renew")
        wanted = pinged.messages + CAMERAS * POSTS
        renewed = crowd.wait("renewals", lambda now: now.messages >= wanted)
        report(f"a renewal brings {POSTS} posts, {each(renewed, pinged)}")

        began = time.monotonic()
        posts = city.post(1, ports[0])
        done = crowd.wait("the new post", lambda now: has_all(now, POSTS + 1))
        first, last = max((first, last) for _, first, last in done.arrivals.values())
        report(
            f"a new post reaches the first after {first - began:.2f} s and all after"
            f" {last - began:.2f} s, {each(done, renewed)}"
        )
        city.wait_until_heard(posts)
        report(f"an hour with {POSTS} open posts and a new one: {each(done, start)}")
        assert done.lost == 0


def fill(crowd: Crowd) -> tuple[Totals, int]:
    """Wait until all have subscribed and have all posts; how often they had to renew for that."""
    crowd.wait("subscriptions", lambda now: now.subscribed == CAMERAS)
    began, renewals = time.monotonic(), 0
    while not has_all(now := crowd.totals(), POSTS):
        if time.monotonic() - began > (renewals + 1) * RENEW_SECONDS:
            renewals += 1
            assert renewals < 10, now
            crowd.tell("renew")
        time.sleep(0.1)
    return now, renewals


def has_all(now: Totals, posts: int) -> bool:
    counts = [count for count, _, _ in now.arrivals.values()]
    return len(counts) == posts and min(counts) == CAMERAS


def each(now: Totals, before: Totals) -> str:
    received = (now.bytes_in - before.bytes_in) / CAMERAS
    sent = (now.bytes_out - before.bytes_out) / CAMERAS
    return f"{received:,.0f} bytes in and {sent:,.0f} out a camera"
