#!/usr/bin/env python3
"""Measures Entente beside nginx, and beside other TAXII servers if wanted, on this machine.

    python3 benches/side_by_side/run.py [--objects 20000,200000,1000000] [--with opentaxii,medallion]

README.md, in this folder, says what is measured and how.
"""

import argparse
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
sys.path[:0] = [str(HERE), str(REPOSITORY / "tests")]

import machine  # noqa: E402
import peers  # noqa: E402
import report  # noqa: E402
import servers  # noqa: E402
import waiting  # noqa: E402
import works  # noqa: E402
from driver import Driver  # noqa: E402
from environment import TARGET, python_with  # noqa: E402

OWN = TARGET / "side_by_side"
# Objects in an envelope, and how many envelopes a round pushes at most.
ENVELOPES = {1: 3000, 100: 300, 1000: 40}
SECONDS_OF_PUSHES = 5
CONNECTIONS_THAT_PUSH = 8


def absolute(path):
    return Path(path).resolve()


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", default="20000", help="sizes of the collection, with commas")
    parser.add_argument("--with", dest="peers", default="", help="opentaxii, medallion, or both with a comma")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of reading")
    parser.add_argument("--pushes", type=int, default=3, help="rounds of pushing")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long one reading measurement takes")
    parser.add_argument("--only", default="", help="kinds of reading to measure, by key, with commas")
    parser.add_argument("--entente", type=Path, help="the server's program; else it is built")
    parser.add_argument("--nginx", type=Path, help="nginx's program")
    parser.add_argument("--folder", type=absolute, default=OWN, help="where stores are made: a disk, no tmpfs")
    parser.add_argument("--results", type=Path, default=OWN / "results.md", help="the file to write")
    parser.add_argument("--keep", action="store_true", help="leave the servers' folders")
    return parser.parse_args()


def say(words):
    print(f"{datetime.now(UTC):%H:%M:%S} {words}", flush=True)


def build(chosen):
    say("building the driver" if chosen.entente else "building Entente and the driver")
    server = () if chosen.entente else ("--bin", "entente")
    command = ("cargo", "build", "--release", "--example", "side_by_side", *server)
    subprocess.run(command, cwd=REPOSITORY, check=True)


class Size:
    """All measurements with a collection of one size."""

    def __init__(self, chosen, driver, objects, folder):
        self.chosen, self.driver, self.count, self.folder = chosen, driver, objects, folder
        program = chosen.entente or TARGET / "release" / "entente"
        self.entente = servers.Entente(program, folder / "entente")
        self.found = {"objects": objects, "reading": {}, "pushing": {}, "bare": {}, "start": []}
        self._seed = 1000

    def run(self):
        try:
            self._load()
            self._crawl(self._read())
            self._wait()
            for _ in range(self.chosen.pushes):
                self._push()
        finally:
            self.entente.stop()
        return self.found

    def _load(self):
        file = self.folder / "objects.ndjson"
        self.driver.objects(self.count, file)
        say(f"loading {self.count:,} objects of {file.stat().st_size / self.count:.0f} octets")
        seconds = self.entente.load(self.entente.feed, file)
        few = self.folder / "few.ndjson"
        self.driver.objects(0, few)
        self.entente.load(self.entente.pushes, few)
        self.found["load"] = {"seconds": seconds, "octets": file.stat().st_size}
        self.found["disk"] = self.entente.octets()
        self.found["page_cache"] = self.entente.page_cache()
        file.unlink()

    def _start(self):
        self.found["start"].append(self.entente.start())

    def _read(self):
        """Measures all reading; how many objects the collection gives out."""
        self._start()
        facts = works.look(self.entente, self.entente.reader)
        nginx = servers.Nginx(self.chosen.nginx, self.folder / "nginx", self.entente.pki)
        try:
            for name, body in facts.bodies.items():
                (nginx.files / name).write_bytes(body)
            nginx.process.await_answer(self.entente.reader, "/empty")
            wanted = set(filter(None, self.chosen.only.split(",")))
            chosen = [work for work in works.works(self.entente, facts) if not wanted or work.key in wanted]
            for number in range(self.chosen.rounds):
                say(f"{self.count:,} objects: reading, round {number + 1} of {self.chosen.rounds}")
                for work in chosen:
                    self._round(number, work, nginx)
                if not wanted or "connection" in wanted:
                    self._connect(number, nginx, facts)
        finally:
            nginx.process.stop()
        return facts.count

    def _round(self, number, work, nginx):
        reader, seconds = self.entente.reader, self.chosen.seconds
        targets = work.part(number, self.chosen.rounds)
        # nginx's file is in memory, too.
        self.entente.warm()

        def entente():
            server = self.entente.process
            return self.driver.get(server, reader, targets, headers=work.headers, seconds=seconds)

        def static():
            return self.driver.get(nginx.process, reader, [f"/{work.like}"], seconds=seconds)

        about = {"title": work.title, "outcome": work.outcome, "differs": work.differs}
        self._both(number, work.key, entente, static, about)

    def _connect(self, number, nginx, facts):
        hybrid = dataclasses.replace(self.entente.reader, group="hybrid")
        path = f"{self.entente.objects(self.entente.feed)}?added_after={facts.last}"
        seconds = self.chosen.seconds

        def entente(client=hybrid):
            return self.driver.connect(self.entente.process, client, path, seconds=seconds)

        def static():
            return self.driver.connect(nginx.process, self.entente.reader, "/empty", seconds=seconds)

        about = {"title": "new connection, X25519MLKEM768 beside X25519", "outcome": "200", "differs": 0}
        self._both(number, "connection", entente, static, about)
        about = {**about, "title": "new connection, X25519 beside X25519"}
        self._both(number, "connection_x25519", lambda: entente(self.entente.reader), static, about)

    def _both(self, number, key, entente, static, about):
        """Measures both, one right after the other, who comes first by turns."""
        kept = self.found["reading"].setdefault(key, {**about, "entente": [], "nginx": []})
        pair = [("entente", entente), ("nginx", static)]
        for name, measure in pair if number % 2 else reversed(pair):
            kept[name].append(dataclasses.asdict(measure()))

    def _crawl(self, objects):
        python = python_with("side-by-side-venv", HERE / "requirements.txt")
        server, reader = self.entente.process, self.entente.reader
        url = f"https://localhost:{server.port}{self.entente.objects(self.entente.feed)}".removesuffix("objects/")
        say(f"{self.count:,} objects: a crawl by taxii2-client")
        before = server.cpu()
        who = (reader.certificate, reader.key, reader.ca)
        # What the surroundings say about proxies and CAs is not for this.
        command = [python, HERE / "crawl.py", url, *who, "1000"]
        done = subprocess.run(command, env={"NO_PROXY": "*"}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        time.sleep(0.25)
        self.found["crawl"] = {**json.loads(done.stdout), "listed": objects, "server_cpu": (server.cpu() - before) / 1e9}

    def _wait(self):
        file = self.folder / "waited"
        self.driver.objects(waiting.TIMES, file, seed=900)
        lines = file.read_text().splitlines()
        self.found["wait"] = waiting.measure(self.entente, lines[-waiting.TIMES :])
        if self.found["wait"]:
            say(f"{self.count:,} objects: a crowd that waits")
            self.found["crowd"] = waiting.crowd(self.driver, self.entente)

    def _push(self):
        """A round: the server; and on a copy of its store from before, who commits the same rows and does nothing else."""
        target = self.entente.objects(self.entente.pushes)
        for objects, most in ENVELOPES.items():
            self.entente.stop()
            before = self._copy(self.entente.store.parent, "before")
            self._start()
            say(f"{self.count:,} objects: pushing {objects} at a time")
            self._seed += 1
            what = (self.entente.process, self.entente.producer, target, objects, self._seed, most)
            pushed = self.driver.push(*what, SECONDS_OF_PUSHES)
            self.found["pushing"].setdefault(objects, []).append(dataclasses.asdict(pushed))
            self.entente.stop()
            for together in (1, CONNECTIONS_THAT_PUSH):
                copy = self._copy(before, "copy")
                rate = self.driver.bare(copy / "entente.db", self.entente.store, objects, together)
                shutil.rmtree(copy)
                kept = self.found["bare"].setdefault(objects, {})
                kept.setdefault(together, []).append(rate)
            shutil.rmtree(before)

    def _copy(self, store, name):
        """A copy of a store's files, on disk: who commits to it next shall not have to wait for that."""
        copy = self.folder / name
        copy.mkdir()
        for file in store.glob("entente.db*"):
            on_disk(shutil.copy(file, copy))
        on_disk(copy)
        return copy


def end_what_was_started():
    """Told to end, or left by its terminal, it ends what it started. Under nohup it stays."""
    for told in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(told) != signal.SIG_IGN:
            signal.signal(told, lambda number, _: sys.exit(128 + number))


def on_disk(path):
    """Writes a file, or what is in a folder, to disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def main():
    chosen = options()
    end_what_was_started()
    sizes = [int(size) for size in chosen.objects.split(",")]
    if unknown := set(filter(None, chosen.peers.split(","))) - set(peers.PEERS):
        raise SystemExit(f"not known: {', '.join(unknown)}; known: {', '.join(peers.PEERS)}")
    for folder in (OWN, chosen.folder):
        folder.mkdir(parents=True, exist_ok=True)
    if (kind := machine.file_system(chosen.folder)) in machine.NO_DISK:
        raise SystemExit(f"{chosen.folder} is a {kind}: every fsync would be free; name another with --folder")
    # Before the build, which is a load itself.
    load = os.getloadavg()[0]
    build(chosen)
    chosen.nginx, chosen.nginx_origin = servers.nginx_program(chosen.nginx, OWN)
    found = {"about": machine.about(REPOSITORY, chosen, load), "sizes": {}, "peers": {}}
    for objects in sizes:
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=chosen.folder))
        try:
            driver = Driver(TARGET / "release" / "examples" / "side_by_side", folder)
            size = Size(chosen, driver, objects, folder)
            found["sizes"][objects] = size.run()
            for name in filter(None, chosen.peers.split(",")):
                # Once: none of them takes more than the smallest.
                if objects == min(sizes):
                    say(f"{name}")
                    found["peers"].setdefault(name, {})[objects] = peers.measure(name, driver, size, folder, chosen)
        finally:
            if not chosen.keep:
                shutil.rmtree(folder, ignore_errors=True)
        chosen.results.parent.mkdir(parents=True, exist_ok=True)
        (OWN / "results.json").write_text(json.dumps(found, indent=1))
        # Written after each size: what is measured is not lost with what comes after.
        chosen.results.write_text(report.markdown(json.loads(json.dumps(found))))
    print(chosen.results.read_text())


if __name__ == "__main__":
    main()
