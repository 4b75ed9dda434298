"""What OpenSSL and sslyze see of the server's TLS: weak certificates, revocation, and the settings as a whole."""

import json
import socket
import ssl
import subprocess
import sys

import pytest
from wire import TAXII

ROUNDS = 200
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def openssl(*command):
    done = subprocess.run(["openssl", *map(str, command)], capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def context(alliance, certificate, key, version):
    """A client that would itself use the weakest keys and signatures."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.minimum_version = client.maximum_version = version
    client.set_ciphers("ALL@SECLEVEL=0")
    client.load_verify_locations(alliance.ca)
    client.load_cert_chain(certificate, key)
    return client


def connect(alliance, client, session=None):
    raw = socket.create_connection(("localhost", int(alliance.url.rsplit(":", 1)[1])), timeout=30)
    return client.wrap_socket(raw, server_hostname="localhost", session=session)


def ask(connection):
    """The status of one request on a connection that lives on."""
    connection.sendall(f"GET /taxii2/ HTTP/1.1\r\nHost: localhost\r\nAccept: {TAXII}\r\n\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        octets = connection.recv(4096)
        assert octets, "no answer"
        answer += octets
    head, body = answer.split(b"\r\n\r\n", 1)
    (length,) = [int(it[16:]) for it in head.lower().split(b"\r\n") if it.startswith(b"content-length:")]
    while len(body) < length:
        body += connection.recv(length - len(body))
    return int(head.split()[1])


def status(alliance, client):
    """The status of a request on a new connection, or None if TLS already fails."""
    try:
        with connect(alliance, client) as connection:
            return ask(connection)
    except (ssl.SSLError, ConnectionError, AssertionError):
        return None


def is_over(connection):
    try:
        return connection.recv(1) == b""
    except (ssl.SSLError, ConnectionError):
        return True


def test_a_revoked_certificate_gets_nothing_more_whatever_openssl_resumes(alliance, tmp_path):
    alliance.organisation("cert-a")
    alliance.serve()
    for number in range(ROUNDS):
        folder = tmp_path / str(number)
        issued = alliance.command("cert", "issue", "cert-a", "--out", folder)
        fingerprint = issued.split()[-1]
        pair = folder / "cert-a.pem", folder / "cert-a.key"
        client = context(alliance, *pair, VERSIONS[number % 2])
        live = connect(alliance, client)
        assert ask(live) == 200
        session = live.session
        assert not session.has_ticket
        alliance.command("cert", "revoke", "cert-a", fingerprint)
        assert ask(live) == 401
        assert is_over(live)
        again = connect(alliance, client, session)
        assert ask(again) == 401
        assert not again.session_reused
        live.close()
        again.close()


# What the key is, what signs the CA's and the member's certificate, and whether that is good enough.
P256 = "-newkey ec -pkeyopt ec_paramgen_curve:P-256"
KEYS = {
    "P-256": (P256, "sha256", P256, "sha256", True),
    "RSA 2048": ("-newkey rsa:2048", "sha256", "-newkey rsa:2048", "sha256", True),
    "RSA 2048, SHA-512": ("-newkey rsa:2048", "sha512", "-newkey rsa:2048", "sha512", True),
    "member RSA 1024": (P256, "sha256", "-newkey rsa:1024", "sha256", False),
    "member RSA 512": (P256, "sha256", "-newkey rsa:512", "sha256", False),
    "member secp256k1": (P256, "sha256", "-newkey ec -pkeyopt ec_paramgen_curve:secp256k1", "sha256", False),
    "member brainpool": (P256, "sha256", "-newkey ec -pkeyopt ec_paramgen_curve:brainpoolP256r1", "sha256", False),
    "member Ed448": (P256, "sha256", "-newkey ed448", "sha256", False),
    "CA RSA 1024": ("-newkey rsa:1024", "sha256", P256, "sha256", False),
    "CA brainpool": ("-newkey ec -pkeyopt ec_paramgen_curve:brainpoolP256r1", "sha256", P256, "sha256", False),
    "SHA-1 by P-256": (P256, "sha256", P256, "sha1", False),
    "SHA-1 by RSA": ("-newkey rsa:2048", "sha256", P256, "sha1", False),
    "MD5 by RSA": ("-newkey rsa:2048", "sha256", P256, "md5", False),
    "SHA-224 by RSA": ("-newkey rsa:2048", "sha256", P256, "sha224", False),
}


def make(folder, ca_key, ca_hash, key, digest, extensions):
    """A CA and a member's certificate."""
    folder.mkdir()
    ca, member, request = folder / "ca.pem", folder / "member.pem", folder / "member.csr"
    settings = folder / "settings.cnf"
    settings.write_text(
        "[req]\ndistinguished_name = subject\n[subject]\n"
        "[ca]\nbasicConstraints = critical, CA:TRUE\nkeyUsage = keyCertSign, cRLSign\n"
        "[client]\nextendedKeyUsage = clientAuth\n"
    )
    new = ["req", "-config", settings, "-noenc"]
    authority = ["-x509", "-extensions", "ca", "-subj", f"/CN=CA {folder.name}", "-days", 9, f"-{ca_hash}"]
    openssl(*new, *ca_key.split(), "-keyout", folder / "ca.key", *authority, "-out", ca)
    openssl(*new, *key.split(), "-keyout", folder / "member.key", "-subj", "/CN=member", "-out", request)
    sign = ["x509", "-req", "-in", request, "-CA", ca, "-CAkey", folder / "ca.key", "-days", 9, f"-{digest}"]
    openssl(*sign, *(["-extfile", settings, "-extensions", "client"] if extensions else []), "-out", member)
    return ca, member, folder / "member.key"


def test_weak_keys_and_signatures_are_refused_and_strong_ones_are_not(alliance, tmp_path):
    alliance.organisation("cert-a")
    made = {}
    for number, (name, (ca_key, ca_hash, key, digest, good)) in enumerate(KEYS.items()):
        ca, *pair = make(tmp_path / str(number), ca_key, ca_hash, key, digest, extensions=True)
        made[name] = (ca, pair, good)
    ca, *pair = make(tmp_path / "v1", P256, "sha256", P256, "sha256", extensions=False)
    made["X.509 version 1"] = (ca, pair, False)
    for ca, pair, _ in made.values():
        alliance.command("anchor", "add", ca, "--for", "cert-a")
    alliance.serve()
    wrong = []
    for name, (_, pair, good) in made.items():
        if good:
            alliance.command("cert", "add", "cert-a", pair[0])
        for version in VERSIONS:
            answered = status(alliance, context(alliance, *pair, version))
            if answered != (200 if good else None):
                wrong.append(f"{name}, {version.name}: {answered}")
    assert not wrong


@pytest.fixture
def scan(alliance, tmp_path):
    """What sslyze finds, and the findings against Mozilla's intermediate configuration."""
    alliance.organisation("cert-a")
    # The OpenSSL inside sslyze that tries SSL 2 wants an RSA key, and no chain.
    request, key = tmp_path / "rsa.csr", tmp_path / "rsa.key"
    openssl("req", "-new", "-newkey", "rsa:2048", "-noenc", "-subj", "/CN=x", "-keyout", key, "-out", request)
    alliance.command("cert", "issue", "cert-a", "--csr", request, "--out", tmp_path)
    leaf, report = tmp_path / "leaf.pem", tmp_path / "report.json"
    openssl("x509", "-in", tmp_path / "cert-a.pem", "-out", leaf)
    alliance.serve()
    target = alliance.url.removeprefix("https://")
    credentials = ["--cert", leaf, "--key", key]
    command = [sys.executable, "-m", "sslyze", "--mozilla_config=intermediate", *credentials, "--json_out", report]
    told = subprocess.run([str(it) for it in [*command, target]], capture_output=True, text=True).stdout
    (result,) = json.loads(report.read_text())["server_scan_results"]
    more = ["--resum", "--early_data", *credentials, "--json_out", report]
    subprocess.run([str(it) for it in [sys.executable, "-m", "sslyze", *more, target]], capture_output=True)
    (resumed,) = json.loads(report.read_text())["server_scan_results"]
    return told, result["scan_result"], resumed["scan_result"]


def test_sslyze_finds_nothing_but_that_the_ca_is_private(scan):
    told, result, resumed = scan
    findings = [line.strip(" *") for line in told.splitlines() if line.startswith("        * ")]
    assert [finding.split(":")[0] for finding in findings] == ["certificate_path_validation"], told
    suites = {
        version: [it["cipher_suite"]["name"] for it in result[version]["result"]["accepted_cipher_suites"]]
        for version in result
        if version.endswith("cipher_suites")
    }
    spoken = {version for version, accepted in suites.items() if accepted}
    assert spoken == {"tls_1_2_cipher_suites", "tls_1_3_cipher_suites"}, suites
    assert all("GCM" in name or "POLY1305" in name for accepted in suites.values() for name in accepted), suites
    resumption = resumed["session_resumption"]["result"]
    assert resumption["session_id_resumption_result"] == "NOT_SUPPORTED", resumption
    assert resumption["tls_ticket_resumption_result"] == "NOT_SUPPORTED", resumption
    assert resumed["tls_1_3_early_data"]["result"]["supports_early_data"] is False
