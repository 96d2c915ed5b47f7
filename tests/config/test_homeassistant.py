"""``homeassistant:`` in agent.yaml: off by default, and refused where it would mislead."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from agent import config
from agent.errors import ConfigError
from tests.peers.requirements import ROOT

MINIMAL = """
device: {name: porch, place: {latitude: 1, longitude: 2}}
owners: [owner.card.yaml]
"""


def read(tmp_path: Path, section: str) -> config.HomeAssistant | None:
    path = tmp_path / "agent.yaml"
    path.write_text(MINIMAL + section)
    return config.load(path).homeassistant


def test_nothing_is_told_unless_the_owner_writes_the_section(tmp_path: Path) -> None:
    assert read(tmp_path, "") is None
    found = read(tmp_path, "homeassistant: {}")
    assert found is not None
    assert (found.tells, found.may_arm) == (("motion", "armed", "requests"), False)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("{may_arm: true, tells: [motion]}", "may_arm: true needs `armed` in `tells`"),
        ("{tells: [clips]}", "homeassistant.tells"),
        ("{discovery_prefix: 'a/#'}", "homeassistant.discovery_prefix"),
        ("{discovery_prefix: ''}", "homeassistant.discovery_prefix"),
        ("{discovery_prefix: +}", "homeassistant.discovery_prefix"),
        ("{url: 'javascript:alert(1)'}", "homeassistant.url"),
        ("{url: 'https://console.example/ x'}", "homeassistant.url"),
        ("{may_approve: true}", "homeassistant.may_approve: unknown key"),
        ("{may_arm: yes please}", "homeassistant.may_arm"),
    ],
)
def test_a_mistake_is_named_with_its_setting(tmp_path: Path, section: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, f"homeassistant: {section}")
    assert said in str(caught.value)


def test_the_shipped_automations_push_no_event_again_after_a_restart() -> None:
    """An automation that triggers on the event's state pushes again after each reconnection."""
    for path in (ROOT / "config/homeassistant").glob("*.yaml"):
        plain = yaml.safe_load(path.read_text())
        for automation in plain if isinstance(plain, list) else []:
            for trigger in automation["triggers"]:
                assert "event." not in str(trigger.get("entity_id", ""))
                if trigger["trigger"] == "state":
                    assert "not_from" in trigger
