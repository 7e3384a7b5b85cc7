"""The plan: which stages a target needs, what each is based on, and their steps, all known before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TypeAlias

from minibuild import instructions
from minibuild.dockerfile import parse_trigger
from minibuild.dockerfile.statements import Dockerfile
from minibuild.dockerfile.text import Text
from minibuild.errors import DockerfileError, Finding, ImageError, MinibuildError, UsageError, blame, did_you_mean
from minibuild.instructions.base import DEFAULT_PATH, StageState
from minibuild.instructions.effects import FromImage, FromStage
from minibuild.instructions.origin import report_near_stage
from minibuild.oci import ContainerConfig, Image, Platform, Reference
from minibuild.plan.scope import PROXIES, TARGET_STAGE, global_scope, is_predefined, unused_argument
from minibuild.plan.sections import Section, Sections, cut
from minibuild.plan.steps import Options, Placed, Plan, Stage, Step, fold, stages_copied_from
from minibuild.source import Span
from minibuild.values import dataclass, field, replace

Lookup: TypeAlias = Callable[[str, Platform, Span], Image]
"""Finds the base image that FROM names, its variables replaced."""

_SCRATCH = "scratch"
_FROM_SCOPE = "FROM sees only ARGs above the first FROM: declare it there, or give it by --build-arg"


def plan(dockerfile: Dockerfile, lookup: Lookup, options: Options) -> Plan:
    """The plan of a build.

    ``lookup`` is asked for the bases of needed stages only. Raises DockerfileError with all that is wrong in the file,
    UsageError for a target that isn't there, and what ``lookup`` raises.
    """
    sections = cut(dockerfile)
    targets = sections.targets(options.target)
    planner = _Planner(sections, lookup, options, dict.fromkeys(dockerfile.findings))
    try:
        for index, word in targets.items():
            planner.plan_target(index, word)
        for index in range(len(sections.sections)) if options.all_stages else ():
            planner.require(index)
    except ImageError as error:
        planner.errors.append(error)
    if planner.errors:
        raise MinibuildError.together(planner.errors)
    planner.report_unused_arguments()
    stages = tuple(planner.stages.get(section.index) or planner.outline(section) for section in sections.sections)
    findings = sorted(planner.findings, key=_place)
    last = list(targets)[-1]
    return Plan(stages, last, tuple(sorted(planner.stages)), tuple(findings), options.labels, tuple(targets))


@dataclass(slots=True)
class _Planner:
    """A plan in the making: stages are worked out in the order of the file, each when something needs it."""

    sections: Sections
    lookup: Lookup
    options: Options
    findings: dict[Finding, None]
    stages: dict[int, Stage] = field(default_factory=dict)
    errors: list[MinibuildError] = field(default_factory=list)
    scope: StageState = field(default_factory=lambda: StageState(ContainerConfig()))

    def plan_target(self, index: int, word: str) -> None:
        """Works out a target, which was asked for by this word, and all that it needs."""
        name = word or self.sections.sections[index].name
        begin = replace(global_scope(self.options, name), report=self._report)
        wrong = self.errors.append if not self.stages else _nothing
        steps = fold(begin, self.sections.preamble, 1, wrong)
        self.scope = steps[-1].after if steps else begin
        shared = [self.stages[other] for other in sorted(self._reachable(index) & self.stages.keys())]
        self.require(index)
        if not self.errors and self._names_target(shared):
            for stage in shared:
                self._check_shared(stage, name)

    def _names_target(self, stages: Iterable[Stage]) -> bool:
        """Whether what these stages are may depend on which target is built."""
        own = (step.statement for stage in stages for step in stage.steps)
        above = (statement for statement, _ in self.sections.preamble)
        return any(TARGET_STAGE in statement.original for statement in (*above, *own))

    def _check_shared(self, stage: Stage, target: str) -> None:
        """Raises UsageError where a stage that several targets need, and so is built once, differs for this one."""
        section = self.sections.sections[stage.index]
        if _work(self._stage(section)) != _work(stage):
            raise UsageError(
                f"stage {stage.title} depends on {TARGET_STAGE}: for target {target} it is not what others need",
                span=section.statement.span,
                hint="build the targets one by one",
            )

    def require(self, index: int) -> None:
        """Works out a stage and all that it needs."""
        if index in self.stages:
            return
        for needed in sorted(self._reachable(index) - self.stages.keys()):
            section = self.sections.sections[needed]
            try:
                with blame(section.statement.span):
                    stage = self._stage(section)
            except DockerfileError as error:
                self.errors.append(error)
                stage = self.outline(section)
            self.stages[needed] = stage
            for other in sorted(stage.needs - self.stages.keys()):
                self.require(other)  # only an ONBUILD trigger copies from a stage that the text didn't tell of

    def outline(self, section: Section) -> Stage:
        """A stage that nothing needs: no variable of its FROM is missed, no image asked for."""
        quiet = replace(self.scope, report=_nothing)
        try:
            base, platform = self._base(section, quiet), self._platform(section, quiet)
        except DockerfileError:
            base, platform = FromImage(section.head.image.value), self.options.platform
        return Stage(section.index, section.name, base, section.head.image.span, platform)

    def report_unused_arguments(self) -> None:
        """Warns of every --build-arg that no ARG takes."""
        taken = self.sections.declared() | set(self.scope.arguments)
        for stage in self.stages.values():
            taken.update(stage.result.arguments if stage.steps else ())
        for name, value in self.options.build_arguments.items():
            if name not in taken and not is_predefined(name):
                self._report(unused_argument(name, value, taken))

    def _report(self, finding: Finding) -> None:
        self.findings.setdefault(finding)

    def _reachable(self, index: int) -> set[int]:
        quiet = replace(self.scope, report=_nothing)
        found, new = set[int](), [index]
        while new:
            section = self.sections.sections[new.pop()]
            found.add(section.index)
            new.extend(set(self._named_stages(section, quiet)) - found)
        return found

    def _named_stages(self, section: Section, quiet: StageState) -> Iterator[int]:
        names = self.sections.names_before(section.index)
        origins = set(section.origins()) - self.options.contexts
        yield from (names[origin] for origin in origins if origin in names)
        try:
            base = self._base(section, quiet)
        except DockerfileError:
            return
        if isinstance(base, FromStage):
            yield base.stage

    def _stage(self, section: Section) -> Stage:
        scope = replace(self.scope, report=self._report_in_from)
        base, platform = self._base(section, scope), self._platform(section, scope)
        span = section.head.image.span
        image = None
        if isinstance(base, FromImage):
            image = self._looked_up(base.name, platform, section)
        if isinstance(base, FromStage):
            platform = self.stages[base.stage].platform
            if not self.stages[base.stage].steps:  # its own FROM is wrong, and that is told already
                return Stage(section.index, section.name, base, span, platform)
        state = self._begin(section, base, image)
        steps = self._steps(section, state, base)
        needs = stages_copied_from(steps) | ({base.stage} if isinstance(base, FromStage) else set())
        return Stage(section.index, section.name, base, span, platform, steps, needs, image)

    def _looked_up(self, name: str, platform: Platform, section: Section) -> Image:
        span = section.head.image.span
        try:
            with blame(span):
                return self.lookup(name, platform, span)
        except ImageError as error:
            stages = [stage for stage in self.sections.names_before(section.index) if not stage.isdigit()]
            error.hint = error.hint or did_you_mean(name, stages)
            raise

    def _base(self, section: Section, scope: StageState) -> FromStage | FromImage | None:
        text = section.head.image
        name = scope.expand(text)
        names = self.sections.names_before(section.index)
        if not name:
            raise DockerfileError(
                f"FROM wants an image, got '{text}', which is empty",
                span=text.span,
                hint=_FROM_SCOPE,
            )
        if name.lower() in self.options.contexts:
            return FromImage(name.lower())
        if name == _SCRATCH:
            return None
        if name.lower() in names and not name.isdigit():
            return FromStage(names[name.lower()])
        _check_reference(text, name)
        if "/" not in name and ":" not in name:
            report_near_stage(text, name, replace(scope, stages=names))
        return FromImage(name)

    def _platform(self, section: Section, scope: StageState) -> Platform:
        text = section.head.platform
        if text is None:
            return self.options.platform
        name = scope.expand(text)
        if not name:
            raise DockerfileError(
                f"FROM --platform wants a platform, got '{text}', which is empty", span=text.span, hint=_FROM_SCOPE
            )
        try:
            return Platform.parse(name)
        except UsageError as error:
            raise DockerfileError(f"--platform: {error.message}", span=text.span, hint=error.hint) from None

    def _begin(self, section: Section, base: FromStage | FromImage | None, image: Image | None) -> StageState:
        """The state right after FROM; its triggers are still in the configuration."""
        if isinstance(base, FromStage):
            parent = self.stages[base.stage].result
            config, author, variables = parent.config, parent.author, parent.variables
            used = parent.own_keywords & {"WORKDIR"}
        else:
            config = _begun(image.config.config if image else ContainerConfig(directory="/"))
            author, used = image.config.author if image else "", frozenset()
            variables = MappingProxyType(dict(config.environment))
        return StageState(
            config=config,
            author=author,
            variables=variables,
            build_arguments=self.options.build_arguments,
            global_arguments=self.scope.variables,
            proxies=_proxies(self.options),
            stage=section.index,
            stages=self.sections.names_before(section.index),
            later_stages=self.sections.names_from(section.index),
            contexts=self.options.contexts,
            own_keywords=used,
            report=self._report,
        )

    def _steps(self, section: Section, state: StageState, base: FromStage | FromImage | None) -> tuple[Step, ...]:
        triggers = tuple(self._triggers(state.config.on_build, section, base))
        state = replace(state, config=replace(state.config, on_build=()))
        head = Step(1, section.index, section.statement, section.head, None, state, state, "")
        return (head, *fold(state, (*triggers, *section.placed), 2, self.errors.append))

    def _triggers(
        self, texts: tuple[str, ...], section: Section, base: FromStage | FromImage | None
    ) -> Iterator[Placed]:
        name = section.head.image.value if base is not None else _SCRATCH
        for text in texts:
            try:
                statement = parse_trigger(text, f"ONBUILD of {name}")
                with blame(statement.span):
                    yield statement, instructions.parse(statement)
            except DockerfileError as error:
                self.errors.append(error)

    def _report_in_from(self, finding: Finding) -> None:
        if finding.rule == "UndefinedVar":
            hint = finding.hint or "FROM sees the ARGs above the first FROM, and the platform's"
            finding = replace(finding, rule="UndefinedArgInFrom", hint=hint)
        self._report(finding)


def _nothing(_told: object) -> None:
    pass


def _work(stage: Stage) -> object:
    return stage.base, stage.platform, [(step.effect, step.history, step.after.config) for step in stage.steps]


def _begun(config: ContainerConfig) -> ContainerConfig:
    # As BuildKit does: a PATH is always said (a directory only upon scratch), and ArgsEscaped was about the base's CMD.
    environment = config.environment
    if config.variable("PATH") is None:
        environment = (*environment, ("PATH", DEFAULT_PATH))
    return replace(config, environment=environment, args_escaped=False)


def _proxies(options: Options) -> tuple[tuple[str, str], ...]:
    given: Mapping[str, str] = options.build_arguments
    asked = {name: given[name] for name in PROXIES if name in given}
    return tuple({**dict(options.proxies), **asked}.items())


def _check_reference(text: Text, name: str) -> None:
    try:
        Reference.parse(name)
    except UsageError as error:
        hint = error.hint or (_FROM_SCOPE if "$" in text.value else "")
        raise DockerfileError(error.message, span=text.span, hint=hint) from None


def _place(finding: Finding) -> tuple[bool, str, int]:
    span = finding.span
    return (span is None, span.source.name if span else "", span.start if span else 0)
