"""UIDs that follow from what an object stands for, so that building it again gives the same object."""

import uuid

from pydicom.uid import UID

from db.results.runs import Run

_NAMESPACE = uuid.UUID("5f7c1c0e-6d1b-5d6e-9a55-2b1f5b6a0e11")
"""Ours alone, and never to change: every UID that ever left depends on it."""


def derived_uid(*parts: str) -> UID:
    """The UID of the thing that `parts` name: 2.25 and a UUID made of the name (PS3.5 annex B.2, RFC 9562 5.5)."""
    name = "/".join(f"{len(part)}:{part}" for part in parts)  # with their lengths: ("a/b",) is not ("a", "b")
    return UID(f"2.25.{uuid.uuid5(_NAMESPACE, name).int}")


def device_uid(run: Run) -> UID:
    """Identifies the observer: this model, to the byte. Another model is another device (IHE AIR)."""
    return derived_uid("device", run.model.digest)
