"""People before the pages of a live system: they search, play, look, say what they think, and send again."""

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from config.sections.dashboard import AccountRole
from tests.browser.conftest import Live, Opener

pytestmark = [pytest.mark.long, pytest.mark.system, pytest.mark.timeout(600)]

SERIOUS = ("serious", "critical")
PAGES = {
    "worklist": "/",
    "discordances": "/discordances",
    "quality": "/quality",
    "operations": "/operations",
    "queues": "/operations/queues",
    "peers": "/operations/peers",
    "deliveries": "/operations/deliveries",
    "rescoring": "/operations/rescoring",
    "storage": "/operations/storage",
    "accounts": "/accounts",
    "account": "/account",
}


def faults_of(page: Page) -> list[str]:
    """What axe-core finds serious or worse: the rule, and the first of the elements."""
    violations = Axe().run(page).response["violations"]
    return [f"{fault['id']}: {fault['nodes'][0]['html'][:200]}" for fault in violations if fault["impact"] in SERIOUS]


def study_of(live: Live) -> str:
    return f"/studies/{live.contradicted.study_instance_uid}"


def test_a_viewer_finds_a_study_by_the_beginning_of_its_uid_and_sees_nobody(live: Live, page_of: Opener) -> None:
    page = page_of(AccountRole.VIEWER)
    uid = live.contradicted.study_instance_uid
    page.get_by_label("Study Instance UID, or its beginning").fill(uid[:-3])
    page.keyboard.press("Enter")
    page.get_by_role("link", name=uid).first.click()
    expect(page.locator("h1")).to_have_text("Study")
    expect(page.locator("#answers")).to_contain_text("DEMO")
    assert page.locator("img.screen, canvas").count() == 0, "pictures have names in them"
    assert page.request.get(f"{study_of(live)}/objects/1.2.3").status == 403


def test_a_reader_plays_a_clip_by_keyboard(live: Live, page_of: Opener, pictures: Path) -> None:
    page = page_of(AccountRole.READER)
    page.goto(study_of(live))
    player = page.locator("#clip-1 .player")
    player.get_by_role("button", name="Play").click()
    slider = player.get_by_role("slider")
    page.wait_for_function("slider => Number(slider.value) > 3", arg=slider.element_handle(), timeout=60_000)
    player.get_by_role("button", name="Pause").click()
    before = int(slider.input_value())
    player.locator("canvas").focus()
    page.keyboard.press("ArrowRight")
    expect(slider).to_have_value(str(before + 1))
    drawn = player.locator("canvas").evaluate(
        "canvas => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size"
    )
    assert drawn > 50, "a picture has many greys"
    page.screenshot(path=pictures / "clip.png")
    assert page_of.complaints == []


def test_a_reader_moves_through_the_heat_map(live: Live, page_of: Opener, pictures: Path) -> None:
    page = page_of(AccountRole.READER)
    page.goto(study_of(live))
    heat = page.locator("#heat")
    heat.scroll_into_view_if_needed()
    slider = heat.get_by_role("slider").first
    expect(slider).to_be_visible(timeout=60_000)
    slider.fill("5")
    expect(heat.locator("output").first).to_contain_text("5")
    heat.screenshot(path=pictures / "heat.png")


def test_a_reader_confirms_a_discordance_and_the_inbox_knows(live: Live, page_of: Opener) -> None:
    page = page_of(AccountRole.READER)
    page.goto(study_of(live))
    discordance = page.locator("article.discordance").first
    expect(discordance.locator("mark").first).to_be_visible()
    discordance.get_by_label("Why, without names").fill("seen on the second look")
    discordance.get_by_role("button", name="Confirm").click()
    expect(page.locator("article.discordance").first).to_contain_text("CONFIRMED")
    page.goto("/discordances?state=all")
    expect(page.locator(".inbox")).to_contain_text("by a-reader")


def test_an_admin_sends_a_dead_letter_again_and_a_viewer_may_not(live: Live, page_of: Opener) -> None:
    admin, viewer = page_of(AccountRole.ADMIN), page_of(AccountRole.VIEWER)
    admin.goto("/operations/deliveries")
    expect(admin.locator("body")).to_contain_text("0xA900")
    admin.locator("table").last.locator("tbody th a").first.click()
    letter = admin.url
    viewer.goto(letter)
    assert viewer.get_by_role("button", name="Send again").count() == 0
    secret = viewer.locator("input[name=form_secret]").first.input_value()
    assert viewer.request.post(f"{letter}/resend", form={"form_secret": secret}).status == 403
    answers = admin.locator("table").last.locator("tbody tr").count()
    admin.get_by_role("button", name="Send again").click()
    for _ in range(60):
        admin.goto(letter)
        if admin.locator("table").last.locator("tbody tr").count() > answers:
            break
        admin.wait_for_timeout(1000)
    assert admin.locator("table").last.locator("tbody tr").count() > answers, "the archive was asked once more"


def test_the_worklist_shows_what_comes_without_being_asked_again(live: Live, page_of: Opener) -> None:
    page = page_of(AccountRole.VIEWER)
    with page.expect_request(lambda request: "x-echoworker-live" in request.headers, timeout=60_000) as refreshed:
        pass
    assert refreshed.value.url.rstrip("/") == live.address


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out_by_how_a_page_is_made(live: Live, page_of: Opener, scheme: str, pictures: Path) -> None:
    page = page_of(AccountRole.ADMIN, dark=scheme == "dark")
    faults = {}
    for name, path in {**PAGES, "study": study_of(live)}.items():
        answer = page.goto(path)
        assert answer is not None
        assert answer.ok, path
        page.screenshot(path=pictures / f"{name}-{scheme}.png")
        faults[path] = faults_of(page)
    assert {path: found for path, found in faults.items() if found} == {}
    assert [said for said in page_of.complaints if not re.search("favicon", said)] == []
