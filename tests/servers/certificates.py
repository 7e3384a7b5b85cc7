"""Certificates of the tests' own, made by openssl."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from subprocess import run

_KEY = ["-newkey", "rsa:2048", "-nodes"]


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, in files of PEM."""

    path: Path
    key: Path

    def together(self) -> Path:
        """Both in one file."""
        both = self.path.with_suffix(".pem")
        both.write_bytes(self.path.read_bytes() + self.key.read_bytes())
        return both


@dataclass(frozen=True)
class Authority:
    """Who signs certificates for a day; its own is signed by itself."""

    own: Certificate

    @classmethod
    def founded(cls, directory: Path) -> Authority:
        """A new one."""
        directory.mkdir()
        own = Certificate(directory / "authority.crt", directory / "authority.key")
        words = ["-x509", "-days", "1", "-subj", f"/CN={directory.name}"]
        _openssl("req", *_KEY, *words, "-keyout", str(own.key), "-out", str(own.path))
        return cls(own)

    def signed(self, name: str) -> Certificate:
        """A certificate for a host or a person of that name."""
        made = Certificate(self.own.path.with_name(f"{name}.crt"), self.own.path.with_name(f"{name}.key"))
        request = made.path.with_suffix(".csr")
        extensions = made.path.with_suffix(".ext")
        extensions.write_text(f"subjectAltName=DNS:{name}\n")
        _openssl("req", *_KEY, "-subj", f"/CN={name}", "-keyout", str(made.key), "-out", str(request))
        signer = ["-CA", str(self.own.path), "-CAkey", str(self.own.key), "-CAcreateserial", "-days", "1"]
        words = ["-in", str(request), "-extfile", str(extensions), "-out", str(made.path)]
        _openssl("x509", "-req", *signer, *words)
        return made


def _openssl(*words: str) -> None:
    run(["openssl", *words], check=True, capture_output=True)
