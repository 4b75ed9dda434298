"""Every test gets a server of its own; wire.py holds every answer against the rules for all."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from requests.adapters import HTTPAdapter

pytest.register_assert_rewrite("alliance", "wire")

from alliance import Alliance, Member  # noqa: E402
from wire import Wire  # noqa: E402

TARGET = Path(__file__).resolve().parents[2] / "target"
BINARIES = [TARGET / "release" / "entente", TARGET / "debug" / "entente"]


def pytest_addoption(parser):
    parser.addoption(
        "--entente",
        metavar="PATH",
        type=Path,
        help="the server binary (default: target/release/entente, else target/debug/entente)",
    )


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "settings(**settings): the server's settings in [taxii] for this test"
    )


@pytest.fixture(scope="session")
def entente(request):
    """The server binary."""
    given = request.config.getoption("--entente")
    found = [path.resolve() for path in ([given] if given else BINARIES) if path.is_file()]
    if not found:
        pytest.exit(f"no server binary at {given or ' or '.join(map(str, BINARIES))}", returncode=4)
    return found[0]


@pytest.fixture(autouse=True)
def wire(monkeypatch):
    """All HTTP of the test. No proxy or CA bundle from the surroundings may bend it."""
    monkeypatch.setenv("NO_PROXY", "localhost")
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(variable, raising=False)
    wire = Wire()
    monkeypatch.setattr(HTTPAdapter, "send", wire.tap(HTTPAdapter.send))
    yield wire
    assert not wire.faults, "\n".join(wire.faults)


@pytest.fixture
def alliance(entente, tmp_path, request, wire):
    """An empty server, not yet serving, with the settings of the test's `settings` mark."""
    mark = request.node.get_closest_marker("settings")
    alliance = Alliance(entente, tmp_path / "server", mark.kwargs if mark else {})
    yield alliance
    wire.hang_up()
    alliance.stop()


@dataclass(frozen=True)
class Feed:
    """One collection, with a producer and a reader."""

    id: str
    title: str
    producer: Member
    reader: Member


@pytest.fixture
def feed(alliance):
    """A serving alliance with one collection: the producer reads and writes everything, the
    reader reads up to GREEN. Objects without a marking count as GREEN there."""
    title = "Lazarus Group"
    collection = alliance.collection(title, alliance.root())
    producer, reader = alliance.member("producer"), alliance.member("reader")
    alliance.grant(producer, collection, "--read", "red", "--write", "--relay")
    alliance.grant(reader, collection, "--read", "green")
    alliance.serve()
    return Feed(collection, title, producer, reader)
