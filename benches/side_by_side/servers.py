"""The two servers that are always there: nginx, and Entente. On loopback, each ended by its own pid."""

import http.client
import os
import pwd
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import driver

TAXII = "application/taxii+json;version=2.1"
HERE = Path(__file__).resolve().parent
SECONDS_TO_START = 120
SECONDS_TO_STOP = 60
# What is read of a file at once, in octets.
PART = 16 << 20
ROOT, PRODUCER, READER = "api", "producer", "reader"
# As objects.rs has it.
CREATOR = "identity--0c9a51f1-6f36-4a4e-9d8a-1f0f5f4a2b11"


@dataclass(frozen=True)
class Client:
    """A client's certificate, and how it agrees on keys."""

    ca: Path
    certificate: Path
    key: Path
    group: str = "x25519"

    def context(self):
        context = ssl.create_default_context(cafile=self.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(self.certificate, self.key)
        return context


class Process:
    """A server that runs, and its children."""

    def __init__(self, command, port, log, environment=None, folder=None):
        self.port = port
        self._log = log
        self.started = time.monotonic()
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [str(word) for word in command],
                env=environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def pids(self):
        return driver.family(self._process.pid)

    def cpu(self):
        return sum(driver.cpu(pid) for pid in self.pids())

    def await_answer(self, client, path):
        """Asks until there is an answer; how many seconds that was after the start. No refusal is one."""
        context = client.context()
        while time.monotonic() - self.started < SECONDS_TO_START:
            assert self._process.poll() is None, f"the server ended:\n{self._log.read_text()[-4000:]}"
            try:
                with Asking(self.port, context) as asking:
                    status, _, body = asking.get(path)
                    seconds = time.monotonic() - self.started
                assert status == 200, f"{path} was answered with {status}: {body[:1000]}"
                return seconds
            except OSError:
                time.sleep(0.002)
        raise AssertionError(f"the server did not start:\n{self._log.read_text()[-4000:]}")

    def await_port(self):
        """Waits until something listens."""
        while time.monotonic() - self.started < SECONDS_TO_START:
            assert self._process.poll() is None, f"the server ended:\n{self._log.read_text()[-4000:]}"
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError(f"the server did not start:\n{self._log.read_text()[-4000:]}")

    def stop(self):
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                for pid in self.pids():
                    os.kill(pid, signal.SIGKILL)
                self._process.wait()


class Asking:
    """A few requests, to look at their answers."""

    def __init__(self, port, context):
        self._connection = http.client.HTTPSConnection(
            "localhost", port, context=context, timeout=SECONDS_TO_START
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._connection.close()

    def get(self, path, **headers):
        """Status, headers, body."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._ask("GET", path, None, {"Accept": TAXII, **fields})

    def post(self, path, body):
        """Status, headers, body."""
        return self._ask("POST", path, body, {"Accept": TAXII, "Content-Type": TAXII})

    def _ask(self, method, path, body, headers):
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.headers, answer.read()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# nginx


def nginx_program(given, folder):
    """nginx, and where it is from: the one given or installed; else Debian's package, unpacked and not installed."""
    if given:
        return given, "as given"
    if found := shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"):
        return Path(found), "as installed"
    unpacked = folder / "nginx"
    if not (unpacked / "usr/sbin/nginx").exists():
        unpacked.mkdir(parents=True, exist_ok=True)
        try:
            subprocess.run(["apt-get", "download", "-q", "nginx"], cwd=unpacked, check=True, capture_output=True)
            package = next(unpacked.glob("nginx_*.deb"))
            subprocess.run(["dpkg-deb", "-x", package, unpacked], check=True)
        except (OSError, subprocess.CalledProcessError, StopIteration) as error:
            raise SystemExit(
                f"nginx is not installed, and its package cannot be fetched ({error}): install it"
                " (Debian: apt-get install nginx-light), or name its program with --nginx"
            ) from error
    return unpacked / "usr/sbin/nginx", "the distribution's package"


class Nginx:
    """Static files, or a server behind it, over the same mTLS."""

    def __init__(self, program, folder, pki, upstream=None, fields=""):
        self.folder = folder
        self.files = folder / "files"
        self.files.mkdir(parents=True)
        self.port = free_port()
        (folder / "nginx.conf").write_text(self._conf(pki, upstream, fields))
        conf = ("-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log")
        self.process = Process([program, *conf], self.port, folder / "log")

    def _conf(self, pki, upstream, fields):
        # As root, it would have its workers be nobody, who may not read here.
        user = f"user {pwd.getpwuid(os.getuid()).pw_name};" if os.getuid() == 0 else ""
        temporary = "".join(
            f"{kind}_temp_path {self.folder}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        proxy = f"proxy_pass {upstream}; proxy_http_version 1.1; proxy_read_timeout 120s; {fields}"
        location = proxy if upstream else ""
        return f"""
{user}
daemon off;
worker_processes auto;
pid {self.folder}/pid;
error_log {self.folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    {temporary}
    access_log off;
    server_tokens off;
    types {{ }}
    default_type "{TAXII}";
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 300s;
    keepalive_requests 1000000000;
    open_file_cache max=1000 inactive=300s;
    output_buffers 2 512k;
    client_max_body_size 200m;
    server {{
        listen 127.0.0.1:{self.port} ssl backlog=4096;
        server_name localhost;
        root {self.files};
        ssl_certificate {pki}/server.pem;
        ssl_certificate_key {pki}/server.key;
        ssl_client_certificate {pki}/ca.pem;
        ssl_verify_client on;
        ssl_verify_depth 4;
        ssl_protocols TLSv1.3;
        ssl_ecdh_curve X25519;
        # Entente does neither: a resumed session skips the look at the certificate.
        ssl_session_cache off;
        ssl_session_tickets off;
        location / {{ {location} }}
    }}
}}
"""


# Entente


class Entente:
    """A server in a folder of its own, with a collection to read and one to push to."""

    def __init__(self, program, folder):
        self.folder = folder
        self.pki = folder / "pki"
        self._program = program
        self._run("init", folder, "--host", "localhost")
        self.command("root", "add", ROOT, "--title", "Measurements")
        self.feed = self._collection("Feed")
        self.pushes = self._collection("Pushes")
        self.producer, self.reader = self._member(PRODUCER), self._member(READER)
        self.command("org", "identity", PRODUCER, CREATOR)
        for collection in (self.feed, self.pushes):
            self.command("grant", PRODUCER, collection, "--read", "red", "--write")
            self.command("grant", READER, collection, "--read", "green")
        self.process = None

    def _collection(self, title):
        return self.command("collection", "add", ROOT, "--title", title).strip()

    def _member(self, name):
        self.command("org", "add", name, "--title", name)
        self.command("cert", "issue", name, "--out", self.folder)
        return Client(self.pki / "ca.pem", self.folder / f"{name}.pem", self.folder / f"{name}.key")

    def objects(self, collection):
        return f"/{ROOT}/collections/{collection}/objects/"

    def manifest(self, collection):
        return f"/{ROOT}/collections/{collection}/manifest/"

    def command(self, *arguments):
        return self._run("-c", self.folder / "entente.toml", *arguments)

    def load(self, collection, file):
        """Imports a file; how many seconds that took."""
        begun = time.monotonic()
        self.command("import", collection, file, "--org", PRODUCER)
        return time.monotonic() - begun

    def start(self):
        """Serves; how many seconds it was until the first answer."""
        port = free_port()
        serve = ("serve", "--listen", f"127.0.0.1:{port}", "--ops", "off")
        command = (self._program, "-c", self.folder / "entente.toml", *serve)
        self.process = Process(command, port, self.folder / "log", self._environment())
        return self.process.await_answer(self.reader, self.objects(self.feed) + "?limit=1")

    def stop(self):
        if self.process:
            process, self.process = self.process, None
            process.stop()

    @property
    def store(self):
        return self.folder / "data" / "entente.db"

    def warm(self):
        """Has the system read the store into its page cache."""
        with self.store.open("rb") as file:
            while file.read(PART):
                pass

    def octets(self):
        """The size of the store on disk, while no server runs."""
        return sum(file.stat().st_size for file in self.store.parent.glob("entente.db*"))

    def page_cache(self):
        """How large the cache of pages may become, in octets, as the settings file that was made says."""
        told = re.search(r"page_cache\w* = (\d+)", (self.folder / "entente.toml").read_text())
        return int(told[1]) if told else 0

    def _environment(self):
        limits = {
            # One member, one address: what protects the others from it would be measured.
            "REQUESTS_PER_MINUTE": "0",
            "OBJECTS_PER_MINUTE": "0",
            "HANDSHAKES_PER_MINUTE_PER_ADDRESS": "100000000",
            "CONNECTIONS_PER_ADDRESS": "10000",
            "CONNECTIONS_PER_CREDENTIAL": "0",
            # A crowd of one member.
            "WAITING": "10000",
            "WAITING_PER_CREDENTIAL": "0",
        }
        own = {name: value for name, value in os.environ.items() if "ENTENTE__" not in name}
        settings = {f"ENTENTE__LIMITS__{name}": value for name, value in limits.items()}
        # No line for each request, as with nginx.
        return {**own, **settings, "RUST_LOG": "warn"}

    def _run(self, *arguments):
        command = [str(word) for word in (self._program, *arguments)]
        done = subprocess.run(
            command, env=self._environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        told = f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        assert done.returncode == 0, f"exit code {done.returncode}: {told}"
        return done.stdout


def nginx_version(program):
    told = subprocess.run([program, "-V"], capture_output=True, text=True).stderr
    server, built = re.search(r"nginx/(\S+)", told), re.search(r"built with (\S+ \S+)", told)
    # Said only where it is not the one that it was built with.
    running = re.search(r"running with (\S+ \S+)", told)
    library = running or built
    return f"nginx {server[1] if server else '?'}, {library[1] if library else '?'}"
