"""What the command line prints of deliveries: tables for people."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from db.delivery.dead_letters import DeliveryDetail, DestinationSummary
from db.states import DeliveryState
from deploy.printing.tables import time_column, time_text, uid_column, whole_column

_CIRCUIT_STYLE = {"open": "bold red", "half-open": "yellow"}


def destinations_table(found: Iterable[DestinationSummary], *, width: int) -> Table:
    """One row for each destination."""
    table = Table(
        "Destination",
        "Due",
        "Awaiting commitment",
        "Delivered",
        "Dead",
        whole_column("Circuit"),
        time_column("Asked again (UTC)", width),
        "Last trouble",
    )
    for each in found:
        states = (DeliveryState.DUE, DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.DEAD)
        counts = [str(each.counts.get(state, 0)) for state in states]
        circuit = Text(each.circuit, style=_CIRCUIT_STYLE.get(each.circuit, ""))
        table.add_row(Text(each.destination), *counts, circuit, _time(each.asked_again_at), Text(each.trouble or ""))
    return table


def dead_table(found: Iterable[DeliveryDetail], *, width: int) -> Table:
    """One row for each dead letter; its number is what `show` and `resend` take."""
    table = Table(
        "ID", "Destination", "Object", uid_column("Study Instance UID", width), "Attempts",
        time_column("Last (UTC)", width), "Answer",
    )  # fmt: skip
    for each in found:
        delivery = each.delivery
        table.add_row(
            str(delivery.id),
            Text(delivery.destination),
            each.report.kind,
            each.study.study_instance_uid,
            str(delivery.attempts),
            _time(delivery.last_attempt_at),
            Text(delivery.last_answer or ""),
        )
    return table


def delivery_view(found: DeliveryDetail, spool: Path, *, width: int) -> RenderableType:
    """All about one delivery."""
    delivery, report = found.delivery, found.report
    facts = Table.grid("", "", padding=(0, 2))
    for name, value in (
        ("Delivery", f"{delivery.id} to {delivery.destination}: {delivery.state}"),
        ("Study", f"{found.study.study_instance_uid}: {found.study.state}"),
        ("Object", f"{report.kind}, SOP class {report.sop_class_uid}"),
        ("SOP Instance UID", report.sop_instance_uid),
        ("There, as Comprehensive SR", delivery.sent_as or ""),
        ("File", str(spool / report.spool_path)),
        ("SHA-256", report.sha256),
        ("Attempts", str(delivery.attempts)),
        ("Next attempt (UTC)", _time(delivery.next_attempt_at)),
        ("Delivered (UTC)", _time(delivery.delivered_at)),
        ("Commitment asked for", _time(delivery.commitment_asked_at)),
    ):
        if value:
            facts.add_row(Text(name, style="dim"), Text(value, overflow="fold"))
    answers = Table(
        time_column("At (UTC)", width), whole_column("State then"), "Answer", title="Answers", title_justify="left"
    )
    for said in found.answers:
        answers.add_row(time_text(said.at), said.state, Text(said.answer))
    return Group(facts, answers)


def _time(at: datetime | None) -> str:
    return time_text(at) if at else ""
