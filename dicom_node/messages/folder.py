"""A message to a folder, from which some other system takes it."""

from pathlib import Path

from config.errors import DeliveryError, RefusedError
from config.whole_files import write_durably


def put_into_folder(content: bytes, folder: Path, name: str) -> str:
    """Write a file that is whole and on the disk once its name is there; what became of it.

    Raises
    ------
    DeliveryError
        The folder is not there or cannot be written.
    RefusedError
        It has a file of that name with other content, which stays.
    """
    # Never made here: below a share that is not mounted, nobody would ever take the file.
    if not folder.is_dir():
        raise DeliveryError(f"folder {folder} is not there: make it, or mount it")
    path = folder / name
    try:
        if path.exists():
            if path.read_bytes() == content:
                return "already there"
            raise RefusedError(f"{path} is there with other content: move it away, and requeue the study")
        write_durably(path, content)
    except OSError as error:
        raise DeliveryError(f"folder {folder} cannot be written ({error.strerror})") from error
    return "written"
