"""``sha256:<64 hex>``: the name of bytes, and of whole trees by the digests of their layers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from minibuild.errors import IntegrityError

# Anchored and exact, since a digest becomes a path in the store: "sha256:../../x" must never get that far.
_SHA256 = re.compile(r"sha256:[a-f0-9]{64}")


class Digest(str):
    """A validated ``sha256:<64 lower-case hex>``; compares and hashes as the text it is."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Digest:
        """The digest that a text spells; raises IntegrityError for any other spelling or algorithm."""
        if not isinstance(text, str) or not _SHA256.fullmatch(text):
            raise IntegrityError(f"{text!r} is no digest, wanted sha256: and 64 lower-case hexadecimal digits")
        return cls(text)

    @classmethod
    def of(cls, content: bytes) -> Digest:
        """The digest of these bytes."""
        return cls("sha256:" + hashlib.sha256(content).hexdigest())

    @property
    def hex(self) -> str:
        """The 64 digits."""
        return self[7:]

    @property
    def short(self) -> str:
        """The first twelve digits, as people read image IDs."""
        return self[7:19]


def chain_id(diff_ids: Iterable[str], onto: Digest | None = None) -> Digest | None:
    """The ChainID of layers applied in this order, oldest first, on top of ``onto``; None for no layers at all.

    Source: image-spec, config.md §Layer ChainID.
    """
    chain = onto
    for diff_id in diff_ids:
        chain = Digest(diff_id) if chain is None else Digest.of(f"{chain} {diff_id}".encode())
    return chain
