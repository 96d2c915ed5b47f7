"""An owner's card that was lost comes back from a camera, which has a copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from agent.errors import ConfigError
from tests.owner.at_home import OwnerAtHome


def test_a_lost_card_is_copied_back_from_a_camera(owner: OwnerAtHome, tmp_path: Path) -> None:
    card, at_the_camera = owner.folder.card_path, tmp_path / "owners" / "olive.card.yaml"
    at_the_camera.parent.mkdir()
    shutil.copyfile(card, at_the_camera)
    card.unlink()
    with pytest.raises(ConfigError, match="your card is missing") as fault:
        owner.run("inbox")
    assert "from a camera" in fault.value.advice
    shutil.copyfile(at_the_camera, card)
    assert owner.run("inbox") == 0
