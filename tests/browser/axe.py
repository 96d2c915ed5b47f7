"""Accessibility of a page by axe-core, in both themes.

>>> assert violations(page) == []

axe-core comes with the package axe-playwright-python, for tests only. All rules of WCAG 2.2 A and
AA run, and axe's best practices.
"""

from __future__ import annotations

from typing import Final

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

_TAGS: Final = (
    "wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice",
)  # fmt: skip


def violations(page: Page) -> list[str]:
    """A line for each element that breaks a rule: theme, rule, place, and the reason."""
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        options = {"runOnly": list(_TAGS), "resultTypes": ["violations"]}
        for rule in Axe().run(page, options=options).response["violations"]:
            for node in rule["nodes"]:
                place, why = node["target"][-1], node["failureSummary"].split("\n")[-1].strip()
                found.append(f"{scheme}: {rule['id']}: {place}: {why}")
    return found
