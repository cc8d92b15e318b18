"""`echoworker doctor`: is this installation fit to work, and if not, what to do."""

import os
import shutil
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import packages_distributions

from config.catalogue import load_catalogue
from config.errors import EchoWorkerError
from config.labels import ModelLabel
from config.sections.peers import PeerSettings, Role
from config.settings import Settings
from db.reading.queries import count_left_waiting
from db.states import STEP_DUE_IN, StudyState
from deploy.doctor.bucket import bucket
from deploy.doctor.certificates import certificate_of, certificates
from deploy.doctor.clocks import clocks
from deploy.doctor.dashboard import dashboard
from deploy.doctor.deliveries import deliveries
from deploy.doctor.messages import can_be_reached, takes_connections
from deploy.doctor.nightly import alert_receivers, backup, canary, monitoring_page, nightly_duties, rescoring
from deploy.doctor.node import node
from deploy.doctor.packs import has_scoring_pack, packs_that_lie_there, retrieval_pack, scoring_pack
from deploy.doctor.queues import device, gpus, paused_queues
from deploy.doctor.reports import received_reports
from deploy.doctor.senders import calls_us
from deploy.doctor.settings import site_file
from dicom_node.calling import called_peer, echo
from dicom_node.findings import Check, Doubt, FaultError, Finding, found_by
from dicom_node.quarantine import quarantined
from dicom_node.services import asked, broker, registry
from dicom_node.spool import Spool
from worker.context import Destination

OUR_PACKAGES = ("config", "db", "dicom_node", "worker", "dashboard", "deploy")


def examine(settings: Settings) -> Iterator[Finding]:
    """Check everything, one finding at a time; a fault in one does not hide the others."""
    checks: Iterable[tuple[str, Check]] = (
        ("installation", _installation),
        ("settings", site_file),
        ("data folder", _data_folder),
        ("registry", registry),
        ("broker", broker),
        ("bucket", bucket),
        ("clocks", clocks),
        ("certificates", certificates),
        ("task catalogue", _catalogue),
        ("model pack", scoring_pack),
        ("retrieval pack", retrieval_pack),
        ("installed packs", packs_that_lie_there),
        ("node", node),
        ("registering", _registering),
        ("queues", paused_queues),
        ("device", device),
        ("GPUs", gpus),
        ("work", _work),
        ("deliveries", deliveries),
        ("reports", received_reports),
        ("re-scoring", rescoring),
        ("nightly duties", nightly_duties),
        ("backup", backup),
        ("canary", canary),
        ("monitoring", monitoring_page),
        ("alerts", alert_receivers),
        ("dashboard", dashboard),
        ("quarantine", _quarantine),
        ("set aside", _set_aside),
        ("destinations", _destinations),
    )
    for subject, check in checks:
        yield found_by(subject, check, settings)
    for peer in settings.peers:
        if peer.host:
            yield found_by(f"peer {peer.name}", _answers(peer), settings)
        if peer.host and peer.tls:
            yield found_by(f"certificate of {peer.name}", certificate_of(peer.host, peer.port), settings)
        if Role.SENDER in peer.roles:
            yield found_by(f"sender {peer.name}", calls_us(peer), settings)
    for server in settings.dicomweb:
        yield found_by(f"dicomweb {server.name}", takes_connections(server.url, "[[dicomweb]]"), settings)
    for receiver in settings.messages:
        yield found_by(f"messages {receiver.name}", can_be_reached(receiver), settings)


def _installation(_: Settings) -> str:
    """Our package names are common words: another distribution may have put files over ours."""
    owners = packages_distributions()
    for name in OUR_PACKAGES:
        if (owned_by := set(owners.get(name, ["echoworker"]))) != {"echoworker"}:
            others = ", ".join(sorted(owned_by - {"echoworker"}))
            raise FaultError(
                f"package {name} also comes from {others}: install EchoWorker in an environment of its own"
            )
    return "our packages are ours alone"


def _data_folder(settings: Settings) -> str:
    folder, least = settings.data_dir, settings.node.minimum_free_bytes
    if not folder.exists():
        raise FaultError(f"no installation at {folder}: echoworker up makes one; --data names another folder")
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise FaultError(f"{folder} is no folder that can be written; choose another with --data")
    free = shutil.disk_usage(folder).free
    if free < least:
        raise FaultError(f"{free >> 20} MiB free on {folder}, below {least >> 20} MiB: the node answers A700")
    if folder.stat().st_mode & 0o007:
        raise Doubt(f"everybody on this machine can look into {folder}, where patients are named: chmod o= {folder}")
    return f"{folder}, {free >> 30} GiB free"


def _catalogue(settings: Settings) -> str:
    catalogue = load_catalogue(settings.catalogue_path)
    named = f"{len(catalogue.tasks)} tasks, {len(catalogue.views)} views, {catalogue.digest[:12]}"
    if not catalogue.views and settings.gate.views != "off":
        raise Doubt(f"{named}: without views, clips that show no heart are scored; add [[view]] entries")
    return named


def _registering(settings: Settings) -> str:
    patience_s = settings.pipeline.wake_again_after_s
    if left := Spool.of(settings).count_waiting(longer_than_s=patience_s):
        raise Doubt(
            f"{left} instances have waited longer than {patience_s:g} s to be registered (by the intake of echoworker "
            "node): does it run, is the registry there, does its log say why not?"
        )
    return f"no instance has waited longer than {patience_s:g} s"


def _work(settings: Settings) -> str:
    """No process says that it is alive; what is left lying says that one is not."""
    patience_s = settings.pipeline.wake_again_after_s
    since = datetime.now(UTC) - timedelta(seconds=patience_s)
    waiting = asked(settings, lambda session: count_left_waiting(session, since=since))
    if waiting is None:
        return "nothing waits"
    left = [
        f"{count} to be closed (by echoworker node)"
        if state == StudyState.RECEIVING
        else f"{count} for {STEP_DUE_IN[StudyState(state)]} (by echoworker worker, woken by echoworker beat)"
        for state, count in sorted(waiting.items())
    ]
    if left:
        raise Doubt(f"studies have waited longer than {patience_s:g} s: {', '.join(left)}; do these run, and keep up?")
    return f"no study has waited longer than {patience_s:g} s"


def _quarantine(settings: Settings) -> str:
    if found := quarantined(settings.spool_dir):
        raise Doubt(f"{len(found)} instances were refused and kept aside: echoworker quarantine lists them")
    return "empty"


def _set_aside(settings: Settings) -> str:
    folder = Spool.of(settings).damaged
    if found := sum(1 for _ in folder.glob("*")):
        raise Doubt(f"{found} files of the spool could not be used, see the log: look at {folder}, and remove them")
    return "nothing"


def _destinations(settings: Settings) -> str:
    destinations: tuple[Destination, ...] = (
        *settings.peers_in(Role.DESTINATION),
        *settings.dicomweb,
        *settings.messages,
    )
    if not destinations:
        raise Doubt(
            "none configured: reports stay in the spool; add a [[peers]] entry with this role, or one of "
            "[[dicomweb]] or [[messages]]"
        )
    if not has_scoring_pack(settings) and not any(ModelLabel.DEMO in peer.accept_models for peer in destinations):
        raise Doubt(
            "none takes the results of a DEMO model, as it should be: reports stay in the spool; a PACS for "
            'trials takes them with accept_models = ["DEMO"] in its entry'
        )
    return ", ".join(f"{peer.name} takes {', '.join(peer.accept_models)}" for peer in destinations)


def _answers(peer: PeerSettings) -> Check:
    def check(settings: Settings) -> str:
        called = called_peer(settings, peer)
        try:
            echo(called)
        except EchoWorkerError as error:
            known = f"that it knows {settings.node.ae_title}"
            raise FaultError(f"{error}; check its entry in [[peers]], and {known}") from error
        return f"{called} answers C-ECHO"

    return check
