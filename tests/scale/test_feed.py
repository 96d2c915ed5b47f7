"""A city's feed on clusters: every gateway hears every retained post."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.mosquitto import Mosquitto
from tests.scale.balancer import Balancer
from tests.scale.city import City, onlookers
from tests.scale.conftest import Report
from tests.scale.engines.aedes import AedesPair
from tests.scale.engines.nats import NatsCluster

pytestmark = pytest.mark.timeout(1200)
POSTS, MORE = 200, 5
MANY = 2_000


def test_every_gateway_hears_every_post_of_a_fresh_nats_cluster(
    city: City, nats: NatsCluster, report: Report
) -> None:
    posts = city.post(POSTS, nats.ports[0])
    with onlookers(nats.ports) as once:
        for number, port in enumerate(nats.ports):
            city.add_gateway(f"at-node{number}", port)
        city.wait_until_heard(posts)
        report(f"NATS, fresh: 3 gateways of 3 hear {POSTS} of {POSTS}; one SUBSCRIBE: {once()}")


def test_every_gateway_hears_every_post_of_a_warm_nats_cluster(
    city: City, nats: NatsCluster, report: Report
) -> None:
    posts = city.post(POSTS, nats.ports[0])
    nats.restart()
    for number, port in enumerate(nats.ports):
        city.add_gateway(f"at-node{number}", port)
    with onlookers(nats.ports) as once:
        city.wait_until_heard(posts)
        report(f"NATS, warm: 3 gateways of 3 hear {POSTS} of {POSTS}; one SUBSCRIBE: {once()}")


def test_every_gateway_hears_every_post_when_nats_nodes_die(
    city: City, nats: NatsCluster, report: Report
) -> None:
    first, second, third = nats.ports
    posts = city.post(POSTS, first)
    with Balancer([second, third]) as front, Balancer([third, second]) as back:
        city.add_gateway("by-second", front.port)
        city.add_gateway("by-third", back.port)
        city.wait_until_heard(posts)
        nats.kill(1)
        posts |= city.ask(MORE, first)
        city.add_gateway("new", front.port)
        with onlookers([first, third]) as once:
            seen = once()
        nats.start(1)
        repeated = city.ask_again(first)
        city.wait_until_heard(posts)  # by the new one too, at its next renewal
        nats.kill(2)
        posts |= city.ask(MORE, first)
        nats.start(2)
        repeated += city.ask_again(first)
        city.wait_until_heard(posts)
    report(
        f"NATS, two nodes killed in turn: 3 gateways of 3 hear {len(posts)} of {len(posts)};"
        f" newcomers saw {seen} of {POSTS + MORE} at the nodes left; {repeated} of {2 * MORE}"
        " posts had to be repeated later"
    )


def test_every_gateway_hears_every_post_of_brokers_that_share_a_redis(
    city: City, aedes: AedesPair, report: Report
) -> None:
    first, second = aedes.ports
    posts = city.post(POSTS, first)
    with Balancer([first, second]) as front, Balancer([second, first]) as back:
        city.add_gateway("by-first", front.port)
        city.add_gateway("by-second", back.port)
        with onlookers(aedes.ports) as once:
            told = f"one SUBSCRIBE: {once()}"
        city.wait_until_heard(posts)
        aedes.kill(0)
        posts |= city.ask(MORE, second)
        city.add_gateway("new", front.port)
        city.wait_until_heard(posts)
    report(f"Aedes with Redis, a broker killed: 3 gateways of 3 hear {len(posts)}; {told}")


def test_a_new_gateway_hears_more_open_posts_than_a_mosquitto_queues_by_itself(
    tmp_path: Path, city: City, report: Report
) -> None:
    unbounded = ("max_queued_messages 0",)  # its default of 1,000 drops the others
    with Mosquitto(tmp_path / "feed", is_quiet=True, settings=unbounded) as feed:
        posts = city.post(MANY, feed.port)
        city.add_gateway("new", feed.port)
        city.wait_until_heard(posts)
    report(f"mosquitto with max_queued_messages 0: a new gateway hears {MANY:,} of {MANY:,} posts")
