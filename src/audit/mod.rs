//! The audit trail: what an entry says ([`entry`], [`given`], [`held`]), how entries are chained so that none can
//! be altered, dropped or inserted without a trace ([`chain`]), the signed words about the
//! chain that outlive it ([`checkpoint`]), and how all of it is verified ([`verify`]). What
//! can be learned from a trail: [`seen`] (who saw an object), [`peers`] (who polls, how far).
//!
//! Entries never hold bodies or secrets. Where the trail is kept is the store's affair, and
//! where the key is kept the operator's.

pub mod chain;
pub mod checkpoint;
pub mod entry;
pub mod given;
pub mod held;
pub mod line;
pub mod peers;
pub mod seen;
pub mod verify;

pub use chain::{GENESIS, Head, link};
pub use checkpoint::{Checkpoint, PublicKey, Signed, Signer};
pub use entry::{Action, Actor, Entry, Gone, LONGEST_CLIENT, LONGEST_PATH, digest, plain};
pub use given::Given;
pub use held::Held;
