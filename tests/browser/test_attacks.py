"""Other sites, other users of the computer and thieves of cookies, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agent.owner.console.guard import BROWSER_COOKIE, SESSION_COOKIE
from agent.owner.console.sessions import IDLE_SECONDS
from tests.browser.chromium import Chromium, Visitor, visit
from tests.browser.conftest import Visit
from tests.browser.console import Served
from tests.browser.home import Home
from tests.browser.stranger import Stranger

OTHERS = ["127.0.0.1", "localhost"]  # another site, and another port of the same


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with Home.at(tmp_path_factory.mktemp("home"), cameras=1) as home:
        yield home


@pytest.fixture
def console(home: Home) -> Iterator[Served]:
    with Served.of(home.folder) as console:
        yield console


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    with Stranger() as site:
        yield site


@pytest.fixture
def owner(chromium: Chromium, console: Served) -> Iterator[Visitor]:
    """An owner who is unlocked, and opens pages of strangers in the same browser."""
    with visit(chromium) as visitor:
        console.enter(visitor)
        yield visitor
        visitor.errors.clear()
        visitor.hosts.clear()


def is_unlocked(console: Served, owner: Visitor) -> bool:
    owner.page.goto(console.url("/"))
    return owner.page.get_by_role("button", name="Lock", exact=True).is_visible()


@pytest.mark.parametrize("host", OTHERS)
def test_a_form_of_another_origin_changes_nothing(
    console: Served, owner: Visitor, stranger: Stranger, host: str
) -> None:
    stranger.pages["/"] = f"""<form method=post action="{console.url("/lock")}"></form>
        <script>document.forms[0].submit()</script>"""
    owner.page.goto(stranger.url("/", host=host))
    owner.page.wait_for_url(console.url("/lock"))
    assert owner.page.inner_text("body").strip() == "Another site has sent this."
    assert is_unlocked(console, owner)


@pytest.mark.parametrize("host", OTHERS)
def test_a_script_of_another_origin_reads_and_changes_nothing(
    console: Served, owner: Visitor, stranger: Stranger, host: str
) -> None:
    stranger.pages["/"] = "<title>x</title>"
    owner.page.goto(stranger.url("/", host=host))
    told = owner.page.evaluate(
        """async base => {
          const ask = async (path, more) => {
            try { const got = await fetch(base + path, {credentials: "include", ...more});
                  return got.type === "opaque" ? "opaque" : await got.text(); }
            catch { return "refused"; }
          };
          const load = (tag, path) => new Promise(done => {
            const one = document.createElement(tag);
            one.onload = one.onloadedmetadata = () => done("loaded");
            one.onerror = () => done("refused");
            one.src = base + path;
            document.body.append(one);
          });
          return [
            await ask("/news"), await ask("/lock", {method: "POST"}),
            await ask("/lock", {method: "POST", mode: "no-cors"}),
            await load("script", "/news"), await load("img", "/static/icon.svg"),
          ];
        }""",
        console.origin,
    )
    assert set(told) == {"refused"}
    assert is_unlocked(console, owner)


@pytest.mark.parametrize("host", OTHERS)
def test_no_page_is_shown_in_a_frame_of_another_site(
    console: Served, owner: Visitor, stranger: Stranger, host: str
) -> None:
    stranger.pages["/"] = f'<iframe src="{console.url("/")}"></iframe>'
    owner.page.goto(stranger.url("/", host=host))
    owner.page.wait_for_load_state("networkidle")
    frames = [frame for frame in owner.page.frames if frame != owner.page.main_frame]
    assert not any("clip-agent" in frame.content() for frame in frames)


def test_a_window_that_another_site_opened_is_out_of_its_reach(
    console: Served, owner: Visitor, stranger: Stranger
) -> None:
    stranger.pages["/"] = "<title>x</title>"
    owner.page.goto(stranger.url("/"))
    with owner.context.expect_page() as opened:
        owner.page.evaluate("address => { window.other = open(address) }", console.url("/"))
    opened.value.wait_for_load_state()
    opened.value.get_by_role("button", name="Lock", exact=True).wait_for()
    assert owner.page.evaluate("window.other.closed"), "its browsing context group is another"
    assert opened.value.evaluate("window.opener") is None


def test_a_link_of_another_site_leads_an_admitted_browser_to_the_page(
    console: Served, owner: Visitor, stranger: Stranger
) -> None:
    """A notification in Home Assistant, for example."""
    stranger.pages["/"] = f'<a href="{console.url("/settings")}">A request waits</a>'
    owner.page.goto(stranger.url("/"))
    owner.page.get_by_role("link").click()
    owner.page.get_by_role("heading", name="Settings").wait_for()


def test_a_name_that_points_to_this_computer_is_not_the_console(
    console: Served, visitor: Visitor
) -> None:
    """DNS rebinding: for this browser, evil.example is 127.0.0.1."""
    port = console.origin.rpartition(":")[2]
    answer = visitor.page.goto(f"http://evil.example:{port}/")
    assert answer is not None and answer.status == 421
    told = visitor.page.evaluate("async () => (await fetch('/static/style.css')).status")
    assert told == 421
    visitor.forgive("421", "Cross-Origin-Opener-Policy")


def test_another_user_of_the_computer_sees_no_page_without_the_link(
    console: Served, owner: Visitor, new_visitor: Visit
) -> None:
    other = new_visitor()
    for path in ("/", "/unlock", "/settings", "/enter?token=guess"):
        other.page.goto(console.url(path))
        assert not other.page.locator("input[type=password]").count()
    other.page.get_by_role("button", name="Admit this browser").click()
    assert "this link was used before" in other.page.get_by_role("alert").inner_text()
    other.forgive()


def test_a_stolen_cookie_opens_nothing_after_the_idle_lock(
    console: Served, owner: Visitor, new_visitor: Visit
) -> None:
    thief = new_visitor()
    stolen = owner.context.cookies()
    assert {one["name"] for one in stolen} >= {BROWSER_COOKIE, SESSION_COOKIE}
    thief.context.add_cookies(stolen)  # type: ignore[arg-type]  # the same fields
    console.clock.later_seconds += IDLE_SECONDS + 1
    thief.page.goto(console.url("/settings"))
    thief.page.wait_for_url("**/unlock?next=*")
    console.unlock_again(owner)
    thief.page.goto(console.url("/settings"))
    thief.page.wait_for_url("**/unlock?next=*")


def test_a_page_that_is_left_open_clears_itself_when_it_locks(
    console: Served, owner: Visitor
) -> None:
    owner.page.goto(console.url("/settings"))
    console.clock.later_seconds += IDLE_SECONDS + 1
    owner.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    owner.page.wait_for_url("**/unlock?next=%2Fsettings")
    owner.forgive()


def test_no_script_reads_the_cookies(console: Served, owner: Visitor) -> None:
    assert owner.page.evaluate("document.cookie") == ""


def test_text_becomes_no_markup_and_no_code_even_in_a_script(
    console: Served, owner: Visitor
) -> None:
    """Content security policy and trusted types: a mistake in a script of ours runs nothing."""
    told = owner.page.evaluate(
        """() => {
          const tries = [
            () => { document.body.innerHTML = "<img src=x onerror=alert(1)>"; },
            () => { const one = document.createElement("script"); one.text = "window.hit = 1";
                    document.body.append(one); },
            () => { document.body.setAttribute("onclick", "window.hit = 1");
                    document.body.click(); },
          ];
          return tries.map(one => { try { one(); return window.hit ?? "nothing"; }
                                    catch (error) { return error.name; } });
        }"""
    )
    assert set(told) <= {"TypeError", "nothing"}, told
    assert told[0] == "TypeError"
