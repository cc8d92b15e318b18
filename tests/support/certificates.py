"""A certificate authority of our own, with the openssl command."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.tools import require_tool


@dataclass(frozen=True)
class Certificate:
    certificate: Path
    private_key: Path


class Authority:
    """Signs certificates; its own certificate is `trusted`."""

    def __init__(self, folder: Path, *, name: str = "authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.trusted = folder / "authority.pem"
        self._key = folder / "authority.key"
        self._openssl("req", "-x509", *self._new_key(self._key), "-subj", f"/CN={name}", "-out", str(self.trusted))

    def sign(self, name: str, *, names: str = "IP:127.0.0.1,DNS:localhost", days: int = 30) -> Certificate:
        """A certificate for these names; a negative number of days makes one that has expired."""
        key, request, signed = (self._folder / f"{name}.{kind}" for kind in ("key", "csr", "pem"))
        extensions = self._folder / "extensions"
        extensions.write_text(f"subjectAltName={names}\n")
        self._openssl("req", *self._new_key(key), "-subj", f"/CN={name}", "-out", str(request))
        authority = ["-CA", str(self.trusted), "-CAkey", str(self._key), "-CAcreateserial", "-days", str(days)]
        self._openssl("x509", "-req", "-in", str(request), *authority, "-extfile", str(extensions), "-out", str(signed))
        return Certificate(signed, key)

    def revocation_list(self, *revoked: Certificate, seconds: int = 30 * 24 * 3600) -> bytes:
        """A list that names these, and those that earlier ones named; valid for so many seconds."""
        configuration, database = self._folder / "ca.cnf", self._folder / "index.txt"
        database.touch()
        configuration.write_text(f"[ca]\ndefault_ca=a\n[a]\ndatabase={database}\ndefault_md=sha256\n")
        authority = ["-config", str(configuration), "-cert", str(self.trusted), "-keyfile", str(self._key)]
        for certificate in revoked:
            self._openssl("ca", *authority, "-revoke", str(certificate.certificate))
        made = self._folder / "crl.pem"
        self._openssl("ca", *authority, "-gencrl", "-crlsec", str(seconds), "-out", str(made))
        return made.read_bytes()

    @staticmethod
    def _new_key(path: Path) -> list[str]:
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(path)]

    @staticmethod
    def _openssl(*arguments: str) -> None:
        subprocess.run([require_tool("openssl"), *arguments], check=True, capture_output=True)
