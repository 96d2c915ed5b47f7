"""The owner's settings of a Pi's camera as libcamera's controls.

A setting that the camera cannot follow is a :class:`CameraFault` that names the key to
change. A default that it does not know is left out, with a line in the log.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from libcamera import Transform, controls

from agent.config import PiSource
from agent.errors import CameraFault

_MICROSECONDS = 1_000_000
_ROUNDING = 0.02  # share by which a sensor's own frame rates miss the round numbers

_log = logging.getLogger(__name__)

Offered = Mapping[str, tuple[Any, Any, Any]]  # control: least, most, default


def transform(settings: PiSource) -> Transform:
    """The rotation, followed by the mirror."""
    turned = settings.rotation == 180
    return Transform(
        hflip=int(turned != (settings.flip == "horizontal")),
        vflip=int(turned != (settings.flip == "vertical")),
    )


def controls_for(settings: PiSource, offered: Offered, *, sensor_hdr: bool) -> dict[str, Any]:
    """The controls to set, of those that the camera has ``offered``.

    ``sensor_hdr``: the sensor itself was already switched to high dynamic range.
    """
    wanted = {
        **_frame_durations(settings, offered),
        **_exposure(settings, offered),
        **_focus(settings, offered),
    }
    if settings.hdr and not sensor_hdr:
        if "HdrMode" not in offered:
            raise CameraFault(
                "neither this camera nor this board has a high dynamic range",
                advice="Set camera.source.hdr to false",
            )
        wanted["HdrMode"] = controls.HdrModeEnum.SingleExposure
    return wanted


def _frame_durations(settings: PiSource, offered: Offered) -> dict[str, Any]:
    if "FrameDurationLimits" not in offered:
        _log.info("the camera does not let its frame rate be set")
        return {}
    least, most, _ = offered["FrameDurationLimits"]
    slowest = settings.night_frames_per_second or settings.frames_per_second
    shortest = round(_MICROSECONDS / settings.frames_per_second)
    longest = round(_MICROSECONDS / slowest)
    if shortest < least * (1 - _ROUNDING):
        raise CameraFault(
            f"the camera gives at most {_MICROSECONDS / least:.4g} frames a second at"
            f" {settings.width}x{settings.height}",
            advice="Lower camera.source.frames_per_second",
        )
    if most and longest > most * (1 + _ROUNDING):
        night = "night_" if longest > shortest else ""
        raise CameraFault(
            f"the camera gives at least {_MICROSECONDS / most:.4g} frames a second",
            advice=f"Raise camera.source.{night}frames_per_second",
        )
    shortest = max(shortest, least)
    return {"FrameDurationLimits": (shortest, max(shortest, longest))}


def _exposure(settings: PiSource, offered: Offered) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    if "AeExposureMode" in offered:
        mode = settings.exposure.capitalize()
        wanted["AeExposureMode"] = getattr(controls.AeExposureModeEnum, mode)
    elif settings.exposure != "normal":
        raise _fixed("exposure", "exposure", "normal")
    if settings.exposure_compensation:
        if "ExposureValue" not in offered:
            raise _fixed("brightness", "exposure_compensation", "0")
        wanted["ExposureValue"] = settings.exposure_compensation
    return wanted


def _focus(settings: PiSource, offered: Offered) -> dict[str, Any]:
    if settings.focus_dioptres is None:
        if "AfMode" not in offered:
            _log.info("the camera has no autofocus")
            return {}
        return {"AfMode": controls.AfModeEnum.Continuous}
    if not {"AfMode", "LensPosition"} <= offered.keys():
        raise CameraFault(
            "this camera's focus cannot be set by software",
            advice="Turn its lens, and set camera.source.focus_dioptres to null",
        )
    nearest = offered["LensPosition"][1]
    if settings.focus_dioptres > nearest:
        raise CameraFault(
            f"this camera focuses up to {nearest:g} dioptres, which is {100 / nearest:.0f} cm",
            advice="Lower camera.source.focus_dioptres",
        )
    return {"AfMode": controls.AfModeEnum.Manual, "LensPosition": settings.focus_dioptres}


def _fixed(what: str, key: str, default: str) -> CameraFault:
    return CameraFault(
        f"this camera's {what} cannot be chosen",
        advice=f"Set camera.source.{key} to {default}",
    )
