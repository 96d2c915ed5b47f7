"""An owner looks at a clip before they decide: as recorded, or as it would be sent."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from agent.consent.statements import Redaction
from agent.errors import Refused
from agent.owner.wording import redaction_text
from tests.owner.at_home import OwnerAtHome
from tests.owner.camera import FakeCamera
from tests.support import footage

CLIP = footage.record(4)


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture
def name(owner: OwnerAtHome, camera: FakeCamera, request_jws: str) -> str:
    """A request with two clips, the second of which is a video."""
    offers = [camera.record(b"no video"), camera.record(CLIP, duration_seconds=4.0)]
    name = owner.post(request_jws, offers=offers)
    owner.run("inbox")
    return name


def test_a_preview_with_trim_and_redact_is_to_the_byte_what_would_be_sent(
    owner: OwnerAtHome,
    camera: FakeCamera,
    name: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ("--trim", "2=1-3", "--redact", "2=0.5,0,0.5,1")
    capsys.readouterr()
    with camera.serve(owner.broker):
        assert owner.run("preview", "2", "--request", name, *options) == 0
    said = capsys.readouterr().out
    (shown,) = [Path(line) for line in said.splitlines() if line.endswith("-as-sent.mp4")]
    box = Redaction.still(x=0.5, y=0, width=0.5, height=1)
    sent = footage.prepared(CLIP, (1, 3), box)
    assert shown.read_bytes() == sent
    assert "This is what would be sent" in said
    assert "20 pictures, H.264, from " in said
    assert f"SHA-256 {hashlib.sha256(sent).hexdigest()}" in said


def test_a_preview_with_boxes_from_a_file_is_what_would_be_sent(
    owner: OwnerAtHome,
    camera: FakeCamera,
    name: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    file = tmp_path / "walker.yaml"
    file.write_text(
        "- positions: [[0.5, 0, 0, 0.3, 1], [2.5, 0.6, 0, 0.3, 1]]\n"
        "- {positions: [[0, 0.5, 0.5, 0.2, 0.2]], from_seconds: 1.5}\n"
    )
    capsys.readouterr()
    with camera.serve(owner.broker):
        options = ("--trim", "2=1-3", "--redact", f"2=@{file}")
        assert owner.run("preview", "2", "--request", name, *options) == 0
    said = capsys.readouterr().out
    (shown,) = [Path(line) for line in said.splitlines() if line.endswith("-as-sent.mp4")]
    whole = [*redaction_text.parse(f"@{file}")]
    assert shown.read_bytes() == footage.prepared(CLIP, (1, 3), *whole)


def test_preview_and_confirmation_say_the_same_of_the_pictures(
    owner: OwnerAtHome,
    camera: FakeCamera,
    name: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ("--trim", "2=1.05-3", "--as", "h264")
    with camera.serve(owner.broker):
        assert owner.run("preview", "2", "--request", name, *options) == 0
    said = capsys.readouterr().out
    (line,) = [line.partition(": ")[2] for line in said.splitlines() if " pictures, " in line]
    with pytest.raises(Refused, match="no terminal"):
        owner.run("approve", name, "2", *options)
    assert line in " ".join(capsys.readouterr().out.split())


def test_a_preview_without_edits_is_what_would_be_sent_whole(
    owner: OwnerAtHome,
    camera: FakeCamera,
    name: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    capsys.readouterr()
    with camera.serve(owner.broker):
        assert owner.run("preview", "2", "--request", name) == 0
    said = capsys.readouterr().out
    sent = footage.prepared(CLIP)
    assert Path(said.splitlines()[0]).read_bytes() == sent


@pytest.mark.parametrize(
    ("option", "rule"), [("1=1-3", "not-chosen"), ("2=1-9", "trim-outside"), ("7=1-3", "no-such")]
)
def test_a_trim_that_approve_would_refuse_is_refused_before_anything_is_fetched(
    owner: OwnerAtHome, camera: FakeCamera, name: str, option: str, rule: str
) -> None:
    with pytest.raises(Refused) as refused:
        owner.run("preview", "2", "--request", name, "--trim", option)
    assert refused.value.rule.startswith(rule)
    assert not camera.decisions


def test_a_trim_without_a_picture_leaves_no_file_behind(
    owner: OwnerAtHome, camera: FakeCamera, name: str, tmp_path: Path
) -> None:
    with camera.serve(owner.broker), pytest.raises(Refused, match="no picture"):
        owner.run("preview", "2", "--request", name, "--trim", "2=3.95-3.99")
    assert not list(tmp_path.glob("clip-agent-*"))
