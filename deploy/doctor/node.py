"""Whether our own node answers, on each port that it listens on.

It is called by its own AE title, from its own machine, for C-ECHO alone: so it knows the doctor, lets it in whatever
the settings say of others, and does not list it as a caller (`AccessList.is_a_look_of_our_own`).
"""

from datetime import UTC, datetime

from config.errors import AssociationRejectedError, EchoWorkerError
from config.settings import Settings
from dicom_node.calling import echo, own_node
from dicom_node.findings import Doubt, FaultError
from dicom_node.reception.reporting import associations_of_receivers
from dicom_node.spool import Spool
from dicom_node.tls import own_refusal

REMEDY = "is it running? Start it with echoworker up, or echoworker node"


def node(settings: Settings) -> str:
    """It answers C-ECHO, in plain and by TLS, where it speaks these."""
    said = [_answers(settings, by_tls=False)] if settings.tls.accept_without_tls else []
    if settings.tls.enabled:
        said.append(_answers_by_tls(settings))
    return ", ".join(said)


def _answers(settings: Settings, *, by_tls: bool) -> str:
    called = own_node(settings, calling_ae_title=settings.node.ae_title, by_tls=by_tls)
    try:
        echo(called)
    except AssociationRejectedError as error:
        raise Doubt(str(error)) from error
    except EchoWorkerError as error:
        raise FaultError(f"{error}; {REMEDY}") from error
    return f"{called} answers C-ECHO{' by TLS' if by_tls else ''}"


def _answers_by_tls(settings: Settings) -> str:
    refusal = own_refusal(settings.tls)
    if refusal is None:
        return _answers(settings, by_tls=True)
    # Its own certificate is none that it takes from a caller: a call would be one more refused stranger in its list.
    if not associations_of_receivers(Spool.of(settings), now=datetime.now(UTC)):
        raise FaultError(f"gives no sign of life; {REMEDY}")
    return (
        f"runs, and was not called at {settings.tls.port}, since it takes its own certificate from no caller "
        f"({refusal}): canary and send cannot call it by TLS either"
    )
