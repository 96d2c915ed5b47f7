"""A password anywhere in a camera's URL: in no journal, status, check, file or exception."""

from __future__ import annotations

import io
import logging
import threading
import time
import traceback
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import config
from agent.camera.app import build
from agent.camera.source import Interruption
from agent.cli import main as cli
from agent.errors import CameraFault
from agent.vault import camera_state
from tests.camera.sources.network.test_source import stream, web_server
from tests.peers.process import free_port
from tests.support.clock import NapClock
from tests.support.house import House

SECRET = "hunter2"
PATIENCE_SECONDS = 60.0
REST = [  # of Xiongmai, Foscam, Reolink, Axis, go2rtc and others
    "/user=admin&password=hunter2&channel=1&stream=0.sdp?real_stream",
    "/user=admin_password=hunter2_channel=1_stream=0.sdp",
    "/admin/hunter2/0",
    "/flv?port=1935&app=bcs&user=admin&password=hunter2",
    "/live?token=hunter2",
    "/live;jsessionid=hunter2",
    "/live#hunter2",
    "?hunter2",
    "/%68unter2/hunter2%2F0",
    "/videoMain:hunter2",
]
URLS = [f"{scheme}://192.0.2.1:9{rest}" for scheme in ("rtsp", "rtsps", "http") for rest in REST]
URLS += ["rtsp://admin:hunter2@192.0.2.1:9/x", "rtsp://hunter2@192.0.2.1:9/hunter2"]
NO_URLS = [
    "192.0.2.1:9/user=admin&password=hunter2",
    "192.0.2.1/admin/hunter2/0",
    "//192.0.2.1/admin/hunter2/0",
    " rtsp://admin:hunter2@192.0.2.1/main",
    "camera.local/live?token=hunter2",
]


def whole(error: BaseException) -> str:
    """Everything that a log could ever show of ``error``."""
    below = [each for each in (error.__cause__, error.__context__) if each is not None]
    shown = [str(error), repr(error), repr(error.args), *traceback.format_exception(error)]
    return "\n".join([*shown, *map(whole, below)])


def fault_of(location: str, **changes: object) -> CameraFault:
    source = stream(location, clock=NapClock(), **changes)  # type: ignore[arg-type]
    try:
        lost = source.open()
    except CameraFault as fault:
        return fault
    finally:
        source.close()
    assert isinstance(lost, Interruption)
    return lost.fault


@pytest.mark.parametrize("location", [*URLS, *NO_URLS])
def test_no_exception_holds_a_secret_of_the_location(location: str) -> None:
    location = location.replace("192.0.2.1:9", f"127.0.0.1:{free_port()}")
    for pace in ("live",) if location in URLS else ("live", "import"):
        fault = fault_of(location, pace=pace)
        assert SECRET not in whole(fault)
        assert fault.__context__ is None or SECRET not in whole(fault.__context__)


@pytest.mark.parametrize("rest", [f"/secret{rest}" for rest in REST] + REST)
def test_no_answer_of_a_server_brings_a_secret_into_the_message(tmp_path: Path, rest: str) -> None:
    (tmp_path / "text").write_text(SECRET * 100)
    with web_server(tmp_path) as host:
        for end in ("", "/text"):
            assert SECRET not in whole(fault_of(f"http://admin:hunter2@{host}{end}{rest}"))


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12))
def test_no_path_of_any_letters_is_shown(text: str) -> None:
    port = free_port()
    for location in (
        f"rtsp://127.0.0.1:{port}/{text}{SECRET}",
        f"rtsp://127.0.0.1:{port}/{SECRET}{quote(text)}",
    ):
        assert SECRET not in whole(fault_of(location))


@pytest.mark.parametrize("rest", REST[:4])
def test_neither_journal_nor_status_nor_check_nor_any_file_shows_a_secret(
    tmp_path: Path, rest: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"rtsp://127.0.0.1:{free_port()}{rest}"
    source = config.StreamSource(record=url, detect=url)
    house = House.build(
        tmp_path, camera=config.Camera(source=source), mqtt=config.Broker(port=free_port())
    )
    said: list[str] = []
    with caplog.at_level(logging.DEBUG):
        app = build(house.config, clock=NapClock(), notify=said.append)
        process = threading.Thread(target=app.run)
        process.start()
        deadline = time.monotonic() + PATIENCE_SECONDS
        state = None
        while state != "no-frames":
            assert time.monotonic() < deadline
            noted = camera_state.read(house.config.state_dir)
            state = noted.state if noted else None
            time.sleep(0.02)
        path = tmp_path / "agent.yaml"
        path.write_text(config.effective(house.config))
        for command in ("status", "check"):
            cli.main([command, "--config", str(path)])
        app.stop()
        process.join(PATIENCE_SECONDS)
    told = io.StringIO()
    told.write("".join(capsys.readouterr()))
    told.write("\n".join(said) + caplog.text)
    assert "rtsp://127.0.0.1" in told.getvalue()
    assert SECRET not in told.getvalue()
    files = [each for each in house.config.state_dir.rglob("*") if each.is_file()]
    assert files
    assert not [each for each in files if SECRET.encode() in each.read_bytes()]


def test_a_mistake_in_the_configuration_does_not_quote_the_url(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "rtsp://admin:hunter2@cam/x"
    for source in (
        f"{{type: stream, record:{url}}}",
        f"{{record:{url}, record:{url}}}",
        f"{{type: stream, record: [{url}]}}",
        "{type: stream, record: 'rtsp://admin:hun/ter2@cam/hunter2'}",
        f"{{type: stream, record: {url}, pace: import}}",
        f"{{type: '{url}'}}",
        f"{{type: stream, record: /a, transport: '{url}'}}",
        f"'{url}'",
    ):
        path = tmp_path / "agent.yaml"
        path.write_text(
            "device: {name: a, place: {latitude: 1, longitude: 2}}\nowners: [a]\n"
            f"requesters: b\ncamera: {{source: {source}}}\n"
        )
        assert cli.main(["check", "--config", str(path)]) != 0
        told = "".join(capsys.readouterr())
        assert str(path) in told
        assert SECRET not in told
