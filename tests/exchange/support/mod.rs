//! What the tests share: certificates, servers, actors, objects.

pub mod actor;
pub mod clock;
pub mod crawl;
pub mod endpoints;
pub mod inside;
pub mod objects;
pub mod pki;
pub mod process;
pub mod schema;
pub mod server;
pub mod trail;

pub use actor::Answer;
pub use server::{EMPTY, MISSING, NO, RO, RW, Server, WO};

/// How often a random test goes round: as many times as `ROUNDS` says, for a long run by hand.
pub fn rounds(usual: u32) -> u32 {
    std::env::var("ROUNDS").map_or(usual, |rounds| rounds.parse().unwrap())
}
