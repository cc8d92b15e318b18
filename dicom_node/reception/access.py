"""Who may talk to the node: the configured peers, and what becomes of everybody else."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address

from config.sections.peers import PeerSettings, Role, UnknownPeers
from config.settings import Settings


class Rejection(Enum):
    """Result, source and diagnostic of an A-ASSOCIATE-RJ (PS3.8 table 9-21)."""

    CALLING_AE_TITLE = (1, 1, 3)
    CALLED_AE_TITLE = (1, 1, 7)
    NO_REASON = (1, 1, 1)
    LOCAL_LIMIT = (2, 3, 2)


REJECTED_WHEN: dict[Rejection, str] = {
    Rejection.CALLING_AE_TITLE: (
        "no peer with the role `sender` has this calling AE title, or none that calls from this address, and "
        "`node.unknown_peers` does not let it in"
    ),
    Rejection.CALLED_AE_TITLE: "`node.require_called_ae_title` or the peer's `called_ae_titles` ask for another title",
    Rejection.NO_REASON: (
        "the peer's entry asks for TLS, or for the certificate of a `certificate_common_name`, and it came otherwise"
    ),
    Rejection.LOCAL_LIMIT: "the node, or this peer, has as many associations open as it may have",
}
"""For the conformance statement."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Somebody who asks for an association."""

    calling_ae_title: str
    called_ae_title: str
    address: str
    """IP address."""
    tls: bool
    certificate_common_name: str = ""
    is_of_this_machine: bool = False
    """It calls from an address of the machine that it calls."""
    only_verifies: bool = False
    """It asks for C-ECHO, and for nothing else."""


@dataclass(frozen=True, kw_only=True)
class Admission:
    """The caller may associate, as this peer; None when it is none that we know but may all the same."""

    peer: PeerSettings | None
    may_send: bool = True
    """Of one that we do not know; what a peer may, its roles say."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """The caller may not."""

    rejection: Rejection
    reason: str


class AccessList:
    """Decides on callers, from the settings alone."""

    def __init__(self, settings: Settings) -> None:
        self._node = settings.node
        reporting = [peer for peer in settings.peers_in(Role.DESTINATION) if peer.storage_commitment]
        senders = settings.peers_in(Role.SENDER)
        # A destination calls us to report on the storage commitment that we have asked it for.
        self._callers = [*senders, *(peer for peer in reporting if peer not in senders)]

    def decide(self, caller: Caller, others: Sequence[PeerSettings | None]) -> Admission | Refusal:
        """Admit a caller or not; `others` are the peers of the associations that are open already."""
        if len(others) >= self._node.maximum_associations:
            limit = self._node.maximum_associations
            return Refusal(rejection=Rejection.LOCAL_LIMIT, reason=f"{limit} associations are open already")
        if self.is_a_look_of_our_own(caller):
            return Admission(peer=None, may_send=False)
        named = [peer for peer in self._callers if peer.ae_title == caller.calling_ae_title.strip()]
        if not named:
            return self._unknown(caller)
        obstacles = [(peer, self._obstacle(peer, caller, others)) for peer in named]
        fitting = next((peer for peer, obstacle in obstacles if obstacle is None), None)
        if fitting is not None:
            return Admission(peer=fitting)
        return next(obstacle for _, obstacle in obstacles if obstacle is not None)

    def is_a_look_of_our_own(self, caller: Caller) -> bool:
        """Whether it is the doctor, which sees whether the node answers: no stranger, whoever else is let in."""
        is_us = caller.is_of_this_machine and caller.calling_ae_title.strip() == self._node.ae_title
        return is_us and caller.only_verifies

    def _unknown(self, caller: Caller) -> Admission | Refusal:
        local = ip_address(caller.address).is_loopback
        welcome = self._node.unknown_peers is UnknownPeers.ACCEPT or (
            self._node.unknown_peers is UnknownPeers.LOOPBACK and local
        )
        if not welcome:
            return Refusal(rejection=Rejection.CALLING_AE_TITLE, reason="no peer has this calling AE title")
        if self._node.require_called_ae_title and caller.called_ae_title.strip() != self._node.ae_title:
            return self._wrong_called_ae_title(caller)
        return Admission(peer=None)

    def _obstacle(self, peer: PeerSettings, caller: Caller, others: Sequence[PeerSettings | None]) -> Refusal | None:
        if not peer.calls_from(caller.address):
            reason = f"peer {peer.name} does not call from this address"
            return Refusal(rejection=Rejection.CALLING_AE_TITLE, reason=reason)
        if peer.tls and not caller.tls:
            return Refusal(rejection=Rejection.NO_REASON, reason=f"peer {peer.name} has to use TLS")
        if peer.certificate_common_name not in ("", caller.certificate_common_name):
            return Refusal(rejection=Rejection.NO_REASON, reason=f"the certificate is not that of peer {peer.name}")
        required = peer.called_ae_titles or ((self._node.ae_title,) if self._node.require_called_ae_title else ())
        if required and caller.called_ae_title.strip() not in required:
            return self._wrong_called_ae_title(caller)
        if peer.maximum_associations and others.count(peer) >= peer.maximum_associations:
            reason = f"peer {peer.name} has {peer.maximum_associations} associations open already"
            return Refusal(rejection=Rejection.LOCAL_LIMIT, reason=reason)
        return None

    def _wrong_called_ae_title(self, caller: Caller) -> Refusal:
        return Refusal(
            rejection=Rejection.CALLED_AE_TITLE,
            reason=f"it calls {caller.called_ae_title.strip() or 'nobody'}, this is {self._node.ae_title}",
        )
