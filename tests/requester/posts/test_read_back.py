"""The read-back of a post: only what was asked for counts as kept."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agent.config import Broker
from agent.errors import NetworkFault
from agent.mqtt.link import Received
from agent.requester.posts import publish
from agent.requester.posts.publish import Publication

POST = Publication("feed/requests/1", "jws", links={"feed/log/1": b"old 1"})


class FakeSession:
    """A session of a broker that hands out ``messages``, whatever was subscribed to."""

    def __init__(self, messages: list[Received]) -> None:
        self._messages: Iterator[Received] = iter(messages)

    def __enter__(self) -> FakeSession:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def publish(self, topic: str, payload: bytes, *, retained: bool) -> None:
        assert retained

    def receive(self, seconds: float) -> Received | None:
        return next(self._messages, None)


def sent(monkeypatch: pytest.MonkeyPatch, *messages: Received) -> bool:
    """True if ``messages`` after each try show that the broker keeps the post."""
    monkeypatch.setattr(publish, "_session", lambda *_: FakeSession(list(messages)))
    try:
        publish.send(POST, Broker(host="b.example"), sleep=lambda _: None)
    except NetworkFault:
        return False
    return True


def message(topic: str, payload: bytes, *, retained: bool = True) -> Received:
    return Received(topic, payload, retained, 1)


def test_messages_of_other_topics_neither_count_nor_end_the_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """amqtt sends a new client all that others have subscribed to."""
    other = message("clip-agent/front-door/status/x", b"letter")
    post, link = message("feed/requests/1", b"jws"), message("feed/log/1", b"another's")
    assert sent(monkeypatch, other, other, post, other, link)
    assert not sent(monkeypatch, other, link)
    assert not sent(monkeypatch, other, post)


def test_another_post_or_one_that_is_not_retained_is_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    link = message("feed/log/1", b"old 1")
    assert not sent(monkeypatch, link, message("feed/requests/1", b"forged"))
    assert not sent(monkeypatch, link, message("feed/requests/1", b"jws", retained=False))
