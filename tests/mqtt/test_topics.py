"""Topic names: what is built parses back, and nothing else parses at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.mqtt import topics
from agent.mqtt.topics import Topic

FEED = "clip-feed"
DIGEST16 = "0123456789abcdef"
CLIP = "20240124-183015-3f9a2c"


@pytest.mark.parametrize(
    ("built", "parsed"),
    [
        (topics.request(FEED, "a" * 22), Topic("requests", "", ("a" * 22,))),
        (topics.alert(FEED, "a" * 22), Topic("alerts", "", ("a" * 22,))),
        (topics.withdrawal(FEED, "a" * 22), Topic("withdrawals", "", ("a" * 22,))),
        (topics.availability("door"), Topic("availability", "door", ())),
        (topics.state("door"), Topic("state", "door", ())),
        (topics.inbox("door", DIGEST16), Topic("inbox", "door", (DIGEST16,))),
        (topics.owner("door"), Topic("owner", "door", ())),
        (topics.preview("door", CLIP, 12), Topic("preview", "door", (CLIP, "12"))),
        (topics.release("door", DIGEST16), Topic("release", "door", (DIGEST16,))),
    ],
)
def test_every_topic_parses_back_to_what_it_was_built_from(built: str, parsed: Topic) -> None:
    assert topics.parse(built, feed=FEED) == parsed


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "/",
        "clip-feed",
        "clip-feed/",
        "clip-feed/requests",
        "clip-feed/requests/",
        "clip-feed/requests/a/b",
        "clip-feed/others/a",
        "clip-feed/requests/a b",
        "clip-feed/requests/" + "a" * 65,
        "clip-feed/requests/../owner",
        "other-feed/requests/a",
        "clip-agent/door",
        "clip-agent//owner",
        "clip-agent/door/owner/more",
        "clip-agent/door/inbox",
        "clip-agent/door/preview/x",
        "clip-agent/door/unknown",
        "clip-agent/door/owner\n",
        "clip-agent/d\u00f6\u00f6r/owner",
    ],
)
def test_a_topic_of_any_other_form_is_none_of_ours(topic: str) -> None:
    assert topics.parse(topic, feed=FEED) is None


def test_a_feed_below_another_name_is_read_under_its_whole_name() -> None:
    parsed = topics.parse("city/feed.one/alerts/x", feed="city/feed.one")
    assert parsed == Topic("alerts", "", ("x",))


@given(st.text())
def test_no_text_makes_parsing_fail(topic: str) -> None:
    parsed = topics.parse(topic, feed=FEED)
    assert parsed is None or all(parsed.ids)


@pytest.mark.parametrize(
    ("subscription", "topic"),
    [
        (topics.request(FEED, topics.ANY), topics.request(FEED, "x")),
        (topics.alert(FEED, topics.ANY), topics.alert(FEED, "x")),
        (topics.withdrawal(FEED, topics.ANY), topics.withdrawal(FEED, "x")),
        (topics.inbox("door", topics.ANY), topics.inbox("door", DIGEST16)),
        (topics.release("door", topics.ANY), topics.release("door", DIGEST16)),
    ],
)
def test_a_filter_covers_its_topics_with_one_wildcard(subscription: str, topic: str) -> None:
    prefix, _, rest = subscription.partition("+")
    assert not rest
    assert topic.startswith(prefix)


def test_a_preview_filter_covers_the_chunks_of_one_clip_alone() -> None:
    assert topics.preview("door", CLIP, topics.ANY) == f"clip-agent/door/preview/{CLIP}/+"
