//! A client: one request to a server, and in plain words why there is no answer to it. For
//! `entente whoami`, which people run when something does not work.

use super::tls::{certificates, private_key};
use actix_http::Uri;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, ClientConnection, Error, RootCertStore, StreamOwned};
use std::io::{self, Read, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Nothing is waited for longer.
const PATIENCE: Duration = Duration::from_secs(30);
/// No answer that is read has more octets.
const LONGEST_ANSWER: u64 = 16 << 20;
/// Where systems keep the certificates of public CAs.
const SYSTEM_CAS: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// How the client proves who it is.
#[derive(Clone, Copy, Debug)]
pub enum Proof<'p> {
    /// By the certificates of this file, the client's own first, and the key of that one.
    Certificate(&'p Path, &'p Path),
    /// By this secret.
    Secret(&'p str),
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its HTTP status.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
}

/// Why there is no answer: what is wrong, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoAnswer(String);

fn no_answer(reason: impl Into<String>) -> NoAnswer {
    NoAnswer(reason.into())
}

/// `GET` of a path of the server at `url`, whose certificate is issued by a CA of the file `ca`;
/// without one, by a CA that this system trusts.
pub fn get(url: &str, path: &str, ca: Option<&Path>, proof: Proof<'_>) -> Result<Answer, NoAnswer> {
    let uri: Uri = url.parse().map_err(|_| no_answer(format!("{url:?} is no URL: write https://HOST:PORT")))?;
    let host = uri.host().filter(|_| uri.scheme_str() == Some("https"));
    let host =
        host.ok_or_else(|| no_answer(format!("{url:?} is no URL of a TAXII server: write https://HOST:PORT")))?;
    let (name, port) = (host.trim_matches(['[', ']']), uri.port_u16().unwrap_or(443));
    let config = Arc::new(config(ca, proof)?);
    let socket = connect(name, port).map_err(|error| {
        no_answer(format!("no connection to {host}, port {port}: {error}: is that where the server listens?"))
    })?;
    let server_name = ServerName::try_from(name.to_owned());
    let server_name = server_name.map_err(|_| no_answer(format!("{name:?} is no name of a server")))?;
    let tls = ClientConnection::new(config, server_name).map_err(|error| no_answer(error.to_string()))?;
    let authorization = match proof {
        Proof::Certificate(..) => String::new(),
        Proof::Secret(secret) => format!("Authorization: Bearer {secret}\r\n"),
    };
    let authority = uri.authority().map_or(host, actix_http::uri::Authority::as_str);
    let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\n{authorization}Connection: close\r\n\r\n");
    let octets =
        exchange(StreamOwned::new(tls, socket), &request).map_err(|error| no_answer(in_words(&error, proof)))?;
    whole(&octets, authority)
}

/// An answer as it came, if all of it did.
fn whole(octets: &[u8], authority: &str) -> Result<Answer, NoAnswer> {
    let (answer, declared) = parse(octets)
        .ok_or_else(|| no_answer(format!("what {authority} answers is no HTTP/1.1: is it a TAXII server?")))?;
    match declared {
        Some(declared) if answer.body.len() < declared => Err(no_answer(format!(
            "the answer of {authority} was cut short, after {} of {declared} octets: try again",
            answer.body.len()
        ))),
        _ => Ok(answer),
    }
}

fn connect(name: &str, port: u16) -> io::Result<TcpStream> {
    let mut outcome = Err(io::Error::other("the name has no address"));
    for address in (name, port).to_socket_addrs()? {
        outcome = TcpStream::connect_timeout(&address, PATIENCE);
        if outcome.is_ok() {
            break;
        }
    }
    let socket = outcome?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

fn config(ca: Option<&Path>, proof: Proof<'_>) -> Result<ClientConfig, NoAnswer> {
    let says = |error: &dyn std::fmt::Display| no_answer(error.to_string());
    let system = || SYSTEM_CAS.iter().map(Path::new).find(|file| file.exists());
    let file = ca.or_else(system).ok_or_else(|| no_answer("this system has no list of CAs: name one with --ca"))?;
    let mut roots = RootCertStore::empty();
    let (_, unusable) = roots.add_parsable_certificates(certificates(file).map_err(|error| says(&error))?);
    if roots.is_empty() {
        return Err(no_answer(format!("{}: {unusable} certificates, and none is a CA's", file.display())));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| says(&error))?
        .with_root_certificates(roots);
    match proof {
        Proof::Secret(_) => Ok(builder.with_no_client_auth()),
        Proof::Certificate(certificate, key) => {
            let chain: Vec<CertificateDer<'static>> = certificates(certificate).map_err(|error| says(&error))?;
            let private = private_key(key).map_err(|error| says(&error))?;
            builder.with_client_auth_cert(chain, private).map_err(|error| {
                no_answer(format!("{} is not the key of {}: {error}", key.display(), certificate.display()))
            })
        }
    }
}

/// Sends a request, and reads what comes until the server ends the connection.
fn exchange(mut connection: StreamOwned<ClientConnection, TcpStream>, request: &str) -> io::Result<Vec<u8>> {
    connection.write_all(request.as_bytes())?;
    let mut octets = Vec::new();
    match Read::by_ref(&mut connection).take(LONGEST_ANSWER).read_to_end(&mut octets) {
        // A server may end the connection without a word once its answer is out.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !octets.is_empty() => Ok(octets),
        outcome => outcome.map(|_| octets),
    }
}

/// Status and body, and how long that is to be. The server ends the connection after its answer, as it was asked to.
fn parse(octets: &[u8]) -> Option<(Answer, Option<usize>)> {
    let end = octets.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(octets.get(..end)?).ok()?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let mut lengths = fields.filter(|(name, _)| name.trim().eq_ignore_ascii_case("content-length"));
    let declared = lengths.next().and_then(|(_, value)| value.trim().parse().ok());
    Some((Answer { status, body: octets.get(end + 4..)?.to_vec() }, declared))
}

/// What a failure likely means, and what to do about it.
fn in_words(error: &io::Error, proof: Proof<'_>) -> String {
    let rustls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match rustls {
        Some(Error::AlertReceived(alert)) => {
            format!("the server refused the handshake ({alert:?}): {}", why(*alert, proof))
        }
        Some(Error::InvalidCertificate(bad)) => match bad {
            CertificateError::UnknownIssuer => {
                "the server's certificate is issued by a CA that is not trusted here: name its CA with --ca".to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("the server's certificate is for another name ({bad}): use that in the URL")
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                format!("the server's certificate has ended ({bad}): tell its operator, or look at your clock")
            }
            bad => format!("the server's certificate cannot be trusted: {bad}"),
        },
        Some(error) => format!("no TLS with this server ({error}): is that where it listens?"),
        None => match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "the server does not answer in time".to_owned(),
            _ => format!(
                "the server ended the connection ({error}): it may be busy, or this address may have its share already"
            ),
        },
    }
}

fn why(alert: AlertDescription, proof: Proof<'_>) -> &'static str {
    use AlertDescription as Alert;
    match (alert, proof) {
        (Alert::CertificateRequired | Alert::HandshakeFailure | Alert::BadCertificate, Proof::Secret(_)) => {
            "it wants a client certificate: name one with --cert and --key, or use the port of its fallback listener"
        }
        (Alert::UnknownCA, _) => {
            "it does not trust the issuer of your certificate: its operator can, with `anchor add`; or the file of \
             --cert lacks the intermediate certificates"
        }
        (Alert::CertificateExpired, _) => {
            "your certificate is not within its time: get another one, or look at your clock"
        }
        (Alert::CertificateRevoked, _) => "your certificate is revoked: get another one",
        (Alert::UnsupportedCertificate, _) => {
            "your certificate is not for clients: it needs the extended key usage clientAuth"
        }
        (Alert::BadCertificate | Alert::CertificateUnknown, _) => {
            "your certificate is not in order: its operator finds in the log what is wrong with it"
        }
        (Alert::CertificateRequired, _) => "it got no certificate: is the first one in the file of --cert yours?",
        (Alert::ProtocolVersion, _) => "it speaks no version of TLS that is spoken here",
        _ => "its operator finds the reason in the log",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_was_cut_short_is_none() {
        let answer = |octets: &[u8]| whole(octets, "a").map(|answer| answer.body).map_err(|error| error.to_string());
        assert_eq!(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), Ok(b"{}".to_vec()));
        assert_eq!(answer(b"HTTP/1.1 200 OK\r\n\r\n{}"), Ok(b"{}".to_vec()));
        let short = answer(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}").unwrap_err();
        assert!(short.contains("cut short, after 2 of 3 octets"), "{short}");
        assert!(answer(b"220 mail.example ESMTP\r\n").unwrap_err().contains("no HTTP/1.1"));
    }
}
