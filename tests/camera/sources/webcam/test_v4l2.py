"""The reasons why a device cannot be used: real files where possible, else a fake kernel.

No V4L2 device is here, so ``ioctl`` is the boundary, on real files in place of nodes.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.camera.sources.webcam import v4l2

CAPTURE, METADATA, DEVICE_CAPS = 0x0000_0001, 0x0080_0000, 0x8000_0000


class FakeKernel:
    """Answers for nodes by their name: (card, capabilities, device_caps); others are none."""

    def __init__(self, nodes: dict[str, tuple[bytes, int, int]], busy: str = "") -> None:
        self._busy = busy
        self._nodes = nodes

    def __call__(self, handle: int, request: int, data: bytearray) -> int:
        name = Path(f"/proc/self/fd/{handle}").readlink().name
        if name not in self._nodes:
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
        if request >> 8 & 0xFF == ord("V") and request & 0xFF == 0:
            card, everything, this = self._nodes[name]
            assert len(data) == request >> 16 & 0x3FFF == 104
            data[:] = struct.pack("16s32s32sIII12x", b"uvcvideo", card, b"", 0, everything, this)
        elif name == self._busy and request & 0xFF == 5:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        else:
            assert len(data) == request >> 16 & 0x3FFF == 208
            assert data[0] == 1  # a buffer of captured video
        return 0


BOTH = DEVICE_CAPS | CAPTURE | METADATA
NODES = {
    "video0": (b"C920 HD", BOTH, CAPTURE),
    "video1": (b"C920 HD", BOTH, METADATA),
    "video2": (b"old camera", CAPTURE, 0),
}


@pytest.fixture
def dev(tmp_path: Path) -> Path:
    for name in (*NODES, "video3"):
        (tmp_path / name).touch()
    return tmp_path


def why(dev: Path, name: str, kernel: FakeKernel | None = None) -> str:
    return str(v4l2.explain(str(dev / name), ioctl=kernel or FakeKernel(NODES), folder=dev))


def test_a_camera_that_is_not_there_names_those_that_are(dev: Path) -> None:
    assert why(dev, "video9") == (
        f"there is no {dev}/video9. Set camera.source.device to one that does: "
        f"{dev}/video0 (C920 HD), {dev}/video2 (old camera)"
    )


def test_no_camera_at_all_is_to_be_plugged_in(tmp_path: Path) -> None:
    assert why(tmp_path, "video0") == (
        f"there is no {tmp_path}/video0. Plug in a USB camera; none is there now"
    )


def test_the_second_node_of_a_camera_is_named_as_one_without_pictures(dev: Path) -> None:
    said = why(dev, "video1")
    assert said.startswith(f"{dev}/video1 belongs to C920 HD, but gives no pictures. Set")
    assert f"{dev}/video0 (C920 HD)" in said


def test_a_file_is_no_camera_and_neither_is_another_device(dev: Path) -> None:
    assert why(dev, "video3").startswith(f"{dev}/video3 is no camera. Set")
    for real in (str(dev / "video3"), "/dev/null"):  # and the kernel says the same
        fault = v4l2.explain(real, folder=dev)
        assert str(fault) == f"{real} is no camera. Plug in a USB camera; none is there now"


def test_a_camera_in_use_comes_with_advice_to_find_the_other_program(dev: Path) -> None:
    assert why(dev, "video0", FakeKernel(NODES, busy="video0")) == (
        f"{dev}/video0 (C920 HD) is in use by another program. "
        f"End that program; this names it: sudo fuser -v {dev}/video0"
    )


def test_a_camera_with_none_of_these_faults_gives_pictures_we_cannot_read(dev: Path) -> None:
    assert why(dev, "video0").startswith(
        f"{dev}/video0 (C920 HD) gives no pictures that OpenCV can read. Look at what it gives"
    )


@contextmanager
def as_nobody() -> Iterator[None]:
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_user_outside_the_group_is_advised_to_join_it(tmp_path: Path) -> None:
    node = Path("/tmp") / f"webcam-test-{os.getpid()}"  # where anybody may look
    node.touch(mode=0o600)
    node.chmod(0)
    try:
        with as_nobody():
            said = str(v4l2.explain(str(node), folder=tmp_path))
    finally:
        node.unlink()
    assert said.startswith(f"this user may not use {node}. Add it to the group video: sudo usermod")


def test_a_name_has_no_control_characters_for_a_terminal(dev: Path) -> None:
    kernel = FakeKernel(
        {"video0": (b"Evil\x1b[2J cam\xff", BOTH, CAPTURE), "video1": (b"", BOTH, CAPTURE)}
    )
    assert "\x1b" not in v4l2.name_of(str(dev / "video0"), ioctl=kernel)
    assert v4l2.name_of(str(dev / "video1"), ioctl=kernel).startswith("a camera without a name at")
    assert v4l2.name_of(str(dev / "video3"), ioctl=kernel) == str(dev / "video3")
