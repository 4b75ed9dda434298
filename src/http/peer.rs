//! Peers: whose connection it is, and whether it still is.

use super::Door;
use super::error::Problem;
use super::tls::Verified;
use crate::access::credential::Fingerprint;
use crate::access::proof::certificate::Proven;
use crate::exchange::Session;
use rustls::pki_types::CertificateDer;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

/// Who is at the other end of a connection.
#[derive(Debug)]
pub(super) struct Peer {
    /// Network address and port.
    address: SocketAddr,
    /// The certificates that it sent, its own first.
    chain: Vec<CertificateDer<'static>>,
    verified: Mutex<Verified>,
}

impl Peer {
    pub(super) fn new(address: SocketAddr, chain: Vec<CertificateDer<'static>>, verified: Verified) -> Self {
        Self { address, chain, verified: Mutex::new(verified) }
    }

    /// Where it is.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The key that it proved.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner).proven.certificate.fingerprint
    }

    /// Signs the peer in, for one request or for the rest of an answer.
    pub(super) fn sign_in(&self, door: &Door) -> Result<Session, Problem> {
        Ok(door.exchange.sign_in(&self.proven(door)?, &self.address.to_string())?)
    }

    /// 401 unless its chain still holds.
    pub(super) fn holds(&self, door: &Door) -> Result<(), Problem> {
        self.proven(door).map(drop)
    }

    /// What its chain proves by what is trusted now. The chain is verified again if it may have
    /// lost its force: because the files of TLS were read again, or by the passing of time.
    fn proven(&self, door: &Door) -> Result<Proven, Problem> {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if !door.tls.holds(&verified) {
            let (leaf, intermediates) =
                self.chain.split_first().ok_or_else(|| Problem::internal("a peer without a certificate"))?;
            *verified = door.tls.verify(leaf, intermediates).map_err(|error| Problem::not_trusted(&error))?;
        }
        Ok(verified.proven.clone())
    }
}
