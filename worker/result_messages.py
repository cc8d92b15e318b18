"""Results to the systems that take messages in place of DICOM objects; how, is `dicom_node.messages`."""

from pathlib import Path

from config.languages import Language
from config.sections.messages import MessageSettings
from db.consistency.discordances import Told
from db.results.runs import Run
from dicom_node.header import read_image_header
from worker.catalogues import catalogue_of_run
from worker.context import WorkerContext


def tell_result(
    context: WorkerContext, receiver: MessageSettings, run: Run, report: Path, language: Language, told: Told | None
) -> str:
    """Send one receiver the result of a run whose Structured Report is this file, in its language.

    `told` is what that report says of the study's other reports.

    Returns what the receiver said when it took it.

    Raises
    ------
    ReportError
        There is no such message: the run's catalogue is lost or does not fit, or the report names no patient.
    DeliveryError
        The receiver is out of reach or in trouble.
    RefusedError
        It did not take it.
    ConfigurationError
        A certificate, key or token cannot be used.
    """
    from dicom_node.messages.sending import send_result  # noqa: PLC0415  models of FHIR and HL7: a site may need none

    catalogue = catalogue_of_run(context.spool, run.catalogue_digest, context.catalogue)
    return send_result(receiver, context.settings.tls, run, catalogue, read_image_header(report), language, told)
