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

pytestmark = pytest.mark.timeout(1800)
CAMERAS = 10_000
POSTS = 20  # that are open at a time
PINGS = 60  # an hour
FILTERS = feed_topics(Feed())


def test_ten_thousand_cameras_share_a_mosquitto(tmp_path: Path, city: City, report: Report) -> None:
    allow_files(CAMERAS + 1_000)
    with Mosquitto(tmp_path / "feed", is_quiet=True) as feed:
        live_an_hour(feed.port, CAMERAS, city, lambda line: report(f"mosquitto: {line}"))


def live_an_hour(port: int, cameras: int, city: City, report: Report) -> None:
    """Start, and do what gateways do in an hour, as fast as it goes."""
    city.post(POSTS, port)
    with Crowd(port, cameras=cameras, filters=FILTERS) as crowd:
        began = time.monotonic()
        start = crowd.wait("all posts at all cameras", lambda now: has_all(now, cameras, POSTS))
        seconds = time.monotonic() - began
        report(
            f"{cameras:,} cameras connect and have {POSTS} posts each after {seconds:.1f} s,"
            f" {each(start, Totals(), cameras)}"
        )
        city.add_gateway("a-real-one", port)

        for number in range(PINGS):
            crowd.tell("ping")
            crowd.wait("pings", lambda now, n=number + 1: now.answered == n * cameras)
        pinged = crowd.totals()
        report(f"{PINGS} pings, {each(pinged, start, cameras)}")

        crowd.tell("renew")
        wanted = pinged.messages + cameras * POSTS
        renewed = crowd.wait("renewals", lambda now: now.messages >= wanted)
        report(f"a renewal brings {POSTS} posts, {each(renewed, pinged, cameras)}")

        began = time.monotonic()
        posts = city.post(1, port)
        done = crowd.wait("the new post", lambda now: has_all(now, cameras, POSTS + 1))
        first, last = max((first, last) for _, first, last in done.arrivals.values())
        report(
            f"a new post reaches the first after {first - began:.2f} s and all after"
            f" {last - began:.2f} s, {each(done, renewed, cameras)}"
        )
        city.wait_until_heard(posts)
        report(f"an hour with {POSTS} open posts and a new one: {each(done, start, cameras)}")
        assert done.lost == 0


def has_all(now: Totals, cameras: int, posts: int) -> bool:
    counts = [count for count, _, _ in now.arrivals.values()]
    return len(counts) == posts and min(counts) == cameras


def each(now: Totals, before: Totals, cameras: int) -> str:
    received = (now.bytes_in - before.bytes_in) / cameras
    sent = (now.bytes_out - before.bytes_out) / cameras
    return f"{received:,.0f} bytes in and {sent:,.0f} out a camera"
