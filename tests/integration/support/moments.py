"""Random moments of a command that takes longer or shorter each time it runs."""
import time


class Moments:
    """Waits for a random part of the time that the command takes. That is learned from each run, since a machine is not always
    equally busy; `usual_s` is how long it took once."""

    def __init__(self, rng, usual_s):
        self.rng, self.usual_s = rng, usual_s

    def wait(self):
        time.sleep(self.rng.uniform(0, self.usual_s))

    def was_too_late(self):
        """The command had ended."""
        self.usual_s *= 0.8

    def was_early(self):
        """The command had hardly begun, or had some of its work before it."""
        self.usual_s *= 1.1
