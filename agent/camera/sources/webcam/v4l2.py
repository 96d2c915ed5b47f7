"""The state of a V4L2 device, to explain why it cannot be used.

OpenCV opens a device or does not, and gives no reason. So it is opened once more here,
and asked (``linux/videodev2.h``). No pictures are taken.
"""

from __future__ import annotations

import errno
import fcntl
import getpass
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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


def name_of(device: str, *, ioctl: Ioctl = fcntl.ioctl) -> str:
    """The camera's name and path; the path alone if it does not tell its name."""
    try:
        with _opened(device) as handle:
            return f"{_capability(handle, ioctl).card} at {device}"
    except OSError:
        return device


def explain(device: str, *, ioctl: Ioctl = fcntl.ioctl, folder: Path = Path("/dev")) -> CameraFault:
    """The reason why ``device`` could not be used. ``folder`` holds the other cameras."""
    card = ""
    is_open = False
    try:
        with _opened(device) as handle:
            is_open = True
            found = _capability(handle, ioctl)
            if not found.captures:
                return CameraFault(
                    f"{device} belongs to {found.card}, but gives no pictures",
                    advice=_choose_another(ioctl, folder),
                )
            card = f" ({found.card})"
            _set_format_again(handle, ioctl)
    except OSError as error:
        if error.errno == errno.EBUSY:
            return CameraFault(
                f"{device}{card} is in use by another program",
                advice=f"End that program; this names it: sudo fuser -v {device}",
            )
        if not is_open:
            return _cannot_open(device, error, ioctl, folder)
        if not card:
            return CameraFault(f"{device} is no camera", advice=_choose_another(ioctl, folder))
    return CameraFault(
        f"{device}{card} gives no pictures that OpenCV can read",
        advice=f"Look at what it gives: v4l2-ctl -d {device} --list-formats-ext",
    )


@contextmanager
def _opened(device: str) -> Iterator[int]:
    handle = os.open(device, os.O_RDWR | os.O_NONBLOCK)
    try:
        yield handle
    finally:
        os.close(handle)


def _capability(handle: int, ioctl: Ioctl) -> Capability:
    answer = bytearray(_CAPABILITY.size)
    ioctl(handle, _QUERYCAP, answer)
    _, card, _, _, of_all_nodes, of_this = _CAPABILITY.unpack(answer)
    abilities = of_this if of_all_nodes & _HAS_DEVICE_CAPS else of_all_nodes
    name = card.partition(b"\0")[0].decode("utf-8", "replace").strip()
    printable = "".join(sign for sign in name if sign.isprintable())
    return Capability(printable or "a camera without a name", bool(abilities & _CAN_CAPTURE))


def _set_format_again(handle: int, ioctl: Ioctl) -> None:
    """Set the format that is set: EBUSY if another program holds the camera."""
    wanted = bytearray(_FORMAT_SIZE)
    struct.pack_into("I", wanted, 0, _CAPTURE_BUFFER)
    ioctl(handle, _GET_FORMAT, wanted)
    ioctl(handle, _SET_FORMAT, wanted)


def _cannot_open(device: str, error: OSError, ioctl: Ioctl, folder: Path) -> CameraFault:
    match error.errno:
        case errno.ENOENT | errno.ENODEV | errno.ENXIO:
            return CameraFault(f"there is no {device}", advice=_choose_another(ioctl, folder))
        case errno.EACCES | errno.EPERM:
            return CameraFault(
                f"this user may not use {device}",
                advice=f"Add it to the group video: sudo usermod -aG video {_user()}",
            )
    return CameraFault(
        f"{device} cannot be opened ({error.strerror})",
        advice="Unplug the camera and plug it in again",
    )


def _choose_another(ioctl: Ioctl, folder: Path) -> str:
    """Advice that lists the devices that give pictures."""
    names = []
    for path in sorted(folder.glob("video*")):
        with suppress(OSError), _opened(str(path)) as handle:
            found = _capability(handle, ioctl)
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
