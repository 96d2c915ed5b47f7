"""Posts are sent until the feed keeps them."""

from __future__ import annotations

import itertools
import queue
from typing import Any

import pytest

from agent.config import Broker
from agent.errors import NetworkFault
from agent.mqtt import link
from agent.mqtt.link import Connected, Event, Published, Received
from agent.requester.posts import publish
from agent.requester.posts.publish import Publication

POST = Publication(
    "feed/requests/1", "a.b.c", b"proof", {"feed/log/1": b"old 1\n", "feed/log/2": b"old 2\n"}
)
ALL = {**POST.links, POST.topic: POST.payload}


class FakeFeed:
    """A broker that confirms every message, and at first keeps none of the ``lost`` topics."""

    def __init__(self, lost: dict[str, int]) -> None:
        self.lost = lost  # by topic: the times
        self.retained: dict[str, bytes] = {}
        self.sent: list[str] = []

    def connect(self, _broker: Broker, *, subscriptions: tuple[str, ...], **_: Any) -> FakeClient:
        return FakeClient(self, subscriptions)

    def publish(self, topic: str, payload: bytes) -> None:
        self.sent.append(topic)
        if self.lost.get(topic, 0) > 0:
            self.lost[topic] -= 1
        else:
            self.retained[topic] = payload


class FakeClient:
    """One connection to it."""

    def __init__(self, feed: FakeFeed, subscriptions: tuple[str, ...]) -> None:
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._feed, self._subscriptions = feed, subscriptions
        self._tokens = itertools.count(1)

    def start(self) -> None:
        self.events.put(Connected())
        for topic in self._subscriptions:
            if topic in self._feed.retained:
                self.events.put(Received(topic, self._feed.retained[topic], True, None))

    def stop(self) -> None:
        pass

    def acknowledge(self, received: Received) -> None:
        pass

    def publish(self, topic: str, payload: bytes, *, retained: bool) -> int:
        assert retained
        self._feed.publish(topic, payload)
        token = next(self._tokens)
        self.events.put(Published(token))
        return token


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    monkeypatch.setattr(publish, "_READ_BACK_SECONDS", 0.0)
    return []


def send(feed: FakeFeed, pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "connect_broker", feed.connect)
    publish.send(POST, Broker(), sleep=pauses.append)


def test_a_post_that_is_kept_is_sent_once(
    pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = FakeFeed({})
    send(feed, pauses, monkeypatch)
    assert feed.retained == ALL and feed.sent == list(ALL) and pauses == [0.0]


@pytest.mark.parametrize("lost", ALL)
def test_a_message_that_was_confirmed_and_not_kept_is_sent_again(
    lost: str, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = FakeFeed({lost: 2})
    send(feed, pauses, monkeypatch)
    assert feed.retained == ALL
    assert sorted(feed.sent) == sorted([*ALL, lost, lost]) and len(pauses) == 3


def test_another_post_under_our_topic_is_not_ours_and_another_link_is_as_good(
    pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = FakeFeed(dict.fromkeys(ALL, 1))
    feed.retained = dict.fromkeys(ALL, b"somebody else's")
    send(feed, pauses, monkeypatch)
    assert feed.retained[POST.topic] == POST.payload
    assert feed.sent == [*ALL, POST.topic]


def test_a_broker_that_never_keeps_the_post_is_a_fault(
    pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NetworkFault, match="does not show it"):
        send(FakeFeed({POST.topic: 99}), pauses, monkeypatch)
    assert pauses == [0.0, 1.0, 2.0, 4.0]
