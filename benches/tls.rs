//! What TLS costs, and what strangers can take: handshakes with a large revocation list, connections
//! that do nothing, files that are read again and again under load.
//!
//! `cargo bench --bench tls`

#![expect(clippy::unwrap_used, reason = "a measurement that fails ends")]

use entente::clock::{Clock, stopwatch};
use entente::http::tls::{self, Tls};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const PROGRAM: &str = env!("CARGO_BIN_EXE_entente");
const HANDSHAKES: usize = 1000;
const REVOKED: u64 = 1_000_000;
const IDLE: usize = 2000;
const RELOADS: usize = 1000;

type Connection = StreamOwned<ClientConnection, TcpStream>;

/// A server as a process, made in a folder.
struct Server {
    folder: PathBuf,
    child: Child,
    address: SocketAddr,
    ops: SocketAddr,
}

fn run(folder: &Path, arguments: &[&str]) {
    let config = folder.join("entente.toml");
    let done = Command::new(PROGRAM).arg("-c").arg(config).args(arguments).output().unwrap();
    assert!(done.status.success(), "{arguments:?}: {done:?}");
}

impl Server {
    fn start(folder: &Path) -> Self {
        let ops = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut child = Command::new(PROGRAM)
            .arg("-c")
            .arg(folder.join("entente.toml"))
            .args(["serve", "--listen", "127.0.0.1:0", "--ops", &ops.to_string()])
            .env("ENTENTE__LIMITS__HANDSHAKES_PER_MINUTE_PER_ADDRESS", "10000000")
            .env("ENTENTE__LIMITS__CONNECTIONS_PER_ADDRESS", "100000")
            .env("ENTENTE__LIMITS__HANDSHAKE_SECONDS", "300")
            .env("ENTENTE__LIMITS__HEADER_SECONDS", "300")
            .env("ENTENTE__LIMITS__KEEP_ALIVE_SECONDS", "300")
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let line = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
        let address = line.strip_prefix("listening on https://").unwrap().parse().unwrap();
        Self { folder: folder.to_owned(), child, address, ops }
    }

    /// Resident memory, in KiB.
    fn memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    fn metrics(&self) -> String {
        let mut socket = TcpStream::connect(self.ops).unwrap();
        socket.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).unwrap();
        text
    }

    fn client(&self, certificate: &Path) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.folder.join("pki/ca.pem")).unwrap()).unwrap();
        let chain = CertificateDer::pem_file_iter(certificate).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(certificate.with_extension("key")).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_root_certificates(roots).with_client_auth_cert(chain, key).unwrap())
    }

    fn connect(&self, client: &Arc<ClientConfig>) -> std::io::Result<Connection> {
        let mut socket = TcpStream::connect(self.address)?;
        socket.set_nodelay(true)?;
        let mut tls = ClientConnection::new(Arc::clone(client), ServerName::try_from("localhost").unwrap()).unwrap();
        tls.complete_io(&mut socket)?;
        Ok(StreamOwned::new(tls, socket))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// One request; gives whether the answer was 200.
fn ask(connection: &mut Connection) -> std::io::Result<bool> {
    connection.write_all(b"GET /taxii2/ HTTP/1.1\r\nHost: localhost\r\nAccept: application/taxii+json\r\n\r\n")?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut octet = [0];
        connection.read_exact(&mut octet)?;
        head.push(octet[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    connection.read_exact(&mut vec![0; length])?;
    Ok(head.starts_with("http/1.1 200"))
}

/// The middle and the 99th of a hundred, in milliseconds.
fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1000.0;
    format!("p50 {:.2} ms, p99 {:.2} ms", at(50), at(99))
}

fn handshakes(server: &Server, client: &Arc<ClientConfig>) -> String {
    let time = |_| {
        let begun = stopwatch();
        let mut connection = server.connect(client).unwrap();
        assert!(ask(&mut connection).unwrap());
        begun.elapsed()
    };
    spread((0..HANDSHAKES).map(time).collect())
}

/// A CA of members, with one member's certificate, and a list that revokes so many others.
fn members(folder: &Path) -> (Issuer<'static, KeyPair>, PathBuf) {
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "Members");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().unwrap();
    fs::write(folder.join("members.pem"), ca.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(ca, key);
    let mut leaf = CertificateParams::default();
    leaf.distinguished_name.push(DnType::CommonName, "member");
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    leaf.serial_number = Some(u64::MAX.into());
    let key = KeyPair::generate().unwrap();
    let file = folder.join("member.pem");
    fs::write(&file, leaf.signed_by(&key, &issuer).unwrap().pem()).unwrap();
    fs::write(folder.join("member.key"), key.serialize_pem()).unwrap();
    (issuer, file)
}

fn list(issuer: &Issuer<'static, KeyPair>, revoked: u64) -> Vec<u8> {
    let now = Clock::system().now();
    let revoke = |n: u64| RevokedCertParams {
        serial_number: (n << 16).into(),
        revocation_time: now.into(),
        reason_code: None,
        invalidity_date: None,
    };
    let list = CertificateRevocationListParams {
        this_update: now.into(),
        next_update: (now + Duration::from_hours(24)).into(),
        crl_number: 1.into(),
        issuing_distribution_point: None,
        revoked_certs: (1..=revoked).map(revoke).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    list.signed_by(issuer).unwrap().der().to_vec()
}

fn main() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("server");
    let init = Command::new(PROGRAM).arg("init").arg(&folder).args(["--host", "localhost"]).status().unwrap();
    assert!(init.success());
    run(&folder, &["root", "add", "api1", "--title", "First"]);
    run(&folder, &["org", "add", "org", "--title", "An organisation"]);
    run(&folder, &["cert", "issue", "org", "--out", folder.join("certs").to_str().unwrap()]);
    let (issuer, member) = members(&folder);
    run(&folder, &["anchor", "add", folder.join("members.pem").to_str().unwrap(), "--for", "org"]);
    run(&folder, &["cert", "add", "org", member.to_str().unwrap()]);
    revocation_lists(&folder, &issuer, &member);
    idle(&folder);
    reloads(&folder);
}

fn revocation_lists(folder: &Path, issuer: &Issuer<'static, KeyPair>, member: &Path) {
    let file = folder.join("pki/crls/members.crl");
    for revoked in [1, REVOKED, 1, REVOKED] {
        let octets = list(issuer, revoked);
        fs::write(&file, &octets).unwrap();
        let begun = stopwatch();
        let read = Tls::open(&folder.join("pki"), tls::Settings::default(), Clock::system()).unwrap();
        let took = begun.elapsed();
        drop(read);
        let server = Server::start(folder);
        let times = handshakes(&server, &server.client(member));
        let (size, memory) = (octets.len() >> 10, server.memory());
        println!("list of {revoked} ({size} KiB): read in {took:.2?}; connect and ask {times}; server {memory} KiB");
    }
    fs::remove_file(file).unwrap();
}

fn idle(folder: &Path) {
    let server = Server::start(folder);
    let client = server.client(&folder.join("certs/org.pem"));
    println!("nobody else: connect and ask {}", handshakes(&server, &client));
    let before = server.memory();
    let (mut sockets, mut connections) = (Vec::new(), Vec::new());
    for n in 0..IDLE {
        match n % 3 {
            0 => sockets.push(TcpStream::connect(server.address).unwrap()),
            1 => {
                let name = ServerName::try_from("localhost").unwrap();
                let mut tls = ClientConnection::new(Arc::clone(&client), name).unwrap();
                let mut socket = TcpStream::connect(server.address).unwrap();
                tls.write_tls(&mut socket).unwrap();
                sockets.push(socket);
            }
            _ => {
                let mut connection = server.connect(&client).unwrap();
                assert!(ask(&mut connection).unwrap());
                connections.push(connection);
            }
        }
    }
    let times = handshakes(&server, &client);
    let each = (server.memory() - before) / IDLE;
    println!("beside {IDLE} connections that do nothing: connect and ask {times}; {each} KiB for each");
    let refusals: Vec<String> =
        server.metrics().lines().filter(|line| line.contains("tls_refusals_total{")).map(str::to_owned).collect();
    println!("refused: {refusals:?}");
}

fn reloads(folder: &Path) {
    let server = Server::start(folder);
    let client = server.client(&folder.join("certs/org.pem"));
    let (running, good, bad) = (AtomicBool::new(true), AtomicUsize::new(0), AtomicUsize::new(0));
    let begun = stopwatch();
    thread::scope(|scope| {
        for lives in [true, true, false] {
            let (server, client, running, good, bad) = (&server, &client, &running, &good, &bad);
            scope.spawn(move || {
                let mut connection = server.connect(client).unwrap();
                while running.load(Ordering::Relaxed) {
                    let mut fresh = if lives { None } else { server.connect(client).ok() };
                    let asked = ask(fresh.as_mut().unwrap_or(&mut connection));
                    let count = if asked.unwrap_or(false) { good } else { bad };
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let pid = server.child.id().to_string();
        for n in 1..=RELOADS {
            assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
            let done = format!("entente_reloads_total{{outcome=\"ok\"}} {n}\n");
            while !server.metrics().contains(&done) {}
        }
        running.store(false, Ordering::Relaxed);
    });
    let (good, bad) = (good.into_inner(), bad.into_inner());
    println!("{RELOADS} reloads in {:.1?}: {good} requests answered, {bad} not", begun.elapsed());
}
