"""Pictures of pages: below .cache on each run, and among the documents with KEEP_PICTURES=1."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from tests.browser.chromium import Scheme, Visitor
from tests.peers.requirements import ROOT

_KEEP: Final = os.environ.get("KEEP_PICTURES") == "1"
FOLDER: Final = ROOT / ("docs" if _KEEP else ".cache") / "console"
_QUALITY: Final = 75


def take(
    visitor: Visitor, name: str, *, scheme: Scheme = "light", whole_page: bool = False
) -> Path:
    """Write what the visitor sees as ``NAME-WIDTH.webp``."""
    page = visitor.page
    page.emulate_media(color_scheme=scheme)
    page.evaluate("document.fonts.ready.then(() => 1)")
    png = page.screenshot(animations="disabled", caret="hide", full_page=whole_page)
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    done, webp = cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, _QUALITY])
    assert done
    FOLDER.mkdir(parents=True, exist_ok=True)
    dark = "-dark" if scheme == "dark" else ""
    path = FOLDER / f"{name}-{visitor.screen.width}{dark}.webp"
    path.write_bytes(webp.tobytes())
    return path
