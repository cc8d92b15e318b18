"""Whether the bucket that hosts share can be written, read and cleared, from this host and with its key."""

from pathlib import Path
from stat import S_IROTH

from config.settings import Settings
from dicom_node.bucket import Bucket
from dicom_node.findings import Doubt


def bucket(settings: Settings) -> str:
    """A small object goes there, comes back and is removed; and nobody else reads our key."""
    wanted = settings.bucket
    if not wanted.url:
        return "none: all hosts have the spool itself"
    Bucket(wanted).try_out()
    if wanted.secret_file and Path(wanted.secret_file).stat().st_mode & S_IROTH:
        raise Doubt(f"everybody on this machine can read {wanted.secret_file}: chmod o= {wanted.secret_file}")
    if wanted.endpoint_url.startswith("http://") and not _is_of_this_machine(wanted.endpoint_url):
        raise Doubt("bucket.endpoint_url is without TLS: whoever is on the way sees the images; name https://")
    days = settings.keep.pixels_days
    if days and days * 24 <= wanted.keep_local_h:
        raise Doubt(
            f"bucket.keep_local_h ({wanted.keep_local_h:g}) is longer than keep.pixels_days ({days}): hosts would keep "
            "copies of what was removed; make it shorter"
        )
    return f"{wanted.url} can be written, read and cleared"


def _is_of_this_machine(url: str) -> bool:
    return url.removeprefix("http://").startswith(("127.", "localhost", "[::1]"))
