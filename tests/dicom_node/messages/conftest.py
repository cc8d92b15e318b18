"""Both ends of TLS connections, of an authority of our own."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.servers import free_port


@dataclass(frozen=True)
class Ends:
    listening: ssl.SSLContext
    trusting: ssl.SSLContext
    trusted: Path
    """The certificate of the authority that signed the one that is listened with."""


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Ends:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    ours = authority.sign("server")
    listening = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    listening.load_cert_chain(ours.certificate, ours.private_key)
    return Ends(listening, ssl.create_default_context(cafile=str(authority.trusted)), authority.trusted)


@pytest.fixture
def nobody() -> int:
    """A port where nothing listens."""
    return free_port()
