"""`echoworker packs` as an operator uses it: nothing is installed unless the licence was read and accepted."""

import json
import os
import pty
import subprocess
from io import StringIO
from pathlib import Path

import pytest
import torch
from rich.console import Console

from config.catalogue import load_catalogue
from config.clinical_tasks import AnyTask
from config.labels import ModelLabel
from config.settings import Settings, load_settings
from deploy.doctor.packs import packs_that_lie_there, retrieval_pack, scoring_pack
from deploy.printing.packs import packs_view
from dicom_node.findings import Doubt, FaultError
from tests.support.commands import echoworker
from tests.support.heads import head_pack
from tests.support.hub import NAME, Hub
from tests.support.installation import ECHOWORKER
from tests.support.packs import LICENCE_TEXT, installed, plain_download
from worker.echoclip.untrained import make_untrained_pack
from worker.packs.active import PackUse, activate
from worker.packs.facts import pack_facts
from worker.packs.folder import load_pack
from worker.packs.installed import installed_packs
from worker.packs.manifest import ACCEPTED, CONFIGURATION, MANIFEST, WEIGHTS

pytestmark = pytest.mark.long


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("ECHOWORKER_MODEL__PACK")  # these tests activate packs
    monkeypatch.setenv("ECHOWORKER_DATA_DIR", str(tmp_path / "data"))
    return load_settings()


@pytest.fixture(scope="module")
def download(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("download")
    return plain_download(make_untrained_pack(folder / "pack"), folder / "invented")


def packs(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return echoworker("packs", *arguments)


def pacemaker() -> AnyTask:
    task = load_catalogue().task("pacemaker")
    assert task is not None
    return task


def packs_at_a_terminal(*arguments: str | Path, typed: str) -> tuple[int, str]:
    """Run the command with a terminal in front of it: status, and all that it showed there."""
    process, terminal = pty.fork()
    if process == 0:
        os.environ.update(PAGER="cat", TERM="dumb")
        os.execv(ECHOWORKER, [ECHOWORKER, "packs", *map(str, arguments)])  # noqa: S606
    os.write(terminal, f"{typed}\n".encode())
    shown = b""
    try:
        while read := os.read(terminal, 4096):
            shown += read
    except OSError:  # Linux says so when the other end is closed
        pass
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), shown.decode()


def test_without_a_terminal_a_licence_is_accepted_by_an_option_alone(settings: Settings, download: Path) -> None:
    refused = packs("import", download)
    assert refused.returncode == 1
    assert LICENCE_TEXT in refused.stdout
    assert "or with --accept-licence; nothing was installed" in refused.stderr
    assert installed_packs(settings.packs_dir) == []
    taken = packs("import", download, "--accept-licence", "--name", "Invented", "--label", "demo")
    assert taken.returncode == 0, taken.stderr
    assert LICENCE_TEXT in taken.stdout
    (found,) = installed_packs(settings.packs_dir)
    assert found.accepted
    assert f"{found.name} is installed: Invented, weights" in taken.stdout
    assert taken.stderr == ""
    accepted = json.loads((found.folder / ACCEPTED).read_text())
    assert accepted.keys() == {"licence", "licence_sha256", "accepted_at", "software_version"}


def test_at_a_terminal_the_licence_is_shown_and_yes_is_typed(settings: Settings, download: Path) -> None:
    status, shown = packs_at_a_terminal("import", download, typed="y")
    assert status == 1
    assert "the licence was not accepted; nothing was installed" in shown
    assert installed_packs(settings.packs_dir) == []
    status, shown = packs_at_a_terminal("import", download, typed="yes")
    assert status == 0, shown
    assert "Use it as you like, on Sundays." in shown
    assert [found.accepted for found in installed_packs(settings.packs_dir)] == [True]


def test_a_download_whose_licence_is_declined_is_not_kept(
    settings: Settings, download: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path / "hub"), "NO_PROXY": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    with Hub.serving(download) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        status, shown = packs_at_a_terminal("pull", NAME, typed="no")
    assert status == 1
    assert "Use it as you like, on Sundays." in shown
    assert "the licence was not accepted; nothing was installed" in shown
    assert [path for path in settings.packs_dir.rglob("*") if path.is_file()] == []


def test_a_wrong_option_is_named_and_said_before_the_licence(settings: Settings, download: Path) -> None:
    refused = packs("import", download, "--accept-licence", "--family", "Echo CLIP")
    assert refused.returncode == 1
    assert "--family 'Echo CLIP': must be 1 to 32 small letters, digits and hyphens" in refused.stderr
    assert refused.stdout == ""


def test_a_licence_that_we_may_not_pass_on_is_named_with_the_place_where_it_is(
    settings: Settings, download: Path, tmp_path: Path
) -> None:
    folder = plain_download(download.parent / "pack", tmp_path / "echo-clip")
    (folder / "LICENSE.md").unlink()
    said = " ".join(packs("import", folder).stdout.split())
    assert "Licence: Cedars-Sinai Academic Software License" in said
    assert "repository echonet/echo_CLIP" in said


def test_packs_are_listed_activated_verified_and_removed(
    settings: Settings, download: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no pack is installed" in packs("list").stdout
    assert "no pack is installed" in packs("verify").stdout
    one = installed(download, settings.packs_dir, name="One")
    two = installed(download, settings.packs_dir, name="Two")
    assert f"{one.name} is active for scoring" in packs("activate", "one").stdout
    assert "active for retrieval" in packs("activate", "one", "--for", "retrieval").stdout
    table = packs("list").stdout
    assert "RESEARCH" in table
    assert f"{one.name}  scoring, retrieval" in table.splitlines()
    facts = {pack["pack"]: pack for pack in json.loads(packs("list", "--json").stdout)}
    assert (facts[one.name]["used_for"], facts[two.name]["used_for"]) == (["scoring", "retrieval"], [])
    assert facts[one.name]["licence"] == "The Invented Licence"
    assert one.pack is not None
    assert facts[one.name]["digest"] == one.pack.identity.digest

    assert packs("verify").stdout.splitlines() == [f"{one.name}: good", f"{two.name}: good"]
    content = bytearray((two.folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (two.folder / WEIGHTS).write_bytes(content)
    damaged = packs("verify")
    assert damaged.returncode == 1
    assert f"{one.name}: good" in damaged.stdout
    assert f"{WEIGHTS} is not the file that its manifest names" in damaged.stdout
    assert damaged.stderr.strip() == "error: 1 of 2 packs cannot be used"

    assert "it is in use for scoring" in packs("remove", "one").stderr
    monkeypatch.setenv("ECHOWORKER_RESCORE__SHADOW_PACK", "two")
    assert "it is in use as a shadow" in packs("remove", "two").stderr
    monkeypatch.setenv("ECHOWORKER_RESCORE__SHADOW_PACK", "three")
    assert packs("remove", "two").stdout.strip() == f"{two.name} is removed"
    assert [found.name for found in installed_packs(settings.packs_dir)] == [one.name]


def test_a_terminal_of_80_columns_shows_a_list_whole(settings: Settings, download: Path) -> None:
    """Names above all: they are to be typed."""
    whole = installed(download, settings.packs_dir, name="EchoCLIP of the northern hospitals", family="echo-clip")
    head = head_pack(settings.packs_dir / "head", load_pack(whole.folder), pacemaker(), torch.ones(1, 64))
    damaged = installed(download, settings.packs_dir, name="Damaged")
    (damaged.folder / WEIGHTS).unlink()
    activate(settings.packs_dir, whole, PackUse.SCORING)
    (whole.folder / ACCEPTED).unlink()
    shown = StringIO()
    Console(width=80, file=shown).print(packs_view(pack_facts(settings)))
    lines = shown.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert f"{whole.name}  scoring" in lines
    assert {whole.name, head.name, damaged.name} == {line.split()[0] for line in lines if line[0] != " "}
    said = " ".join(shown.getvalue().split())
    assert whole.pack is not None
    assert f"RESEARCH: EchoCLIP of the northern hospitals, {whole.pack.identity.version}; kind open-clip" in said
    assert "family echo-clip digest" in said
    assert "; on EchoCLIP of the northern hospitals" in said
    assert f"has no {WEIGHTS}" in said
    assert said.count("licence not accepted") == 1


def test_what_stands_in_the_way_of_an_activation_is_said(
    settings: Settings, download: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(download, settings.packs_dir, name="One")
    assert "say scoring or retrieval" in packs("activate", "one", "--for", "fun").stderr
    assert "'two': none of this name is installed" in packs("activate", "two").stderr
    monkeypatch.setenv("ECHOWORKER_MODEL__PACK", "/srv/another")
    stronger = packs("activate", "one")
    assert stronger.returncode == 0
    assert "the setting model.pack is stronger, and names /srv/another" in stronger.stdout


def test_a_model_for_pictures_of_another_size_is_not_activated(
    settings: Settings, download: Path, tmp_path: Path
) -> None:
    folder = plain_download(download.parent / "pack", tmp_path / "large")
    content = json.loads((folder / CONFIGURATION).read_text())
    content["model_cfg"]["vision_cfg"]["image_size"] = 256
    (folder / CONFIGURATION).write_text(json.dumps(content))
    (folder / "LICENSE").write_text(LICENCE_TEXT)
    installed(folder, settings.packs_dir)
    assert "pictures of 256 x 256" in packs("activate", "large").stderr
    assert packs("activate", "large", "--for", "retrieval").returncode == 0


def test_the_doctor_tells_of_the_packs_in_use(settings: Settings, download: Path) -> None:
    with pytest.raises(Doubt, match="none chosen: the bundled DEMO model is used"):
        scoring_pack(settings)
    assert retrieval_pack(settings).startswith("none chosen")
    assert packs_that_lie_there(settings) == "none"
    found = installed(download, settings.packs_dir, family="echo-clip-r")
    activate(settings.packs_dir, found, PackUse.SCORING)
    assert scoring_pack(settings).endswith("not for clinical use")
    (found.folder / ACCEPTED).unlink()
    with pytest.raises(Doubt, match="nobody has accepted its licence here, 'The Invented Licence'"):
        scoring_pack(settings)
    demo = installed(download, settings.packs_dir, label=ModelLabel.DEMO)
    activate(settings.packs_dir, demo, PackUse.SCORING)
    with pytest.raises(Doubt, match="its numbers say nothing about a patient"):
        scoring_pack(settings)
    (demo.folder / MANIFEST).write_text("{}")
    with pytest.raises(Doubt, match="1 of 2 cannot be used"):
        packs_that_lie_there(settings)


def test_the_doctor_finds_a_retrieval_pack_that_reads_no_text(
    settings: Settings, download: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = installed(download, settings.packs_dir, family="echo-clip-r")
    monkeypatch.setenv("ECHOWORKER_MODEL__RETRIEVAL_PACK", found.name)
    with pytest.raises(FaultError, match="has no vocabulary, without which it reads no text"):
        retrieval_pack(load_settings())
