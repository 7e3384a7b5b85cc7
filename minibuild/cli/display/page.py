"""The stream a display writes on, which may go away."""

from __future__ import annotations

from typing import TextIO


class Page:
    """Writes whole texts and flushes; once the stream is closed or full, it writes no more, and says nothing."""

    def __init__(self, stream: TextIO) -> None:
        self._stream: TextIO | None = stream

    def write(self, text: str) -> None:
        """The text, at once, if anybody still reads."""
        if self._stream is None:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: a closed file
            self._stream = None
