"""The camera's name and password: found in three places, and never shown."""

from __future__ import annotations

import subprocess
import sys
import traceback
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import config
from agent.camera.sources.factory import choose_source
from agent.camera.sources.network.login import VARIABLE, Login, read_login
from agent.camera.sources.network.track import TurnedAway
from agent.errors import ConfigError
from tests.camera.sources.network.test_source import begun, stream
from tests.peers.requirements import ROOT
from tests.peers.rtsp import RtspServer
from tests.peers.strict_camera import StrictCamera
from tests.support.clock import SimulatedClock
from tests.support.video import write_video

WEIRD = "pä ss@w/o:r%d?#+&=[]"
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), min_size=1)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_the_file_goes_before_the_environment_and_that_before_the_url(tmp_path: Path) -> None:
    file = write(tmp_path / "login", "anna:one\nand a note\n")
    environment = {VARIABLE: "ben:two"}
    assert read_login(file, environment) == Login("anna", "one")
    assert read_login(None, environment) == Login("ben", "two")
    assert read_login(None, {}) is None


def test_a_password_may_hold_colons_and_spaces(tmp_path: Path) -> None:
    file = write(tmp_path / "login", "anna: a:b \n")
    assert read_login(file, {}) == Login("anna", " a:b ")


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"hunter2\n", b":hunter2", b"hunter2:", b"\nanna:hunter2", b"\xff:hunter2"],
)
def test_a_file_that_holds_no_login_is_named_and_not_shown(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "camera-login"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match="camera-login") as caught:
        read_login(file, {})
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_an_environment_without_a_colon_is_named_and_not_shown() -> None:
    with pytest.raises(ConfigError, match=VARIABLE) as caught:
        read_login(None, {VARIABLE: "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_a_login_that_ffmpeg_would_cut_off_is_refused() -> None:
    assert read_login(None, {VARIABLE: "anna:" + "x" * 122}) is not None
    with pytest.raises(ConfigError, match="longer than FFmpeg can send"):
        read_login(None, {VARIABLE: "anna:" + "x" * 123})


def test_a_missing_file_is_found_before_anything_is_opened(tmp_path: Path) -> None:
    source = config.StreamSource(record="rtsp://camera/", credentials_file=tmp_path / "none")
    with pytest.raises(ConfigError, match="none: cannot be read"):
        choose_source(config.Camera(source=source), clock=SimulatedClock())


@given(TEXT, TEXT)
def test_any_login_can_be_parsed_out_of_the_url(name: str, password: str) -> None:
    url = Login(name, password).into("rtsp://old:secret@camera:554/live/a@b?user=x#y")
    parts = urlsplit(url)
    told_name, _, told_password = parts.netloc.rpartition("@")[0].partition(":")
    assert (unquote(told_name), unquote(told_password)) == (name, password)
    assert url.endswith("@camera:554/live/a@b?user=x#y")
    assert "secret" not in url or "secret" in name + password


@given(st.text())
def test_a_login_gets_into_any_text_without_raising(text: str) -> None:
    Login("anna", "hunter2").into(text)
    assert Login("anna", "hunter2").into(f"rtsp://{text}").startswith("rtsp://anna:hunter2@")


def test_a_login_is_not_put_into_the_path_of_a_file() -> None:
    assert Login("anna", "hunter2").into("/srv/a@b.mp4") == "/srv/a@b.mp4"


def test_a_login_prints_without_its_secrets() -> None:
    assert "hunter2" not in f"{Login('anna', 'hunter2')!r}"


@pytest.mark.parametrize("digest", [False, True], ids=["basic", "digest"])
def test_both_streams_of_a_camera_get_a_login_of_any_letters(tmp_path: Path, digest: bool) -> None:
    video = write_video(tmp_path / "main.mp4", seconds=2)
    files = {"main": video, "small": video}
    with RtspServer(tmp_path, files, login=f"anna:{WEIRD}", digest=digest) as server:
        login = Login("anna", WEIRD)
        source = stream(server.url("main"), detect=server.url("small"), login=login)
        assert begun(source).codec == "h264"
        source.close()


def test_a_camera_that_refuses_the_password_hears_it_once_for_both_streams() -> None:
    with StrictCamera() as camera:
        source = stream(camera.url("main"), detect=camera.url("small"))
        with pytest.raises(TurnedAway, match=r"\(record\) refuses the name or password"):
            begun(source)
        source.close()
    assert camera.logins == 1


LOOK = """
import sys
from pathlib import Path
from agent import config
from agent.camera.sources.factory import choose_source
from agent.clock import SystemClock
stream = config.StreamSource(record=sys.argv[1], credentials_file=Path(sys.argv[2]))
source = choose_source(config.Camera(source=stream), clock=SystemClock(None))
print(source.open().fault)
print(Path("/proc/self/cmdline").read_text())
"""


def test_a_wrong_password_is_on_no_output_of_the_process_not_even_ffmpegs(tmp_path: Path) -> None:
    video = write_video(tmp_path / "main.mp4", seconds=2)
    file = write(tmp_path / "login", "anna:hunter2\n")
    with RtspServer(tmp_path, {"main": video}, login="anna:other") as server:
        for name, says in (
            ("main", "refuses the name or password"),
            ("none", "no such stream now"),
        ):
            done = subprocess.run(
                [sys.executable, "-c", LOOK, server.url(name), str(file)],
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
            assert (done.returncode, done.stderr) == (0, "")
            assert says in done.stdout
            assert "hunter2" not in done.stdout
