"""What lies where: disk, quarantine, packs, and what is kept for how long."""

import shutil
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from config.sections.keep import KeptKind
from dashboard.access.people import Viewer
from dashboard.installation import Here
from dashboard.paging import PageNumber, paged
from dashboard.rendering import page
from db.lifecycle.holds import holds
from db.lifecycle.retention import removals
from dicom_node.quarantine import quarantined
from worker.packs.facts import pack_facts

router = APIRouter(prefix="/operations")
MOST = 20


@router.get("/storage")
def storage(request: Request, here: Here, person: Viewer, number: PageNumber = 1) -> Response:
    """Disk, quarantine, packs and retention."""
    settings = here.settings
    kept = paged(
        lambda offset, limit: quarantined(settings.spool_dir, at_least=offset + limit)[offset : offset + limit], number
    )
    with here.database.read() as session:
        gone, held = removals(session, limit=MOST), holds(session, limit=MOST)
    return page(
        request,
        "operations_storage.html",
        person,
        disks=_disks({"spool": settings.spool_dir, "data": settings.data_dir}),
        minimum_free=settings.node.minimum_free_bytes,
        quarantine=kept,
        packs=pack_facts(settings),
        ages={kind: getattr(settings.keep, f"{kind}_days") for kind in KeptKind},
        removals=gone,
        holds=held,
    )


def _disks(folders: dict[str, Path]) -> list[tuple[str, int, int]]:
    """Of the disk that each folder lies on: what it is for, and bytes free and in all; each disk once."""
    found: dict[int, tuple[str, int, int]] = {}
    for name, folder in folders.items():
        if folder.exists():
            usage = shutil.disk_usage(folder)
            found.setdefault(folder.stat().st_dev, (name, usage.free, usage.total))
    return list(found.values())
