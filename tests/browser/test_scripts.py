"""The scripts of the pages, before answers that the tests give: what a live system shows too seldom."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources import files

from playwright.sync_api import Browser, Page, Route, expect

Answers = Callable[[Route], None]
SCRIPTS, PAGES = (files("dashboard") / folder for folder in ("static", "templates"))


def opened(chromium: Browser, script: str, answers: Answers) -> Page:
    """A page of nowhere, with the script; `answers` is asked for the page, and all that it asks for."""
    page = chromium.new_page()
    page.set_default_timeout(10_000)
    page.route("**/*", answers)
    page.goto("http://dashboard.test/")
    page.add_script_tag(content=(SCRIPTS / script).read_text())
    return page


def html(route: Route, body: str, status: int = 200) -> None:
    route.fulfill(status=status, content_type="text/html", body=f'<main id="content">{body}</main>')


SHORTCUTS = re.findall(r"<p [^>]*hidden>.*?</p>", (PAGES / "discordances.html").read_text(), re.DOTALL)[0]


@dataclass
class Inbox:
    """Three discordances; one that is confirmed goes."""

    confirmed: list[str] = field(default_factory=list)
    held: list[Route] = field(default_factory=list)
    is_slow: bool = False

    def __call__(self, route: Route) -> None:
        if route.request.method == "POST":
            self.confirmed.append(route.request.url.rpartition("/")[2])
            if self.is_slow:
                self.held.append(route)
                return
        self.answer(route)

    def answer(self, route: Route) -> None:
        """With those that are left."""
        left = [
            f'<li id="d{number}" tabindex="-1"><form class="review" method="post" action="/{number}">'
            '<input name="reason"><button name="state" value="CONFIRMED">Confirm</button></form></li>'
            for number in range(1, 4)
            if str(number) not in self.confirmed
        ]
        html(route, f'{SHORTCUTS}<div id="inbox"><ol class="inbox">{"".join(left)}</ol></div>')


def test_a_key_that_is_held_confirms_one_discordance_alone(chromium: Browser) -> None:
    inbox = Inbox()
    page = opened(chromium, "inbox.js", inbox)
    page.keyboard.press("j")
    for left in (2, 2, 2):
        page.keyboard.down("c")
        expect(page.locator("#inbox li")).to_have_count(left)
    page.evaluate("fetch('/asked-last').then((answer) => answer.text())")
    assert inbox.confirmed == ["1"]
    page.keyboard.up("c")
    page.keyboard.press("c")
    expect(page.locator("#inbox li")).to_have_count(1)
    assert inbox.confirmed == ["1", "2"]
    page.close()


def test_nothing_is_sent_while_something_is_under_way(chromium: Browser) -> None:
    inbox = Inbox(is_slow=True)
    page = opened(chromium, "inbox.js", inbox)
    page.keyboard.press("j")
    for _ in range(3):
        page.keyboard.press("c")
    page.evaluate("fetch('/asked-last').then((answer) => answer.text())")
    assert inbox.confirmed == ["1"]
    inbox.answer(inbox.held[0])
    expect(page.locator("#inbox li")).to_have_count(2)
    page.close()


def test_shortcuts_that_are_switched_off_do_nothing_also_the_next_time(chromium: Browser) -> None:
    inbox = Inbox()
    page = opened(chromium, "inbox.js", inbox)
    page.keyboard.press("j")
    page.get_by_label("Shortcuts").uncheck()
    for is_opened_again in (False, True):
        if is_opened_again:
            page.reload()
            page.add_script_tag(content=(SCRIPTS / "inbox.js").read_text())
        expect(page.get_by_label("Shortcuts")).not_to_be_checked()
        page.locator("#d1").focus()
        for key in "jkdco":
            page.keyboard.press(key)
        expect(page.locator("#d1")).to_be_focused()
        page.evaluate("fetch('/asked-last').then((answer) => answer.text())")
        assert inbox.confirmed == []
    page.locator("#d2").get_by_role("button", name="Confirm").click()
    expect(page.locator("#inbox li")).to_have_count(2)
    page.locator("#d1").focus()
    page.keyboard.press("c")
    page.get_by_label("Shortcuts").check()
    page.locator("#d3").focus()
    page.keyboard.press("c")
    expect(page.locator("#inbox li")).to_have_count(1)
    assert inbox.confirmed == ["2", "3"]
    page.close()


@dataclass
class Study:
    """A study's page: its answers refresh themselves each second."""

    run: str
    status: int = 200

    def __call__(self, route: Route) -> None:
        state = '<div id="state" data-live="1">of {0}</div>'
        answers = '<section id="answers" data-live="1" data-run="{0}">answers of {0}</section>'
        html(route, (state + answers).format(self.run), self.status)


def test_answers_of_a_later_run_are_told_of_and_not_mixed_with_what_stands_beside_them(chromium: Browser) -> None:
    study = Study("a")
    page = opened(chromium, "live.js", study)
    study.run = "b"
    expect(page.locator("#later-run")).to_contain_text("newer answers")
    expect(page.locator("#state")).to_have_text("of b")
    expect(page.locator("#answers")).to_have_text("answers of a")
    page.get_by_role("link", name="load the page again").click()
    expect(page.locator("#answers")).to_have_text("answers of b")
    page.close()


def test_a_page_that_could_not_be_refreshed_says_since_when(chromium: Browser) -> None:
    study = Study("a")
    page = opened(chromium, "live.js", study)
    study.status = 503
    expect(page.locator("#not-refreshed")).to_contain_text("Not refreshed since")
    study.status = 200
    expect(page.locator("#not-refreshed")).to_have_count(0)
    page.close()
