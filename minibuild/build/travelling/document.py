"""The records of a cache ⇄ a JSON document.

::

    {
      "schema": 1,
      "layers":  [{"diff_id": "sha256:…", "mediaType": "…", "digest": "sha256:…", "size": 123}],
      "records": [{"key": "sha256:…", "parent": ["sha256:…"], "layer": "sha256:…", "created": "2026-01-02T03:04:05Z",
                   "result": "sha256:…", "place": "build 3", "parts": {…}}],
      "mounts":  [{"id": "/root/.npm", "name": "…", "layer": "sha256:…"}],
      "signature": "hmac-sha256:…"
    }

A record says that the step of that ``key``, done upon the layers of these diff_ids, oldest first, made the ``layer`` of
that diff_id; ``result``, ``place`` and ``parts`` are as a store's records have them, and ``parts`` lack their inputs
where those are many. ``layers`` has each layer's blob, and its diff_id alone in an image's own cache: the blob is the
image's. ``mounts`` are directories of cache mounts, each a layer, by the id that a Dockerfile calls them and the name
that a store keeps them by. The ``signature`` is HMAC-SHA256 of the document without it, its keys sorted, no blanks, all
but ASCII escaped.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from minibuild.errors import ImageError, MinibuildError
from minibuild.oci import Descriptor, Digest, Layer, MediaType
from minibuild.oci.config import encode_json
from minibuild.store import Record
from minibuild.values import dataclass

MEDIA_TYPE = "application/vnd.minibuild.cache.v1+json"
SCHEMA = 1
_SIGNED_BY = "hmac-sha256:"
_MOST = 20_000
_MOST_BELOW = 1000
_LONGEST_TEXT = 4096
# A key's inputs may be 30,000 files; they are only there to explain a miss.
_LARGEST_INPUTS = 64 << 10
_LAYERS = frozenset(
    {
        *(MediaType.LAYER, MediaType.LAYER_GZIP, MediaType.LAYER_ZSTD),
        *(MediaType.DOCKER_LAYER, MediaType.DOCKER_LAYER_GZIP),
    }
)
_TIME = re.compile(r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,20}(?:Z|[+-][0-9]{2}:[0-9]{2}))?")
_NAME = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class TravellingMount:
    """A cache mount's directory as a layer: its id in Dockerfiles, and the name that a store keeps it by."""

    id: str
    name: str
    layer: Layer


@dataclass(frozen=True, slots=True)
class Cache:
    """What travels: records of steps that have layers, and cache mounts."""

    records: tuple[Record, ...] = ()
    mounts: tuple[TravellingMount, ...] = ()

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All layers that it names, each once, in an order of their own."""
        layers = [record.layer for record in self.records if record.layer] + [mount.layer for mount in self.mounts]
        found = {layer.diff_id: layer for layer in layers}
        return tuple(found[diff_id] for diff_id in sorted(found))


def encode(cache: Cache, key: bytes = b"") -> dict[str, Any]:
    """The document of a cache, signed where there is a key."""
    layers = [{"diff_id": layer.diff_id, **layer.descriptor.encode()} for layer in cache.layers]
    mounts = [{"id": mount.id, "name": mount.name, "layer": mount.layer.diff_id} for mount in cache.mounts]
    return _signed(layers, cache.records, mounts, key, _LARGEST_INPUTS)


def encode_inline(records: Iterable[Record], key: bytes = b"") -> dict[str, Any]:
    """The document of an image's own cache: what its layers' blobs are is said by its manifest."""
    records = tuple(records)
    layers = [{"diff_id": layer.diff_id} for layer in Cache(records).layers]
    return _signed(layers, records, [], key, 0)


def decode(document: Any, key: bytes = b"", known: Mapping[Digest, Layer] | None = None) -> Cache:
    """The cache that a document tells of; raises ImageError where it isn't one, or where there is a key and it isn't
    signed by that. ``known`` are the layers of the image that it stands in.
    """
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        found = document.get("schema") if isinstance(document, dict) else type(document).__name__
        raise ImageError(f"its records are of the schema {found!r}, wanted {SCHEMA}")
    _check_signature(document, key)
    try:
        layers = dict(_layer(item, known) for item in _items(document, "layers"))
        return Cache(
            tuple(_record(item, layers) for item in _items(document, "records")),
            tuple(_mount(item, layers) for item in _items(document, "mounts")),
        )
    except MinibuildError as error:
        raise ImageError(f"its records can't be read: {error.message}") from error
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ImageError(f"its records can't be read ({error!r})") from error


def _signed(
    layers: list[dict[str, Any]], records: Iterable[Record], mounts: list[dict[str, Any]], key: bytes, most: int
) -> dict[str, Any]:
    records = sorted(records, key=lambda record: (record.key, record.parent_diff_ids))
    told = {
        "schema": SCHEMA,
        "layers": layers,
        "records": [_encode_record(record, most) for record in records if record.layer],
        **({"mounts": mounts} if mounts else {}),
    }
    # As whoever reads it will have it: names that aren't UTF-8 don't survive the way.
    document = json.loads(encode_json(told))
    return {**document, **({"signature": _signature(document, key)} if key else {})}


def _encode_record(record: Record, most: int) -> dict[str, Any]:
    assert record.layer is not None
    parts = dict(record.parts)
    if parts.get("inputs") and len(json.dumps(parts["inputs"])) > most:
        parts["inputs"] = {}
    # One order, whether they were made here or read: an image that tells them has one ID.
    known = {
        "result": record.result,
        "place": record.place,
        "parts": json.loads(json.dumps(parts, sort_keys=True)),
    }
    return {
        "key": record.key,
        "parent": list(record.parent_diff_ids),
        "layer": record.layer.diff_id,
        "created": record.created,
        **{name: value for name, value in known.items() if value},
    }


def _signature(document: Mapping[str, Any], key: bytes) -> str:
    signed = {name: document[name] for name in document if name != "signature"}
    canonical = json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return _SIGNED_BY + hmac.new(key, canonical.encode(), hashlib.sha256).hexdigest()


def _check_signature(document: Mapping[str, Any], key: bytes) -> None:
    if not key:
        return
    found = document.get("signature")
    if not isinstance(found, str) or not found:
        raise ImageError("it isn't signed", hint="write it again by a build that has the key: --cache-key-file")
    if not hmac.compare_digest(found.encode("utf-8", "replace"), _signature(document, key).encode()):
        raise ImageError("it is signed by another key, or was changed after it was signed")


def _items(document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    items = document.get(name) or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ImageError(f"its {name} are no list of objects")
    if len(items) > _MOST:
        raise ImageError(f"it has {len(items)} {name}, at most {_MOST} are read")
    return items


def _layer(item: Mapping[str, Any], known: Mapping[Digest, Layer] | None) -> tuple[Digest, Layer]:
    diff_id = Digest.parse(item["diff_id"])
    if known is not None:
        if diff_id not in known:
            raise ImageError(f"layer {diff_id} is none of its image's")
        return diff_id, known[diff_id]
    descriptor = Descriptor.parse(item)
    if descriptor.media_type not in _LAYERS:
        raise ImageError(f"{_quoted(descriptor.media_type)} is no layer's media type")
    return diff_id, Layer(descriptor, diff_id)


def _record(item: Mapping[str, Any], layers: Mapping[Digest, Layer]) -> Record:
    parent = item["parent"]
    if not isinstance(parent, list) or len(parent) > _MOST_BELOW:
        raise ImageError(f"a step stands on no list of layers, or on more than {_MOST_BELOW}")
    created = _text(item, "created")
    if not _TIME.fullmatch(created):
        raise ImageError(f"{_quoted(created)} is no time")
    result = _text(item, "result")
    return Record(
        key=Digest.parse(item["key"]),
        parts=_parts(item.get("parts")),
        layer=layers[Digest.parse(item["layer"])],
        parent_diff_ids=tuple(map(Digest.parse, parent)),
        created=created,
        result=Digest.parse(result) if result else "",
        place=_text(item, "place"),
    )


def _parts(found: object) -> Mapping[str, Any]:
    """The parts of a key as far as they are of the right shape; they only explain."""
    wanted = {"schema": int, "parent": str, "effect": dict, "inputs": dict}
    is_fine = isinstance(found, dict) and found.keys() == wanted.keys()
    if not isinstance(found, dict) or not is_fine or not all(isinstance(found[name], wanted[name]) for name in wanted):
        return {}
    return found


def _mount(item: Mapping[str, Any], layers: Mapping[Digest, Layer]) -> TravellingMount:
    name = _text(item, "name")
    if not _NAME.fullmatch(name):
        raise ImageError(f"{_quoted(name)} is no name of a cache mount")
    return TravellingMount(_text(item, "id"), name, layers[Digest.parse(item["layer"])])


def _text(item: Mapping[str, Any], name: str) -> str:
    text = item.get(name, "")
    if not isinstance(text, str) or len(text) > _LONGEST_TEXT:
        raise ImageError(f"a {name} is no text, or a very long one")
    return text


def _quoted(text: str) -> str:
    return repr(text if len(text) < 100 else f"{text[:100]}…")
