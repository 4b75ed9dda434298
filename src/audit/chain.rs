//! How entries are chained: each has the next number, and a link that depends on all before it.

use super::entry::Entry;
use sha2::{Digest, Sha256};

/// What a chain begins with.
pub const GENESIS: [u8; 32] = [0; 32];

/// The link of an entry: SHA-256 over the link before it and the entry's text.
pub fn link(previous: &[u8; 32], text: &str) -> [u8; 32] {
    Sha256::new().chain_update(previous).chain_update(text).finalize().into()
}

/// Where a chain ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of its last entry; 0 if it has none.
    pub seq: i64,
    /// The link of its last entry.
    pub link: [u8; 32],
}

impl Default for Head {
    fn default() -> Self {
        Self { seq: 0, link: GENESIS }
    }
}

impl Head {
    /// Goes on to the next entry, and gives its text.
    pub fn append(&mut self, entry: &Entry) -> String {
        self.seq += 1;
        let text = entry.text(self.seq);
        self.link = link(&self.link, &text);
        text
    }
}
