"""A sealed bundle as a requester opens it: what it holds, or the rule that refuses it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import BundleRefused
from agent.keyfile import Keys
from agent.requester.bundle.verify import OpenedBundle, open_bundle
from tests.requester.release import (
    FakeRelease,
    tar_of,
    with_manifests,
)


def opened(tmp_path: Path, keys: Keys, sealed: bytes) -> OpenedBundle:
    path = tmp_path / "bundle.age"
    path.write_bytes(sealed)
    return open_bundle(path, keys, tmp_path / "out")


def refusal(tmp_path: Path, keys: Keys, sealed: bytes) -> str:
    """The rule that refuses; nothing may be left behind."""
    with pytest.raises(BundleRefused) as caught:
        opened(tmp_path, keys, sealed)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle.age"]
    assert "\n" not in str(caught.value)
    return caught.value.rule


def resealed(release: FakeRelease, /, **payload: bytes) -> bytes:
    """The good bundle with other statements in it, and manifests that fit them."""
    files = {path: data for path, data in release.files().items() if path.startswith("data/")}
    for name, data in payload.items():
        files[f"data/{name}.jws"] = data
    return release.seal(tar_of(with_manifests(files)))
