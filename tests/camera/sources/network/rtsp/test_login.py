"""Cameras that want a login of each kind, from the first question to the pictures."""

from __future__ import annotations

import functools
import http.server
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.camera.source import Interruption, Packet
from agent.camera.sources.network.login import Login
from agent.camera.sources.network.source import Stream
from agent.camera.sources.network.track import TurnedAway
from agent.camera.sources.network.trust import Trust
from tests.camera.sources.network.test_source import begun, stream
from tests.peers.bendable_camera import BendableCamera, Users
from tests.peers.certificates import Authority, ServerCertificate, self_signed
from tests.peers.tls_front import TlsFront
from tests.support.clock import NapClock
from tests.support.video import Video, make, nal_units, write_video

WEIRD = 'pä ss@w/o:r%d?#+&=[]"\\'
Ask = Callable[[str], list[str]]


def digest(*algorithms: str, more: str = "", together: bool = False, basic: bool = False) -> Ask:
    """Challenges for ``algorithms``, each in a header of its own or all in one."""

    def ask(nonce: str) -> list[str]:
        lines = ['Basic realm="IP Camera"'] if basic else []
        for each in algorithms:
            named = f", algorithm={each}" if each else ""
            lines.append(f'Digest realm="IP Camera", nonce="{nonce}"{named}{more}')
        return [", ".join(lines)] if together else lines

    return ask


QOP = ', qop="auth"'
ASKS = {
    "SHA-256": digest("SHA-256"),
    "SHA-256 with qop": digest("SHA-256", more=QOP),
    "SHA-256 with several qops": digest("SHA-256", more=', qop="auth-int,auth", opaque="x,y"'),
    "SHA-256-sess": digest("SHA-256-sess", more=QOP),
    "quoted": digest('"SHA-256"'),
    "MD5": digest(""),
    "MD5 named, with qop": digest("MD5", more=QOP),
    "MD5 then SHA-256": digest("MD5", "SHA-256", more=QOP),
    "SHA-256 then MD5": digest("SHA-256", "MD5"),
    "both in one header": digest("MD5", "SHA-256", together=True),
    "MD5 beside Basic": digest("MD5", basic=True),
    "MD5 beside Basic in one header": digest("MD5", basic=True, together=True),
    "SHA-256 beside Basic in one header": digest("SHA-256", basic=True, together=True),
    "MD5-sess": digest("MD5-sess", more=QOP),
    "unknown beside SHA-256": digest("SHA3-512", "SHA-256"),
}


@pytest.fixture(scope="module", params=["libx264", "libx265"])
def video(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Video:
    return make(tmp_path_factory.mktemp("video"), seconds=2, codec=request.param)


@pytest.fixture(scope="module")
def h264(tmp_path_factory: pytest.TempPathFactory) -> Video:
    return make(tmp_path_factory.mktemp("video"), seconds=2)


def at(camera: BendableCamera, *, password: str = WEIRD) -> Stream:
    login = Login("viewer", password)
    return stream(camera.url("main/a?b=c"), login=login, clock=NapClock(2_000))


def packets(source: Stream, number: int) -> list[Packet]:
    begun(source)
    found = (item for item in source.read() if isinstance(item, Packet))
    taken = list(itertools.islice(found, number))
    source.close()
    return taken


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
def test_every_login_works_and_no_password_goes_out_by_basic(h264: Video, ask: Ask) -> None:
    users = Users(ask, password=WEIRD)
    with BendableCamera(h264, users=users) as camera:
        assert len(packets(at(camera), 3)) == 3
    assert users.wrong == 0
    assert all(each.startswith("Digest ") for each in users.heard)


def test_basic_alone_is_left_to_ffmpeg(h264: Video) -> None:
    users = Users(lambda _: ['Basic realm="IP Camera"'], password=WEIRD)
    with BendableCamera(h264, users=users) as camera:
        assert len(packets(at(camera), 3)) == 3


def test_our_own_session_gives_the_pictures_to_the_bit_and_in_time(video: Video) -> None:
    with BendableCamera(video, users=Users(ASKS["SHA-256"], password=WEIRD)) as camera:
        source = at(camera)
        taken = packets(source, 25)
    theirs = [set(nal_units(packet.data, start_codes=False)) for packet in video.packets]
    ours = [set(nal_units(packet.data, start_codes=True)) for packet in taken]
    assert all(their <= our for their, our in zip(theirs, ours, strict=False))
    assert [packet.keyframe for packet in taken] == [
        packet.keyframe for packet in video.packets[: len(taken)]
    ]
    length = taken[-1].seconds - taken[0].seconds
    assert length == pytest.approx(24 / 15, abs=0.3)


@pytest.mark.parametrize("uses", [1, 2, 3])
def test_nonces_that_grow_old_are_answered_anew(h264: Video, uses: int) -> None:
    users = Users(ASKS["SHA-256 with qop"], password=WEIRD, uses=uses)
    with BendableCamera(h264, users=users) as camera:
        assert len(packets(at(camera), 3)) == 3
    assert users.wrong == 0


def test_a_camera_that_hangs_up_after_it_asked_for_a_login_is_called_again(h264: Video) -> None:
    users = Users(ASKS["SHA-256"], password=WEIRD)
    with BendableCamera(h264, users=users) as camera:
        camera.shy = True
        assert len(packets(at(camera), 3)) == 3


@pytest.mark.parametrize("ask", ["SHA-256", "MD5", "both in one header"])
def test_a_wrong_password_is_said_once_and_left_alone(h264: Video, ask: str) -> None:
    users = Users(ASKS[ask], password=WEIRD)
    with BendableCamera(h264, users=users) as camera:
        source = at(camera, password="hunter2")
        lost = source.open()
        source.close()
    assert isinstance(lost, Interruption)
    assert isinstance(lost.fault, TurnedAway)
    assert lost.retry_seconds == 300
    assert "refuses the name or password" in lost.fault.message
    assert lost.fault.__context__ is None
    assert users.wrong == 1


def test_logins_that_nobody_knows_are_named_and_the_password_is_kept(h264: Video) -> None:
    users = Users(digest("SHA3-512", basic=True))
    with BendableCamera(h264, users=users) as camera:
        source = at(camera)
        lost = source.open()
        source.close()
    assert isinstance(lost, Interruption)
    assert "SHA3-512" in lost.fault.message
    assert "SHA-256 or MD5" in lost.fault.advice
    assert users.heard == []


def test_a_camera_of_our_own_session_that_hangs_up_is_found_again(h264: Video) -> None:
    with BendableCamera(h264, users=Users(ASKS["SHA-256"], password=WEIRD)) as camera:
        source = at(camera)
        begun(source)
        items = source.read()
        next(item for item in items if isinstance(item, Packet))
        camera.drop()
        lost = next(item for item in items if isinstance(item, Interruption))
        assert "ended the stream" in lost.fault.message
        next(item for item in items if isinstance(item, Packet))
        source.close()
    assert camera.sessions == 2


def test_our_own_session_checks_the_certificate_before_the_password_goes_out(
    h264: Video, tmp_path: Path
) -> None:
    ours = Authority(tmp_path / "ours")
    named = self_signed(tmp_path / "self", "HIKVISION-0815")
    cases: list[tuple[Callable[[], ServerCertificate], Trust, bool]] = [
        (lambda: ours.issue("127.0.0.1"), Trust(ours.ca_file), True),
        (lambda: named, Trust(named.certificate_file, "HIKVISION-0815"), True),
        (lambda: named, Trust(verify=False), True),
        (lambda: named, Trust(named.certificate_file), False),
        (lambda: ours.issue("127.0.0.9"), Trust(ours.ca_file), False),
        (lambda: Authority(tmp_path / "other").issue("127.0.0.1"), Trust(ours.ca_file), False),
    ]
    users = Users(ASKS["SHA-256"], password=WEIRD)
    with BendableCamera(h264, users=users) as camera:
        for make_certificate, trust, trusted in cases:
            users.heard.clear()
            with TlsFront(camera.port, make_certificate()) as front:
                url = f"rtsps://127.0.0.1:{front.port}/main"
                login = Login("viewer", WEIRD)
                source = stream(url, login=login, trust=trust, clock=NapClock(2_000))
                opened = source.open()
                source.close()
            assert isinstance(opened, Interruption) != trusted
            assert bool(users.heard) == trusted
            if isinstance(opened, Interruption):
                assert "certificate that is trusted" in opened.fault.message


@contextmanager
def web_camera(users: Users, folder: Path) -> Iterator[str]:
    """A camera that gives MPEG-TS over HTTP to ``users``."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = users.refusal("GET", self.headers.get("Authorization"))
            if not wanted:
                return super().do_GET()
            self.send_response(401)
            for line in wanted:
                self.send_header("WWW-Authenticate", line)
            self.send_header("Content-Length", "0")
            return self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/main.ts?a=b"
        server.shutdown()


@pytest.mark.parametrize(
    "ask",
    ["SHA-256", "SHA-256 with qop", "MD5", "MD5 then SHA-256", "MD5 beside Basic in one header"],
)
def test_http_cameras_get_the_same_logins(tmp_path: Path, ask: str) -> None:
    write_video(tmp_path / "main.ts", seconds=2, format_name="mpegts")
    users = Users(ASKS[ask], password=WEIRD)
    with web_camera(users, tmp_path) as url:
        source = stream(url, login=Login("viewer", WEIRD), clock=NapClock(2_000))
        assert len(packets(source, 3)) == 3
    assert users.wrong == 0
    assert users.heard
    assert all(each.startswith("Digest ") for each in users.heard)


def test_a_wrong_password_over_http_is_said_once(tmp_path: Path) -> None:
    users = Users(ASKS["SHA-256"], password=WEIRD)
    with web_camera(users, tmp_path) as url:
        source = stream(url, login=Login("viewer", "hunter2"), clock=NapClock(2_000))
        lost = source.open()
        source.close()
    assert isinstance(lost, Interruption)
    assert isinstance(lost.fault, TurnedAway)
    assert users.wrong == 1
