from pydicom import dcmread
from pydicom.data import get_testdata_file
from rich.console import Console

from deploy.printing.structured_reports import sr_tree


def test_a_foreign_report_is_shown_whole() -> None:
    report = dcmread(str(get_testdata_file("reportsi.dcm", download=False)))
    items: list[str] = []
    report.walk(lambda item, element: items.append(item.ValueType) if element.keyword == "ValueType" else None)
    console = Console(width=200)
    with console.capture() as shown:
        console.print(sr_tree(report))
    assert len(items) > 5
    assert len(shown.get().strip().splitlines()) >= len(items)
