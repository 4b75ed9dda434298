"""The long poll (`Prefer: wait=N`): how long after a push is on disk a waiting reader has it."""

import threading
import time
from statistics import median

from servers import Asking

TIMES = 30
SECONDS = 10
# The reader is waiting by then.
SECONDS_AHEAD = 0.1


def measure(server, objects):
    """Milliseconds from the answer to a push until the answer to who waits for it; None if nobody is kept waiting.

    Both see the clock of this process, and its threads: take the middle for what it is, and the
    longest for less.
    """
    target = server.objects(server.pushes)
    millis = []
    with (
        Asking(server.process.port, server.reader.context()) as reader,
        Asking(server.process.port, server.producer.context()) as producer,
    ):
        last = "1970-01-01T00:00:00Z"
        for text in objects[:TIMES]:
            # From where the collection ends now.
            while (page := reader.get(f"{target}?added_after={last}"))[2] != b"{}":
                last = page[1]["X-TAXII-Date-Added-Last"]
            waiting = Waiting(reader, f"{target}?added_after={last}")
            time.sleep(SECONDS_AHEAD)
            if waiting.answered:
                waiting.join()
                return None
            status, _, body = producer.post(target, f'{{"objects":[{text}]}}'.encode())
            pushed = time.monotonic()
            assert status == 202, body
            waiting.join()
            assert waiting.body != b"{}", "who waited was told of nothing"
            millis.append((waiting.answered - pushed) * 1000)
    return {"middle": median(millis), "longest": max(millis), "times": len(millis)}


class Waiting(threading.Thread):
    """A reader that asks, and waits."""

    def __init__(self, asking, target):
        super().__init__()
        self._asking, self._target = asking, target
        self.answered, self.body = None, None
        self.start()

    def run(self):
        _, _, self.body = self._asking.get(self._target, Prefer=f"wait={SECONDS}")
        self.answered = time.monotonic()
