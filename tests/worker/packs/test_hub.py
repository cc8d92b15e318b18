"""Pulling from a hub, played by a server of our own: the files come, or the message says what to do."""

from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest

from config.errors import ModelPackError
from config.labels import ModelLabel
from tests.support.hub import COMMIT, NAME, Hub
from tests.support.packs import plain_download
from tests.support.servers import free_port
from worker.packs.hub import pull
from worker.packs.manifest import CONFIGURATION, LICENCE, WEIGHTS, write_manifest
from worker.packs.source import Choices, look_at_source


@pytest.fixture
def hub(untrained_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    folder = plain_download(untrained_folder, tmp_path / "published")
    (folder / "training_log.txt").write_text("not wanted")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Hub.serving(folder) as serving:
        yield serving


def test_a_model_comes_with_the_files_of_a_pack_and_no_others(hub: Hub, tmp_path: Path) -> None:
    pulled = pull(NAME, tmp_path / "packs", Choices(), endpoint=hub.url)
    assert {path.name for path in pulled.folder.iterdir() if path.is_file()} == {CONFIGURATION, WEIGHTS, "LICENSE.md"}
    assert (pulled.folder / WEIGHTS).read_bytes() == (hub.folder / WEIGHTS).read_bytes()
    assert pulled.choices == Choices(name="some-model", version=f"hub {COMMIT[:12]}")
    source = look_at_source(pulled.folder, pulled.choices)
    assert source.files.keys() == {CONFIGURATION, WEIGHTS, LICENCE}
    assert all(COMMIT in path for path in hub.asked if "/resolve/" in path), "what comes is what the version says"


def test_echoclip_is_known_by_name_and_the_operator_is_stronger(hub: Hub, tmp_path: Path) -> None:
    known = pull("mkaichristensen/echo-clip-r", tmp_path / "packs", Choices(version="mine"), endpoint=hub.url).choices
    assert known == Choices(name="EchoCLIP-R", family="echo-clip-r", version="mine")


@pytest.mark.parametrize(
    ("label", "choices", "taken"),
    [
        (ModelLabel.CLINICAL, Choices(), ModelLabel.RESEARCH),
        (ModelLabel.CLINICAL, Choices(label=ModelLabel.CLINICAL), ModelLabel.CLINICAL),
        (ModelLabel.DEMO, Choices(), None),
    ],
)
def test_a_pack_of_the_hub_cannot_say_that_this_site_has_validated_it(
    hub: Hub, tmp_path: Path, label: ModelLabel, choices: Choices, taken: ModelLabel | None
) -> None:
    write_manifest(hub.folder, name="Theirs", version="1", family="theirs", label=label, licence="theirs")
    pulled = pull(NAME, tmp_path / "packs", choices, endpoint=hub.url)
    assert pulled.choices.label is taken


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        ((403, "GatedRepo"), "accept them on the model's page, then run hf auth login here"),
        ((401, "RepoNotFound"), "has no such model, or does not show it to this account"),
        ((404, "RepoNotFound"), "has no such model"),
        ((404, "RevisionNotFound"), "but no revision v9"),
        ((503, ""), "answered with status 503: try again later"),
    ],
    ids=["gated", "hidden", "unknown", "revision", "broken"],
)
def test_a_refusal_says_what_to_do(hub: Hub, tmp_path: Path, refusal: tuple[int, str], said: str) -> None:
    hub.refusal = refusal
    with pytest.raises(ModelPackError, match=f"^{NAME}: .*{said}") as raised:
        pull(NAME, tmp_path / "packs", Choices(), revision="v9", endpoint=hub.url)
    assert refusal[1] == "RevisionNotFound" or "echoworker packs import FOLDER" in str(raised.value)


def test_without_a_network_it_says_how_else(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(ModelPackError, match=r"the hub cannot be reached .ConnectError.* packs import FOLDER"):
        pull(NAME, tmp_path / "packs", Choices(), endpoint=f"http://127.0.0.1:{free_port()}")


def test_what_is_no_name_of_a_model_is_refused(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(ModelPackError, match="not the name of a model of the hub"):
        pull("one/two/three", tmp_path / "packs", Choices(), endpoint=hub.url)
    assert hub.asked == []
