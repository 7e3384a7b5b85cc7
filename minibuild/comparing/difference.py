"""One thing that two images differ in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from minibuild.oci import Layer
from minibuild.values import dataclass

Value: TypeAlias = str | int | float | bool | Sequence["Value"] | Mapping[str, "Value"] | None
"""What stands in an image, as JSON has it; None: it hasn't that at all."""

ORDER = "order"
"""The field of layers whose entries are the same, in another order."""
ENCODING = "encoding"
"""The field of layers whose entries are the same, written otherwise: parts of seconds, PAX records, padding."""
CONTENT = "content"
"""The field of a file's bytes; its values are their digests."""
PRESENCE = "presence"
"""The field of what only one image has; the other's value is None."""
MTIME = "mtime"


@dataclass(frozen=True, slots=True)
class Difference:
    """A field of a subject: of a path in a layer, of a line of the history ("3"), or ("") of the image itself."""

    subject: str
    field: str
    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class LayerDifference:
    """A layer of each image that stand in each other's place; None where one has none for the other's.

    ``numbers`` count from 1; ``made_by`` is the history's line, "" where it doesn't tell. ``entries`` is how many both
    have together, a path in both counted once.
    """

    left: Layer | None
    right: Layer | None
    numbers: tuple[int, int]
    made_by: str
    entries: int
    differences: tuple[Difference, ...]

    @property
    def first(self) -> Difference:
        """The first that isn't about times, if there is one: those differ of all that was made anew."""
        return next((one for one in self.differences if one.field != MTIME), self.differences[0])
