"""Other TAXII servers from PyPI, as their documentation runs them, with nginx before them for the mTLS."""

import json
import os
import subprocess
import uuid
from functools import partial
from statistics import median

import servers
from environment import TARGET, python_with
from servers import Asking, Nginx, Process, free_port

HERE = servers.HERE
SECONDS_TO_FILL = 1200
SECONDS = 5.0
# As long as the driver waits for an answer.
SECONDS_FOR_AN_ANSWER = 120
# The same kind of page, as Entente makes it when its cache does not have it.
ASSEMBLED = {"page100": "first100", "filtered": "filtered_deep", "manifest": "manifest_deep"}


class Peer:
    """A server behind nginx; both count."""

    # More than this would not be filled, or not answer, in any bearable time.
    AT_MOST = 20_000
    CONNECTIONS = 16

    def __init__(self, folder, chosen, entente):
        self.folder = folder / self.NAME
        self.folder.mkdir()
        self.python = python_with(f"side-by-side-{self.NAME}", HERE / f"{self.NAME}.txt")
        self.behind = free_port()
        self._chosen, self._entente = chosen, entente
        self.process = self.nginx = None

    @property
    def address(self):
        return self.nginx.process.address

    def pids(self):
        return [*self.nginx.process.pids(), *self.process.pids()]

    def cpu(self):
        return self.nginx.process.cpu() + self.process.cpu()

    def start(self, command, environment, path):
        # What the surroundings say to Python is not for this.
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **environment}
        self.process = Process(command, self.behind, self.folder / "log", environment, self.folder)
        upstream = f"http://127.0.0.1:{self.behind}"
        self.nginx = Nginx(
            self._chosen.nginx, self.folder / "nginx", self._entente.pki, upstream, self.FIELDS
        )
        asking = Asking(self.nginx.port, self._entente.reader.context())
        self.process.await_port()
        self.nginx.process.await_answer(self._entente.reader, path)
        return asking

    def stop(self):
        for process in (self.process, self.nginx and self.nginx.process):
            if process:
                process.stop()


class OpenTaxii(Peer):
    """OpenTAXII, with SQLite, by gunicorn."""

    NAME = "opentaxii"
    FIELDS = ""

    def run(self, objects):
        settings = self.folder / "settings.yml"
        database = f"sqlite:///{self.folder}"
        settings.write_text(
            json.dumps(
                {
                    "domain": "localhost",
                    "auth_api": {
                        "class": "opentaxii.auth.sqldb.SQLDatabaseAPI",
                        "parameters": {
                            "db_connection": f"{database}/auth.db",
                            "create_tables": True,
                            "secret": "asked for and not used",
                        },
                    },
                    "taxii1": None,
                    "taxii2": {
                        "contact": "nobody",
                        "description": "measured",
                        "title": "OpenTAXII",
                        "max_content_length": 200 << 20,
                        "public_discovery": True,
                        "allow_custom_properties": True,
                        "persistence_api": {
                            "class": "opentaxii.persistence.sqldb.Taxii2SQLDatabaseAPI",
                            "parameters": {"db_connection": f"{database}/data.db", "create_tables": True},
                        },
                    },
                    "logging": {"opentaxii": "warning", "root": "warning"},
                }
            )
        )
        environment = {"OPENTAXII_CONFIG": str(settings)}
        filled = subprocess.run(
            [self.python, HERE / "opentaxii_fill.py", objects],
            env={"PATH": os.environ["PATH"], **environment},
            capture_output=True,
            text=True,
            timeout=SECONDS_TO_FILL,
        )
        assert filled.returncode == 0, filled.stderr
        root, feed, pushes = filled.stdout.split()
        gunicorn = self.python.parent / "gunicorn"
        # By itself, gunicorn ends a worker after 30 seconds.
        workers = ("--workers", os.cpu_count(), "--timeout", SECONDS_FOR_AN_ANSWER)
        bind = ("--bind", f"127.0.0.1:{self.behind}")
        collections = f"/taxii2/{root}/collections"
        self.start([gunicorn, "opentaxii.http:app", *workers, *bind], environment, f"{collections}/{feed}/objects/?limit=1")
        return f"{collections}/{feed}", f"{collections}/{pushes}"


class Medallion(Peer):
    """medallion, with its memory backend, by its own command."""

    NAME = "medallion"
    # Its pages take time by the square of what the collection has.
    AT_MOST = 1000
    CONNECTIONS = 2
    # user:word, of its settings.
    FIELDS = 'proxy_set_header Authorization "Basic dXNlcjp3b3Jk";'

    def run(self, objects):
        feed, pushes = str(uuid.uuid4()), str(uuid.uuid4())
        data, settings = self.folder / "data.json", self.folder / "settings.json"
        data.write_text(json.dumps(self._data(feed, pushes)))
        backend = {"module": "medallion.backends.memory_backend", "module_class": "MemoryBackend"}
        settings.write_text(
            json.dumps({"backend": {**backend, "filename": str(data)}, "users": {"user": "word"}, "taxii": {"max_page_size": 1000}})
        )
        program = self.python.parent / "medallion"
        at = ("--host", "127.0.0.1", "--port", self.behind)
        with self.start([program, *at, settings], {}, "/api/collections/") as asking:
            lines = objects.read_text().splitlines()
            envelope = "{{\"objects\":[{}]}}".format(",".join(lines))
            status, _, body = asking.post(f"/api/collections/{feed}/objects/", envelope.encode())
            assert status == 202, body
        return f"/api/collections/{feed}", f"/api/collections/{pushes}"

    @staticmethod
    def _data(feed, pushes):
        common = {"can_read": True, "can_write": True, "media_types": [servers.TAXII], "objects": [], "manifest": []}
        root = {"title": "Measurements", "versions": [servers.TAXII], "max_content_length": 200 << 20}
        return {
            "/discovery": {"title": "medallion", "default": "/api/", "api_roots": ["/api/"]},
            "api": {
                "information": root,
                "status": [],
                "collections": [
                    {"id": feed, "title": "Feed", **common},
                    {"id": pushes, "title": "Pushes", **common, "objects": [], "manifest": []},
                ],
            },
        }


PEERS = {peer.NAME: peer for peer in (OpenTaxii, Medallion)}


def measure(name, driver, size, folder, chosen):
    """What a server takes for the same requests; `size` is what was found of Entente just before."""
    kind = PEERS[name]
    count = min(size.count, kind.AT_MOST)
    found = {"objects": count, "beside": size.count, "version": name, "works": []}
    peer = None
    try:
        peer = kind(folder, chosen, size.entente)
        found["version"] = _version(peer)
        objects = folder / f"{name}.ndjson"
        driver.objects(count, objects)
        feed, pushes = peer.run(objects)
        for title, measure_one in (*_read(driver, peer, size, feed), *_push(driver, peer, size, pushes)):
            found["works"].append(_tried(title, measure_one))
    except Exception as error:
        # Whatever goes wrong with another server: Entente's figures are not lost for it.
        found["failed"] = _reason(error)
    finally:
        if peer:
            peer.stop()
    return found


def _tried(title, measure_one):
    """What was measured, or why it was given up: the others are measured all the same."""
    try:
        return measure_one()
    except Exception as error:
        return {"title": title, "failed": _reason(error)}


def _reason(error):
    return f"gave up: {type(error).__name__}: {error}"


def _read(driver, peer, size, feed):
    after = "added_after=2100-01-01T00:00:00.000000Z"
    targets = {
        "page100": f"{feed}/objects/?limit=100",
        "filtered": f"{feed}/objects/?match[type]=indicator&limit=100",
        "manifest": f"{feed}/manifest/?limit=100",
        "empty": f"{feed}/objects/?{after}",
    }
    for key, target in targets.items():
        if key in size.found["reading"]:
            yield size.found["reading"][key]["title"], partial(_page, driver, peer, size, key, target)


def _page(driver, peer, size, key, target):
    load = {"connections": peer.CONNECTIONS, "seconds": SECONDS, "warm": 1}
    measured = driver.get(peer, size.entente.reader, [target], **load)
    return _work(size.found["reading"][key]["title"], measured, _own(size, key), _own(size, ASSEMBLED.get(key)))


def _own(size, key):
    """Microseconds of CPU that Entente took for a work, if it was measured."""
    kept = size.found["reading"].get(key)
    return kept and median(each["cpu_micros"] for each in kept["entente"])


def _push(driver, peer, size, pushes):
    for envelope, most in ((1, 200), (100, 50)):
        if envelope in size.found["pushing"]:
            yield f"push of {envelope}", partial(_envelopes, driver, peer, size, pushes, envelope, most)


def _envelopes(driver, peer, size, pushes, envelope, most):
    target = f"{pushes}/objects/"
    measured = driver.push(peer, size.entente.reader, target, envelope, 999, most, SECONDS)
    own = median(each["cpu_micros"] for each in size.found["pushing"][envelope])
    taken = measured.outcomes.get("202 all taken", 0) * envelope / measured.seconds
    return _work(f"push of {envelope}: {taken:,.0f} objects/s", measured, own)


def _work(title, measured, own, assembled=None):
    good = all(outcome in ("200", "202 all taken") for outcome in measured.outcomes)
    answers = ", ".join(f"{count:,} {outcome}" for outcome, count in measured.outcomes.items())
    told = "" if good else f" – answers: {answers}"
    return {
        "title": title + told,
        "cpu_micros": measured.cpu_micros,
        "rate": measured.rate,
        "p99": measured.p99,
        "entente_cpu_micros": own,
        "entente_assembled_cpu_micros": assembled,
    }


def _version(peer):
    told = subprocess.run(
        [peer.python, "-c", f"from importlib.metadata import version; print(version('{peer.NAME}'))"],
        capture_output=True,
        text=True,
    )
    return f"{peer.NAME} {told.stdout.strip()}"
