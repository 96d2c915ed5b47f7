"""Explanations of picamera2's errors for the owner of the camera."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from agent.errors import CameraFault

# Looked for in the whole chain of an error: picamera2 wraps what libcamera raised, and
# libcamera's errors are texts.
_EXPLANATIONS: tuple[tuple[tuple[int, ...], tuple[str, ...], str, str], ...] = (
    (
        (errno.EBUSY,),
        ("resource busy", "camera in use"),
        "the camera is in use by another program",
        "Stop it (rpicam-*, motion, another clip-agent); sudo fuser -v /dev/media* names it",
    ),
    (
        (errno.EACCES, errno.EPERM),
        ("permission denied", "not permitted"),
        "this user may not use the camera or the encoder",
        "Add the user to the group video, and log in anew; a service also needs DeviceAllow=",
    ),
    (
        (errno.ENOMEM,),
        ("cannot allocate memory", "failed to allocate"),
        "there is not enough memory for the camera's pictures",
        "Lower camera.source.width and height, or give the camera more with"
        " dtoverlay=vc4-kms-v3d,cma-256 in /boot/firmware/config.txt",
    ),
    (
        (errno.ENODEV, errno.ENXIO, errno.EIO, errno.EREMOTEIO),
        ("no such device", "input/output error", "disconnected"),
        "the camera does not answer any more",
        "With the power off, check both ends of its cable; journalctl -k says more",
    ),
    (
        (),
        ("invalid camera configuration", "configuration failed"),
        "the camera cannot give pictures of this size",
        "Choose another camera.source.width and height",
    ),
)


def explain(error: BaseException) -> CameraFault:
    """``error``, raised by or through picamera2, as a fault with advice."""
    chain = list(_chain(error))
    for cause in chain:
        if isinstance(cause, CameraFault):
            return cause
    for numbers, texts, message, advice in _EXPLANATIONS:
        for cause in chain:
            said = str(cause).lower()
            if getattr(cause, "errno", None) in numbers or any(text in said for text in texts):
                return CameraFault(message, advice=advice)
    root = chain[-1]
    return CameraFault(
        f"the camera's software failed ({type(root).__name__}: {root})",
        advice="Restart the board; if it happens again, report it with the log",
    )


def not_installed(error: BaseException) -> CameraFault:
    """picamera2, or something that it needs, cannot be imported."""
    return CameraFault(
        f"picamera2 cannot be used here ({type(error).__name__}: {error})",
        advice="Run sudo apt install python3-picamera2, and make the virtual environment"
        " with python3 -m venv --system-site-packages",
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """``error`` and its causes, the outermost first."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
