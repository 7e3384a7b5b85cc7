"""What an image says about itself: LABEL, MAINTAINER, EXPOSE, VOLUME, STOPSIGNAL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import MappingProxyType
from typing import ClassVar, Self

from minibuild.dockerfile.statements import Statement
from minibuild.dockerfile.text import Text
from minibuild.dockerfile.words import comment_hint, split_words
from minibuild.errors import DockerfileError, Finding, did_you_mean
from minibuild.instructions.base import StageState, WithoutEffect, body_of, place_of
from minibuild.instructions.flags import no_flags
from minibuild.instructions.pairs import Pairs
from minibuild.source import Span
from minibuild.values import dataclass, field, replace

_PROTOCOLS = ("tcp", "udp", "sctp")
_PORTS_THERE_ARE = 65536 * len(_PROTOCOLS)
# Source: moby/sys/signal, signal_linux.go.
_SIGNAL_NAMES = (
    "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP "
    "TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX"
)
_SIGNALS = frozenset(
    [*_SIGNAL_NAMES.split(), *(f"RTMIN+{n}" for n in range(1, 16)), *(f"RTMAX-{n}" for n in range(1, 15))]
)


@dataclass(frozen=True, slots=True)
class Label(WithoutEffect):
    """``LABEL name=value …`` or the old ``LABEL name value``: what people and tools look images up by.

    A name given twice keeps its place and takes the later value. Source: Dockerfile reference, LABEL.
    """

    keyword: ClassVar[str] = "LABEL"
    pairs: Pairs

    @classmethod
    def parse(cls, statement: Statement) -> Self:
        no_flags(statement)
        return cls(Pairs.of(statement))

    def configure(self, state: StageState) -> StageState:
        self.pairs.report_old_form(state)
        labels = {**state.config.labels, **dict(self.pairs.expanded(state))}
        return replace(state, config=replace(state.config, labels=MappingProxyType(labels)))

    def describe(self, state: StageState) -> str:
        return " ".join(["LABEL", *(f"{name}={value}" for name, value in self.pairs.expanded(state))])


@dataclass(frozen=True, slots=True)
class Maintainer(WithoutEffect):
    """``MAINTAINER name``: the author; the old way of saying LABEL org.opencontainers.image.authors.

    Source: Dockerfile reference, MAINTAINER.
    """

    keyword: ClassVar[str] = "MAINTAINER"
    name: Text
    span: Span = field(compare=False, repr=False)

    @classmethod
    def parse(cls, statement: Statement) -> Self:
        no_flags(statement)
        return cls(body_of(statement, "a name"), statement.keyword_span)

    def configure(self, state: StageState) -> StageState:
        hint = "write LABEL org.opencontainers.image.authors=…"
        state.report(Finding("MaintainerDeprecated", "MAINTAINER is deprecated", self.span, hint))
        return replace(state, author=self.name.value)

    def describe(self, _state: StageState) -> str:
        return f"MAINTAINER {self.name}"


@dataclass(frozen=True, slots=True)
class Expose(WithoutEffect):
    """``EXPOSE port[-port][/protocol] …``: where the program in the image listens. It opens nothing.

    One variable may hold several ports. Source: Dockerfile reference, EXPOSE.
    """

    keyword: ClassVar[str] = "EXPOSE"
    ports: tuple[Text, ...]

    @classmethod
    def parse(cls, statement: Statement) -> Self:
        no_flags(statement)
        return cls(split_words(body_of(statement, "a port")))

    def configure(self, state: StageState) -> StageState:
        ports = dict.fromkeys([*state.config.exposed_ports, *self._expanded(state)])
        return replace(state, config=replace(state.config, exposed_ports=tuple(ports)))

    def describe(self, state: StageState) -> str:
        return f"EXPOSE [{' '.join(self._expanded(state))}]"

    def _expanded(self, state: StageState) -> tuple[str, ...]:
        ports: list[str] = []
        for text in self.ports:
            for word in state.expand_words(text):
                ports += _ports(state, text, word)
                if len(ports) > _PORTS_THERE_ARE:
                    raise DockerfileError("EXPOSE names more ports than there are", span=text.span)
        return tuple(ports)


@dataclass(frozen=True, slots=True)
class Volume(WithoutEffect):
    """``VOLUME path …`` or ``VOLUME ["path", …]``: where a container keeps what must outlive it.

    It changes the configuration only: no directory is made, and later changes below it are kept. Source: Dockerfile
    reference, VOLUME.
    """

    keyword: ClassVar[str] = "VOLUME"
    paths: tuple[Text, ...]

    @classmethod
    def parse(cls, statement: Statement) -> Self:
        no_flags(statement)
        body = body_of(statement, "a path")
        paths = split_words(body) if statement.arguments is None else statement.arguments
        if not paths:
            raise DockerfileError("VOLUME wants a path, got an empty list", span=body.span)
        return cls(paths)

    def configure(self, state: StageState) -> StageState:
        volumes = dict.fromkeys([*state.config.volumes, *self._expanded(state)])
        return replace(state, config=replace(state.config, volumes=tuple(volumes)))

    def describe(self, state: StageState) -> str:
        return f"VOLUME [{' '.join(self._expanded(state))}]"

    def _expanded(self, state: StageState) -> tuple[str, ...]:
        paths = []
        for text in self.paths:
            path = state.expand(text)
            if not path.strip():
                raise DockerfileError("VOLUME wants a path, got an empty word", span=place_of(text))
            paths.append(path)
        return tuple(paths)


@dataclass(frozen=True, slots=True)
class Stopsignal(WithoutEffect):
    """``STOPSIGNAL signal``: what ``docker stop`` sends, by name (``SIGTERM``, ``TERM``) or number.

    Source: Dockerfile reference, STOPSIGNAL.
    """

    keyword: ClassVar[str] = "STOPSIGNAL"
    signal: Text

    @classmethod
    def parse(cls, statement: Statement) -> Self:
        no_flags(statement)
        return cls(body_of(statement, "a signal"))

    def configure(self, state: StageState) -> StageState:
        signal = state.expand(self.signal)
        name = signal.upper().removeprefix("SIG")
        if name not in _SIGNALS and not (re.fullmatch(r"[0-9]{1,9}", signal) and 1 <= int(signal) <= 64):
            near = did_you_mean(name, sorted(_SIGNALS)).replace("did you mean ", "did you mean SIG")
            raise DockerfileError(
                f"STOPSIGNAL wants a signal, got '{signal}'",
                span=self.signal.span,
                hint=near or "write its name or number, such as SIGTERM or 15",
            )
        return replace(state, config=replace(state.config, stop_signal=signal))

    def describe(self, state: StageState) -> str:
        return f"STOPSIGNAL {state.expand(self.signal)}"


def _ports(state: StageState, text: Text, word: str) -> Iterator[str]:
    """The ports that one word of EXPOSE means, each ``number/protocol``."""
    container, slash, protocol = word.rpartition(":")[2].partition("/")
    if ":" in word:
        message = f"EXPOSE takes no host address or port, and keeps only {container} of '{word}'"
        state.report(Finding("ExposeInvalidFormat", message, text.span, "publish ports when the container runs: -p"))
    if slash and protocol.lower() not in _PROTOCOLS:
        raise DockerfileError(
            f"'{word}' has the protocol '{protocol}', wanted {', '.join(_PROTOCOLS)}",
            span=text.span,
            hint=did_you_mean(protocol, _PROTOCOLS),
        )
    first, dash, last = container.partition("-")
    if not (_is_port(first) and (_is_port(last) if dash else True)):
        hint = comment_hint([text]) or ("part ports by blanks" if "," in word else "")
        raise DockerfileError(f"EXPOSE wants a port from 0 to 65535, got '{word}'", span=text.span, hint=hint)
    if dash and int(last) < int(first):
        raise DockerfileError(f"'{word}' is a range that ends before it starts", span=text.span)
    for port in range(int(first), int(last or first) + 1):
        yield f"{port}/{protocol.lower() or 'tcp'}"


def _is_port(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,5}", text) is not None and int(text) <= 65535
