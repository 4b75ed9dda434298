"""Other TAXII servers from PyPI, as their documentation runs them, with nginx before them for the mTLS."""

import json
import os
import subprocess
import uuid
from statistics import median

import servers
from environment import TARGET, python_with
from servers import Asking, Nginx, Process, free_port

HERE = servers.HERE
SECONDS_TO_FILL = 1200
SECONDS = 5.0


class Peer:
    """A server behind nginx; both count."""

    # More than this would not be filled, or not answer, in any bearable time.
    AT_MOST = 20_000
    CONNECTIONS = 16

    def __init__(self, count, folder, chosen, entente):
        self.count = min(count, self.AT_MOST)
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
        workers = ("--workers", os.cpu_count())
        bind = ("--bind", f"127.0.0.1:{self.behind}")
        collections = f"/taxii2/{root}/collections"
        self.start([gunicorn, "opentaxii.http:app", *workers, *bind], environment, f"{collections}/")
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
    peer = PEERS[name](size.count, folder, chosen, size.entente)
    objects = folder / f"{name}.ndjson"
    driver.objects(peer.count, objects)
    try:
        feed, pushes = peer.run(objects)
        works = list(_read(driver, peer, size, feed))
        works += list(_push(driver, peer, size, pushes))
        return {"objects": peer.count, "version": _version(peer), "works": works}
    except (AssertionError, OSError, subprocess.SubprocessError) as error:
        return {"objects": peer.count, "version": _version(peer), "failed": f"gave up: {str(error)[-300:]}"}
    finally:
        peer.stop()


def _read(driver, peer, size, feed):
    reader = size.entente.reader
    after = "added_after=2100-01-01T00:00:00.000000Z"
    targets = {
        "page100": f"{feed}/objects/?limit=100",
        "filtered": f"{feed}/objects/?match[type]=indicator&limit=100",
        "manifest": f"{feed}/manifest/?limit=100",
        "empty": f"{feed}/objects/?{after}",
    }
    for key, target in targets.items():
        if key not in size.found["reading"]:
            continue
        load = {"connections": peer.CONNECTIONS, "seconds": SECONDS, "warm": 1}
        measured = driver.get(peer, reader, [target], **load)
        kept = size.found["reading"][key]
        own = median(each["cpu_micros"] for each in kept["entente"])
        yield _work(kept["title"], measured, own)


def _push(driver, peer, size, pushes):
    for envelope, most in ((1, 200), (100, 50)):
        if envelope not in size.found["pushing"]:
            continue
        target = f"{pushes}/objects/"
        measured = driver.push(peer, size.entente.reader, target, envelope, 999, most, SECONDS)
        own = median(each["cpu_micros"] for each in size.found["pushing"][envelope])
        title = f"push of {envelope}: {measured.rate * envelope:,.0f} objects/s"
        yield _work(title, measured, own)


def _work(title, measured, own):
    good = all(outcome in ("200", "202 all taken") for outcome in measured.outcomes)
    told = "" if good else f" – answers: {measured.outcomes}"
    return {
        "title": title + told,
        "cpu_micros": measured.cpu_micros,
        "rate": measured.rate,
        "p99": measured.p99,
        "entente_cpu_micros": own,
    }


def _version(peer):
    told = subprocess.run(
        [peer.python, "-c", f"from importlib.metadata import version; print(version('{peer.NAME}'))"],
        capture_output=True,
        text=True,
    )
    return f"{peer.NAME} {told.stdout.strip()}"
