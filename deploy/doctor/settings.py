"""Where the settings come from, and who can read the passwords that may be among them."""

import os
from pathlib import Path

from config.setting_mistakes import PREFIX
from config.settings import CONFIG_VARIABLE, Settings
from dicom_node.findings import Doubt


def site_file(_: Settings) -> str:
    """The site's file; that it is right, reading it has shown."""
    named = os.environ.get(CONFIG_VARIABLE)
    variables = sum(name.upper().startswith(PREFIX) and name.upper() != CONFIG_VARIABLE for name in os.environ)
    of_environment = f", {variables} of the environment" if variables else ""
    if not named:
        return f"the defaults{of_environment}: --config names a site's file"
    if Path(named).stat().st_mode & 0o004:
        raise Doubt(f"everybody on this machine can read {named}, which may hold passwords: chmod o= {named}")
    return f"{named}{of_environment}"
