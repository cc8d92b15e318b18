"""Whether those who are to call us do: a C-ECHO of ours says nothing about the way back."""

from collections.abc import Sequence

from sqlalchemy import select

from config.sections.peers import PeerSettings
from config.settings import Settings
from db.lifecycle.received import ACCEPTED
from db.tables.peers import Caller
from dicom_node.findings import Check, Doubt
from dicom_node.services import asked


def calls_us(peer: PeerSettings) -> Check:
    """A check of a sender: whether it has called, and whether it was let in when it called last."""

    def check(settings: Settings) -> str:
        of_title = select(Caller).where(Caller.ae_title == peer.ae_title).order_by(Caller.last_at.desc(), Caller.id)
        rows = asked(settings, lambda session: list(session.scalars(of_title)))
        return _said(peer, settings, [row for row in rows or [] if _is_from(peer, row.address)])

    return check


def _said(peer: PeerSettings, settings: Settings, rows: Sequence[Caller]) -> str:
    node = settings.node
    if not rows:
        port = settings.tls.port if peer.tls else node.port
        where = f"{node.ae_title} at this host, port {port}{', by TLS' if peer.tls else ''}"
        raise Doubt(f"has never called; try its C-ECHO to {where}; echoworker callers lists all who called")
    last = rows[0]
    if last.outcome != ACCEPTED:
        raise Doubt(f"called last at {last.last_at:%Y-%m-%d %H:%M} UTC, and was refused: {last.outcome}")
    return f"called last at {last.last_at:%Y-%m-%d %H:%M} UTC, and was let in"


def _is_from(peer: PeerSettings, address: str) -> bool:
    """Of peers that share an AE title, the one that calls from there; an address may stand for several."""
    try:
        return peer.calls_from(address)
    except ValueError:
        return True
