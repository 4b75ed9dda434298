//! Actors are HTTP clients. They say exactly what a test tells them to, octet by octet, and
//! hold every answer to what is true of all answers.

use super::pki::{Ca, Identity};
use super::schema;
use entente::taxii::timestamp::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use serde_json::Value;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpSocket;

/// The media type of TAXII 2.1.
pub const TAXII: &str = "application/taxii+json;version=2.1";

/// A client with a certificate, or none.
#[derive(Clone)]
pub struct Actor {
    address: SocketAddr,
    config: Arc<ClientConfig>,
    /// Where its connections come from, if that matters.
    from: Option<IpAddr>,
    /// Headers of every request beyond those that it is told to send.
    always: Vec<(String, String)>,
}

/// An answer that has been held to what is true of all answers.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

pub type Connection = StreamOwned<ClientConnection, TcpStream>;

impl Actor {
    pub fn new(address: SocketAddr, ca: &Ca, identity: Option<Identity>) -> Self {
        Self::trusting(address, ca.der.clone(), identity)
    }

    /// A client that trusts this CA, by its certificate.
    pub fn trusting(address: SocketAddr, ca: CertificateDer<'static>, identity: Option<Identity>) -> Self {
        Self::speaking(address, ca, identity, rustls::ALL_VERSIONS)
    }

    /// A client that speaks these versions of TLS only.
    pub fn speaking(
        address: SocketAddr,
        ca: CertificateDer<'static>,
        identity: Option<Identity>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        Self::using(default_provider(), address, ca, identity, versions)
    }

    /// The same, with this choice of algorithms.
    pub fn using(
        provider: CryptoProvider,
        address: SocketAddr,
        ca: CertificateDer<'static>,
        identity: Option<Identity>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(ca).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let config = match identity {
            Some(identity) => builder.with_client_auth_cert(identity.chain.clone(), identity.key_der()).unwrap(),
            None => builder.with_no_client_auth(),
        };
        Self { address, config: Arc::new(config), from: None, always: Vec::new() }
    }

    /// The same client, of a server that is somewhere else now.
    pub fn at(&self, address: SocketAddr) -> Self {
        Self { address, ..self.clone() }
    }

    /// The same client, connecting from this address of the machine.
    pub fn from(&self, address: [u8; 4]) -> Self {
        Self { from: Some(address.into()), ..self.clone() }
    }

    /// The same client, with a header in each of its requests, but for [`Self::raw`] ones.
    pub fn showing(&self, name: &str, value: &str) -> Self {
        let mut showing = self.clone();
        showing.always.push((name.to_owned(), value.to_owned()));
        showing
    }

    /// The same client, with this secret in each of its requests.
    pub fn bearing(&self, secret: &str) -> Self {
        self.showing("Authorization", &format!("Bearer {secret}"))
    }

    /// The same client, with a change to how it speaks TLS.
    pub fn with(&self, change: impl FnOnce(&mut ClientConfig)) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        change(&mut config);
        Self { config: Arc::new(config), ..self.clone() }
    }

    /// `GET`, as a TAXII client asks.
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[("Accept", TAXII)], None)
    }

    /// `GET` with these headers only.
    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", path, headers, None)
    }

    /// `POST`, as a TAXII client does.
    pub fn post(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &[("Accept", TAXII), ("Content-Type", TAXII)], Some(body.as_bytes()))
    }

    /// `DELETE`, as a TAXII client does.
    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[("Accept", TAXII)], None)
    }

    /// One request on a connection of its own.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Answer {
        let mut connection = self.connect().unwrap();
        let always = self.always.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let headers: Vec<(&str, &str)> = always.chain(headers.iter().copied()).collect();
        connection.write_all(&request(method, path, &headers, body)).unwrap();
        let answer = read_answer(&mut connection, method == "HEAD").unwrap();
        if !answer.body.is_empty() {
            schema::must_fit(path, answer.status, &answer.json());
        }
        answer
    }

    /// Sends octets as they are, and reads one answer.
    pub fn raw(&self, octets: &[u8]) -> Answer {
        let mut connection = self.connect().unwrap();
        connection.write_all(octets).unwrap();
        read_answer(&mut connection, octets.starts_with(b"HEAD")).unwrap()
    }

    /// A connection after its handshake; with TLS 1.3 a refusal shows on the first read only.
    pub fn connect(&self) -> io::Result<Connection> {
        let socket = self.from.map_or_else(|| TcpStream::connect(self.address), |from| connect(from, self.address))?;
        socket.set_read_timeout(Some(Duration::from_secs(30)))?;
        // The request does not wait until the handshake's last words are acknowledged.
        socket.set_nodelay(true)?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut tls = ClientConnection::new(Arc::clone(&self.config), name).map_err(io::Error::other)?;
        let mut socket = socket;
        tls.complete_io(&mut socket)?;
        Ok(StreamOwned::new(tls, socket))
    }

    /// Why the server does not let this client in; panics if it does.
    pub fn refusal(&self) -> String {
        let attempt = self.connect().and_then(|mut connection| {
            connection.write_all(&request("GET", "/taxii2/", &[], None))?;
            let mut octet = [0];
            connection.read_exact(&mut octet)
        });
        attempt.unwrap_err().to_string()
    }
}

/// A connection from an address of choice.
fn connect(from: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let socket = runtime.block_on(async {
        let socket = TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        socket.connect(to).await?.into_std()
    })?;
    socket.set_nonblocking(false)?;
    Ok(socket)
}

/// One request on a connection that lives on.
pub fn ask(
    connection: &mut Connection,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&[u8]>,
) -> Answer {
    connection.write_all(&request(method, path, headers, body)).unwrap();
    read_answer(connection, method == "HEAD").unwrap()
}

/// The octets of a request.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(body) = body {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    [text.as_bytes(), body.unwrap_or_default()].concat()
}

/// Reads one answer, and holds it to what is true of all answers.
pub fn read_answer(connection: &mut impl io::Read, without_body: bool) -> io::Result<Answer> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut octet = [0];
        connection.read_exact(&mut octet)?;
        head.push(octet[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let parse = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let mut answer = Answer { status, headers: lines.filter_map(parse).collect(), body: Vec::new() };
    let length = answer.header("content-length").unwrap_or("0").parse().unwrap();
    if !without_body {
        answer.body = vec![0; length];
        connection.read_exact(&mut answer.body)?;
        answer.decode();
    }
    answer.must_be_taxii(without_body);
    Ok(answer)
}

impl Answer {
    /// The one value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(other, _)| other == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} twice in {self:?}");
        value
    }

    /// Every value of a header, in order.
    pub fn values(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str()).collect()
    }

    /// All headers but those that differ from one answer to the next. Of entity tags only that there is one:
    /// they differ from one caller, question and server to the other.
    pub fn stable_headers(&self) -> Vec<(String, String)> {
        let mut headers: Vec<_> = self.headers.iter().filter(|(name, _)| name != "date").cloned().collect();
        headers.iter_mut().filter(|(name, _)| name == "etag").for_each(|(_, tag)| "…".clone_into(tag));
        headers.sort();
        headers
    }

    /// The body as it was before it was compressed.
    fn decode(&mut self) {
        self.body = match self.header("content-encoding") {
            None => return,
            Some("gzip") => {
                let mut plain = Vec::new();
                flate2::read::GzDecoder::new(&self.body[..]).read_to_end(&mut plain).unwrap();
                plain
            }
            Some("zstd") => zstd::decode_all(&self.body[..]).unwrap(),
            Some(other) => panic!("nobody asked for {other}"),
        };
    }

    /// Panics unless the status is this one.
    #[track_caller]
    pub fn must_be(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// Panics unless this is an error of this status; gives its description.
    #[track_caller]
    pub fn must_fail(self, status: u16) -> String {
        self.must_be(status).json()["description"].as_str().unwrap().to_owned()
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The items of a list, none if it is absent.
    pub fn list(&self, name: &str) -> Vec<Value> {
        self.json().get(name).and_then(Value::as_array).cloned().unwrap_or_default()
    }

    /// The ids of the objects or records, in order.
    pub fn ids(&self) -> Vec<String> {
        self.list("objects").iter().map(|object| object["id"].as_str().unwrap().to_owned()).collect()
    }

    /// The place to go on from.
    pub fn next(&self) -> Option<String> {
        self.json().get("next").map(|next| next.as_str().unwrap().to_owned())
    }

    /// `X-TAXII-Date-Added-First` and `-Last`.
    pub fn dates(&self) -> (String, String) {
        let date = |name| self.header(name).unwrap_or_else(|| panic!("no {name}")).to_owned();
        (date("x-taxii-date-added-first"), date("x-taxii-date-added-last"))
    }

    /// What is true of every answer.
    fn must_be_taxii(&self, without_body: bool) {
        // What the caller has already has no media type and no length (RFC 9110 §15.4.5).
        let (media_type, length) = if self.status == 304 { (None, false) } else { (Some(TAXII), true) };
        assert_eq!(self.header("content-type"), media_type, "{self:?}");
        assert_eq!(self.header("content-length").is_some(), length, "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"), "{self:?}");
        // Where callers may wait, it also depends on whether they would.
        let vary = self.header("vary").unwrap_or_default();
        let vary = vary.strip_suffix(", Prefer").unwrap_or(vary);
        assert_eq!(vary, "Accept, Accept-Encoding, Authorization", "{self:?}");
        assert!(self.header("date").is_some(), "{self:?}");
        assert!(
            ![206, 416].contains(&self.status) && (self.status == 304 || !(300..400).contains(&self.status)),
            "{self:?}"
        );
        for name in ["x-taxii-date-added-first", "x-taxii-date-added-last"] {
            assert!(self.header(name).is_none_or(is_taxii_timestamp), "{self:?}");
        }
        if without_body || self.body.is_empty() {
            return;
        }
        let resource = self.json();
        assert!(resource.is_object(), "{resource}");
        assert!(resource.as_object().unwrap().values().all(|value| !value.is_null()), "{resource}");
        let more = resource["more"] == true;
        assert_eq!(
            more,
            resource.get("next").is_some_and(|next| next.as_str().is_some_and(|next| !next.is_empty())),
            "{resource}"
        );
        if self.status >= 400 {
            self.must_be_an_error(&resource);
        }
    }

    fn must_be_an_error(&self, resource: &Value) {
        for name in ["title", "description", "error_id", "http_status"] {
            assert!(resource[name].as_str().is_some_and(|text| !text.is_empty()), "{resource}");
        }
        assert_eq!(resource["http_status"], self.status.to_string());
        let members: Vec<&String> = resource.as_object().unwrap().keys().collect();
        assert_eq!(members.len(), 4, "{resource}");
    }
}

/// Exactly six fraction digits, and `Z`.
pub fn is_taxii_timestamp(text: &str) -> bool {
    Timestamp::parse(text).is_some_and(|time| time.to_string() == text)
}
