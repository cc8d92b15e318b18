"""DCMTK's senders, and what they say of the answers they got."""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.tools import require_tool

SUCCESS = "Success"


@dataclass(frozen=True)
class Sent:
    code: int
    """The exit status."""
    answers: list[str]
    """What each C-STORE or C-ECHO was answered with, in DCMTK's words."""
    said: str


def storescu(port: int, *files: Path, options: Sequence[str | Path] = ()) -> Sent:
    return _ran("storescu", port, options, files, r"Received Store Response \((.*)\)")


def dcmsend(port: int, *files: Path, options: Sequence[str | Path] = ()) -> Sent:
    return _ran("dcmsend", port, options, files, r"Received C-STORE Response \((.*)\)")


def echoscu(port: int, *, options: Sequence[str | Path] = ()) -> Sent:
    return _ran("echoscu", port, options, (), r"Received Echo Response \((.*)\)")


def run_scu(tool: str, port: int, *options: str | Path) -> Sent:
    """One of findscu, movescu and getscu, with these options."""
    return _ran(tool, port, options, (), r"Received (?:Final )?(?:Find|Move|C-GET) Response[^(]*\((.*)\)")


def _ran(tool: str, port: int, options: Sequence[str | Path], files: Sequence[Path], answer: str) -> Sent:
    command = [require_tool(tool), "-v", *map(str, options), "127.0.0.1", str(port), *map(str, files)]
    ran = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=120, check=False)
    said = ran.stdout + ran.stderr
    return Sent(ran.returncode, re.findall(answer, said), said)
