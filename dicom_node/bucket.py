"""The bucket that hosts with a disk of their own share: files of the spool, under the names that the registry has.

Whatever fsspec has a protocol for: `s3://` by the extra `s3`, `file://`, `memory://`. An object is written under its
name in one go, and appears whole; so does a local copy. Everything that the network does to us is a `BucketAwayError`.
"""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from config.errors import BucketAwayError, ConfigurationError
from config.sections.bucket import BucketSettings
from config.whole_files import sync, unfinished_name

TRIES = 2
"""Of one request, at once: whoever waits for it comes again by itself."""


@dataclass(frozen=True, kw_only=True)
class StoredObject:
    """What the bucket says of one object."""

    size_bytes: int
    modified_at: datetime
    """Aware, UTC."""


class Bucket:
    """One installation's part of a bucket; safe for several threads and processes at once."""

    def __init__(self, settings: BucketSettings) -> None:
        self._settings = settings
        self._made: tuple[int, Any] | None = None

    @classmethod
    def of(cls, settings: BucketSettings) -> "Bucket | None":
        """The configured one; None where hosts share the spool itself. Nothing is asked of it yet.

        One for the whole process, with its connections; its key is read when it is first used.
        """
        return _opened(settings) if settings.url else None

    @property
    def url(self) -> str:
        """As it is configured; free of secrets."""
        return self._settings.url

    def require_protocol(self) -> None:
        """See that there is something here to speak with it; it is not asked.

        Raises
        ------
        ConfigurationError
            Nothing installed speaks the protocol of its URL, or a file with its key cannot be read.
        """
        _ = self._files

    def require_answer(self) -> None:
        """See that it answers, as `look` does of an object that need not be there."""
        self.look("tried")

    def put(self, file: Path, name: str) -> StoredObject:
        """Copy a file into the bucket, in place of what is there under its name.

        Raises
        ------
        BucketAwayError
            The bucket cannot be reached, or does not take it.
        FileNotFoundError
            The file is gone.
        """
        size = file.stat().st_size
        with self._asked("put", name, missing_is_away=file.exists):
            self._make_folder(name)
            self._files.put_file(str(file), self._path(name))
        there = self.look(name)
        if there is None or there.size_bytes != size:
            raise BucketAwayError(f"bucket {self.url} does not have {name} whole after it was put there: put again")
        return there

    def fetch(self, name: str, into: Path) -> StoredObject | None:
        """Copy an object to a local file, which appears whole; None where the bucket has none of this name.

        Raises
        ------
        BucketAwayError
            The bucket cannot be reached, or gave a part alone.
        OSError
            The disk is full or failed; nothing is left of it.
        """
        there = self.look(name)
        if there is None:
            return None
        into.parent.mkdir(parents=True, exist_ok=True)
        unfinished = unfinished_name(into)
        try:
            with self._asked("fetch", name):
                self._files.get_file(self._path(name), str(unfinished))
            sync(unfinished)
            if unfinished.stat().st_size != there.size_bytes:
                raise BucketAwayError(f"bucket {self.url} gave a part of {name} alone: it is fetched again")
            unfinished.rename(into)
        except FileNotFoundError as error:
            if self.look(name) is None:  # removed meanwhile
                return None
            raise BucketAwayError(f"{name} could not be brought here from bucket {self.url}: fetched again") from error
        finally:
            unfinished.unlink(missing_ok=True)
        return there

    def look(self, name: str) -> StoredObject | None:
        """What is there under this name; None: nothing.

        Raises
        ------
        BucketAwayError
            The bucket cannot be reached.
        """
        try:
            with self._asked("look at", name):
                said = self._files.info(self._path(name), **self._anew)
        except FileNotFoundError:
            self._require_bucket(name)
            return None
        if said.get("type") != "file":
            return None
        return StoredObject(size_bytes=int(said["size"]), modified_at=_modified_at(said))

    def names_below(self, folder: str) -> list[str]:
        """The names of all objects below a folder; none where there is no such folder.

        Raises
        ------
        BucketAwayError
            The bucket cannot be reached.
        """
        with self._asked("list", folder), suppress(FileNotFoundError):
            self._files.invalidate_cache()
            found = self._files.find(self._path(folder))
            return sorted(path.removeprefix(f"{self._root}/") for path in found)
        return []

    def remove(self, name: str) -> None:
        """Remove an object; one that is not there was removed before.

        Raises
        ------
        BucketAwayError
            The bucket cannot be reached, or does not let us remove it.
        """
        with self._asked("remove", name), suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def remove_below(self, folder: str) -> None:
        """Remove every object below a folder.

        Raises
        ------
        BucketAwayError
            As above.
        """
        for name in self.names_below(folder):
            self.remove(name)

    def try_out(self) -> None:
        """Write, read and remove a small object.

        Raises
        ------
        BucketAwayError
            One of these cannot be done; the message says which.
        """
        name, content = f"tried/{uuid.uuid4().hex}", b"echoworker"
        with self._asked("write", name, missing_is_away=lambda: True):
            self._make_folder(name)
            self._files.pipe_file(self._path(name), content)
        with self._asked("read", name, missing_is_away=lambda: True):
            read = self._files.cat_file(self._path(name))
        if read != content:
            raise BucketAwayError(f"bucket {self.url} gives other bytes than it was given: do not use it")
        self.remove(name)

    @property
    def _files(self) -> Any:
        """One for all threads; another after a fork, which leaves fsspec's own thread behind."""
        if self._made is None or self._made[0] != os.getpid():
            self._made = (os.getpid(), self._make())
        return self._made[1]

    def _make(self) -> Any:
        import fsspec  # noqa: PLC0415  most installations have no bucket, and a receiving process is small

        scheme = urlsplit(self.url).scheme
        try:
            files = fsspec.filesystem(scheme, skip_instance_cache=True, **self._options)
        except (ImportError, ValueError) as error:
            extra = '"echoworker[s3]"' if self._settings.speaks_s3 else "what fsspec has for it"
            raise ConfigurationError(
                f"bucket.url: nothing installed speaks {scheme}://; pip install {extra}, or name another URL"
            ) from error
        files.retries = TRIES
        return files

    @cached_property
    def _options(self) -> dict[str, Any]:
        settings = self._settings
        if not settings.speaks_s3:
            return {}
        client: dict[str, Any] = {"region_name": settings.region or None, "verify": settings.trusted or None}
        options: dict[str, Any] = {
            "client_kwargs": {name: value for name, value in client.items() if value},
            "config_kwargs": {
                "connect_timeout": settings.timeout_s,
                "read_timeout": settings.timeout_s,
                "retries": {"total_max_attempts": 1},  # s3fs tries again
            },
            "endpoint_url": settings.endpoint_url or None,
            "use_listings_cache": False,  # other hosts write, too
        }
        if settings.key_file:
            options["key"] = _read(settings.key_file)
            options["secret"] = _read(settings.secret_file)
        return options

    @property
    def _anew(self) -> dict[str, Any]:
        return {"refresh": True} if self._settings.speaks_s3 else {}

    @cached_property
    def _root(self) -> str:
        return str(self._files._strip_protocol(self.url)).rstrip("/")

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _make_folder(self, name: str) -> None:
        """Where there are such: a bucket has names alone."""
        if not self._settings.speaks_s3:
            self._files.makedirs(self._path(name).rpartition("/")[0], exist_ok=True)

    def _require_bucket(self, name: str) -> None:
        """A bucket that is not there says of every object that it has none: that must not pass for a lost file."""
        if self._settings.speaks_s3:
            with self._asked("look at", name, missing_is_away=lambda: True):
                self._files.call_s3("head_bucket", Bucket=self._root.partition("/")[0])

    @contextmanager
    def _asked(self, what: str, name: str, *, missing_is_away: Callable[[], bool] = lambda: False) -> Iterator[None]:
        try:
            yield
        except (ConfigurationError, BucketAwayError):
            raise
        except Exception as error:  # each protocol has errors of its own, and each client below it
            if isinstance(error, FileNotFoundError) and not missing_is_away():
                raise
            raise BucketAwayError(
                f"bucket {self.url} cannot be used to {what} {name} ({_said(error)}): does it answer, "
                "and may our key do so? echoworker doctor tries"
            ) from error


@cache
def _opened(settings: BucketSettings) -> Bucket:
    return Bucket(settings)


def _said(error: Exception) -> str:
    """The type alone, and a code of S3: texts of clients quote what was sent."""
    response = getattr(error.__cause__ or error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return f"{type(error).__name__} {code}" if code else type(error).__name__


def _read(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"bucket: {file} cannot be read ({error.strerror}): look at its owner") from error


_TIMES: dict[str, Callable[[Any], datetime]] = {
    "LastModified": lambda said: said.astimezone(UTC),
    "mtime": lambda said: datetime.fromtimestamp(float(said), UTC),
    "created": lambda said: said.astimezone(UTC),
}
"""When an object was written, as S3, a folder and memory call it."""


def _modified_at(said: dict[str, Any]) -> datetime:
    for name, read in _TIMES.items():
        if said.get(name) is not None:
            return read(said[name])
    return datetime.fromtimestamp(0, UTC)  # a protocol that does not say: the size alone tells objects apart
