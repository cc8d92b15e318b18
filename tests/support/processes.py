"""Processes that tests look after, as /proc shows them."""

from pathlib import Path


def descendants(pid: int) -> list[Path]:
    """The processes below this one at this moment: their folders in /proc, which are gone when they are."""
    children = [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in _read(task)]
    return [Path(f"/proc/{child}") for child in children] + [path for child in children for path in descendants(child)]


def _read(children: Path) -> list[str]:
    try:
        return children.read_text().split()
    except OSError:
        return []
