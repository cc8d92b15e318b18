"""Which receivers of messages can be configured, and what is said of those that cannot."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from config.errors import ConfigurationError
from config.labels import ModelLabel
from config.sections.messages import MessageSettings
from config.settings import load_settings

PEER = """
[[peers]]
name = "ris"
ae_title = "RIS"
roles = ["sender"]
"""
RECEIVER = """
[[messages]]
name = "ris"
kind = "hl7"
folder = "out"
"""


@pytest.mark.parametrize(
    ("kind", "url", "secure"),
    [
        ("fhir", "https://chart.hospital/fhir", True),
        ("fhir", "http://127.0.0.1:8080/fhir", False),
        ("hl7", "mllp://ris.hospital:2575", False),
        ("hl7", "mllps://ris.hospital:2576/", True),
    ],
)
def test_a_receiver_is_called_by_what_its_kind_is_sent_with(kind: str, url: str, secure: bool) -> None:
    receiver = MessageSettings.model_validate({"name": "x", "kind": kind, "url": url})
    assert receiver.is_secure is secure
    assert receiver.accept_models == (ModelLabel.CLINICAL, ModelLabel.RESEARCH)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "either folder or url"),
        ({"folder": "out", "url": "https://chart.hospital"}, "either folder or url"),
        ({"url": "mllp://ris.hospital:2575"}, "url of kind fhir is http://host or https://host"),
        ({"url": "https://"}, "url of kind fhir"),
        ({"kind": "hl7", "url": "https://ris.hospital"}, "url of kind hl7 is mllp://host or mllps://host"),
        ({"kind": "hl7", "url": "mllp://ris.hospital"}, "names a host and a port"),
        ({"kind": "hl7", "url": "mllp://ris.hospital:2575/oru"}, "and no path"),
        ({"url": "https://me:secret@chart.hospital"}, "cannot hold a user or password"),
        ({"url": "http://chart.hospital", "bearer_token_file": __file__}, "needs an https url"),
        ({"kind": "hl7", "url": "mllps://h:1", "bearer_token_file": __file__}, "for kind fhir alone"),
        ({"url": "https://chart.hospital", "trusted": "nowhere.pem"}, "nowhere.pem: no such file"),
        ({"url": "https://chart.hospital", "adress": "x"}, "Extra inputs"),
    ],
)
def test_what_cannot_be_sent_is_said_at_the_start(changes: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        MessageSettings.model_validate({"name": "x", "kind": "fhir", **changes})


@pytest.mark.parametrize("site", [PEER + RECEIVER, RECEIVER + RECEIVER], ids=["peer", "receiver"])
def test_a_name_is_that_of_one_destination(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: str) -> None:
    (tmp_path / "site.toml").write_text(site)
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(tmp_path / "site.toml"))
    with pytest.raises(ConfigurationError, match=r"messages: one has the name of another, or of one of \[\[peers\]\]"):
        load_settings()
