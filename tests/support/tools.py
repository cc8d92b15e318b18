"""Programs that tests need from outside: a skip on a user's machine, a failure in CI."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_PLACES = (
    Path(sys.executable).parent,  # dciodvfy comes from a wheel
    Path("/usr/sbin"),  # Orthanc
    *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True),  # Debian keeps the server off the PATH
)


def require_tool(name: str) -> str:
    """The path of a program; without it the test is skipped, or in CI fails."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *map(str, _PLACES)])
    found = shutil.which(name, path=path)
    if found is not None:
        return found
    missing = f"{name} is not installed"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


def said_by(tool: str, *arguments: str | Path) -> str:
    """What a program that judges or prints a file says of it, on both its channels."""
    run = subprocess.run([require_tool(tool), *arguments], capture_output=True, check=False)
    return (run.stdout + run.stderr).decode(errors="replace")


def require_file(path: Path, purpose: str) -> Path:
    """The same of a file that a package brings."""
    if path.exists():
        return path
    missing = f"{purpose} needs {path}"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


def require_root(purpose: str) -> None:
    """Go on as root alone, as CI runs."""
    if os.getuid() == 0:
        return
    if os.environ.get("CI"):
        pytest.fail(f"{purpose} needs root")
    pytest.skip(f"{purpose} needs root")
