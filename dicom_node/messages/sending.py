"""The result of a run to one receiver of messages, in its kind and by its way."""

from pathlib import Path
from urllib.parse import urlsplit

from pydicom.dataset import Dataset

from config.catalogue import Catalogue
from config.languages import Language
from config.sections.messages import MessageKind, MessageSettings
from config.sections.peers import TLSSettings
from db.consistency.discordances import Told
from db.results.runs import Run
from dicom_node.messages.fhir import build_fhir
from dicom_node.messages.fhir_server import post_bundle
from dicom_node.messages.folder import put_into_folder
from dicom_node.messages.hl7 import Addressing, build_hl7, control_id
from dicom_node.messages.mllp import send_mllp
from dicom_node.messages.study import reported_study
from dicom_node.report.words import Words, words_of
from dicom_node.tls import client_context
from dicom_node.web_server import read_bearer_token

SUFFIXES = {MessageKind.FHIR: "json", MessageKind.HL7: "hl7"}


def send_result(
    receiver: MessageSettings,
    tls: TLSSettings,
    run: Run,
    catalogue: Catalogue,
    report: Dataset,
    language: Language = Language.ENGLISH,
    told: Told | None = None,
) -> str:
    """Build the message of a run and send it; what the receiver said when it took it.

    `report` is the header of the run's Structured Report, whose patient and study the message is about; `language` is
    that of its sentences, which the message says again, as it does what the report was `told` of others of the study.

    Raises
    ------
    ReportError
        There is no such message: the run does not fit the catalogue, or the report names no patient.
    DeliveryError
        The receiver is out of reach or in trouble, or nobody knows whether it took it: send it again.
    RefusedError
        It does not take it.
    ConfigurationError
        A certificate, key or token cannot be used.
    """
    content = _message(receiver, run, catalogue, report, words_of(language, catalogue), told)
    if receiver.folder:
        name = f"{run.study_instance_uid}_{run.revision}_{run.run_uid}.{SUFFIXES[receiver.kind]}"
        return put_into_folder(content, Path(receiver.folder), name)
    context = None
    if receiver.is_secure:
        context = client_context(tls, trusted=receiver.trusted, setting=f"messages {receiver.name}: trusted")
    if receiver.kind is MessageKind.FHIR:
        token = read_bearer_token(receiver.bearer_token_file, setting=f"messages {receiver.name}")
        return post_bundle(content, receiver.url, tls=context, bearer_token=token)
    address = urlsplit(receiver.url)
    return send_mllp(content, control_id(run), host=address.hostname or "", port=address.port or 0, tls=context)


def _message(
    receiver: MessageSettings, run: Run, catalogue: Catalogue, report: Dataset, words: Words, told: Told | None
) -> bytes:
    study = reported_study(report)
    if receiver.kind is MessageKind.FHIR:
        systems = receiver.patient_id_systems
        return build_fhir(run, catalogue, study, words, patient_id_systems=systems, told=told)
    addressing = Addressing(
        sending_facility=receiver.sending_facility,
        receiving_application=receiver.receiving_application,
        receiving_facility=receiver.receiving_facility,
        assigning_authority=receiver.assigning_authority,
    )
    return build_hl7(run, catalogue, study, addressing, words, told=told)
