"""A requester, and a bundle that a device made for it."""

from __future__ import annotations

import pytest

from agent.keyfile import Keys
from tests.requester.release import FakeRelease


@pytest.fixture(scope="session")
def keys() -> Keys:
    return Keys.generate()


@pytest.fixture
def release(keys: Keys) -> FakeRelease:
    return FakeRelease(keys)
