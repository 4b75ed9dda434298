//! One file for each way to prove an identity. Today there is one: a client
//! certificate in the TLS handshake.

pub mod certificate;
