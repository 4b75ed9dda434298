"""The long poll (`Prefer: wait=N`): how long after a push is on disk a waiting reader has it, and what a crowd
that waits takes of the server."""

import json
import threading
import time
from statistics import median

import driver
from servers import Asking

TIMES = 100
SECONDS = 10
# The reader is waiting by then.
SECONDS_AHEAD = 0.1


def measure(server, objects):
    """Milliseconds from the answer to a push until the answer to who waits for it; None if nobody is kept waiting.

    Both see the clock of this process, and its threads: take the middle for what it is, and the
    99th and the longest for less.
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
    millis.sort()
    p99 = millis[(len(millis) - 1) * 99 // 100]
    return {"middle": median(millis), "p99": p99, "longest": max(millis), "times": len(millis)}


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


# A crowd.
CROWD = 5000
# How long it waits; less than what is done meanwhile takes.
SECONDS_OF_CROWD = 60
# How long each kind of thing is done, how often in a second, and how long what comes of it may take.
SECONDS_OF_EACH = 4
PUSHES_PER_SECOND = 10
SECONDS_TO_SETTLE = 1
GREEN = "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"
RED = "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"


def crowd(load, server):
    """What a crowd that waits costs: octets for each, and CPU of the server while nothing happens, and while
    something is pushed: elsewhere, hidden from it, and, once, shown to it."""
    target = server.objects(server.pushes)
    numbers = iter(range(1 << 40))
    with Asking(server.process.port, server.producer.context()) as producer:

        def push(collection, marking):
            body = json.dumps({"objects": [_object(next(numbers), marking)]}).encode()
            status, _, told = producer.post(server.objects(collection), body)
            assert status == 202, told

        def cpu_of(collection=None, marking=None):
            """CPU milliseconds of the server in a second."""
            before, begun = server.process.cpu(), time.monotonic()
            for number in range(SECONDS_OF_EACH * PUSHES_PER_SECOND):
                time.sleep(max(0, begun + number / PUSHES_PER_SECOND - time.monotonic()))
                if collection:
                    push(collection, marking)
            time.sleep(max(0, begun + SECONDS_OF_EACH - time.monotonic()))
            return (server.process.cpu() - before) / 1e6 / (time.monotonic() - begun)

        push(server.pushes, GREEN)
        alone = {"nothing": cpu_of(), "pushes": cpu_of(server.feed, GREEN), "hidden": cpu_of(server.pushes, RED)}
        with Asking(server.process.port, server.reader.context()) as reader:
            last, body = "1970-01-01T00:00:00Z", None
            while body != b"{}":
                _, headers, body = reader.get(f"{target}?added_after={last}")
                last = headers["X-TAXII-Date-Added-Last"]
        path = f"{target}?added_after={last}"
        before = _resident(server)
        with load.wait(server.process, server.reader, path, CROWD, SECONDS_OF_CROWD) as waiting:
            waiting.told()
            idle = _resident(server)
            waiting.go_on()
            waiting.told()
            time.sleep(SECONDS_TO_SETTLE)
            resident = _resident(server)
            together = {
                "nothing": cpu_of(),
                "pushes": cpu_of(server.feed, GREEN),
                "hidden": cpu_of(server.pushes, RED),
            }
            cpu = server.process.cpu()
            waiting.go_on()
            push(server.pushes, GREEN)
            answered = waiting.told()
            cpu = (server.process.cpu() - cpu) / 1e6
    return {
        "clients": CROWD,
        "octets_idle": (idle - before) / CROWD,
        "octets_more": (resident - idle) / CROWD,
        "alone": alone,
        "together": together,
        "shown": {"cpu_millis": cpu, **answered},
    }


def _resident(server):
    return driver.memory(server.process.pids())["VmRSS"]


def _object(number, marking):
    return {
        "type": "domain-name",
        "spec_version": "2.1",
        "id": f"domain-name--4d775e1a-f1b5-55d0-8516-{number:012}",
        "value": f"n{number}.waiting.invalid",
        "object_marking_refs": [marking],
    }
