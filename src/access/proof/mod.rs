//! One file for each way to prove an identity: a client certificate in the TLS handshake,
//! and for who cannot present one, a secret.

pub mod certificate;
pub mod secret;
