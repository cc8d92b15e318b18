"""Asking a node for an association, to learn whether it still grants one."""

from pynetdicom import AE
from pynetdicom.sop_class import Verification


def refuses_associations(port: int) -> bool:
    """Whether the node on this port refuses. One that is granted is released: a node that stops waits for it."""
    ae = AE()
    ae.add_requested_context(Verification)
    association = ae.associate("127.0.0.1", port)
    established = association.is_established
    if established:
        association.release()
    return not established
