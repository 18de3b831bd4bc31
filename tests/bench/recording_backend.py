"""A pytest plugin for harness processes: adds the backend ``recording``, which writes down what it is asked to do."""

import json
import os
from typing import ClassVar

import numpy as np

from mlp import registry
from mlp.backends.base import Available, Backend, Variant


class RecordingBackend(Backend):
    """``events`` holds the calls in order; ``resident`` refuses to evaluate arrays that were not placed."""

    name = "recording"
    variants = (Variant("plain", "keeps nothing"), Variant("resident", "keeps its data", resident=True))
    events: ClassVar[list[str]] = []

    @classmethod
    def availability(cls, device="cpu", variant=None):
        return Available("recording")

    def build(self, recipe, parameters, device="cpu", network=None):
        self.recipe, self._placed = recipe, []
        self.events.append("build")

    def place(self, images, labels):
        self._placed.append((images, labels))
        self.events.append("place")

    def compile(self):
        self.events.append("compile")

    def train_step(self, images, labels):
        self.events.append("train_step")
        return 0.5

    def train_epoch(self, images, labels, order, on_step=None):
        self._require_placed(images, labels)
        self.events.append("train_epoch")
        return 0.5

    def evaluate(self, images, labels):
        self._require_placed(images, labels)
        self.events.append("evaluate")
        return 0.25, 0.9

    def probabilities(self, images):
        return np.full((len(images), 10), 0.1, np.float32)

    def parameters(self):
        return []

    def set_parameters(self, parameters):
        pass

    def synchronize(self):
        pass

    def _require_placed(self, images, labels):
        if self.variant.resident:
            assert any(images is one and labels is other for one, other in self._placed), "these were not placed"


registry.BUILT_IN["recording"] = registry.BackendEntry("recording", f"{__name__}:RecordingBackend")


def pytest_sessionfinish(session):
    with open(os.environ["RECORDED_EVENTS"], "w") as file:
        json.dump(RecordingBackend.events, file)
