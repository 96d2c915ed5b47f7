"""What a V4L2 device says of itself, to tell why it cannot be used.

OpenCV opens a device or does not, and gives no reason. So it is opened once more here,
and asked (``linux/videodev2.h``). Nothing here takes pictures.
"""

from __future__ import annotations

import errno
import fcntl
import getpass
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from agent.errors import CameraFault

Ioctl = Callable[[int, int, bytearray], int]  # fills the structure, or raises OSError

# struct v4l2_capability: driver, card, bus_info, version, capabilities, device_caps, reserved
_CAPABILITY = struct.Struct("16s32s32sIII12x")
_QUERYCAP = 0x80685600
# struct v4l2_format begins with the type of buffer; asked for and set again unchanged.
_FORMAT_SIZE, _GET_FORMAT, _SET_FORMAT, _CAPTURE_BUFFER = 208, 0xC0D05604, 0xC0D05605, 1

_CAN_CAPTURE, _HAS_DEVICE_CAPS = 0x0000_0001, 0x8000_0000


class Capability(NamedTuple):
    """``card`` is the camera's name; ``captures``: this node gives pictures."""

    card: str
    captures: bool


def capability(device: str, *, ioctl: Ioctl = fcntl.ioctl) -> Capability:
    """What ``device`` is; :class:`OSError` if it cannot be opened or is no V4L2 device."""
    handle = os.open(device, os.O_RDWR | os.O_NONBLOCK)
    try:
        return _capability(handle, ioctl)
    finally:
        os.close(handle)


def name_of(device: str, *, ioctl: Ioctl = fcntl.ioctl) -> str:
    """What a person calls the camera; the path alone if it does not say its name."""
    try:
        return f"{capability(device, ioctl=ioctl).card} at {device}"
    except OSError:
        return device


def why_not(device: str, *, ioctl: Ioctl = fcntl.ioctl, folder: Path = Path("/dev")) -> CameraFault:
    """Why ``device`` could not be used. ``folder`` is where other cameras would be."""
    try:
        handle = os.open(device, os.O_RDWR | os.O_NONBLOCK)
    except OSError as error:
        return _cannot_open(device, error, ioctl, folder)
    try:
        found = _capability(handle, ioctl)
        if not found.captures:
            return CameraFault(
                f"{device} belongs to {found.card}, but gives no pictures",
                advice=_choose_another(ioctl, folder),
            )
        if _is_busy(handle, ioctl):
            return _in_use(device, found.card)
    except OSError as error:
        if error.errno == errno.EBUSY:
            return _in_use(device, "")
        return CameraFault(f"{device} is no camera", advice=_choose_another(ioctl, folder))
    finally:
        os.close(handle)
    return CameraFault(
        f"{device} ({found.card}) gives no pictures that OpenCV can read",
        advice=f"Look at what it gives: v4l2-ctl -d {device} --list-formats-ext",
    )


def _capability(handle: int, ioctl: Ioctl) -> Capability:
    answer = bytearray(_CAPABILITY.size)
    ioctl(handle, _QUERYCAP, answer)
    _, card, _, _, of_all_nodes, of_this = _CAPABILITY.unpack(answer)
    abilities = of_this if of_all_nodes & _HAS_DEVICE_CAPS else of_all_nodes
    name = card.partition(b"\0")[0].decode("utf-8", "replace").strip()
    printable = "".join(sign for sign in name if sign.isprintable())
    return Capability(printable or "a camera without a name", bool(abilities & _CAN_CAPTURE))


def _is_busy(handle: int, ioctl: Ioctl) -> bool:
    """Whether another program holds the camera: then even what is set cannot be set."""
    wanted = bytearray(_FORMAT_SIZE)
    struct.pack_into("I", wanted, 0, _CAPTURE_BUFFER)
    try:
        ioctl(handle, _GET_FORMAT, wanted)
        ioctl(handle, _SET_FORMAT, wanted)
    except OSError as error:
        return error.errno == errno.EBUSY
    return False


def _cannot_open(device: str, error: OSError, ioctl: Ioctl, folder: Path) -> CameraFault:
    match error.errno:
        case errno.ENOENT | errno.ENODEV | errno.ENXIO:
            return CameraFault(f"there is no {device}", advice=_choose_another(ioctl, folder))
        case errno.EACCES | errno.EPERM:
            return CameraFault(
                f"this user may not use {device}",
                advice=f"Add it to the group video: sudo usermod -aG video {_user()}",
            )
        case errno.EBUSY:
            return _in_use(device, "")
    return CameraFault(
        f"{device} cannot be opened ({error.strerror})",
        advice="Unplug the camera and plug it in again",
    )


def _in_use(device: str, card: str) -> CameraFault:
    name = f"{device} ({card})" if card else device
    return CameraFault(
        f"{name} is in use by another program",
        advice=f"End that program; this names it: sudo fuser -v {device}",
    )


def _choose_another(ioctl: Ioctl, folder: Path) -> str:
    """Which devices there are that give pictures, as advice."""
    names = []
    for path in sorted(folder.glob("video*")):
        try:
            found = capability(str(path), ioctl=ioctl)
        except OSError:
            continue
        if found.captures:
            names.append(f"{path} ({found.card})")
    if not names:
        return "Plug in a USB camera; none is there now"
    return f"Set camera.source.device to one that does: {', '.join(names)}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a number without a name
        return str(os.getuid())
