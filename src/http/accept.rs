//! Accepting: from a socket to a connection whose client is known.

use super::Door;
use super::addresses::Addresses;
use super::limits::Limits;
use super::peer::Peer;
use super::stream::Stream;
use crate::access::credential::Fingerprint;
use crate::exchange::{self, plain};
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// Characters of a logged text that a caller chose, at most.
pub(super) const LONGEST_LOGGED: usize = 256;

/// How the clients of a listener prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listener {
    /// By a certificate in the handshake: none, no HTTP.
    MutualTls,
    /// By a secret in each request.
    Fallback,
}

/// What strangers may take of one listener: who fills it leaves the other as it is.
#[derive(Debug)]
pub(super) struct Gate {
    listener: Listener,
    addresses: Arc<Addresses>,
    /// One permit for each handshake at a time.
    handshakes: Arc<Semaphore>,
}

impl Gate {
    pub(super) fn new(listener: Listener, limits: &Limits) -> Self {
        let handshakes = Arc::new(Semaphore::new(limits.handshakes));
        Self { listener, addresses: Addresses::new(limits), handshakes }
    }
}

/// The TLS handshake of one connection, within its time.
pub(super) async fn accept(
    door: Arc<Door>,
    gate: Arc<Gate>,
    socket: TcpStream,
) -> Result<(Stream, Option<SocketAddr>), ()> {
    let address = socket.peer_addr().ok();
    match handshake(&door, &gate, socket, address).await {
        Ok(stream) => Ok((stream, address)),
        Err(refused) => {
            door.metrics.tls_refused(refused.reason);
            tell(&door, address, &refused);
            Err(())
        }
    }
}

/// So many octets of an answer are encrypted, and handed to the system, at once: the usual page of 100 objects.
const AT_ONCE: usize = 160 << 10;

/// Why there is no connection.
struct Refused {
    /// In a word, for the metrics.
    reason: &'static str,
    error: Box<dyn Display>,
    /// The key of the certificate that was shown and does not count, if that is why.
    key: Option<Fingerprint>,
}

impl Refused {
    fn new(reason: &'static str, error: impl Display + 'static) -> Self {
        Self { reason, error: Box::new(error), key: None }
    }
}

async fn handshake(
    door: &Arc<Door>,
    gate: &Gate,
    socket: TcpStream,
    address: Option<SocketAddr>,
) -> Result<Stream, Refused> {
    let other = |error: &str| Refused::new("other", error.to_owned());
    let address = address.ok_or_else(|| other("the connection is gone"))?;
    let place = gate.addresses.admit(address.ip());
    let place = place.map_err(|reason| Refused::new(reason, "the address has its share already"))?;
    let permit = Arc::clone(&gate.handshakes).try_acquire_owned();
    let _permit = permit.map_err(|_| Refused::new("busy", "too many handshakes at a time"))?;
    // An answer's last segment does not wait for the caller's acknowledgement of the one before.
    socket.set_nodelay(true).map_err(|error| Refused::new("closed", error))?;
    let made = match gate.listener {
        Listener::MutualTls => door.tls.connection().map(|(config, verifier)| (config, Some(verifier))),
        Listener::Fallback => door.tls.connection_without_certificate().map(|config| (config, None)),
    };
    let (config, verifier) = made.map_err(|error| other(&error.to_string()))?;
    let accepting = TlsAcceptor::from(Arc::new(config)).accept(socket);
    let mut tls = match timeout(door.limits.handshake(), accepting).await {
        Ok(Ok(tls)) => tls,
        Ok(Err(error)) => {
            let key = verifier.and_then(|verifier| verifier.refused());
            return Err(Refused { key, ..Refused::new(refusal(&error), error) });
        }
        Err(late) => return Err(Refused::new("timeout", late)),
    };
    tls.get_mut().1.set_buffer_limit(Some(AT_ONCE));
    let peer = match verifier {
        None => Peer::without_certificate(address),
        Some(verifier) => {
            let chain = tls.get_ref().1.peer_certificates().map(<[_]>::to_vec);
            let (Some(chain), Some(verified)) = (chain, verifier.verified().cloned()) else {
                return Err(other("the handshake is done and nothing is proved"));
            };
            Peer::new(address, chain, verified)
        }
    };
    Ok(Stream::new(tls, peer, place, Arc::clone(door)))
}

/// Why a handshake failed, in a word for the metrics.
fn refusal(error: &std::io::Error) -> &'static str {
    use rustls::CertificateError as Bad;
    let rustls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match rustls {
        Some(rustls::Error::NoCertificatesPresented) => "no_certificate",
        Some(rustls::Error::InvalidCertificate(bad)) => match bad {
            Bad::Expired | Bad::ExpiredContext { .. } => "expired",
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => "not_yet_valid",
            Bad::UnknownIssuer => "unknown_issuer",
            Bad::InvalidPurpose | Bad::InvalidPurposeContext { .. } => "not_for_clients",
            Bad::Revoked => "revoked",
            Bad::UnknownRevocationStatus => "revocation_unknown",
            Bad::ExpiredRevocationList | Bad::ExpiredRevocationListContext { .. } => "revocation_list_expired",
            _ => "bad_certificate",
        },
        Some(_) => "protocol",
        None => "closed",
    }
}

/// Takes note of a refusal, and says a line in the log, as far as strangers are told of at all.
fn tell(door: &Door, address: Option<SocketAddr>, Refused { reason, error, key }: &Refused) {
    // The handshake ended before the key was proved: whose certificate it is can be said, not who showed it.
    let whose = key.and_then(|key| door.exchange.whose(key));
    let refused = exchange::Refused {
        address: address.map_or_else(String::new, |address| address.to_string()),
        ip: address.map(|address| address.ip()),
        organisation: whose.map(|(organisation, _)| organisation),
        credential: *key,
        endpoint: exchange::HANDSHAKE,
        method: None,
        path: None,
        status: None,
        reason,
    };
    if door.exchange.refused(refused) {
        let (address, error) = (address.map(tracing::field::display), plain(&error.to_string(), LONGEST_LOGGED));
        tracing::info!(address, reason, error, "handshake refused");
    }
}
