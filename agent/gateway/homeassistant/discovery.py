"""Discovery message: all entities of a device in one retained JSON.

Its keys are those of Home Assistant's documentation (MQTT, "Device discovery payload"), in the
abbreviated form. An entity that is not wanted is sent as its platform alone, which removes it
where an earlier message had made it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from agent import __version__
from agent.config import HomeAssistant
from agent.gateway.homeassistant.life import EVENTS
from agent.mqtt import topics

_ON_OFF: Final = {"p": "binary_sensor"}
_SENSOR: Final = {"p": "sensor"}
_DIAGNOSTIC: Final = {"ent_cat": "diagnostic"}
_TIME: Final = {"dev_cla": "timestamp"}
_SIZE: Final = {"dev_cla": "data_size", "unit_of_meas": "GB", "stat_cla": "measurement"}
_COUNT: Final = {"stat_cla": "measurement"}

# Entities by their key in the state, each with the subject that an owner lets be told; "" is told
# always.
_ENTITIES: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "motion": ("motion", {**_ON_OFF, "name": "Motion", "dev_cla": "motion"}),
    "recording": ("motion", {**_ON_OFF, "name": "Recording", "dev_cla": "running"}),
    "last_motion": ("motion", {**_SENSOR, "name": "Last motion", **_TIME}),
    "armed": ("armed", {**_ON_OFF, "name": "Armed", "ic": "mdi:shield-check"}),
    "requests": ("requests", {**_SENSOR, "name": "Open requests", "ic": "mdi:email", **_COUNT}),
    "deadline": ("requests", {**_SENSOR, "name": "Next deadline", **_TIME}),
    "problem": ("", {**_ON_OFF, "name": "Problem", "dev_cla": "problem", **_DIAGNOSTIC}),
    "clips": ("", {**_SENSOR, "name": "Clips", "ic": "mdi:filmstrip", **_COUNT, **_DIAGNOSTIC}),
    "used": ("", {**_SENSOR, "name": "Space of clips", **_SIZE, **_DIAGNOSTIC}),
    "free": ("", {**_SENSOR, "name": "Free space", **_SIZE, **_DIAGNOSTIC}),
    "last_seen": ("", {**_SENSOR, "name": "Last seen", **_TIME, **_DIAGNOSTIC}),
}


def message(section: HomeAssistant, *, device: str, device_id: str) -> bytes:
    """The message for the device called ``device``, whose signing key is ``device_id``."""
    id_ = f"clip-agent-{device_id[:16]}"
    about = {
        "ids": [id_],
        "name": device,
        "mf": "clip-agent",
        "mdl": "Camera",
        "sw": __version__,
        **({} if section.url is None else {"cu": section.url}),
    }
    wanted = {
        key: {
            **entity,
            "stat_t": topics.homeassistant(device, "state"),
            "val_tpl": f"{{{{ value_json.{key} }}}}",
        }
        for key, (subject, entity) in _ENTITIES.items()
        if not subject or subject in section.tells
    }
    wanted["problem"] |= {
        "json_attr_t": topics.homeassistant(device, "state"),
        "json_attr_tpl": "{{ {'problems': value_json.problems} | tojson }}",
    }
    if "requests" in section.tells:
        wanted["request"] = {
            "p": "event",
            "name": "Request",
            "ic": "mdi:email-alert",
            "stat_t": topics.homeassistant(device, "request"),
            "evt_typ": list(EVENTS),
        }
    if section.may_arm:
        wanted["arm"] = {
            "p": "switch",
            "name": "Armed",
            "ic": "mdi:shield-check",
            "cmd_t": topics.homeassistant(device, "arm"),
            "stat_t": topics.homeassistant(device, "state"),
            "val_tpl": "{{ value_json.armed }}",
        }
    for key, entity in wanted.items():
        entity["unique_id"] = f"{id_}-{key}"
        if key != "last_seen":  # which is told of a device that is offline too
            entity["avty_t"] = topics.availability(device)
    platforms = {key: entity["p"] for key, (_, entity) in _ENTITIES.items()}
    platforms |= {"request": "event", "arm": "switch"}
    plain = {
        "dev": about,
        "o": {"name": "clip-agent", "sw": __version__},
        "qos": 1,
        "cmps": {key: wanted.get(key, {"p": platform}) for key, platform in platforms.items()},
    }
    return json.dumps(plain).encode()
