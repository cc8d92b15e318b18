"""Whom this installation speaks with, when each was last heard, and who was refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from config.settings import Settings
from config.steps import Purpose
from dashboard.access.people import Viewer
from dashboard.installation import Here
from dashboard.paging import PageNumber, paged
from dashboard.rendering import page
from db.delivery.dead_letters import last_delivered
from db.delivery.queues import queues_of
from db.reading.queries import last_calls, list_callers

router = APIRouter(prefix="/operations")


@dataclass(frozen=True, kw_only=True)
class KnownPeer:
    """One that the settings name."""

    name: str
    kind: str
    """Its roles, or what it is."""
    address: str
    ae_title: str
    called_at: datetime | None
    """When a caller of its AE title was last accepted."""
    delivered_at: datetime | None
    """When it last had something of us."""
    trouble: str
    """Why nothing is sent to it now; empty: nothing is known to be wrong."""


@router.get("/peers")
def peers(request: Request, here: Here, person: Viewer, number: PageNumber = 1) -> Response:
    """All of the settings, and all callers; those who were refused first."""
    with here.database.read() as session:
        known = _known(session, here.settings)
        refused = list_callers(session, refused_only=True, limit=50)
        callers = paged(lambda offset, limit: list_callers(session, limit=limit, offset=offset), number)
    context: dict[str, Any] = {"known": known, "refused": refused, "callers": callers}
    return page(request, "operations_peers.html", person, now=here.now(), **context)


def _known(session: Session, settings: Settings) -> Sequence[KnownPeer]:
    called = last_calls(session)
    troubles = {
        peer: row.last_answer
        for purpose in Purpose
        for peer, row in queues_of(session, purpose).items()
        if row.last_answer
    }
    listed = [
        *((peer.name, ", ".join(peer.roles), f"{peer.host}:{peer.port}" if peer.host else "", peer.ae_title)
          for peer in settings.peers),
        *((server.name, "DICOMweb", server.url, "") for server in settings.dicomweb),
        *((each.name, f"messages, {each.kind}", each.url or "a folder", "") for each in settings.messages),
    ]  # fmt: skip
    return [
        KnownPeer(
            name=name,
            kind=kind,
            address=address,
            ae_title=ae_title,
            called_at=called.get(ae_title),
            delivered_at=last_delivered(session, name),
            trouble=troubles.get(name) or "",
        )
        for name, kind, address, ae_title in listed
    ]
