//! Pages and the places between them (TAXII 2.1 §3.5): what fits in one answer, and
//! the `next` value that carries on.

use super::filter::Filter;
use super::timestamp::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// A place in a crawl, with the whole query that led there: a client may repeat, drop or
/// change its other parameters. Sealed, a cursor is good for one caller, one collection
/// and one endpoint, for as long as the server keeps its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Go on with what was added strictly later, in microseconds since the Unix epoch.
    #[serde(rename = "p")]
    position: i64,
    /// What was asked for.
    #[serde(rename = "f")]
    pub filter: Filter,
}

/// What cursors are sealed with: random, secret, as old as the store.
pub type Key = [u8; 32];

/// Octets of the seal: 128 bits of HMAC-SHA-256.
const SEAL: usize = 16;

impl Cursor {
    /// The place after `position` in a crawl for `filter`.
    pub fn new(position: Timestamp, filter: Filter) -> Self {
        Self { position: position.micros(), filter }
    }

    /// Go on with what was added strictly later.
    pub fn position(&self) -> Timestamp {
        Timestamp::from_micros(self.position)
    }

    /// The `next` value for this place, valid within `scope` only.
    pub fn seal(&self, key: &Key, scope: &str) -> String {
        // A struct of numbers and strings always has a JSON form.
        let mut octets = serde_json::to_vec(self).unwrap_or_default();
        let seal = mac(key, scope, &octets).finalize().into_bytes();
        octets.extend_from_slice(&seal[..SEAL]);
        URL_SAFE_NO_PAD.encode(octets)
    }

    /// Reads a `next` value. `None` for everything that was not sealed with `key` for `scope`.
    pub fn open(next: &str, key: &Key, scope: &str) -> Option<Self> {
        let octets = URL_SAFE_NO_PAD.decode(next).ok()?;
        let (payload, seal) = octets.split_at_checked(octets.len().checked_sub(SEAL)?)?;
        mac(key, scope, payload).verify_truncated_left(seal).ok()?;
        serde_json::from_slice(payload).ok()
    }
}

fn mac(key: &Key, scope: &str, payload: &[u8]) -> Hmac<Sha256> {
    // The length first, so that no scope can run over into a payload.
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(&(scope.len() as u64).to_be_bytes());
    mac.update(scope.as_bytes());
    mac.update(payload);
    mac
}

/// The form in which items are written. Another one has other octets: other tags.
const FORM: u8 = 1;

/// An entity tag (RFC 9110 §8.8.3), without its quotes: names what somebody in this scope is given of
/// `payload`, and tells nothing of it to who has no key.
pub fn tag(key: &Key, scope: &str, payload: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(&mac(key, &format!("tag|{FORM}|{scope}"), payload).finalize().into_bytes()[..SEAL])
}

/// How large a page may become.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Items; at least 1.
    pub items: usize,
    /// Octets of the items together. One larger item is a page of its own.
    pub octets: usize,
    /// From its beginning. A page with something in it ends when it has taken longer. One with nothing in it yet goes
    /// on: a page that is empty and has a next one is taken for the end by some clients, and by others for no page.
    pub time: Duration,
}

/// A page in the making: the JSON text of one list, one contiguous buffer.
#[derive(Debug)]
pub struct PageWriter {
    begun: Instant,
    bounds: Bounds,
    body: Vec<u8>,
    items: usize,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    more: bool,
    is_late: bool,
}

/// A finished page.
#[derive(Debug)]
pub struct Page {
    /// The response body.
    pub body: Vec<u8>,
    /// How many items are in it.
    pub items: usize,
    /// `date_added` of its first item.
    pub first: Option<Timestamp>,
    /// `date_added` of its last item.
    pub last: Option<Timestamp>,
    /// Whether there is more after it.
    pub more: bool,
    /// Whether it would have been longer, had it not taken too long: another time it may be.
    pub is_late: bool,
}

impl PageWriter {
    /// An empty page whose list has this name, `objects` or `versions`; begun now.
    pub fn new(list: &str, bounds: Bounds, begun: Instant) -> Self {
        let body = format!("{{\"{list}\":[").into_bytes();
        Self { begun, bounds, body, items: 0, first: None, last: None, more: false, is_late: false }
    }

    /// Offers the next item in order, as JSON text. Breaks when it no longer fits: the page
    /// then knows that there is more.
    pub fn offer(&mut self, date_added: Timestamp, item: &[u8]) -> ControlFlow<()> {
        let Bounds { items, octets, time } = self.bounds;
        let is_full = self.items >= items || self.body.len() + item.len() > octets;
        let is_late = !is_full && self.begun.elapsed() >= time;
        if self.items > 0 && (is_full || is_late) {
            (self.more, self.is_late) = (true, is_late);
            return ControlFlow::Break(());
        }
        if self.items > 0 {
            self.body.push(b',');
        }
        self.body.extend_from_slice(item);
        self.items += 1;
        self.first = self.first.or(Some(date_added));
        self.last = Some(date_added);
        ControlFlow::Continue(())
    }

    /// Ends the page. `next` makes the cursor for the place after the last item, and is asked
    /// only if there is more: `more` and `next` go together (TAXII 2.1 §3.7). A page without
    /// items is `empty`.
    pub fn finish(mut self, empty: &str, next: impl FnOnce(Timestamp) -> String) -> Page {
        match self.last {
            None => self.body = empty.as_bytes().to_vec(),
            Some(last) if self.more => {
                self.body.extend_from_slice(format!("],\"more\":true,\"next\":\"{}\"}}", next(last)).as_bytes());
            }
            Some(_) => self.body.extend_from_slice(b"],\"more\":false}"),
        }
        let Self { body, items, first, last, more, is_late, .. } = self;
        Page { body, items, first, last, more, is_late }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::stopwatch;
    use proptest::prelude::*;

    const KEY: &Key = &[7; 32];

    fn cursor() -> Cursor {
        let filter = Filter { types: Some(vec!["indicator".into()]), ..Filter::default() };
        Cursor::new(Timestamp::from_micros(1_700_000_000_123_456), filter)
    }

    #[test]
    fn a_cursor_opens_only_in_its_own_scope_and_with_its_own_key() {
        let next = cursor().seal(KEY, "objects|a");
        assert_eq!(Cursor::open(&next, KEY, "objects|a"), Some(cursor()));
        assert_eq!(Cursor::open(&next, KEY, "objects|b"), None);
        assert_eq!(Cursor::open(&next, &[8; 32], "objects|a"), None);
        for garbage in ["", "A", "AAAA", "====", "ä", &next[1..], &format!("{next}A")] {
            assert_eq!(Cursor::open(garbage, KEY, "objects|a"), None, "{garbage}");
        }
    }

    proptest! {
        #[test]
        fn no_altered_cursor_opens(at in 0usize..200, bit in 0u8..8) {
            let mut octets = URL_SAFE_NO_PAD.decode(cursor().seal(KEY, "s")).unwrap();
            let at = at % octets.len();
            octets[at] ^= 1 << bit;
            prop_assert_eq!(Cursor::open(&URL_SAFE_NO_PAD.encode(octets), KEY, "s"), None);
        }
    }

    fn page(items: &[&str], bounds: Bounds) -> String {
        let mut writer = PageWriter::new("objects", bounds, stopwatch());
        for (at, item) in (0..).zip(items) {
            if writer.offer(Timestamp::from_micros(at), item.as_bytes()).is_break() {
                break;
            }
        }
        String::from_utf8(writer.finish("{}", |last| format!("after {}", last.micros())).body).unwrap()
    }

    #[test]
    fn a_page_is_full_by_count_or_by_octets_and_then_says_where_to_go_on() {
        let many = Bounds { items: 10, octets: 1000, time: Duration::from_hours(1) };
        assert_eq!(page(&[], many), "{}");
        assert_eq!(page(&["1", "2"], many), r#"{"objects":[1,2],"more":false}"#);
        assert_eq!(page(&["1", "2"], Bounds { items: 2, ..many }), r#"{"objects":[1,2],"more":false}"#);
        let two = r#"{"objects":[1,2],"more":true,"next":"after 1"}"#;
        assert_eq!(page(&["1", "2", "3"], Bounds { items: 2, ..many }), two);
        let one = r#"{"objects":[1111],"more":true,"next":"after 0"}"#;
        assert_eq!(page(&["1111", "2"], Bounds { octets: 2, ..many }), one, "one larger item is a page of its own");
        let late = Bounds { time: Duration::ZERO, ..many };
        assert_eq!(page(&["1111", "2"], late), one, "what takes too long has at least one item");
        assert_eq!(page(&["1"], late), r#"{"objects":[1],"more":false}"#);
    }
}
