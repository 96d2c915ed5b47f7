"""Every fuzzing target, run once over every seed of `make fuzz`."""

from __future__ import annotations

import pytest

from agent.mqtt import topics
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_bears_its_seeds(name: str) -> None:
    target = TARGETS[name]
    seeds = target.seeds()
    assert seeds
    for seed in seeds:
        target.run(seed)
        target.run(seed[: len(seed) // 2])
    target.run(b"")


def test_a_target_notices_what_must_not_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that cannot fail finds nothing."""
    said = topics.Topic("requests", "", ("y",))
    monkeypatch.setattr(topics, "parse", lambda _topic, feed: said)
    with pytest.raises(AssertionError):
        TARGETS["topics"].run(b"clip-feed/requests/x")
