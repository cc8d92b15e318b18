"""A live system with synthetic studies, on PostgreSQL, and Debian's Chromium before its pages."""

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright
from pynetdicom import AE, AllStoragePresentationContexts, evt

from config.logs import Event
from config.sections.dashboard import AccountRole
from dashboard.access.passwords import hashed
from db.accounts import add_account
from dicom_node.send import send_files
from tests.support.browsing import PASSWORD
from tests.support.installation import Installation
from tests.support.scps import serving
from tests.support.servers import Orthanc, PostgreSQL, free_port
from tests.support.tools import require_tool
from tests.support.waiting import wait_until
from worker.phantom.heart import Device, sample_heart
from worker.phantom.study import make_study
from worker.phantom.styles import TRAINING_STYLES
from worker.phantom.truth import StudyKind, StudyTruth

REFUSES = """
[dashboard]
port = {dashboard_port}
[[peers]]
roles = ["destination"]
name = "archive"
host = "127.0.0.1"
port = {refusing_port}
ae_title = "ARCHIVE"
accept_models = ["DEMO"]
objects = ["sr"]
"""
WIDTH, HEIGHT = 1360, 900


@dataclass(frozen=True, kw_only=True)
class Live:
    """A running installation with its dashboard."""

    installation: Installation
    address: str
    contradicted: StudyTruth
    """Its report gives another ejection fraction than its pictures."""
    healthy: StudyTruth


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, postgresql_server: PostgreSQL, orthanc: Orthanc) -> Iterator[Live]:
    """Two studies went through it; one destination has them, another has refused them for good."""
    folder = tmp_path_factory.mktemp("live")
    port = free_port()
    archive = AE("ARCHIVE")
    archive.supported_contexts = AllStoragePresentationContexts
    with (
        serving(archive, [(evt.EVT_C_STORE, lambda _: 0xA900)]) as refusing_port,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name in [name for name in os.environ if name.startswith("ECHOWORKER_")]:
            patch.delenv(name)
        url = postgresql_server.create_database(f"browser_{uuid.uuid4().hex}")
        installation = Installation(folder, orthanc, database_url=url)
        site = installation.site.read_text().replace('accept_models = ["UNTRAINED"]', 'accept_models = ["DEMO"]')
        site = site.replace('objects = ["sr"]', 'objects = ["sr", "heat-map", "pdf"]')
        site = site.replace("[pipeline]\n", "[pipeline]\nmaximum_delivery_attempts = 2\n")
        installation.site.write_text(site + REFUSES.format(dashboard_port=port, refusing_port=refusing_port))
        truths = [_made(folder / f"study-{seed}", seed) for seed in (18, 12)]
        with installation.up():
            for truth in truths:
                answers = list(send_files(sorted((folder / f"study-{truth.seed}").glob("*.dcm")), installation.node))
                assert all(answer.accepted for answer in answers)
            for truth in truths:
                wait_until(lambda t=truth: _has_reports(installation, t), 240, f"the reports of study {truth.seed}")
            _add_accounts(installation)
            wait_until(
                lambda: any(event["event"] == Event.DASHBOARD_LISTENING for event in installation.events()),
                60,
                "the dashboard to listen",
            )
            address = f"http://127.0.0.1:{port}"
            yield Live(installation=installation, address=address, contradicted=truths[0], healthy=truths[1])


def _made(folder: Path, seed: int) -> StudyTruth:
    kind = StudyKind.CONTRADICTED if seed == 18 else StudyKind.ORDINARY
    heart = {"ejection_fraction": 34.0, "devices": (Device.MITRACLIP,)} if seed == 18 else {"ejection_fraction": 62.0}
    return make_study(
        folder,
        seed=seed,
        clips=3,
        style=TRAINING_STYLES[seed % len(TRAINING_STYLES)],
        kind=kind,
        heart=sample_heart(np.random.default_rng(seed), **heart),
        number_of_frames=45,
    )


def _has_reports(installation: Installation, truth: StudyTruth) -> bool:
    """At the destination that takes them; the other has refused."""
    detail = installation.detail(truth.study_instance_uid)
    if detail is None:
        return False
    states = {(delivery.destination, delivery.state) for made in detail.objects for delivery in made.deliveries}
    return ("pacs", "DELIVERED") in states and ("archive", "DEAD") in states


def _add_accounts(installation: Installation) -> None:
    kept = hashed(PASSWORD)
    with installation.registry.write() as session:
        for role in AccountRole:
            add_account(session, f"a-{role}", role=role, password_hash=kept, now=datetime.now(UTC))


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    require_tool("chromium")
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """Debian's, without a window; root has no sandbox."""
    arguments = ["--no-sandbox"] if os.getuid() == 0 else []
    browser = playwright.chromium.launch(executable_path=require_tool("chromium"), args=arguments)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures of the pages are kept, for whoever wants to look at them."""
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture
def page_of(chromium: Browser, live: Live) -> Iterator["Opener"]:
    """Opens pages for somebody with a role."""
    opener = Opener(chromium, live)
    yield opener
    opener.close()


class Opener:
    """Signs people in, each in a window of their own, and notes what their browsers complain of."""

    def __init__(self, browser: Browser, live: Live) -> None:
        self._browser = browser
        self._live = live
        self._contexts: list[BrowserContext] = []
        self.complaints: list[str] = []
        """Errors of scripts, and what the content security policy has refused."""

    def __call__(self, role: AccountRole, *, dark: bool = False) -> Page:
        scheme = "dark" if dark else "light"
        context = self._browser.new_context(
            base_url=self._live.address, color_scheme=scheme, viewport={"width": WIDTH, "height": HEIGHT}
        )
        self._contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.goto("/sign-in")
        page.get_by_label("Name").fill(f"a-{role}")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        return page

    def close(self) -> None:
        for context in self._contexts:
            context.close()
