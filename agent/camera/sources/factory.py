"""The source that a configuration names. Only its own modules are loaded, to save memory."""

from __future__ import annotations

import os

from agent import config
from agent.camera.health.stall import opening_seconds, source_patience
from agent.camera.source import Source
from agent.camera.zones import PrivacyMask
from agent.clock import Clock


def choose_source(camera: config.Camera, *, clock: Clock) -> Source:
    """The source that ``camera`` names; nothing is opened yet.

    Raises :class:`agent.errors.ConfigError` for a login or certificate that cannot be used.
    """
    privacy, rate = PrivacyMask(camera.zones.privacy), camera.motion.frames_per_second
    no_frame_seconds = camera.recording.no_frame_seconds
    patience = source_patience(no_frame_seconds)
    match camera.source:
        case config.PiSource() as pi:
            from agent.camera.sources.pi.source import Pi

            return Pi(
                pi,
                privacy=privacy,
                motion_frames_per_second=rate,
                timeout_seconds=patience,
                # Of all the time for opening, this leaves some for the camera.
                loading_seconds=source_patience(opening_seconds(no_frame_seconds)),
                clock=clock,
            )
        case config.StreamSource() as stream:
            from agent.camera.sources.network.login import read_login
            from agent.camera.sources.network.source import Stream
            from agent.camera.sources.network.trust import read_trust

            verify = stream.verify_certificate
            return Stream(
                stream,
                login=read_login(stream.credentials_file, os.environ),
                trust=read_trust(stream.ca_file, stream.certificate_name, verify=verify),
                motion_frames_per_second=rate,
                timeout_seconds=patience,
                clock=clock,
            )
        case config.WebcamSource() as webcam:
            from agent.camera.sources.webcam.source import Webcam

            return Webcam(
                webcam,
                privacy=privacy,
                motion_frames_per_second=rate,
                timeout_seconds=patience,
                clock=clock,
            )
        case config.SceneSource() as scene:
            from agent.camera.sources.scene.source import Scene

            return Scene(scene, privacy=privacy, motion_frames_per_second=rate, clock=clock)
