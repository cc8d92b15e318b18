"""A server that speaks S3, in this process: what it keeps outlives that it is stopped and started again."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
from moto.server import ThreadedMotoServer

from config.sections.bucket import BucketSettings
from tests.support.servers import free_port

KEY, SECRET = "AKIAECHOWORKER", "a secret that no log may show"


class BucketServer:
    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.endpoint_url = f"http://127.0.0.1:{self.port}"
        self.name = f"spool-{self.port}"
        self.key_file, self.secret_file = folder / "key", folder / "secret"
        self.key_file.write_text(f"{KEY}\n")
        self.secret_file.write_text(f"{SECRET}\n")
        self._server: ThreadedMotoServer | None = None
        self.start()
        self._client().create_bucket(Bucket=self.name)

    @property
    def url(self) -> str:
        return f"s3://{self.name}/echo"

    def settings(self, **changes: object) -> BucketSettings:
        said = {
            "url": self.url,
            "endpoint_url": self.endpoint_url,
            "region": "us-east-1",
            "key_file": str(self.key_file),
            "secret_file": str(self.secret_file),
            "trusted": "",
            "timeout_s": 10,  # as in the product: a machine at its limits answers late
            "keep_local_h": 24,
        }
        return BucketSettings.model_validate({**said, **changes})

    def start(self) -> None:
        self._server = ThreadedMotoServer("127.0.0.1", self.port, verbose=False)
        self._server.start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None

    def names(self) -> list[str]:
        """Of all objects."""
        listed = self._client().list_objects_v2(Bucket=self.name)
        return sorted(each["Key"].removeprefix("echo/") for each in listed.get("Contents", ()))

    def _client(self):  # boto3 makes its classes as it goes
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
        )


@contextmanager
def bucket_server(folder: Path) -> Iterator[BucketServer]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = BucketServer(folder)
    try:
        yield server
    finally:
        server.stop()
