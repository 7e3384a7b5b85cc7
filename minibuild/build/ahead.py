"""One stage on its way, foreseen: what is known of it after each step, as ``stage`` knows it when it is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minibuild.build.accounts import accounts_of
from minibuild.build.explaining import NEVER_DONE
from minibuild.build.glance import NotKnown
from minibuild.build.lookup import key_after, keyed, stands_alone
from minibuild.oci import Layer
from minibuild.plan import Stage, Step
from minibuild.plan.keys import typed
from minibuild.store import Record
from minibuild.values import dataclass

if TYPE_CHECKING:
    from minibuild.build.predicting import Predictor


@dataclass
class StageAhead:
    """A stage as far as it is known. ``layers`` is None once they aren't: what ``made_at`` names is to be carried out.

    ``obstacle`` says why keys aren't known any more, "" while they are. ``is_new``: nothing was ever put upon it.
    """

    predictor: Predictor
    stage: Stage
    key: str
    layers: tuple[Layer, ...] | None
    obstacle: str = ""
    is_new: bool = False
    made_at: str = ""

    def owner(self, words: str) -> tuple[int, int]:
        """The ids that ``--chown=words`` means in the tree so far."""
        if self.layers is None:
            raise NotKnown(f"depends on what {self.made_at} comes to")
        return accounts_of(self.predictor.tree_of(self.layers)).owner(words)

    def record(self, step: Step, key: str) -> Record | None:
        """What the cache has of a key on this very parent."""
        records, record = self.predictor.store.records, None
        if stands_alone(step):
            record = records.find(key, ())
        elif self.layers is not None:
            record = records.find(key, [layer.diff_id for layer in self.layers])
        elif records.has(key):
            raise NotKnown(f"depends on what {self.made_at} comes to")
        if record is None:
            self.predictor.expect_misses(self.stage, step)
        return record

    def take(self, step: Step, record: Record) -> None:
        """Goes on upon what is cached."""
        assert record.layer is not None
        self.key = key_after(step, record.result or record.key, self.key)
        self.layers = None if self.layers is None else (*self.layers, record.layer)

    def make(self, step: Step, key: str) -> None:
        """Goes on upon what is to be made."""
        self.key = key_after(step, key, self.key)
        self.is_new = not self.predictor.store.records.has(key)
        self._lose_sight(step)

    def certain_miss(self, step: Step) -> tuple[str, ...]:
        """Why a step isn't cached, though its key isn't known; nothing where it may be cached."""
        assert step.effect is not None
        if self.is_new and not stands_alone(step):
            return (f"it follows {self.made_at}",)
        below = () if stands_alone(step) else self.layers
        if below is None:
            return ()
        diff_ids = [layer.diff_id for layer in below]
        was_done = self.predictor.store.records.has_effect(typed(keyed(step.effect)), diff_ids)
        return () if was_done else (NEVER_DONE,)

    def give_up(self, step: Step, obstacle: str, *, is_new: bool = False) -> None:
        """Goes on upon what nobody knows; ``is_new``: nothing was ever put upon it."""
        self.obstacle = self.obstacle or obstacle
        self.is_new = self.is_new or is_new
        self._lose_sight(step)

    def _lose_sight(self, step: Step) -> None:
        self.made_at = self.made_at or f"step {step.number}"
        self.layers = None
