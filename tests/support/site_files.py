"""Site files of containers, read where what they refer to does not lie."""

import re
from pathlib import Path

import pytest

from config.settings import Settings, load_settings


def settings_of_container(site: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of a site file whose secrets are files below /run; of them there are some in `folder`."""
    text = site.read_text()
    for name in re.findall(r'"(/run/[^"]+)"', text):
        file = folder / name.removeprefix("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("secret\n")
        text = text.replace(f'"{name}"', f'"{file}"')
    copy = folder / "site.toml"
    copy.write_text(text)
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(copy))
    monkeypatch.delenv("ECHOWORKER_DASHBOARD__PORT", raising=False)  # tests have none unless they say so
    return load_settings()
