"""Checks of ``camera:`` that involve more than one key."""

from __future__ import annotations

from agent.config.camera import Camera, PiSource, StreamSource, covers_something
from agent.config.location import split
from agent.errors import ConfigError


def check_camera(camera: Camera, name: str) -> None:
    """Raise :class:`ConfigError` for a mistake; ``name`` is the file's."""
    _check_zones(camera, name)
    match camera.source:
        case PiSource() as source:
            _check_frame_rates(source, name)
        case StreamSource() as source:
            _check_location("record", source.record, source, name)
            if source.detect is not None:
                _check_location("detect", source.detect, source, name)


def _check_zones(camera: Camera, name: str) -> None:
    """A zone must cover something, and a copied stream cannot be painted over."""
    zones = camera.zones
    for key in ("include", "exclude", "privacy"):
        for number, polygon in enumerate(getattr(zones, key)):
            if not covers_something(polygon):
                where = f"{name}: camera.zones.{key}[{number}]"
                raise ConfigError(f"{where}: its corners lie on one line, it covers nothing")
    if zones.privacy and isinstance(camera.source, StreamSource):
        raise ConfigError(
            f"{name}: camera.zones.privacy: a stream is recorded as the camera sends it,"
            " so nothing can be painted over",
            advice="Set a privacy mask in the camera itself, and remove the zones here",
        )


def _check_frame_rates(source: PiSource, name: str) -> None:
    """A camera may slow down in the dark, but not speed up."""
    night = source.night_frames_per_second
    if night is not None and night > source.frames_per_second:
        raise ConfigError(
            f"{name}: camera.source.night_frames_per_second: above frames_per_second",
            advice="Lower it, or set it to null",
        )


def _check_location(key: str, location: str, source: StreamSource, name: str) -> None:
    """A URL must be clear, or part of a password is taken for a host; and a network camera must
    be live, because it never ends normally.
    """
    url = split(location)
    if url is None:
        return
    if not url.is_clear:
        raise ConfigError(
            f"{name}: camera.source.{key}: where the host begins in this URL is not clear",
            advice="In name and password write %2F for /, %3F for ?, %23 for #; everywhere"
            " else %40 for @. Or use camera.source.credentials_file",
        )
    if source.pace != "live":
        raise ConfigError(
            f"{name}: camera.source.pace: {source.pace} is for files, and {key} is on the network",
            advice="Set it to live",
        )
