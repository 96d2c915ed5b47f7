"""Makes Debian's libcamera, playing pictures instead of a sensor, pass for a Pi's.

Only the Python binding is bent, before picamera2 imports it; picamera2 stays as it is.
Libcamera's ``virtual`` pipeline differs from a Raspberry Pi's in these ways:

- it has no raw stream, which picamera2 asks about first: it is shown a video stream;
- it wants a plane a buffer, where picamera2 gives one buffer for all planes;
- it gives a picture as soon as it is asked: requests are held back, to come at the rate
  that the application set, or 30 a second;
- it lets any number of processes in, for it has no device to lock: a file is locked
  instead, and who comes second gets libcamera's own refusal;
- libcamera before 0.5 leaves the status of a frame unset, and picamera2 drops such frames.

While the file ``stall`` exists in the folder given, no request is answered: a sensor that
stopped. While ``dark`` does, two a second are: one that exposes for longer at night.
Cameras with the same folder are the same camera.
"""

from __future__ import annotations

import fcntl
import importlib
import queue
import sys
import threading
import time
import types
from pathlib import Path
from typing import Any

_USUAL_FRAME_SECONDS = 1 / 30
_DARK_FRAME_SECONDS = 1 / 2
_POLL_SECONDS = 0.02


class _Sensor:
    """Passes requests on to libcamera, one each time a sensor would give a picture."""

    def __init__(self, queue_request: Any, folder: Path) -> None:
        self.frame_seconds = _USUAL_FRAME_SECONDS
        self.lock = threading.Lock()
        self.camera: Any = None  # the one that runs
        self._queue_request = queue_request
        self._stall, self._dark = folder / "stall", folder / "dark"
        self._requests: queue.Queue[tuple[Any, Any]] = queue.Queue()
        threading.Thread(target=self._run, name="sensor", daemon=True).start()

    def take(self, camera: Any, request: Any) -> None:
        self._requests.put((camera, request))

    def forget(self) -> None:
        """Drop what waits; call with the lock held."""
        self.camera = None
        while not self._requests.empty():
            self._requests.get_nowait()

    def _run(self) -> None:
        due = 0.0
        while True:
            camera, request = self._requests.get()
            pause = _DARK_FRAME_SECONDS if self._dark.exists() else self.frame_seconds
            due = max(due + pause, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))
            while self._stall.exists():
                time.sleep(_POLL_SECONDS)
            with self.lock:
                if self.camera is camera:
                    self._queue_request(camera, request)


def install(folder: Path) -> str:
    """Bend the binding of this process; gives libcamera's version."""
    sys.modules["pykms"] = _kms()
    libcamera: Any = importlib.import_module("libcamera")
    _bend_streams(libcamera)
    _bend_buffers(libcamera)
    _bend_lock(libcamera, folder / "camera.lock")
    _bend_pace(libcamera, folder)
    version: str = libcamera.CameraManager.singleton().version
    if tuple(int(part) for part in version.lstrip("v").split("+")[0].split(".")[:2]) < (0, 5):
        success = libcamera.FrameMetadata.Status.Success
        libcamera.FrameMetadata.status = property(lambda _: success)
    return version


def _kms() -> types.ModuleType:
    """picamera2 imports pykms for a preview on a screen, which nobody here opens."""

    class Formats(type):
        def __getattr__(cls, name: str) -> str:
            return name

    module = types.ModuleType("pykms")
    module.PixelFormat = Formats("PixelFormat", (), {})  # type: ignore[attr-defined]
    return module


def _bend_streams(libcamera: Any) -> None:
    generate, role = libcamera.Camera.generate_configuration, libcamera.StreamRole

    def generate_configuration(self: Any, roles: list[Any]) -> Any:
        return generate(self, [role.VideoRecording if r == role.Raw else r for r in roles])

    libcamera.Camera.generate_configuration = generate_configuration


def _bend_buffers(libcamera: Any) -> None:
    """One buffer for an NV12 picture becomes its two planes, luma and chroma."""
    real = libcamera.FrameBuffer

    class Meta(type):
        def __instancecheck__(cls, instance: Any) -> bool:
            return isinstance(instance, real)

        def __call__(cls, planes: list[Any], *rest: Any) -> Any:
            if len(planes) == 1:
                (luma,) = planes  # picamera2 finds its mapping again by this very object
                chroma = real.Plane()
                luma_bytes = luma.length * 2 // 3
                chroma.fd, chroma.offset = luma.fd, luma.offset + luma_bytes
                chroma.length, luma.length = luma.length - luma_bytes, luma_bytes
                planes = [luma, chroma]
            return real(planes, *rest)

    libcamera.FrameBuffer = Meta("FrameBuffer", (), {"Plane": real.Plane})


def _bend_lock(libcamera: Any, path: Path) -> None:
    acquire0, release0 = libcamera.Camera.acquire, libcamera.Camera.release
    held: list[Any] = []

    def acquire(self: Any) -> Any:
        lock = path.open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            acquire0(self)
            try:
                return acquire0(self)  # acquired already: libcamera says that it is busy
            finally:
                release0(self)
        held.append(lock)
        return acquire0(self)

    def release(self: Any) -> Any:
        while held:
            held.pop().close()
        return release0(self)

    libcamera.Camera.acquire, libcamera.Camera.release = acquire, release


def _bend_pace(libcamera: Any, folder: Path) -> None:
    camera = libcamera.Camera
    start0, stop0 = camera.start, camera.stop
    sensor = _Sensor(camera.queue_request, folder)

    def start(self: Any, controls: Any = None) -> Any:
        for control, value in (controls or {}).items():
            if control.name == "FrameDurationLimits":
                sensor.frame_seconds = value[0] / 1e6
        with sensor.lock:
            sensor.forget()
            result = start0(self) if controls is None else start0(self, controls)
            sensor.camera = self
            return result

    def stop(self: Any) -> Any:
        with sensor.lock:
            sensor.forget()
            return stop0(self)

    camera.start, camera.stop, camera.queue_request = start, stop, lambda *a: sensor.take(*a)
