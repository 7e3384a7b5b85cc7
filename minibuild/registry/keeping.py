"""Keeps credentials where docker and podman find them, and forgets them there: ``login`` and ``logout``."""

from __future__ import annotations

import json
import os
import subprocess
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minibuild.errors import UnavailableError, UsageError
from minibuild.registry.credentials import Credential, config_files, key_of

_HELPER_S = 60


class Keeping:
    """The file that is written to: REGISTRY_AUTH_FILE, or else docker's ``config.json``."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.path = config_files(environment)[0]

    def keep(self, host: str, credential: Credential) -> str:
        """Keeps what to show a host, in the place of what was kept; answers where it is now."""
        document, key = self._read(), key_of(host)
        if helper := _helper(document, key):
            secret = {"ServerURL": key, "Username": credential.username, "Secret": credential.password}
            self._ask(helper, "store", json.dumps(secret))
            document.setdefault("auths", {})[key] = {}
            self._write(document)
            return f"docker-credential-{helper}"
        pair = f"{credential.username}:{credential.password}".encode()
        document.setdefault("auths", {})[key] = {"auth": b64encode(pair).decode()}
        self._write(document)
        return str(self.path)

    def forget(self, host: str) -> bool:
        """Forgets what was kept for a host; False where nothing was."""
        document, key = self._read(), key_of(host)
        helper = _helper(document, key)
        known = document.get("auths", {}).pop(key, None)
        if helper:
            self._ask(helper, "erase", key)
        if known is not None:
            self._write(document)
        return bool(helper) or known is not None

    def _read(self) -> dict[str, Any]:
        try:
            document = json.loads(self.path.read_text())
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError) as error:
            raise UsageError(f"{self.path} can't be read: {error}", hint="mend it, or move it away") from error
        if not isinstance(document, dict) or not isinstance(document.get("auths", {}), dict):
            raise UsageError(f"{self.path} is no configuration of docker's", hint="mend it, or move it away")
        return document

    def _write(self, document: Mapping[str, Any]) -> None:
        # Where the file is a link, as in a repository of dotfiles, it stays one.
        path = Path(os.path.realpath(self.path))
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(json.dumps(document, indent="\t") + "\n")
            draft.replace(path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise UnavailableError(f"{self.path} can't be written: {error.strerror}") from error

    def _ask(self, helper: str, verb: str, words: str) -> None:
        program = f"docker-credential-{helper}"
        try:
            done = subprocess.run(
                [program, verb],
                input=words.encode(),
                env=dict(self._environment),
                capture_output=True,
                timeout=_HELPER_S,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UnavailableError(f"{program} can't be used: {error}", hint=f"{self.path} names it") from error
        if done.returncode:
            said = (done.stdout or done.stderr).decode("utf-8", "replace").strip()[:200]
            raise UnavailableError(f"{program} {verb} ended with {done.returncode}: {said}")


def _helper(document: Mapping[str, Any], key: str) -> str:
    helpers = document.get("credHelpers")
    found = (helpers.get(key) if isinstance(helpers, dict) else None) or document.get("credsStore") or ""
    if not isinstance(found, str) or "/" in found:
        raise UsageError(f"{found!r} is no credential helper's name")
    return found
