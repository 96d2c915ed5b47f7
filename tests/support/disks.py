"""Disks that fail."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

_FREE_BLOCKS, _FLAGS = 4, 8  # of statvfs_result


def read_only_below(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system say that ``folder`` is on a disk that was mounted read-only."""
    _say_below(folder, monkeypatch, _FLAGS, lambda flags: flags | os.ST_RDONLY)


def full_below(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system say that ``folder`` is on a disk with one block left."""
    _say_below(folder, monkeypatch, _FREE_BLOCKS, lambda _: 1)


def _say_below(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int, change: Callable[[int], int]
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    real = os.statvfs

    def said(path: Path) -> os.statvfs_result:
        result = real(path)
        if not Path(path).is_relative_to(folder):
            return result
        fields = list(result)
        fields[number] = change(fields[number])
        return os.statvfs_result(fields)

    monkeypatch.setattr(os, "statvfs", said)
