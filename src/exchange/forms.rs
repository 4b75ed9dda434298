//! A finished page, in every form in which it is given out: plain, and compressed, once for all who ask.

use crate::audit::Given;
use crate::taxii::timestamp::Timestamp;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;
use std::sync::OnceLock;

/// A content coding (RFC 9110 §8.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// None.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

/// Pages below so many octets are given out plain: compressed, they fit into no fewer packets.
const SMALL: usize = 1024;
/// Pages below so many octets are compressed while one waits.
const LARGE: usize = 64 << 10;
/// Higher levels take twice as long for a tenth less.
const GZIP_LEVEL: u32 = 2;
const ZSTD_LEVEL: i32 = 3;

/// What is given out of a collection in one answer.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) body: Bytes,
    pub(super) items: usize,
    pub(super) dates: (Timestamp, Timestamp),
    /// The rows that are in it.
    pub(super) given: Given,
    /// Names it, whatever its form.
    pub(super) tag: String,
    /// What was asked, as the trail tells it.
    pub(super) query: String,
    pub(super) compressed: Compressed,
}

/// Its other forms, once they are made; `None`: it cannot be made.
#[derive(Debug, Default)]
pub(super) struct Compressed {
    gzip: OnceLock<Option<Bytes>>,
    zstd: OnceLock<Option<Bytes>>,
}

impl Finished {
    /// Whether it is worth compressing.
    pub(super) fn is_small(&self) -> bool {
        self.body.len() < SMALL
    }

    /// Whether a form takes long to make. Those that are there do not.
    pub(super) fn takes_long(&self, coding: Coding) -> bool {
        self.body.len() >= LARGE && self.place(coding).is_some_and(|place| place.get().is_none())
    }

    /// Makes a form, unless it is there; who comes meanwhile waits for it. Tells whether it was not there.
    pub(super) fn make(&self, coding: Coding) -> bool {
        let Some(place) = self.place(coding).filter(|place| place.get().is_none()) else { return false };
        place.get_or_init(|| compress(&self.body, coding));
        true
    }

    /// A form that was made.
    pub(super) fn made(&self, coding: Coding) -> Option<&Bytes> {
        self.place(coding)?.get()?.as_ref()
    }

    /// How much memory it takes, more or less.
    pub(super) fn octets(&self) -> usize {
        let compressed = [Coding::Gzip, Coding::Zstd].into_iter().filter_map(|coding| self.made(coding));
        let given = size_of_val(self.given.as_slice());
        size_of::<Self>()
            + self.body.len()
            + given
            + self.tag.len()
            + self.query.len()
            + compressed.map(Bytes::len).sum::<usize>()
    }

    fn place(&self, coding: Coding) -> Option<&OnceLock<Option<Bytes>>> {
        match coding {
            Coding::Identity => None,
            Coding::Gzip => Some(&self.compressed.gzip),
            Coding::Zstd => Some(&self.compressed.zstd),
        }
    }
}

/// `None`: it could not be done.
fn compress(body: &[u8], coding: Coding) -> Option<Bytes> {
    let compressed = match coding {
        Coding::Identity => return None,
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 3), Compression::new(GZIP_LEVEL));
            encoder.write_all(body).and_then(|()| encoder.finish())
        }
        Coding::Zstd => zstd::bulk::compress(body, ZSTD_LEVEL),
    };
    compressed.ok().map(|mut compressed| {
        compressed.shrink_to_fit();
        Bytes::from(compressed)
    })
}
