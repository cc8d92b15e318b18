"""A Structured Report's content tree for the terminal."""

from collections.abc import Iterable

from pydicom.dataset import Dataset
from rich.text import Text
from rich.tree import Tree

from dicom_node.report.tree import TreeLine, flags_of, title_of, tree_lines


def sr_tree(report: Dataset) -> Tree:
    """The whole document: its title with its flags, then every content item with its value."""
    description = report.get("SeriesDescription", "")
    root = Tree(Text.assemble((title_of(report), "bold"), f"  {description}  ({flags_of(report)})"))
    _add(root, tree_lines(report))
    return root


def _add(parent: Tree, lines: Iterable[TreeLine]) -> None:
    for line in lines:
        _add(parent.add(_text(line), highlight=False), line.children)


def _text(line: TreeLine) -> Text:
    # Text, not markup: what stands in square brackets in a foreign report is not for us to read.
    if not line.value:
        return Text(line.name)
    return Text.assemble(f"{line.name}: " if line.name else "", (line.value, "bold" if line.is_answer else ""))
