"""An RTSP server around video files, for Debian's own Python, which has GStreamer's bindings.

    /usr/bin/python3 rtsp_server.py [--port N] [--login USER:PASSWORD [--digest]] NAME=FILE...

Serves each MP4 as ``rtsp://127.0.0.1:PORT/NAME`` at the speed it plays, from its beginning
for each client. A NAME with ``hevc`` in it is H.265, one with ``audio`` also has sound, and
``sound`` is nothing but. Prints the port once it listens.
"""

import argparse
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

VIDEO = {
    "h264": "h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96",
    "hevc": "h265parse config-interval=-1 ! rtph265pay name=pay0 pt=96",
}
SOUND = "audiotestsrc num-buffers=500 ! mulawenc ! rtppcmupay pt=0"


def pipeline(name: str, path: str) -> str:
    if name == "sound":
        return f"( {SOUND} name=pay0 )"
    video = VIDEO["hevc" if "hevc" in name else "h264"]
    sound = f"{SOUND} name=pay1" if "audio" in name else ""
    return f'( filesrc location="{path}" ! qtdemux ! {video} {sound} )'


def require_login(server: GstRtspServer.RTSPServer, login: str, *, digest: bool) -> None:
    """Nobody may look but this user."""
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    name, _, password = login.partition(":")
    if digest:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(name, password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(name, password), token)
    server.set_auth(auth)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", default="0")
    parser.add_argument("--login")
    parser.add_argument("--digest", action="store_true")
    parser.add_argument("files", nargs="+")
    options = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(options.port)
    if options.login:
        require_login(server, options.login, digest=options.digest)
    for argument in options.files:
        name, _, path = argument.partition("=")
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(pipeline(name, path))
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_role("viewer")
        permissions.add_permission_for_role("viewer", "media.factory.access", True)
        permissions.add_permission_for_role("viewer", "media.factory.construct", True)
        factory.set_permissions(permissions)
        server.get_mount_points().add_factory(f"/{name}", factory)
    server.attach(None)
    sys.stdout.write(f"listening on {server.get_bound_port()}\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


main()
