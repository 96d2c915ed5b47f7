"""State of the device for Home Assistant's entities, in JSON.

===============  ===========================================================================
``problem``      ``ON``, ``OFF``; ``problems`` names them as a watch letter does
``clips``        stored clips; ``used`` and ``free`` are gigabytes
``last_seen``    when this was told, ISO 8601; null while the clock is not synced
``motion``       ``ON`` while something moves; ``recording`` while a clip is written
``last_motion``  when the last recorded motion began, ISO 8601
``armed``        ``ON``, ``OFF``; null before the camera has ever run
``requests``     open requests that match; ``deadline``: when the first of them ends
===============  ===========================================================================

The last three groups are there only if the owner lets them be told.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from agent.consent.statements import Arming, Space
from agent.gateway.homeassistant.life import moment
from agent.gateway.letters import watch
from agent.vault.camera_state import CameraState


def snapshot(
    tells: Collection[str], facts: Mapping[str, Any], camera: CameraState | None
) -> dict[str, Any]:
    """The keys above but ``last_seen``; ``facts`` are those of a status letter."""
    space: Space = facts["space"]
    problems = [one.kind for one in watch.troubles(facts)]
    found: dict[str, Any] = {
        "problem": _on(bool(problems)),
        "problems": problems,
        "clips": space.clips,
        "used": _gigabytes(space.clip_bytes),
        "free": _gigabytes(space.free_bytes),
    }
    if "motion" in tells:
        records = facts["camera"].state == "recording"
        found["motion"] = _on(records and camera is not None and camera.motion)
        found["recording"] = _on(records)
        found["last_motion"] = moment(facts["last_motion_at"])
    if "armed" in tells:
        arming: Arming = facts["arming"]
        found["armed"] = None if camera is None else _on(arming.armed)
    if "requests" in tells:
        ends = [one.until for one in facts["open"]]
        found["requests"] = len(ends) + facts["more_open"]
        found["deadline"] = moment(min(ends, default=None))
    return found


def _on(is_so: bool) -> str:
    return "ON" if is_so else "OFF"


def _gigabytes(size: int) -> float:
    return round(size / 1e9, 1)
