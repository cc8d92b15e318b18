"""All pages of operations."""

from fastapi import APIRouter

from dashboard.pages.operations import deliveries, overview, peers, queues, rescoring, storage

router = APIRouter()
for part in (overview, queues, peers, deliveries, rescoring, storage):
    router.include_router(part.router)
