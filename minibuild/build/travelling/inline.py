"""``type=inline``: an image tells of its own steps, in its configuration. Where it goes, its cache goes along."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from minibuild.build.travelling.document import encode_inline
from minibuild.errors import ImageError
from minibuild.oci import ImageConfig
from minibuild.store import Record

WHERE = "dev.minibuild.cache.v1"
"""The key of the configuration that has it."""


def with_cache(config: ImageConfig, records: Iterable[Record], key: bytes) -> ImageConfig:
    """The configuration with the cache of these records, as far as their layers are the image's."""
    own = [record for record in records if record.layer and record.layer.diff_id in config.diff_ids]
    return replace(config, extra=MappingProxyType({**config.extra, WHERE: encode_inline(own, key)}))


def without_cache(config: ImageConfig) -> ImageConfig:
    """The configuration without what its base told of the base's own steps."""
    if WHERE not in config.extra:
        return config
    extra = {name: value for name, value in config.extra.items() if name != WHERE}
    return replace(config, extra=MappingProxyType(extra))


def found_in(raw_config: bytes) -> Any:
    """The document of an image's cache; raises ImageError where it has none."""
    document = json.loads(raw_config)
    if WHERE not in document:
        hint = "write one: --cache-to type=inline when the image is built, or --cache-to type=registry,ref=…"
        raise ImageError("it is an image that tells nothing of its steps", hint=hint)
    return document[WHERE]
