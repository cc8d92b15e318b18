"""The documentation is whole: its pages build without a warning, what it names is there, and Chinese keeps step."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from pkgutil import resolve_name

import pytest
import yaml

from tests.support.tools import require_tool

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NAMED = re.compile(r"`((?:config|db|dicom_node|worker|dashboard|deploy)(?:\.\w+)+:[A-Za-z_][\w.]*)`")
NAMES = sorted({name for page in DOCS.glob("*.md") for name in NAMED.findall(page.read_text())})
IN_TWO_LANGUAGES = [
    (ROOT / "README.md", ROOT / "README.zh-CN.md"),
    (DOCS / "quick-start.md", DOCS / "quick-start.zh-CN.md"),
]


@pytest.mark.parametrize("name", NAMES)
def test_what_a_page_names_is_there(name: str) -> None:
    assert resolve_name(name) is not None


def test_the_path_of_one_study_is_told_by_names() -> None:
    path = (DOCS / "architecture.md").read_text().partition("## The path of one study")[2].partition("\n## ")[0]
    assert len(NAMED.findall(path)) > 20
    for state in ("RECEIVING", "READY", "PREPARED", "SCORED", "REPORTED", "DELIVERED"):
        assert f"| {state} |" in path


@pytest.mark.system
def test_the_pages_build_without_a_warning_and_fetch_nothing(tmp_path: Path) -> None:
    command = [require_tool("mkdocs"), "build", "--strict", "-f", ROOT / ".ci" / "mkdocs.yml", "-d", tmp_path / "site"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "WARNING" not in run.stderr
    fetching = re.compile(r'<(?:script|img|iframe)[^>]+src="(?:https?:)?//|<link[^>]+href="(?:https?:)?//')
    assert [page for page in (tmp_path / "site").rglob("*.html") if fetching.search(page.read_text())] == []


def test_every_page_is_in_the_navigation() -> None:
    listed = set(re.findall(r"[\w.-]+\.md", (ROOT / ".ci" / "mkdocs.yml").read_text()))
    assert listed == {page.name for page in DOCS.glob("*.md")}
    yaml.safe_load((ROOT / ".ci" / "mkdocs.yml").read_text())


@pytest.mark.parametrize(("english", "chinese"), IN_TWO_LANGUAGES, ids=lambda page: page.name)
def test_the_chinese_page_has_the_same_commands_in_the_same_order(english: Path, chinese: Path) -> None:
    assert list(_blocks(chinese)) == list(_blocks(english))
    assert _commands_in_tables(chinese) == _commands_in_tables(english)
    assert chinese.name in english.read_text()
    assert english.name in chinese.read_text()
    headings = [len(re.findall(r"^#+ ", page.read_text(), re.MULTILINE)) for page in (english, chinese)]
    assert headings[0] == headings[1]


def _blocks(page: Path) -> Iterator[tuple[str, str]]:
    """What a fenced block has people type: comments, which are in the language of the page, are left out."""
    for language, content in re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
        if language:
            lines = (re.sub(r"\s+#( .*)?$|^#.*", "", line).rstrip() for line in content.splitlines())
            yield language, "\n".join(line for line in lines if line)


def _commands_in_tables(page: Path) -> list[str]:
    return re.findall(r"^\| (`echoworker .*?) \|", page.read_text(), re.MULTILINE)
