"""An RTSP server for pictures that are encoded as they come, for Debian's own Python.

    /usr/bin/python3 live_server.py NAME... < FRAMES

Each frame on stdin is a line ``NAME BYTES`` and then so many bytes: one H.264 access
unit with start codes. It is passed on at once to whoever watches
``rtsp://127.0.0.1:PORT/NAME``. Prints the port once it listens.
"""

import sys
import threading
from collections.abc import Callable
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

_LAUNCH = (
    "( appsrc name=source is-live=true format=time do-timestamp=true"
    " caps=video/x-h264,stream-format=byte-stream,alignment=au"
    " ! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96 )"
)


def main(names: list[str]) -> None:
    """Serve ``names`` until stdin ends."""
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    sources: dict[str, Any] = {}

    def configure(name: str) -> Callable[..., None]:
        def connected(_factory: object, media: GstRtspServer.RTSPMedia) -> None:
            sources[name] = media.get_element().get_child_by_name("source")

        return connected

    for name in names:
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(_LAUNCH)
        factory.set_shared(True)
        factory.set_latency(0)
        factory.connect("media-configure", configure(name))
        server.get_mount_points().add_factory(f"/{name}", factory)
    server.attach(None)
    loop = GLib.MainLoop()

    def feed() -> None:
        for header in iter(sys.stdin.buffer.readline, b""):
            name, size = header.decode().split()
            data = sys.stdin.buffer.read(int(size))
            source = sources.get(name)
            if source is not None:
                source.emit("push-buffer", Gst.Buffer.new_wrapped(data))
        loop.quit()

    threading.Thread(target=feed, daemon=True).start()
    sys.stdout.write(f"listening on {server.get_bound_port()}\n")
    sys.stdout.flush()
    loop.run()


main(sys.argv[1:])
