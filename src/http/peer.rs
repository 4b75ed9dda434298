//! Peers: whose connection it is, whether it still is, and how much of the server it takes.

use super::error::Problem;
use super::throttle;
use super::tls::{Tls, Verified};
use super::{Door, fallback};
use crate::access::credential::Fingerprint;
use crate::access::proof::certificate::Proven;
use crate::clock::stopwatch;
use crate::exchange::Session;
use actix_http::{Payload, RequestHead};
use rustls::Error;
use rustls::pki_types::CertificateDer;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Who is at the other end of a connection.
#[derive(Debug)]
pub(super) struct Peer {
    /// Network address and port.
    address: SocketAddr,
    /// The same as text.
    address_text: String,
    proof: Proof,
    /// Its place among the connections of its credential, once that is known.
    place: Mutex<Option<throttle::Place>>,
    turn: Mutex<Turn>,
    /// Tells that the peer has no more to say, and most likely is gone.
    left: Notify,
}

/// What its connection is waiting for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Turn {
    /// The head of the first request.
    #[default]
    First,
    /// What of a request's body has not come yet.
    Body,
    /// An answer. Nothing more of its request comes: all that does is of the next.
    Answer,
    /// The head of another request.
    Next,
    /// Its end: a request was answered before its body was read to its end, and none is read after it.
    Over,
}

impl Turn {
    /// Whether the next octets are of a head.
    pub(super) fn is_of_a_head(self) -> bool {
        matches!(self, Self::First | Self::Next)
    }
}

/// How it proves who it is.
#[derive(Debug)]
enum Proof {
    /// By a certificate in the handshake. What its requests say beyond that is passed over.
    Chain(Chain),
    /// By a secret in each request: the hash of the last one that was good.
    Secret(Mutex<Option<[u8; 32]>>),
}

/// What a handshake proved.
#[derive(Debug)]
struct Chain {
    /// The certificates that the peer sent, its own first.
    certificates: Vec<CertificateDer<'static>>,
    verified: Mutex<Verified>,
}

impl Peer {
    /// A peer that sent this chain of certificates.
    pub(super) fn new(address: SocketAddr, certificates: Vec<CertificateDer<'static>>, verified: Verified) -> Self {
        let proof = Proof::Chain(Chain { certificates, verified: Mutex::new(verified) });
        Self::proving(address, proof)
    }

    /// A peer of the fallback listener.
    pub(super) fn without_certificate(address: SocketAddr) -> Self {
        let proof = Proof::Secret(Mutex::default());
        Self::proving(address, proof)
    }

    fn proving(address: SocketAddr, proof: Proof) -> Self {
        let (place, turn) = (Mutex::default(), Mutex::default());
        Self { address, address_text: address.to_string(), proof, place, turn, left: Notify::new() }
    }

    /// Where it is.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The key that it proved in the handshake, if there was one.
    pub(super) fn fingerprint(&self) -> Option<Fingerprint> {
        match &self.proof {
            Proof::Chain(chain) => Some(lock(&chain.verified).proven.certificate.fingerprint),
            Proof::Secret(_) => None,
        }
    }

    /// Signs the peer in for one request.
    pub(super) fn sign_in(&self, door: &Door, head: &RequestHead) -> Result<Session, Problem> {
        let Proof::Secret(last) = &self.proof else { return self.sign_in_again(door) };
        let (session, hash) = fallback::sign_in(door, head, self.address)?;
        *lock(last) = Some(hash);
        Ok(session)
    }

    /// Signs the peer in for the rest of a request or of an answer.
    pub(super) fn sign_in_again(&self, door: &Door) -> Result<Session, Problem> {
        match &self.proof {
            Proof::Chain(chain) => {
                let proven = chain.proven(&door.tls).map_err(|error| {
                    let whose = self.fingerprint().and_then(|key| door.exchange.whose(key)).map(Box::new);
                    Problem { whose, ..Problem::not_trusted(&error) }
                })?;
                Ok(door.exchange.sign_in(&proven, &self.address_text)?)
            }
            Proof::Secret(last) => {
                // Who has shown nothing good yet has no answer that could be cut off.
                let hash = lock(last).unwrap_or_default();
                Ok(door.exchange.sign_in_with_secret(&hash, self.address)?)
            }
        }
    }

    /// What the connection is waiting for.
    pub(super) fn turn(&self) -> Turn {
        *lock(&self.turn)
    }

    /// Nothing more comes from the peer.
    pub(super) fn leaves(&self) {
        self.left.notify_one();
    }

    /// Until nothing more comes from the peer. For one who waits, and no more.
    pub(super) async fn left(&self) {
        self.left.notified().await;
        // It stays so: another request may wait that came with the one before.
        self.left.notify_one();
    }

    /// A request is begun: its head is there, and perhaps a body comes.
    pub(super) fn begins(&self, payload: &Payload) {
        *lock(&self.turn) = if matches!(payload, Payload::None) { Turn::Answer } else { Turn::Body };
    }

    /// The request's body is there to its end.
    pub(super) fn body_came(&self) {
        *lock(&self.turn) = Turn::Answer;
    }

    /// The answer is handed over. Gives whether there may be another request.
    pub(super) fn is_answered(&self) -> bool {
        let mut turn = lock(&self.turn);
        *turn = if *turn == Turn::Answer { Turn::Next } else { Turn::Over };
        *turn == Turn::Next
    }

    /// The listener's name, for people.
    pub(super) fn listener(&self) -> &'static str {
        match self.proof {
            Proof::Chain(_) => "mutual TLS",
            Proof::Secret(_) => "fallback",
        }
    }

    /// Lets one request of a signed-in peer in, within the limits of its credential.
    pub(super) fn admit(&self, door: &Door, session: &Session) -> Result<(), Problem> {
        let (who, now) = (session.credential().key, stopwatch());
        let mut place = lock(&self.place);
        if place.as_ref().is_none_or(|place| place.who != who) {
            // Whoever had it before has it no longer, whether there is room for the new one or not.
            *place = None;
            let fresh = door.throttle.connect(who, now);
            *place = Some(fresh.map_err(|reached| Problem { close: true, ..door.reached(&reached) })?);
        }
        door.throttle.request(who, now).map_err(|reached| door.reached(&reached))
    }

    /// So many octets of an answer are on their way.
    pub(super) fn sending(&self, octets: usize) {
        lock(&self.place).as_mut().into_iter().for_each(|place| place.octets.add(octets));
    }

    /// The peer took so many octets.
    pub(super) fn took(&self, octets: usize) {
        lock(&self.place).as_mut().into_iter().for_each(|place| place.octets.arrived(octets));
    }
}

impl Chain {
    /// What it proves by what is trusted now. It is verified again if it may have lost its force:
    /// because the files of TLS were read again, or by the passing of time.
    fn proven(&self, tls: &Tls) -> Result<Arc<Proven>, Error> {
        let mut verified = lock(&self.verified);
        if !tls.holds(&verified) {
            let (leaf, intermediates) = self.certificates.split_first().ok_or(Error::NoCertificatesPresented)?;
            *verified = tls.verify(leaf, intermediates)?;
        }
        Ok(Arc::clone(&verified.proven))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
