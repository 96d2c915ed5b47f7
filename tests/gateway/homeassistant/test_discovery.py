"""Discovery message: the entities that the owner wants, and the removal of the others."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import config
from agent.gateway.homeassistant import discovery, life

ALL = {
    "motion", "recording", "last_motion", "armed", "requests", "deadline", "problem", "clips",
    "used", "free", "last_seen", "request", "arm",
}  # fmt: skip


def components(**section: object) -> dict[str, dict[str, object]]:
    made = config.HomeAssistant(**section)  # type: ignore[arg-type]
    plain = json.loads(discovery.message(made, device="front-door", device_id="D" * 43))
    return plain["cmps"]  # type: ignore[no-any-return]


def wanted(**section: object) -> set[str]:
    return {key for key, one in components(**section).items() if set(one) != {"p"}}


def test_an_owner_who_only_opts_in_gets_all_but_the_switch() -> None:
    assert wanted() == ALL - {"arm"}
    assert wanted(may_arm=True) == ALL


@pytest.mark.parametrize(
    ("tells", "without"),
    [
        ((), {"motion", "recording", "last_motion", "armed", "requests", "deadline", "request"}),
        (("motion",), {"armed", "requests", "deadline", "request"}),
        (("armed",), {"motion", "recording", "last_motion", "requests", "deadline", "request"}),
        (("requests",), {"motion", "recording", "last_motion", "armed"}),
    ],
)
def test_what_may_not_be_told_has_no_entity(tells: tuple[str, ...], without: set[str]) -> None:
    assert wanted(tells=tells) == ALL - {"arm"} - without


@given(st.lists(st.sampled_from(["motion", "armed", "requests"])), st.booleans())
def test_each_message_names_every_entity_so_that_a_setting_removes_what_it_made(
    tells: list[str], may_arm: bool
) -> None:
    found = components(tells=(*tells, "armed"), may_arm=may_arm)
    assert set(found) == ALL
    ids = [one["unique_id"] for one in found.values() if "unique_id" in one]
    assert len(ids) == len(set(ids)) == len(wanted(tells=(*tells, "armed"), may_arm=may_arm))


def test_entities_become_unavailable_with_the_device_but_for_the_time_it_was_seen() -> None:
    lasting = {key for key, one in components(may_arm=True).items() if "avty_t" not in one}
    assert lasting == {"last_seen"}


def test_the_event_entity_knows_every_stage_that_is_told() -> None:
    assert components()["request"]["evt_typ"] == list(life.EVENTS)
    assert len(set(life.EVENTS)) == len(life.EVENTS)


def test_the_console_is_a_link_of_the_device_if_the_owner_names_it() -> None:
    section = config.HomeAssistant(url="https://console.example/")
    plain = json.loads(discovery.message(section, device="front-door", device_id="D" * 43))
    assert plain["dev"]["cu"] == "https://console.example/"
    assert plain["dev"]["ids"] == ["clip-agent-" + "D" * 16]
