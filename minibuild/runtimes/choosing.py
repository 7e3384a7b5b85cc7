"""Which runtime of a table works here, found by running something, and remembered."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from minibuild.errors import UnavailableError, did_you_mean
from minibuild.runtimes.base import Runtime
from minibuild.sandbox.userns import AS_ROOT, mapping
from minibuild.version import __version__


def choose_from(table: Mapping[str, type[Runtime]], name: str | None, cache: Path) -> Runtime:
    """The runtime of that name, else the first of the table that works; ``cache`` remembers what was found.

    Raises UnavailableError with the reason of each that doesn't work.
    """
    if name is not None and name not in table:
        hint = did_you_mean(name, list(table)) or f"there are {', '.join(table)}"
        raise UnavailableError(f"no runtime is called {name!r}", hint=hint)
    known = _read(cache)
    reasons: dict[str, str] = {}
    for candidate in [name] if name else table:
        machine = _machine(table[candidate])
        remembered = known.get(candidate)
        # A runtime that was asked for by name gets a second chance.
        if remembered and remembered["machine"] == machine and (remembered["reason"] is None or name is None):
            reason = remembered["reason"]
        else:
            reason = table[candidate].probe()
            known[candidate] = {"machine": machine, "reason": reason}
            _write(cache, known)
        if reason is None:
            return table[candidate]()
        reasons[candidate] = reason
    raise UnavailableError(
        f"no runtime can run a command here: {'; '.join(f'{name}: {why}' for name, why in reasons.items())}",
        hint=f"{AS_ROOT}; a Dockerfile without RUN needs no runtime",
    )


def _machine(runtime: type[Runtime]) -> list[str | int]:
    """What a probe's answer depends on."""
    binary = runtime.binary() or ""
    changed = os.stat(binary).st_mtime_ns if binary else 0
    return [binary, changed, os.uname().release, os.uname().version, os.geteuid(), mapping(), __version__]


def _read(cache: Path) -> dict[str, Any]:
    try:
        known = json.loads(cache.read_bytes())
    except (OSError, ValueError):
        return {}
    entries = known.items() if isinstance(known, dict) else ()
    return {name: entry for name, entry in entries if isinstance(entry, dict) and {"machine", "reason"} <= entry.keys()}


def _write(cache: Path, known: Mapping[str, Any]) -> None:
    # A cache that can't be written is asked again; that is all.
    with suppress(OSError):
        fresh = cache.with_name(f".{cache.name}-{os.getpid()}")
        fresh.write_text(json.dumps(known, indent=1))
        os.replace(fresh, cache)
