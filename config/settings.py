"""Settings of an installation: defaults.toml, then the site's TOML file, then the environment.

They are read once, frozen, and handed in; nothing else reads the environment.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Self

import platformdirs
from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from config.catalogue import BUNDLED_CATALOGUE
from config.errors import ConfigurationError
from config.sections.broker import BrokerSettings
from config.sections.bucket import BucketSettings
from config.sections.canary import CanarySettings
from config.sections.consistency import ConsistencySettings
from config.sections.dashboard import DashboardSettings
from config.sections.database import DatabaseSettings
from config.sections.dicomweb import DicomWebSettings
from config.sections.keep import KeepSettings
from config.sections.messages import MessageSettings
from config.sections.monitoring import AlertSettings, MonitoringSettings
from config.sections.node import AuditSettings, CallersSettings, NodeSettings
from config.sections.peers import PeerSettings, Role, TLSSettings
from config.sections.pipeline import PipelineSettings, StudySettings
from config.sections.privacy import PrivacySettings
from config.sections.report import ReportSettings
from config.sections.rescore import RescoreSettings
from config.sections.rules import RuleSettings, check_rules
from config.sections.scoring import GateSettings, ModelSettings, PixelSettings
from config.sections.time_limits import TimeLimitSettings
from config.setting_mistakes import PREFIX, described, described_source, require_folder_named, require_known_variables

DEFAULTS = Path(__file__).with_name("defaults.toml")
CONFIG_VARIABLE = f"{PREFIX}CONFIG"


class Settings(BaseSettings):
    """All settings of one installation; frozen."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_prefix=PREFIX, env_nested_delimiter="__")

    data_dir: Annotated[Path, BeforeValidator(require_folder_named)] = Field(
        default_factory=lambda: platformdirs.user_data_path("echoworker")
    )
    node: NodeSettings
    study: StudySettings
    database: DatabaseSettings
    broker: BrokerSettings
    bucket: BucketSettings
    model: ModelSettings
    pixels: PixelSettings
    gate: GateSettings
    report: ReportSettings
    consistency: ConsistencySettings
    keep: KeepSettings
    rescore: RescoreSettings
    privacy: PrivacySettings
    pipeline: PipelineSettings
    time_limits: TimeLimitSettings
    tls: TLSSettings
    audit: AuditSettings
    callers: CallersSettings
    monitoring: MonitoringSettings
    dashboard: DashboardSettings
    canary: CanarySettings
    peers: tuple[PeerSettings, ...] = ()
    rules: tuple[RuleSettings, ...] = ()
    messages: tuple[MessageSettings, ...] = ()
    dicomweb: tuple[DicomWebSettings, ...] = ()
    alerts: tuple[AlertSettings, ...] = ()

    @model_validator(mode="after")
    def _peers_can_be_told_apart(self) -> Self:
        names = [peer.name for peer in self.peers]
        if len(set(names)) != len(names):
            raise ValueError("peers: two have the same name")
        names += [receiver.name for receiver in self.messages]
        if len(set(names)) != len(names):
            raise ValueError("messages: one has the name of another, or of one of [[peers]]; deliveries go by name")
        names += [server.name for server in self.dicomweb]
        if len(set(names)) != len(names):
            raise ValueError("dicomweb: one has the name of another destination or peer; deliveries go by name")
        if not self.tls.enabled and (by_tls := [peer.name for peer in self.peers if peer.tls]):
            raise ValueError(f"peers: {by_tls[0]} is to use TLS, but [tls] names no certificate")
        if self.consistency.tls and not self.tls.enabled:
            raise ValueError("consistency.tls: the listener is to speak TLS, but [tls] names no certificate")
        return self

    @model_validator(mode="after")
    def _rules_and_canary_fit_the_peers(self) -> Self:
        check_rules(self.rules, self.peers)
        known = {peer.name for peer in self.peers_in(Role.DESTINATION)}
        known |= {server.name for server in self.dicomweb} | {receiver.name for receiver in self.messages}
        self.canary.require_known(known)
        return self

    def peers_in(self, role: Role) -> tuple[PeerSettings, ...]:
        """The peers that have this role."""
        return tuple(peer for peer in self.peers if role in peer.roles)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Strongest first: what the command line names, the environment, the site's file, the defaults."""
        site_file = os.environ.get(CONFIG_VARIABLE)
        files = (TomlConfigSettingsSource(settings_cls, Path(site_file)),) if site_file else ()
        return init_settings, env_settings, *files, TomlConfigSettingsSource(settings_cls, DEFAULTS)

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL of the registry, with its password: never log it."""
        return self.database.url_with_password or f"sqlite:///{self.data_dir / 'registry.sqlite3'}"

    @property
    def catalogue_path(self) -> Path:
        """The task catalogue: the site's own, or the bundled one."""
        return Path(self.model.catalogue) if self.model.catalogue else BUNDLED_CATALOGUE

    @property
    def calibration_path(self) -> Path:
        """The site's calibration: the one that is named, or the one that was activated; it need not be there."""
        named = self.model.calibration
        return Path(named) if named else self.calibration_dir / "active.json"

    @property
    def calibration_dir(self) -> Path:
        """The folder of the active calibration, of those before it, and of candidates."""
        return self.data_dir / "calibration"

    @property
    def spool_dir(self) -> Path:
        """The folder that holds every instance received and every object made."""
        return self.data_dir / "spool"

    @property
    def broker_dir(self) -> Path:
        """The folder of the filesystem broker's messages."""
        return self.data_dir / "broker"

    @property
    def audit_dir(self) -> Path:
        """The folder of the audit trail."""
        return Path(self.audit.folder) if self.audit.folder else self.data_dir / "audit"

    @property
    def packs_dir(self) -> Path:
        """The folder of installed model packs."""
        return self.data_dir / "packs"


def load_settings(**overrides: Any) -> Settings:
    """Read the settings; `overrides` (from the command line) are stronger than file and environment.

    Raises
    ------
    ConfigurationError
        The site's file cannot be read, or a setting is unknown or has a value that is not allowed; the
        message names the key.
    """
    require_known_variables(Settings.model_fields)
    site_file = os.environ.get(CONFIG_VARIABLE)
    if site_file and not Path(site_file).is_file():
        raise ConfigurationError(f"configuration file {site_file}: no such file")
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        raise ConfigurationError(described(error.errors()[0])) from error
    except ValueError as error:  # of TOML or JSON
        raise ConfigurationError(described_source(error, site_file)) from error
    return settings.model_copy(update={"data_dir": settings.data_dir.expanduser().absolute()})
