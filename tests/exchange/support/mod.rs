//! What the tests share: certificates, servers, actors, objects.

pub mod actor;
pub mod clock;
pub mod crawl;
pub mod endpoints;
pub mod objects;
pub mod pki;
pub mod process;
pub mod schema;
pub mod server;
pub mod trail;

pub use actor::Answer;
pub use server::{EMPTY, MISSING, NO, RO, RW, Server, WO};
