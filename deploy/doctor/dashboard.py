"""Whether the dashboard can be used, and by nobody by whom it should not be."""

from datetime import UTC, datetime, timedelta

from config.settings import Settings
from dashboard.access.signing_in import first_password_is_in_use
from db.accounts import has_an_admin
from dicom_node.expiry import expiry_of
from dicom_node.findings import Doubt, FaultError
from dicom_node.services import asked, require_listener


def dashboard(settings: Settings) -> str:
    """It listens, its certificate lasts, somebody can sign in, and the first password is not left lying."""
    wanted = settings.dashboard
    if not wanted.port:
        return "there is none: dashboard.port is 0"
    address = f"{wanted.host}:{wanted.port}"
    require_listener(wanted.host, wanted.port, start_it=": start it with echoworker up, or echoworker dashboard")
    if asked(settings, has_an_admin) is False and not wanted.openid.admins:
        raise FaultError("nobody could sign in as an administrator: echoworker accounts add NAME --role admin")
    if wanted.certificate:
        _require_certificate(settings)
    _require_other_password(settings, address)
    return f"listens on {address}{', by TLS' if wanted.certificate else ''}"


def _require_other_password(settings: Settings, address: str) -> None:
    file = settings.dashboard.password_file(settings.data_dir)
    if not file.exists():
        return
    if asked(settings, lambda session: first_password_is_in_use(settings, session)):
        raise Doubt(
            f"listens on {address}; the password that was made up for admin is in use, and lies in {file}: sign in and "
            "change it, or echoworker accounts password admin"
        )
    raise Doubt(f"listens on {address}; {file} is of a password that does not count any more: remove it")


def _require_certificate(settings: Settings) -> None:
    expires = expiry_of(settings.dashboard.certificate)
    said = f"dashboard.certificate is valid until {expires:%Y-%m-%d}"
    if expires <= datetime.now(UTC):
        raise FaultError(f"{said}: browsers refuse it; put a new one in its place, and start it again")
    if expires - datetime.now(UTC) <= timedelta(days=settings.monitoring.alerting.certificate_expires_within_days):
        raise Doubt(f"{said}: put a new one in its place, and start it again")
