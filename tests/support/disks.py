"""Disks that fail."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def read_only_below(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system say that ``folder`` is on a disk that was mounted read-only."""
    folder.mkdir(parents=True, exist_ok=True)
    real = os.statvfs

    def said(path: Path) -> os.statvfs_result:
        result = real(path)
        if not Path(path).is_relative_to(folder):
            return result
        fields = list(result)
        fields[8] |= os.ST_RDONLY
        return os.statvfs_result(fields)

    monkeypatch.setattr(os, "statvfs", said)
