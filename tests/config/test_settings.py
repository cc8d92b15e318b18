from pathlib import Path

import pytest

from config.errors import ConfigurationError
from config.settings import load_settings


def write(path: Path, content: str) -> str:
    path.write_text(content)
    return str(path)


def test_defaults_are_the_embedded_installation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path)
    assert (settings.node.ae_title, settings.node.port, settings.node.host) == ("ECHOWORKER", 11112, "127.0.0.1")
    assert settings.database_url == f"sqlite:///{tmp_path}/registry.sqlite3"
    assert settings.broker.url == "filesystem://"
    assert settings.peers == ()


def test_environment_beats_the_site_file_and_the_file_beats_the_defaults(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ECHOWORKER_CONFIG", write(tmp_path / "site.toml", '[node]\nport = 104\nae_title = "LAB"\n'))
    monkeypatch.setenv("ECHOWORKER_NODE__PORT", "4242")
    settings = load_settings()
    assert settings.node.port == 4242
    assert settings.node.ae_title == "LAB"
    assert settings.node.maximum_associations == 20


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("[node]\nport = 70000\n", "node.port"),
        ("[node]\nprot = 104\n", "node.prot"),
        ('[node]\nae_title = "SEVENTEEN-LETTERS"\n', "node.ae_title"),
        ('[[peers]]\nname = "A"\nroles = ["destination"]\n', "peers.0.ae_title"),
        ('[[peers]]\nname="A"\nroles=["destination"]\nae_title="X"\n', "host is needed to call a peer"),
        ('[[peers]]\nname="A"\nroles=["sender"]\nae_title="X"\ntls=true\n', "A is to use TLS"),
        ('[[peers]]\nname="A"\nroles=["sender"]\nae_title="X"\nnetworks=["10.0.0.0/99"]\n', "networks"),
        ('[tls]\ncertificate="a.pem"\n', "needed together"),
        ("[tls]\naccept_without_tls=false\n", "accept_without_tls"),
        (
            '[[peers]]\nroles=["destination"]\nname="A"\nhost="h"\nport=1\nae_title="X"\naccept_models=["ANY"]\n',
            "accept_models",
        ),
        (
            '[[peers]]\nroles=["destination"]\nname="A"\nhost="h"\nport=1\nae_title="X"\nobjects=["png"]\n',
            "peers.0.objects",
        ),
        ('[[peers]]\nroles=["destination"]\nname="A"\nhost="h"\nae_title="X"\nobjects=[]\n', "peers.0.objects"),
        ('[[messages]]\nname="A"\nkind="hl7"\nfolder="f"\nobjects=["pdf"]\n', "messages.0.objects"),
        ('[gate]\nviews = "maybe"\n', "gate.views"),
        ("[gate]\nview_margin = -0.1\n", "gate.view_margin"),
        ("[node\n", "site.toml"),
    ],
)
def test_a_mistake_in_the_site_file_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str, named: str
) -> None:
    monkeypatch.setenv("ECHOWORKER_CONFIG", write(tmp_path / "site.toml", content))
    with pytest.raises(ConfigurationError, match=named.replace(".", r"\.")):
        load_settings()


@pytest.mark.parametrize("variable", ["ECHOWORKER_NOED__PORT", "ECHOWORKER_PORT", "echoworker_data"])
def test_a_misspelt_environment_variable_is_named(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "104")
    with pytest.raises(ConfigurationError, match=f"^environment variable {variable}: no such setting"):
        load_settings()


def test_the_variables_of_a_child_and_of_the_command_line_are_known(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ECHOWORKER_PARENT_PID", "1")
    monkeypatch.setenv("ECHOWORKER_CONFIG", write(tmp_path / "site.toml", ""))
    monkeypatch.setenv("ECHOWORKER_DATA_DIR", str(tmp_path))
    assert load_settings().data_dir == tmp_path


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[node]\nprot = 104\n", "setting node.prot: unknown setting"),
        ('[[peers]]\nname="A"\nroles=["sender"]\n', "setting peers.0.ae_title: is missing"),
        ("[tls]\naccept_without_tls=false\n", "setting tls: accept_without_tls = false needs certificate"),
        ('[node]\nae_title="SEVENTEEN-LETTERS"\n', "setting node.ae_title: an AE title has 1 to 16 characters"),
    ],
)
def test_a_mistake_is_told_in_our_words_and_not_in_those_of_a_library(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str, said: str
) -> None:
    monkeypatch.setenv("ECHOWORKER_CONFIG", write(tmp_path / "site.toml", content))
    with pytest.raises(ConfigurationError) as raised:
        load_settings()
    assert str(raised.value).startswith(said)


def test_a_missing_site_file_is_an_error_not_the_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(tmp_path / "absent.toml"))
    with pytest.raises(ConfigurationError, match=r"absent\.toml: no such file"):
        load_settings()


def test_two_peers_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    one = '[[peers]]\nroles = ["destination"]\nname = "PACS"\nhost = "h"\nport = 104\nae_title = "P"\n'
    monkeypatch.setenv("ECHOWORKER_CONFIG", write(tmp_path / "site.toml", one + one))
    with pytest.raises(ConfigurationError, match="same name"):
        load_settings()


def test_settings_cannot_be_changed_after_they_were_read(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path)
    with pytest.raises(ValueError, match="frozen"):
        settings.node.port = 1  # type: ignore[misc]


def test_by_default_a_destination_takes_no_results_of_untrained_or_demo_models(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    content = '[[peers]]\nroles = ["destination"]\nname = "PACS"\nhost = "h"\nport = 104\nae_title = "P"\n'
    monkeypatch.setenv("ECHOWORKER_CONFIG", write(tmp_path / "site.toml", content))
    assert set(load_settings().peers[0].accept_models) == {"CLINICAL", "RESEARCH"}


def test_by_default_a_destination_takes_all_that_is_made_of_a_result(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    one = '[[peers]]\nroles = ["destination"]\nname = "{}"\nhost = "h"\nae_title = "P"\n'
    content = one.format("PACS") + one.format("ward") + 'objects = ["pdf"]\n'
    monkeypatch.setenv("ECHOWORKER_CONFIG", write(tmp_path / "site.toml", content))
    pacs, ward = load_settings().peers
    assert set(pacs.objects) == {"sr", "heat-map", "pdf"}
    assert ward.objects == ("pdf",)


@pytest.mark.parametrize(
    "content",
    [
        '[database]\nurl = "postgresql+psycopg://echo:geheim/1@db/echo"\n',
        '[broker]\nurl = "redis://redis:99999/0"\n',
        '[bucket]\nurl = "s3://echo"\nendpoint_url = "https://objects:99999"\n',
        '[[dicomweb]]\nname = "A"\nurl = "https://vna:99999/dicom-web"\n',
        '[[messages]]\nname = "A"\nkind = "fhir"\nurl = "https://fhir:99999/"\n',
        '[[messages]]\nname = "A"\nkind = "hl7"\nurl = "mllp://ris:port"\n',
        '[[alerts]]\nname = "A"\nkind = "webhook"\nurl = "https://alerts:99999/"\n',
    ],
)
def test_a_url_without_a_port_where_one_stands_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str
) -> None:
    """And what stands there is not told: a password with a slash in it ends there."""
    monkeypatch.setenv("ECHOWORKER_CONFIG", write(tmp_path / "site.toml", content))
    with pytest.raises(ConfigurationError, match=r"^setting .*behind the colon of its host is no port") as raised:
        load_settings()
    assert "geheim" not in str(raised.value)


@pytest.mark.parametrize("hours", ["00:00-24:00", "07:00-07:00", "7-19"])
def test_working_hours_that_are_none_are_refused_before_an_alert_is_to_be_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hours: str
) -> None:
    content = f'[monitoring.alerting]\nnothing_received_for_h = 3\nworking_hours = "{hours}"\n'
    monkeypatch.setenv("ECHOWORKER_CONFIG", write(tmp_path / "site.toml", content))
    with pytest.raises(ConfigurationError, match=rf"^setting monitoring\.alerting: {hours}: "):
        load_settings()


def test_a_registry_that_is_no_url_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    content = '[database]\nurl = "db.hospital/echoworker"\n'
    monkeypatch.setenv("ECHOWORKER_CONFIG", write(tmp_path / "site.toml", content))
    with pytest.raises(ConfigurationError, match=r"^setting database: url has to begin with postgresql\+psycopg://"):
        load_settings()


def test_a_data_folder_that_is_named_empty_is_not_the_folder_that_somebody_is_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ECHOWORKER_DATA_DIR", "")
    with pytest.raises(ConfigurationError, match=r"^setting data_dir: is empty"):
        load_settings()


@pytest.mark.parametrize(
    ("variable", "named"),
    [("ECHOWORKER_PEERS", "ECHOWORKER_PEERS"), ("ECHOWORKER_CANARY__DESTINATIONS", "ECHOWORKER_CANARY")],
)
def test_a_variable_that_is_no_json_is_named_and_its_value_is_not_told(
    monkeypatch: pytest.MonkeyPatch, variable: str, named: str
) -> None:
    monkeypatch.setenv(variable, "geheim")
    with pytest.raises(ConfigurationError, match=rf"^environment variable {named}.*JSON") as raised:
        load_settings()
    assert "geheim" not in str(raised.value)


def test_outer_spaces_of_an_ae_title_mean_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """PS3.5 table 6.2-1: a caller is compared with what is left."""
    content = '[node]\nae_title = "ECHO "\n[[peers]]\nroles = ["sender"]\nname = "V"\nae_title = " VIVID1 "\n'
    monkeypatch.setenv("ECHOWORKER_CONFIG", write(tmp_path / "site.toml", content))
    settings = load_settings()
    assert (settings.node.ae_title, settings.peers[0].ae_title) == ("ECHO", "VIVID1")


def test_a_mark_that_an_editor_puts_ahead_of_a_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ECHOWORKER_CONFIG", write(tmp_path / "site.toml", "\ufeff[node]\nport = 104\n"))
    with pytest.raises(ConfigurationError, match=r"site\.toml: .*; it begins with a byte order mark"):
        load_settings()
