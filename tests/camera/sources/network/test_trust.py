"""Cameras with TLS: only a trusted certificate gets the password."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent import config
from agent.camera.source import Packet
from agent.camera.sources.factory import choose_source
from agent.camera.sources.network.login import Login
from agent.camera.sources.network.trust import Trust
from agent.errors import CameraFault, ConfigError
from tests.camera.sources.network.test_source import begun, stream
from tests.peers.certificates import Authority, self_signed
from tests.peers.rtsp import RtspServer
from tests.peers.tls_front import TlsFront
from tests.support.clock import SimulatedClock
from tests.support.video import write_video

LOGIN = Login("viewer", "hunter2")
PATHS = {"rtsps": "main", "https": "main.ts"}
each_scheme = pytest.mark.parametrize("scheme", PATHS)


class Guarded(http.server.SimpleHTTPRequestHandler):
    """Files for who says a name and password, whichever."""

    def do_GET(self) -> None:
        if "Authorization" in self.headers:
            super().do_GET()
            return
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="camera"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("videos")
    write_video(made / "main.mp4", seconds=3)
    write_video(made / "main.ts", seconds=3, format_name="mpegts")
    return made


@pytest.fixture(scope="module")
def ports(folder: Path) -> Iterator[dict[str, int]]:
    """Cameras without TLS that want a password, by the scheme that they have with it."""
    handler = functools.partial(Guarded, directory=str(folder))
    files = {"main": folder / "main.mp4"}
    with (
        RtspServer(folder, files, login="viewer:hunter2") as rtsp,
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web,
    ):
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield {"rtsps": rtsp.port, "https": web.server_port}
        web.shutdown()


def open_at(port: int, scheme: str, **trust: Any) -> None:
    """Open the camera, and have a packet of it."""
    url = f"{scheme}://127.0.0.1:{port}/{PATHS[scheme]}"
    source = stream(url, login=LOGIN, trust=Trust(**trust))
    try:
        assert begun(source).codec == "h264"
        assert next(item for item in source.read() if isinstance(item, Packet)).keyframe
    finally:
        source.close()


@each_scheme
def test_a_certificate_signed_by_our_authority_is_trusted(
    ports: dict[str, int], tmp_path: Path, scheme: str
) -> None:
    authority = Authority(tmp_path)
    with TlsFront(ports[scheme], authority.issue("127.0.0.1")) as front:
        open_at(front.port, scheme, ca_file=authority.ca_file)
    assert b"Authorization" in front.heard


@each_scheme
def test_a_self_signed_certificate_is_trusted_under_its_own_name(
    ports: dict[str, int], tmp_path: Path, scheme: str
) -> None:
    certificate = self_signed(tmp_path, "HIKVISION-0815")
    file = certificate.certificate_file
    with TlsFront(ports[scheme], certificate) as front:
        open_at(front.port, scheme, ca_file=file, name="HIKVISION-0815")
    with (
        TlsFront(ports[scheme], certificate) as front,
        pytest.raises(CameraFault, match="certificate_name"),
    ):
        open_at(front.port, scheme, ca_file=file)
    assert front.heard == b""


@each_scheme
@pytest.mark.parametrize("impostor", ["of another authority", "its own", "of another address"])
def test_an_impostor_does_not_get_the_password(
    ports: dict[str, int], tmp_path: Path, scheme: str, impostor: str
) -> None:
    ours = Authority(tmp_path / "ours")
    certificate = {
        "of another authority": Authority(tmp_path / "other").issue("127.0.0.1"),
        "its own": self_signed(tmp_path / "own", "127.0.0.1"),
        "of another address": ours.issue("127.0.0.9"),
    }[impostor]
    with TlsFront(ports[scheme], certificate) as front:
        for trust in ({"ca_file": ours.ca_file}, {}):
            with pytest.raises(CameraFault, match="shows no certificate that is trusted") as caught:
                open_at(front.port, scheme, **trust)
            assert "camera.source.ca_file" in caught.value.advice
            assert "hunter2" not in str(caught.value)
    assert front.heard == b""


@each_scheme
def test_without_verification_any_certificate_is_accepted(
    ports: dict[str, int], tmp_path: Path, scheme: str
) -> None:
    with TlsFront(ports[scheme], self_signed(tmp_path, "127.0.0.1")) as front:
        open_at(front.port, scheme, verify=False)
    assert b"Authorization" in front.heard


def test_a_certificate_that_has_its_address_in_the_common_name_alone_is_not_enough(
    ports: dict[str, int], tmp_path: Path
) -> None:
    """GnuTLS looks for addresses elsewhere only; docs/threats.md says so."""
    certificate = self_signed(tmp_path, "127.0.0.1")
    with TlsFront(ports["rtsps"], certificate) as front:
        for name in (None, "127.0.0.1"):
            with pytest.raises(CameraFault, match="certificate_name"):
                open_at(front.port, "rtsps", ca_file=certificate.certificate_file, name=name)


def test_a_redirection_is_checked_as_the_camera_is(
    ports: dict[str, int], tmp_path: Path, folder: Path
) -> None:
    authority = Authority(tmp_path / "ours")

    class Redirect(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", f"https://viewer:hunter2@127.0.0.1:{there.port}/main.ts")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), Redirect) as web,
        TlsFront(web.server_port, authority.issue("127.0.0.1")) as here,
        TlsFront(ports["https"], Authority(tmp_path / "other").issue("127.0.0.1")) as there,
    ):
        threading.Thread(target=web.serve_forever, daemon=True).start()
        with pytest.raises(CameraFault):
            open_at(here.port, "https", ca_file=authority.ca_file)
        web.shutdown()
    assert here.heard
    assert there.heard == b""


def test_the_unchecked_pieces_of_a_playlist_are_not_fetched(
    ports: dict[str, int], tmp_path: Path, folder: Path
) -> None:
    """FFmpeg takes the password along to them, and asks for no certificate."""
    authority = Authority(tmp_path / "ours")
    with (
        TlsFront(ports["https"], authority.issue("127.0.0.1")) as here,
        TlsFront(ports["https"], Authority(tmp_path / "other").issue("127.0.0.1")) as there,
    ):
        piece = f"https://viewer:hunter2@127.0.0.1:{there.port}/main.ts"
        (folder / "list.m3u8").write_text(
            f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{piece}\n#EXT-X-ENDLIST\n"
        )
        url = f"https://127.0.0.1:{here.port}/list.m3u8"
        source = stream(url, login=LOGIN, trust=Trust(authority.ca_file))
        with pytest.raises(CameraFault, match=r"playlist \(HLS\) would be fetched unchecked"):
            begun(source)
    assert here.heard
    assert there.heard == b""


def test_a_file_without_a_certificate_is_named_before_anything_is_opened(tmp_path: Path) -> None:
    file = tmp_path / "camera.pem"
    source = config.StreamSource(record="rtsps://192.0.2.10/main", ca_file=file)
    with pytest.raises(ConfigError, match=r"camera\.pem: cannot be read"):
        choose_source(config.Camera(source=source), clock=SimulatedClock())
    file.write_text("-----BEGIN PRIVATE KEY-----\n")
    with pytest.raises(ConfigError, match=r"camera\.pem: holds no certificate"):
        choose_source(config.Camera(source=source), clock=SimulatedClock())


def test_the_source_uses_the_trust_of_the_configuration(tmp_path: Path) -> None:
    file = self_signed(tmp_path, "cam").certificate_file
    source = config.StreamSource(
        record="rtsps://192.0.2.10/main", ca_file=file, certificate_name="cam"
    )
    chosen: Any = choose_source(config.Camera(source=source), clock=SimulatedClock())
    assert chosen.trust == Trust(file, "cam", verify=True)
    assert Trust().options("rtsps")["tls_verify"] == "1"
