//! One connection of a client with a certificate: a request at a time, and as little work as can be.

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use std::io::{self, BufReader, Error, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What is read from the socket at a time: TLS records are 16 KiB at most, and each read costs.
const READ: usize = 256 << 10;

/// An answer takes no longer than this.
const PATIENCE: Duration = Duration::from_mins(2);

/// Whom to connect to, and as whom.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Peer {
    /// The server.
    #[arg(long)]
    pub(super) address: SocketAddr,
    /// The certificate that it is known by.
    #[arg(long)]
    pub(super) ca: PathBuf,
    /// The client's certificate.
    #[arg(long)]
    pub(super) certificate: PathBuf,
    /// The client's key.
    #[arg(long)]
    pub(super) key: PathBuf,
    /// How keys are agreed on.
    #[arg(long, value_enum, default_value_t = Group::X25519)]
    pub(super) group: Group,
}

/// How keys are agreed on.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum Group {
    /// As nginx does it, with the OpenSSL of today's distributions.
    X25519,
    /// X25519MLKEM768 and nothing else.
    Hybrid,
}

impl Peer {
    /// TLS 1.3 only, no resumption: every connection is a whole handshake.
    pub(super) fn config(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.ca).unwrap()).unwrap();
        let chain = CertificateDer::pem_file_iter(&self.certificate).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(&self.key).unwrap();
        let group = match self.group {
            Group::X25519 => kx_group::X25519,
            Group::Hybrid => kx_group::X25519MLKEM768,
        };
        let provider = rustls::crypto::CryptoProvider { kx_groups: vec![group], ..default_provider() };
        let builder = ClientConfig::builder_with_provider(provider.into());
        let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
        let mut config = builder.with_root_certificates(roots).with_client_auth_cert(chain, key).unwrap();
        config.resumption = Resumption::disabled();
        config.into()
    }

    pub(super) fn connect(&self, config: &Arc<ClientConfig>) -> io::Result<Connection> {
        let socket = TcpStream::connect(self.address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut wire = Wire { reader: BufReader::with_capacity(READ, socket) };
        let name = ServerName::try_from("localhost").map_err(Error::other)?;
        let mut tls = ClientConnection::new(Arc::clone(config), name).map_err(Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut wire)?;
        }
        Ok(Connection { stream: StreamOwned::new(tls, wire), buffer: vec![0; 64 << 10] })
    }
}

/// A socket that is read in large pieces.
#[derive(Debug)]
struct Wire {
    reader: BufReader<TcpStream>,
}

impl Read for Wire {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.reader.read(into)
    }
}

impl Write for Wire {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.reader.get_mut().write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    stream: StreamOwned<ClientConnection, Wire>,
    buffer: Vec<u8>,
}

/// What came back, without its body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Octets of the body.
    pub(super) octets: usize,
    /// How the body is encoded.
    pub(super) encoding: Option<String>,
}

impl Connection {
    /// What was agreed on.
    pub(super) fn agreed(&self) -> Value {
        let tls = &self.stream.conn;
        json!({
            "version": tls.protocol_version().map(|version| format!("{version:?}")),
            "cipher": tls.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite())),
            "group": tls.negotiated_key_exchange_group().map(|group| format!("{:?}", group.name())),
        })
    }

    /// Sends a request, and takes the answer; `keep` is given the body, piece by piece.
    pub(super) fn ask(&mut self, request: &[&[u8]], keep: &mut dyn FnMut(&[u8])) -> io::Result<Answer> {
        self.send(request)?;
        self.receive(keep)
    }

    /// Sends a request.
    pub(super) fn send(&mut self, request: &[&[u8]]) -> io::Result<()> {
        for part in request {
            self.stream.write_all(part)?;
        }
        self.stream.flush()
    }

    /// Takes the answer to a request that was sent.
    pub(super) fn receive(&mut self, keep: &mut dyn FnMut(&[u8])) -> io::Result<Answer> {
        let mut filled = 0;
        let end = loop {
            let read = self.stream.read(&mut self.buffer[filled..])?;
            if read == 0 {
                return Err(Error::other("the connection ended, or a head is too long"));
            }
            filled += read;
            if let Some(end) = self.buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
        let field = |name: &str| {
            let lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.filter(|(field, _)| *field == name).map(|(_, value)| value.trim().to_owned()).next()
        };
        let status: u16 = head.get(9..12).and_then(|code| code.parse().ok()).ok_or(Error::other("no status"))?;
        // A 304 may say how long the body would be (RFC 9110 §8.6).
        let octets = match (status, field("content-length")) {
            (204 | 304, _) => 0,
            (_, Some(length)) => length.parse().map_err(Error::other)?,
            (_, None) => return Err(Error::other(format!("an answer of unknown length: {head}"))),
        };
        keep(&self.buffer[end..filled]);
        let mut left = octets - (filled - end).min(octets);
        while left > 0 {
            let most = self.buffer.len().min(left);
            let read = self.stream.read(&mut self.buffer[..most])?;
            if read == 0 {
                return Err(Error::other("the connection ended within a body"));
            }
            keep(&self.buffer[..read]);
            left -= read;
        }
        Ok(Answer { status, octets, encoding: field("content-encoding") })
    }
}
