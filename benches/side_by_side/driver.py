"""Calls the driver (driver/main.rs) against a server, and looks at the server's clocks meanwhile."""

import contextlib
import json
import re
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

# What a server does after its last answer counts, too.
SECONDS_AFTER = 0.25
SECONDS_AT_MOST = 600


@dataclass
class Measured:
    """One measurement of one server: CPU of all its processes, rate and times of answers, and octets of an
    answer, and what was read from disk for one, as the page cache of the system did not have it."""

    requests: int
    seconds: float
    cpu_micros: float
    rate: float
    p50: float
    p99: float
    octets: float
    from_disk: float
    outcomes: dict
    agreed: dict
    memory: dict = field(default_factory=dict)


class Driver:
    """The driver's program, and files for it."""

    def __init__(self, program, folder):
        self._program = program
        self._folder = folder

    def objects(self, count, out, seed=1):
        """Writes the cornerstones and so many objects, one a line."""
        self._run("objects", "--count", count, "--seed", seed, "--out", out)

    def get(self, server, client, targets, headers=(), connections=16, seconds=1.0, warm=3):
        """Asks for targets in turn over kept connections."""
        file = self._folder / "targets"
        file.write_text("".join(f"{target}\n" for target in targets))
        fields = [word for name in headers for word in ("--header", name)]
        # Where there are many targets, none twice: no cache can know the answer.
        bounds = self._bounds(connections, seconds, len(targets) if len(targets) > 1 else 1_000_000)
        return self._load("get", server, client, *bounds, "--targets", file, "--warm", warm, *fields)

    def connect(self, server, client, target, connections=8, seconds=1.0):
        """Connects anew for each request."""
        bounds = self._bounds(connections, seconds, 100_000)
        return self._load("connect", server, client, *bounds, "--target", target)

    def wait(self, server, client, target, connections, seconds):
        """A crowd that waits. It is driven line by line: see driver/waiting.rs."""
        what = ("--connections", connections, "--target", target, "--seconds", seconds)
        return Run(self._command("wait", server, client, *what))

    def push(self, server, client, target, objects, seed, most, seconds):
        """Pushes envelopes over 8 connections until each is answered: durable."""
        bounds = self._bounds(8, seconds, most)
        what = ("--target", target, "--objects", objects, "--seed", seed)
        return self._load("push", server, client, *bounds, *what)

    def bare(self, store, after, objects, together):
        """The rate at which rows are committed by one who does nothing else: objects a second."""
        what = ("--objects", objects, "--together", together)
        done = json.loads(self._run("bare", "--store", store, "--after", after, *what))
        return done["objects"] / done["seconds"]

    def _bounds(self, connections, seconds, most):
        return ("--connections", connections, "--seconds", seconds, "--most", most)

    def _run(self, *arguments):
        command = [str(word) for word in (self._program, *arguments)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS_AT_MOST, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout

    def _command(self, kind, server, client, *arguments):
        peer = ("--address", server.address, "--ca", client.ca)
        who = ("--certificate", client.certificate, "--key", client.key, "--group", client.group)
        return [str(word) for word in (self._program, kind, *peer, *who, *arguments)]

    def _load(self, kind, server, client, *arguments):
        with Run(self._command(kind, server, client, *arguments)) as load:
            agreed = load.told()
            with Memory(server) as memory:
                before, read_before = server.cpu(), from_disk(server.pids())
                load.go_on()
                result = load.told()
                time.sleep(SECONDS_AFTER)
                cpu, read = server.cpu() - before, from_disk(server.pids()) - read_before
        return _measured(agreed, result, cpu, read, memory.most)


def _measured(agreed, result, cpu_nanos, read, memory):
    requests = result["requests"]
    return Measured(
        requests=requests,
        seconds=result["seconds"],
        cpu_micros=cpu_nanos / 1000 / max(requests, 1),
        rate=requests / result["seconds"],
        p50=result["p50"],
        p99=result["p99"],
        octets=result["octets"] / max(requests, 1),
        from_disk=read / max(requests, 1),
        outcomes=result["outcomes"],
        agreed=agreed,
        memory=memory,
    )


class Run:
    """The driver at work: it tells how far it is, line by line, and goes on when it is told to."""

    def __init__(self, command):
        self._command = command
        self._driver = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._watchdog = threading.Timer(SECONDS_AT_MOST, self._driver.kill)

    def __enter__(self):
        self._watchdog.start()
        return self

    def __exit__(self, *_):
        self._watchdog.cancel()
        self._driver.kill()
        self._driver.communicate()

    def told(self):
        """What it says next."""
        line = self._driver.stdout.readline()
        assert line, f"{' '.join(self._command)}: {self._driver.stderr.read()}"
        return json.loads(line)

    def go_on(self):
        self._driver.stdin.write("\n")
        self._driver.stdin.flush()


class Memory:
    """The most memory that a server has while something goes on, in octets, by kind."""

    KINDS = ("VmRSS", "RssAnon", "RssFile")
    SECONDS = 0.1

    def __init__(self, server):
        self._server = server
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.most = dict.fromkeys(self.KINDS, 0)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _watch(self):
        while not self._over.wait(self.SECONDS):
            # A process that ends has no memory.
            with contextlib.suppress(OSError):
                for kind, octets in memory(self._server.pids()).items():
                    self.most[kind] = max(self.most[kind], octets)


def memory(pids):
    """What processes have in memory now, in octets, by kind."""
    total = dict.fromkeys(Memory.KINDS, 0)
    for pid in pids:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            kind, _, value = line.partition(":")
            if kind in total:
                total[kind] += int(value.split()[0]) * 1024
    return total


def from_disk(pids):
    """What processes have read from disk, in octets."""
    told = "".join(Path(f"/proc/{pid}/io").read_text() for pid in pids)
    return sum(int(octets) for octets in re.findall(r"^read_bytes: (\d+)", told, re.MULTILINE))


def family(pid):
    """A process and all that descend from it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in family(int(child)))]


def cpu(pid):
    """The CPU time that a process has had, in nanoseconds, of threads that ended, too.

    /proc/PID/stat says the same in steps of 10 ms. This is the clock of another
    process as Linux names it (clock_getcpuclockid).
    """
    return time.clock_gettime_ns((~pid << 3) | 2)
