"""Stand-ins whose work costs exactly what it declares, on a clock that only they move."""

import numpy as np

from mlp.backends.base import Available, Backend, Variant


def write(root, files):
    """A folder that stands in for a machine's root; ``files`` maps paths below it to what they hold."""
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(f"{content}\n")
    return root


class FakeClock:
    """Seconds that pass only when someone says so."""

    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds

    def advance(self, seconds):
        self.seconds += seconds


class FakeBackend(Backend):
    """Import costs 16 s, build 1 s, compile 2 s, a training epoch 4 s, an evaluation 0.5 s, all powers of two."""

    name = "fake"
    variants = (Variant("only", "a fake"), Variant("resident", "a fake that keeps its data", resident=True))

    def __init__(self, clock, losses=(), interrupt_in_epoch=None, variant=None):
        super().__init__(variant)
        self.clock = clock
        self.losses = iter(losses)
        self.interrupt_in_epoch = interrupt_in_epoch
        self.orders = []
        self.compiled = False
        self.imported_for = None
        self.network = self

    @classmethod
    def availability(cls, device="cpu", variant=None):
        return Available("fake")

    def import_framework(self, device="cpu"):
        self.imported_for = device
        self.clock.advance(16)

    def build(self, recipe, parameters, device="cpu", network=None):
        self.recipe, self._parameters = recipe, parameters
        self.clock.advance(1)

    def place(self, images, labels):
        self.clock.advance(0.25)

    def compile(self):
        self.compiled = True
        self.clock.advance(2)

    def train_epoch(self, images, labels, order, on_step=None):
        self.orders.append(order)
        if len(self.orders) == self.interrupt_in_epoch:
            raise KeyboardInterrupt
        loss = super().train_epoch(images, labels, order, on_step)
        self.clock.advance(4)
        return loss

    def train_step(self, images, labels):
        return next(self.losses, 0.5)

    def evaluate(self, images, labels):
        self.clock.advance(0.5)
        return 0.25, 0.9

    def probabilities(self, images):
        return np.full((len(images), 10), 0.1, np.float32)

    def parameters(self):
        return [np.array(parameter) for parameter in self._parameters]

    def set_parameters(self, parameters):
        self._parameters = list(parameters)

    def synchronize(self):
        pass
