"""People before the pages of a live system: they search, play, look, say what they think, and send again."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from config.dashboard import AccountRole
from tests.browser.conftest import Live, Opener

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

SERIOUS = ("serious", "critical")


def faults_of(page: Page) -> list[str]:
    """What axe-core finds serious or worse: the rule, and the first of the elements."""
    violations = Axe().run(page).response["violations"]
    return [f"{fault['id']}: {fault['nodes'][0]['html'][:200]}" for fault in violations if fault["impact"] in SERIOUS]


def test_a_viewer_finds_a_study_by_its_uid_and_sees_nobody(live: Live, page_of: Opener) -> None:
    page = page_of(AccountRole.VIEWER)
    uid = live.contradicted.study_instance_uid
    page.get_by_role("searchbox").fill(uid[:-3])
    page.keyboard.press("Enter")
    page.get_by_role("link", name=uid).first.click()
    expect(page.locator("body")).to_contain_text("DEMO")
    assert page.locator("canvas").count() == 0, "pictures have names in them"


PAGES = (
    "/",
    "/discordances",
    "/quality",
    "/operations",
    "/operations/queues",
    "/operations/deliveries",
    "/accounts",
    "/account",
)


@pytest.mark.parametrize("dark", [False, True])
def test_nobody_is_kept_out_by_how_a_page_is_made(live: Live, page_of: Opener, dark: bool) -> None:
    page = page_of(AccountRole.ADMIN, dark=dark)
    study = f"/studies/{live.contradicted.study_instance_uid}"
    for path in (*PAGES, study):
        answer = page.goto(path)
        assert answer is not None
        assert answer.ok, path
        assert faults_of(page) == [], path
    assert page_of.complaints == []


def save(page: Page, folder: Path, name: str) -> None:
    """A picture of the page as it is seen."""
    page.screenshot(path=folder / f"{name}.png", full_page=True)
