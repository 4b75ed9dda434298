"""The recipe in certs/: an operator's own CA, made with stock OpenSSL, and the real server."""

import shutil
import subprocess
from pathlib import Path

import pytest
import requests
from corpus import in_order, indicators
from taxii2client.v21 import ApiRoot
from wire import TAXII

CERTS = Path(__file__).resolve().parents[2] / "certs"


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def make_certificates(folder, organisation):
    """Runs the recipe for this host. Returns the client's certificate and key."""
    run("sh", CERTS / "make-certs.sh", folder, "localhost", organisation)
    return str(folder / f"client-{organisation}.pem"), str(folder / f"client-{organisation}.key")


@pytest.fixture
def ca(tmp_path):
    """The folder of the operator's CA."""
    return tmp_path / "ca"


@pytest.fixture
def member(alliance, ca):
    """The registered member's certificate and key; the server is set up as certs/README.md says."""
    member = make_certificates(ca, "cert-a")
    pki = alliance.folder / "pki"
    shutil.copy(ca / "server-localhost.pem", pki / "server.pem")
    shutil.copy(ca / "server-localhost.key", pki / "server.key")

    collection = alliance.collection("Lazarus Group", alliance.root())
    alliance.organisation("cert-a")
    alliance.command("anchor", "add", str(ca / "ca.pem"), "--for", "cert-a")
    alliance.command("cert", "add", "cert-a", member[0])
    alliance.command("grant", "cert-a", collection, "--read", "red", "--write", "--relay")
    alliance.serve()
    return member


def discover(alliance, ca, cert):
    """GET /taxii2/ with this certificate: the status, or None where TLS already fails."""
    try:
        answer = requests.get(
            f"{alliance.url}/taxii2/", headers={"Accept": TAXII}, cert=cert, verify=ca / "ca.pem"
        )
    except requests.ConnectionError:
        return None
    return answer.status_code


def test_a_registered_certificate_reads_and_writes(alliance, ca, member, wire):
    root = ApiRoot(f"{alliance.url}/cert/", cert=member, verify=str(ca / "ca.pem"))
    (collection,) = root.collections
    objects = indicators(3)
    assert collection.add_objects({"objects": objects}).success_count == 3
    assert in_order(collection.get_objects()["objects"]) == in_order(objects)
    assert len(wire.take()) == 3


def test_the_keys_are_readable_by_their_owner_alone(ca):
    make_certificates(ca, "cert-a")
    keys = sorted(ca.glob("*.key"))
    assert [key.name for key in keys] == ["ca.key", "client-cert-a.key", "server-localhost.key"]
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}


def test_a_second_run_keeps_what_is_there(ca):
    make_certificates(ca, "cert-a")
    before = {file: file.read_bytes() for file in ca.iterdir()}
    make_certificates(ca, "cert-b")
    assert before.items() <= {file: file.read_bytes() for file in ca.iterdir()}.items()


def test_the_fingerprint_in_the_readme_is_the_one_that_is_registered(alliance, member):
    (one_liner,) = [
        line for line in (CERTS / "README.md").read_text().splitlines() if "openssl dgst" in line
    ]
    printed = run("sh", "-c", one_liner.replace("client-ORG.pem", member[0]), text=True)
    fingerprint = printed.split()[-1]
    listed = alliance.command("cert", "list", "cert-a")
    assert fingerprint in listed.replace(":", "").lower()


def test_a_certificate_renewed_for_the_same_key_is_the_same_member(alliance, ca, member):
    request, renewed = ca / "renewed.csr", ca / "renewed.pem"
    settings = CERTS / "certificates.cnf"
    ask = "openssl req -new -subj /CN=cert-a -config".split()
    run(*ask, settings, "-key", member[1], "-out", request)
    sign = "openssl x509 -req -days 10 -extensions client -extfile".split()
    signer = ["-CA", ca / "ca.pem", "-CAkey", ca / "ca.key"]
    run(*sign, settings, *signer, "-in", request, "-out", renewed)
    assert discover(alliance, ca, (str(renewed), member[1])) == 200


def test_a_certificate_of_the_same_ca_without_registration_is_a_stranger(alliance, ca, member):
    assert discover(alliance, ca, member) == 200
    assert discover(alliance, ca, make_certificates(ca, "cert-b")) in (None, 401, 403, 404)


def test_the_servers_certificate_is_no_members(alliance, ca, member):
    servers = str(ca / "server-localhost.pem"), str(ca / "server-localhost.key")
    assert discover(alliance, ca, servers) is None


def test_the_same_name_from_another_ca_is_nobody(alliance, ca, member, tmp_path):
    assert discover(alliance, ca, make_certificates(tmp_path / "other", "cert-a")) is None


def test_without_a_certificate_there_is_no_answer(alliance, ca, member):
    assert discover(alliance, ca, None) is None
