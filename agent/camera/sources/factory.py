"""Which source a configuration means.

Each is imported only when it is wanted: a camera on the network does not carry the
Pi's libraries, and those probe for devices as they are imported.
"""

from __future__ import annotations

import os

from agent import config
from agent.camera.source import Source
from agent.camera.stall import opening_seconds, source_patience
from agent.camera.zones import PrivacyMask
from agent.clock import Clock


def choose_source(camera: config.Camera, *, clock: Clock) -> Source:
    """The source that ``camera`` names; nothing is opened yet.

    Raises :class:`agent.errors.ConfigError` for a login or certificate that cannot be used.
    """
    recording = camera.recording
    patience = source_patience(recording.no_frame_seconds)
    match camera.source:
        case config.PiSource() as pi:
            from agent.camera.sources.pi.source import Pi

            return Pi(
                pi,
                privacy=PrivacyMask(camera.zones.privacy),
                motion_frames_per_second=camera.motion.frames_per_second,
                timeout_seconds=patience,
                # Of all the time for opening, what leaves some for the camera.
                loading_seconds=source_patience(opening_seconds(recording.no_frame_seconds)),
                clock=clock,
            )
        case config.StreamSource() as stream:
            from agent.camera.sources.network.login import read_login
            from agent.camera.sources.network.source import Stream
            from agent.camera.sources.network.trust import read_trust

            return Stream(
                record=stream.record,
                detect=stream.detect,
                login=read_login(stream.credentials_file, os.environ),
                trust=read_trust(
                    stream.ca_file, stream.certificate_name, verify=stream.verify_certificate
                ),
                transport=stream.transport,
                pace=stream.pace,
                frames_per_second=camera.motion.frames_per_second,
                timeout_seconds=patience,
                clock=clock,
            )
        case config.WebcamSource() as webcam:
            from agent.camera.sources.webcam.source import Webcam

            return Webcam(
                device=webcam.device,
                width=webcam.width,
                height=webcam.height,
                frames_per_second=webcam.frames_per_second,
                bits_per_second=webcam.bits_per_second,
                pixel_format=webcam.pixel_format,
                privacy=PrivacyMask(camera.zones.privacy),
                motion_frames_per_second=camera.motion.frames_per_second,
                timeout_seconds=patience,
                clock=clock,
            )
        case config.SceneSource() as scene:
            from agent.camera.sources.scene.source import Scene

            return Scene(
                width=scene.width,
                height=scene.height,
                frames_per_second=scene.frames_per_second,
                seed=scene.seed,
                walkers_per_minute=scene.walkers_per_minute,
                duration_seconds=scene.duration_seconds,
                privacy=PrivacyMask(camera.zones.privacy),
                motion_frames_per_second=camera.motion.frames_per_second,
                clock=clock,
            )
