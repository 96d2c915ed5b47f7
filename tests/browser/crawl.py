"""Every page of the console, found by following its links from the first one.

>>> for path in every_page(visitor, console):
...     assert axe.violations(visitor.page) == []

Pages that differ only by an id are one page; the first of them is visited.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from tests.browser.chromium import Visitor
from tests.browser.console import Served

_ID: Final = re.compile(
    r"[\w-]{40,}|[0-9a-f]{8,}|[0-9]{4,}[\w-]*|(?<=/)(?:front-door|garden)(?=/|$)"
)
_MOST: Final = 60
_LINKS: Final = """[...document.querySelectorAll("a[href]:not([download])")].map(a => a.href)"""


def every_page(visitor: Visitor, console: Served) -> Iterator[str]:
    """Open each page once; its path. What a page loads by script is there when it is handed out."""
    seen, waiting, missing = {"/"}, ["/"], list[str]()
    for _ in range(_MOST):
        if not waiting:
            assert not missing, f"links that lead nowhere: {missing}"
            return
        path = waiting.pop(0)
        answer = visitor.page.goto(console.url(path))
        assert answer is not None
        if answer.status == 404:
            missing.append(path)
            visitor.forgive()
            continue
        visitor.page.wait_for_load_state("networkidle")
        assert answer.status == 200, f"{path}: {answer.status} {visitor.page.inner_text('main')}"
        yield path
        for link in visitor.page.evaluate(_LINKS):
            parts = urlsplit(link)
            shape = _ID.sub("*", parts.path)
            if link.startswith(console.origin + "/") and shape not in seen:
                seen.add(shape)
                waiting.append(f"{parts.path}?{parts.query}" if parts.query else parts.path)
    raise AssertionError(f"more than {_MOST} pages: {sorted(seen)}")


def title_of(path: str) -> str:
    """A name for the picture of a page."""
    return (
        _ID.sub("", urlsplit(path).path).strip("/").replace("/", "-").replace("--", "-") or "inbox"
    )
