"""What a build will find in the cache is known before, and told as the build then finds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from minibuild.build.engine import build
from minibuild.build.predicting import Forecast, Prediction, predict
from minibuild.build.request import BuildRequest
from minibuild.events import Event, Finished, Started
from minibuild.oci import Digest, Platform
from minibuild.plan import Plan
from minibuild.plan.keys import typed
from minibuild.runtimes.base import Cancellation
from minibuild.store import Record, Store
from minibuild.store.reading import StoreToRead
from tests.build.test_add_url import Site, site

__all__ = ["site"]

STAGES = """\
FROM scratch AS files
COPY f /out/f
WORKDIR /out
FROM scratch AS other
COPY g /g
FROM scratch
COPY --from=files /out/ /got/
LABEL some=label
COPY g /g
COPY --from=other /g /h
"""


@dataclass
class Bench:
    """A context and a store; what is predicted of a build, and what it then does."""

    context: Path
    root: Path
    events: list[Event] = field(default_factory=list)

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            (self.context / name).write_text(text)

    def predict(self, dockerfile: str, **wishes: object) -> tuple[Plan, Forecast]:
        self.write({"Dockerfile": dockerfile})
        request = replace(BuildRequest(str(self.context)), **wishes)  # type: ignore[arg-type]
        with StoreToRead.at(self.root) as store:
            return predict(request, store, Cancellation())

    def build(self, dockerfile: str, **wishes: object) -> dict[str, str]:
        """Builds, and answers how each activity that isn't cached in silence ended, by its line of the Dockerfile."""
        self.events.clear()
        self.write({"Dockerfile": dockerfile})
        request = replace(BuildRequest(str(self.context)), **wishes)  # type: ignore[arg-type]
        with Store.at(self.root) as store:
            build(request, store, self.events.append, Cancellation())
        titles = {event.activity: event.title for event in self.events if isinstance(event, Started)}
        ends = {titles[event.activity]: event.outcome for event in self.events if isinstance(event, Finished)}
        return {title.partition("] ")[2]: {"done": "runs"}.get(end, end) for title, end in ends.items()}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "context").mkdir()
    bench = Bench(tmp_path / "context", tmp_path / "store")
    bench.write({"f": "one", "g": "two"})
    return bench


def told(plan: Plan, forecast: Forecast) -> dict[str, str]:
    """What becomes of the steps of the stages that are built, by their text."""
    return {
        step.statement.original: forecast.steps[stage.index, step.number].outcome
        for stage in plan.stages
        for step in stage.steps
        if step.effect is not None and stage.index in forecast.built
    }


def of_line(plan: Plan, forecast: Forecast, line: int) -> Prediction:
    """What becomes of the step on a line."""
    return next(
        forecast.steps[stage.index, step.number]
        for stage in plan.stages
        for step in stage.steps
        if step.statement.span.line == line
    )


LATER = {
    "nothing changed": (STAGES, {}),
    "a file of the last stage": (STAGES, {"g": "2"}),
    "a file of the first stage": (STAGES.replace("COPY g /g\nFROM", "COPY f /g\nFROM"), {}),
    "a label": (STAGES.replace("some=label", "some=other"), {}),
    "a step in between": (STAGES.replace("LABEL", "WORKDIR /new\nLABEL"), {}),
    "another destination": (STAGES.replace("COPY f /out/f", "COPY f /other\nCOPY f /out/f"), {}),
    "a layer that stands alone": (STAGES.replace("--from=other", "--link --from=other"), {}),
    "an argument that nothing reads": (STAGES.replace("LABEL", "ARG A=1\nLABEL"), {}),
}


@pytest.mark.parametrize(("dockerfile", "files"), LATER.values(), ids=LATER.keys())
def test_what_is_predicted_is_what_the_build_finds(bench: Bench, dockerfile: str, files: dict[str, str]) -> None:
    assert set(told(*bench.predict(STAGES)).values()) == {"runs"}
    bench.build(STAGES)
    bench.write(files)
    predicted = told(*bench.predict(dockerfile))
    happened = bench.build(dockerfile)
    assert "perhaps" not in predicted.values() or len(happened) == len(predicted)
    assert {step: end for step, end in predicted.items() if end != "perhaps"} == {
        step: end for step, end in happened.items() if predicted[step] != "perhaps"
    }


def test_stages_whose_files_are_known_are_not_built(bench: Bench) -> None:
    bench.build(STAGES)
    _, forecast = bench.predict(STAGES)
    assert forecast.built == {2}
    assert {prediction.outcome for prediction in forecast.steps.values()} == {"cached"}


def test_what_a_stage_comes_to_is_not_guessed(bench: Bench) -> None:
    bench.build(STAGES)
    bench.write({"f": "1"})
    plan, forecast = bench.predict(STAGES)
    assert of_line(plan, forecast, 2).outcome == "runs"
    assert of_line(plan, forecast, 7) == Prediction("perhaps", "", ("depends on what stage files comes to",))
    assert of_line(plan, forecast, 9) == Prediction("perhaps", "", ("depends on what stage files comes to",))


def test_a_miss_says_what_changed(bench: Bench) -> None:
    bench.build(STAGES)
    bench.write({"g": "2"})
    plan, forecast = bench.predict(STAGES)
    assert of_line(plan, forecast, 9).reasons == ("g changed",)
    assert of_line(plan, forecast, 10).reasons == ("it follows step 4",)


def test_a_blob_that_vanished_is_a_miss(bench: Bench) -> None:
    bench.build("FROM scratch\nCOPY f /f\n")
    with Store.at(bench.root) as store:
        [record] = store.records.all()
        assert record.layer
        store.blobs.remove(record.layer.diff_id)
    plan, forecast = bench.predict("FROM scratch\nCOPY f /f\nCOPY g /g\n")
    assert of_line(plan, forecast, 2).outcome == "runs"
    assert "not in the store any more" in of_line(plan, forecast, 2).reasons[0]


def test_a_file_that_is_not_there_fails_and_what_follows_is_open(bench: Bench) -> None:
    plan, forecast = bench.predict("FROM scratch\nCOPY ff /\nCOPY f /f\n")
    assert of_line(plan, forecast, 2) == Prediction("fails", "", ("ff is not in the context", "did you mean f?"))
    assert of_line(plan, forecast, 3) == Prediction("perhaps", "", ("depends on step 2 of stage 0, which fails",))


def test_no_server_is_asked_what_a_url_holds(bench: Bench) -> None:
    dockerfile = "FROM scratch\nADD http://127.0.0.1:9/f /f\n"
    plan, forecast = bench.predict(dockerfile)
    assert of_line(plan, forecast, 2) == Prediction("runs", "", ("it was not done before",))
    [step] = [step for step in plan.stages[0].steps if step.effect is not None]
    with Store.at(bench.root) as store:
        store.records.put(Record("of an earlier content", {"effect": typed(step.effect), "parent": "scratch"}))
    plan, forecast = bench.predict(dockerfile)
    assert of_line(plan, forecast, 2) == Prediction("perhaps", "", ("depends on what http://127.0.0.1:9/f holds",))


def test_a_base_that_can_not_be_had_leaves_the_keys_open(bench: Bench) -> None:
    mirrors = ("docker.io=http://127.0.0.1:9",)
    plan, forecast = bench.predict("FROM busybox\nCOPY f /f\n", mirrors=mirrors)
    prediction = of_line(plan, forecast, 2)
    assert prediction.outcome == "perhaps"
    assert prediction.reasons[0].startswith("depends on its base: ")


def test_nothing_is_made_where_no_store_is(bench: Bench) -> None:
    bench.predict(STAGES)
    assert not bench.root.exists()


def test_a_stage_that_is_built_only_if_an_open_step_misses_is_left_open(bench: Bench) -> None:
    text = "FROM scratch AS a\nCOPY f /f\nFROM scratch AS b\nFROM nowhere\nCOPY --from=a / /\nCOPY --from=b / /\n"
    _, forecast = bench.predict(text, mirrors=("docker.io=http://127.0.0.1:9",))
    assert (forecast.built, forecast.open) == (frozenset({2}), frozenset({0, 1}))


def test_files_of_a_named_context_are_looked_at_as_the_build_does(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "o").write_text("1")
    text, wishes = "FROM scratch\nCOPY --from=others o /o\n", {"named_contexts": {"others": str(tmp_path / "others")}}
    bench.build(text, **wishes)
    assert of_line(*bench.predict(text, **wishes), 2).outcome == "cached"
    (tmp_path / "others" / "o").write_text("2")
    assert of_line(*bench.predict(text, **wishes), 2).reasons == ("o changed",)


def test_a_url_with_a_checksum_is_known_and_one_without_is_open(bench: Bench, site: Site) -> None:
    site.pages["/f"] = ({}, b"content")
    checksum = Digest.of(b"content")
    text = f"FROM scratch\nADD --checksum={checksum} {site.url}/f /f\nADD {site.url}/f /g\n"
    bench.build(text)
    site.asked.clear()
    assert [prediction.outcome for prediction in bench.predict(text)[1].steps.values()] == ["cached", "perhaps"]
    assert site.asked == []


def test_triggers_of_a_base_are_looked_up_like_its_own_steps(bench: Bench) -> None:
    text = "FROM scratch AS base\nONBUILD COPY f /f\nFROM base\nCOPY g /g\n"
    bench.build(text)
    bench.write({"f": "changed"})
    plan, forecast = bench.predict(text)
    assert told(plan, forecast) == {"COPY f /f": "runs", "COPY g /g": "runs"} == bench.build(text)


def test_an_owner_by_name_is_looked_up_in_what_is_cached(bench: Bench) -> None:
    bench.write({"passwd": "app:x:7:8::/:\n"})
    text = "FROM scratch\nCOPY passwd /etc/\nCOPY --link --chown=app f /f\n"
    bench.build(text)
    assert told(*bench.predict(text)) == {"COPY passwd /etc/": "cached", "COPY --link --chown=app f /f": "cached"}
    bench.write({"passwd": "app:x:9:9::/:\n"})
    assert told(*bench.predict(text))["COPY --link --chown=app f /f"] == "perhaps"


@pytest.mark.parametrize(
    ("step", "platform", "reason"),
    [
        ("RUN --security=insecure x", Platform.of_this_machine(), "RUN --security=insecure is not permitted"),
        ("RUN x", Platform("linux", "pdp11"), "RUN can't run linux/pdp11 programs"),
    ],
)
def test_what_the_build_is_refused_for_fails(bench: Bench, step: str, platform: Platform, reason: str) -> None:
    plan, forecast = bench.predict(f"FROM scratch\nCOPY f /f\n{step}\nCOPY g /g\n", platform=platform)
    assert [of_line(plan, forecast, line).outcome for line in (2, 3, 4)] == ["runs", "fails", "runs"]
    assert of_line(plan, forecast, 3).reasons[0].startswith(reason)
