"""A fresh vault for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vault.support import Vault


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    """An empty vault with a synced clock."""
    vault = Vault(tmp_path / "state")
    yield vault
    vault.close()
