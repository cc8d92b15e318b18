"""Who is let in, and what the others are told."""

import pytest

from config.sections.peers import PeerSettings, Role, UnknownPeers
from config.settings import Settings, load_settings
from dicom_node.reception.access import AccessList, Admission, Caller, Refusal, Rejection


def settings_with(*peers: PeerSettings, **node: object) -> Settings:
    settings = load_settings()
    return settings.model_copy(update={"peers": peers, "node": settings.node.model_copy(update=node)})


def sender(**fields: object) -> PeerSettings:
    return PeerSettings.model_validate({"name": "echo 1", "ae_title": "VIVID1", "roles": [Role.SENDER]} | fields)


def caller(**fields: object) -> Caller:
    values = {"calling_ae_title": "VIVID1", "called_ae_title": "ECHOWORKER", "address": "10.1.2.3", "tls": False}
    return Caller(**(values | fields))  # type: ignore[arg-type]


def decide(settings: Settings, who: Caller, others: tuple[PeerSettings | None, ...] = ()) -> Admission | Refusal:
    return AccessList(settings).decide(who, others)


def rejection(decision: Admission | Refusal) -> Rejection | None:
    return decision.rejection if isinstance(decision, Refusal) else None


def test_a_configured_sender_is_admitted_as_itself_and_a_destination_alone_is_no_sender() -> None:
    known = sender()
    assert decide(settings_with(known), caller()) == Admission(peer=known)
    receives = sender(roles=[Role.DESTINATION], host="10.1.2.3")
    assert rejection(decide(settings_with(receives), caller())) is Rejection.CALLING_AE_TITLE


@pytest.mark.parametrize(
    ("policy", "address", "admitted"),
    [
        (UnknownPeers.REFUSE, "127.0.0.1", False),
        (UnknownPeers.LOOPBACK, "127.0.0.1", True),
        (UnknownPeers.LOOPBACK, "::1", True),
        (UnknownPeers.LOOPBACK, "10.1.2.3", False),
        (UnknownPeers.ACCEPT, "10.1.2.3", True),
    ],
)
def test_unknown_callers_are_treated_as_the_policy_says(policy: UnknownPeers, address: str, admitted: bool) -> None:
    decision = decide(settings_with(unknown_peers=policy), caller(calling_ae_title="NOBODY", address=address))
    assert isinstance(decision, Admission) is admitted
    if isinstance(decision, Refusal):
        assert decision.reason == "no peer has this calling AE title"


def test_by_default_strangers_are_refused_and_this_machine_is_not() -> None:
    assert rejection(decide(settings_with(), caller())) is Rejection.CALLING_AE_TITLE
    assert isinstance(decide(settings_with(), caller(address="127.0.0.1")), Admission)


@pytest.mark.parametrize(
    ("fields", "who", "expected"),
    [
        ({"networks": ["10.1.0.0/16"]}, {"address": "10.1.2.3"}, None),
        ({"networks": ["10.1.2.3"]}, {"address": "10.1.2.3"}, None),
        ({"networks": ["10.2.0.0/16", "fd00::/8"]}, {"address": "10.1.2.3"}, Rejection.CALLING_AE_TITLE),
        ({"called_ae_titles": ["ECHO2"]}, {"called_ae_title": "ECHO2"}, None),
        ({"called_ae_titles": ["ECHO2"]}, {"called_ae_title": "ECHOWORKER"}, Rejection.CALLED_AE_TITLE),
        ({"tls": True}, {"tls": False}, Rejection.NO_REASON),
        ({"tls": True}, {"tls": True}, None),
        ({"certificate_common_name": "vivid"}, {"tls": True, "certificate_common_name": "other"}, Rejection.NO_REASON),
        ({"certificate_common_name": "vivid"}, {"tls": True, "certificate_common_name": "vivid"}, None),
        ({"certificate_common_name": "vivid"}, {"tls": False}, Rejection.NO_REASON),
    ],
)
def test_a_peer_has_to_fit_its_entry(
    fields: dict[str, object], who: dict[str, object], expected: Rejection | None
) -> None:
    assert rejection(decide(settings_with(sender(**fields)), caller(**who))) is expected


def test_of_two_entries_of_one_ae_title_the_one_that_fits_counts() -> None:
    near, far = sender(name="near", networks=["10.0.0.0/8"]), sender(name="far", networks=["192.168.0.0/16"])
    assert decide(settings_with(near, far), caller(address="192.168.1.1")) == Admission(peer=far)


def test_the_node_may_require_its_own_title_of_everybody() -> None:
    settings = settings_with(sender(), require_called_ae_title=True, unknown_peers=UnknownPeers.ACCEPT)
    for title in ("VIVID1", "NOBODY"):
        refused = decide(settings, caller(calling_ae_title=title, called_ae_title="ANY-SCP"))
        assert rejection(refused) is Rejection.CALLED_AE_TITLE
        assert isinstance(decide(settings, caller(calling_ae_title=title)), Admission)


def test_limits_hold_in_all_and_for_each_peer() -> None:
    small, other = sender(maximum_associations=2), sender(name="other", ae_title="OTHER")
    settings = settings_with(small, other, maximum_associations=4)
    assert isinstance(decide(settings, caller(), (small, other)), Admission)
    assert rejection(decide(settings, caller(), (small, small))) is Rejection.LOCAL_LIMIT
    assert isinstance(decide(settings, caller(calling_ae_title="OTHER"), (small, small)), Admission)
    assert rejection(decide(settings, caller(calling_ae_title="OTHER"), (other,) * 4)) is Rejection.LOCAL_LIMIT


LOOK = {
    "calling_ae_title": "ECHOWORKER",
    "address": "127.0.0.1",
    "is_of_this_machine": True,
    "only_verifies": True,
}


@pytest.mark.parametrize(
    ("otherwise", "is_ours"),
    [
        ({}, True),
        ({"address": "10.1.2.3"}, True),
        ({"is_of_this_machine": False}, False),
        ({"only_verifies": False}, False),
        ({"calling_ae_title": "VIVID1"}, False),
    ],
)
def test_a_look_of_our_own_is_let_in_whoever_else_is_and_may_send_nothing(
    otherwise: dict[str, object], is_ours: bool
) -> None:
    settings, who = settings_with(unknown_peers=UnknownPeers.REFUSE), caller(**LOOK | otherwise)
    assert AccessList(settings).is_a_look_of_our_own(who) is is_ours
    assert (decide(settings, who) == Admission(peer=None, may_send=False)) is is_ours


def test_who_sends_by_our_own_ae_title_is_treated_as_anybody() -> None:
    """As a program on this machine may, where those that are not known are let in from here."""
    sends = caller(**LOOK | {"only_verifies": False})
    assert decide(settings_with(unknown_peers=UnknownPeers.LOOPBACK), sends) == Admission(peer=None)
