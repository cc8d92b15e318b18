"""What is wrong with a setting, in words for who wrote it."""

import codecs
import os
import re
from collections.abc import Iterable
from pathlib import Path

from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

from config.errors import ConfigurationError

PREFIX = "ECHOWORKER_"
_OTHER_VARIABLES = {"CONFIG", "PARENT_PID"}
"""Read elsewhere: the site's file, and by a child of `up` whose child it is (deploy.processes.stopping)."""
_FIELD = re.compile(r'field "(\w+)"')
"""In the words of pydantic-settings."""


def require_known_variables(settings: Iterable[str]) -> None:
    """pydantic-settings looks for the variables that it knows; a misspelt one would be a setting without effect.

    `settings` are the names of all sections and settings at the top.

    Raises
    ------
    ConfigurationError
        A variable with our prefix is none of them.
    """
    known = {field.upper() for field in settings} | _OTHER_VARIABLES
    for variable in os.environ:
        name = variable.upper().removeprefix(PREFIX)
        if variable.upper().startswith(PREFIX) and name.split("__")[0] not in known:
            sections = ", ".join(sorted(field for field in known - _OTHER_VARIABLES))
            raise ConfigurationError(
                f"environment variable {variable}: no such setting; after {PREFIX} comes {sections}"
            )


def described(fault: ErrorDetails) -> str:
    """One fault that pydantic found, in words for who wrote the setting."""
    key = ".".join(str(part) for part in fault["loc"]) or "settings"
    match fault["type"]:
        case "extra_forbidden":
            return f"setting {key}: unknown setting"
        case "missing":
            return f"setting {key}: is missing"
        case "string_pattern_mismatch" if "ae_title" in key:
            return f"setting {key}: an AE title has 1 to 16 characters of ASCII, and no backslash"
    return f"setting {key}: {fault['msg'].removeprefix('Value error, ')}"


def described_source(fault: ValueError, site_file: str | None) -> str:
    """What is wrong with the site's file, by TOML, or with a variable, whose value may be a secret and is not told."""
    if not isinstance(fault, SettingsError):
        is_marked = site_file is not None and Path(site_file).read_bytes().startswith(codecs.BOM_UTF8)
        mark = "; it begins with a byte order mark: save it as UTF-8 without one" if is_marked else ""
        return f"configuration file {site_file}: {fault}{mark}"
    field = _FIELD.search(str(fault))
    name = f"{PREFIX}{field[1].upper() if field else '...'}"
    return f"environment variable {name}, or one that begins so: lists and tables are JSON, as '[\"PACS\"]'"


def require_folder_named(value: object) -> object:
    """For the data folder: a variable that is set to nothing would be whatever folder a command is typed in.

    Raises
    ------
    ValueError
        It is empty.
    """
    if value == "":
        raise ValueError("is empty: name a folder, or leave it out")
    return value
