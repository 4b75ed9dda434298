"""A real server for a test: its folder, its administrator's command line, its members."""

import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests
from wire import TAXII

SECONDS_TO_START = 20
SECONDS_TO_DRAIN = 40


class Alliance:
    """One server folder, what its administrator does to it, and the process that serves it.

    Settings are those of the table [taxii] in entente.toml, given as the
    environment gives them.
    """

    def __init__(self, entente, folder, settings):
        self.folder = folder
        self._entente = entente
        self._environment = {
            **{name: value for name, value in os.environ.items() if "ENTENTE__" not in name},
            **{f"ENTENTE__TAXII__{name.upper()}": _toml(value) for name, value in settings.items()},
        }
        self._log = folder.with_suffix(".log")
        self._process = None
        self._port = None
        self._fallback_port = None
        self._run("init", folder, "--host", "localhost")

    # What the administrator does, before the server runs.

    def command(self, *arguments):
        """Runs `entente -c DIR/entente.toml ARGUMENTS` and returns what it prints."""
        return self._run("-c", self.folder / "entente.toml", *arguments)

    def root(self, name="cert"):
        self.command("root", "add", name, "--title", f"Root {name}")
        return name

    def collection(self, title, root, *options):
        return self.command("collection", "add", root, "--title", title, *options).strip()

    def organisation(self, name):
        self.command("org", "add", name, "--title", f"Organisation {name}")

    def member(self, name, root="cert"):
        """A new organisation, with a certificate issued by the server's own CA."""
        self.organisation(name)
        self.command("cert", "issue", name, "--out", self.folder.parent)
        issued = self.folder.parent / name
        return Member(self, name, root, issued.with_suffix(".pem"), issued.with_suffix(".key"))

    def grant(self, member, collection, *rights):
        self.command("grant", member.name, collection, *rights)

    def fallback(self):
        """Has the server listen for clients without a certificate, too."""
        self._environment["ENTENTE__FALLBACK__LISTEN"] = "127.0.0.1:0"
        self._environment["ENTENTE__FALLBACK__HEADER"] = "X-API-Key"

    def secret(self, name, collection, *options, root="cert"):
        """A new secret of an organisation, good on this machine."""
        terms = ["--collection", collection, "--from", "127.0.0.0/8", *options]
        return Bearer(self, name, root, self.command("secret", "add", name, *terms).strip())

    def import_file(self, collection, file, member):
        self.command("import", collection, file, "--org", member.name)

    # The running server.

    @property
    def url(self):
        return f"https://localhost:{self._port}"

    @property
    def log(self):
        """The file of what the server says while it runs."""
        return self._log

    @property
    def fallback_url(self):
        return f"https://localhost:{self._fallback_port}"

    @property
    def ca(self):
        """The certificate that clients know the server by."""
        return self.folder / "pki" / "ca.pem"

    def serve(self):
        serve = "serve --listen 127.0.0.1:0 --ops off".split()
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                self._command_line("-c", self.folder / "entente.toml", *serve),
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._port = self._await_port()

    def stop(self):
        """Ends the server as an operator does. It must have been alive, and go in peace."""
        if self._process is None:
            return
        process, self._process = self._process, None
        assert process.poll() is None, f"the server died:\n{self._log.read_text()}"
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(timeout=SECONDS_TO_DRAIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        assert code == 0, f"exit code {code}:\n{self._log.read_text()}"

    def restart(self):
        self.stop()
        self.serve()

    def _await_port(self):
        deadline = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < deadline and self._process.poll() is None:
            log = self._log.read_text()
            announced = re.search(r"^listening on (https://\S+)$", log, re.M)
            if announced:
                fallback = re.search(r"^fallback listener on (https://\S+)$", log, re.M)
                self._fallback_port = urlsplit(fallback[1]).port if fallback else None
                return urlsplit(announced[1]).port
            time.sleep(0.02)
        raise AssertionError(f"the server did not start:\n{self._log.read_text()}")

    def _run(self, *arguments):
        done = subprocess.run(
            self._command_line(*arguments),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        told = f"{' '.join(done.args)}\n{done.stdout}{done.stderr}"
        assert done.returncode == 0, f"exit code {done.returncode}: {told}"
        return done.stdout

    def _command_line(self, *arguments):
        return [str(argument) for argument in (self._entente, *arguments)]


class Urls:
    """Where clients are told to go."""

    @property
    def discovery(self):
        return f"{self.url}/taxii2/"

    @property
    def api_root(self):
        return f"{self.url}/{self.root}/"

    def objects(self, collection):
        return f"{self.api_root}collections/{collection}/objects/"


@dataclass(frozen=True)
class Bearer(Urls):
    """An organisation as its clients without a certificate are configured: a secret, and URLs."""

    alliance: Alliance
    name: str
    root: str
    secret: str

    @property
    def url(self):
        return self.alliance.fallback_url

    @property
    def tls(self):
        """The TLS options of every taxii2-client class."""
        return {"verify": str(self.alliance.ca)}

    def session(self):
        """`requests` without a certificate."""
        session = requests.Session()
        session.verify = self.tls["verify"]
        return session


@dataclass(frozen=True)
class Member(Urls):
    """An organisation as its clients are configured: a certificate, a key, and URLs."""

    alliance: Alliance
    name: str
    root: str
    certificate: Path
    key: Path

    @property
    def url(self):
        return self.alliance.url

    @property
    def tls(self):
        """The TLS options of every taxii2-client class."""
        return {"cert": (str(self.certificate), str(self.key)), "verify": str(self.alliance.ca)}

    def session(self):
        """`requests` with this member's certificate."""
        session = requests.Session()
        session.cert, session.verify = self.tls["cert"], self.tls["verify"]
        return session

    def push(self, collection, objects):
        """Adds the objects in one envelope; all of them must be taken."""
        headers = {"Accept": TAXII, "Content-Type": TAXII}
        with self.session() as session:
            answer = session.post(
                self.objects(collection), headers=headers, json={"objects": objects}
            )
        assert answer.status_code == 202, answer.text
        status = answer.json()
        assert (status["status"], status["success_count"]) == ("complete", len(objects)), status

    def read(self, collection, **filters):
        """Every object of the collection, page after page."""
        objects = []
        with self.session() as session:
            session.headers["Accept"] = TAXII
            while True:
                answer = session.get(self.objects(collection), params=filters)
                assert answer.status_code == 200, answer.text
                page = answer.json()
                objects += page.get("objects", [])
                if not page.get("more"):
                    return objects
                filters["next"] = page["next"]


def _toml(value):
    return str(value).lower() if isinstance(value, bool) else str(value)
