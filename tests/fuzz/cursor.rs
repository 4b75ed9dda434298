//! The `next` value: what was sealed here opens to the same, and nothing else opens.
#![no_main]

use entente::taxii::filter::{Endpoint, Query};
use entente::taxii::page::{Cursor, Key};
use entente::taxii::timestamp::Timestamp;
use libfuzzer_sys::fuzz_target;

const KEY: &Key = &[7; 32];
const SCOPE: &str = "objects";

fuzz_target!(|data: &[u8]| {
    // Nothing is ever sealed with this key: what was sealed below, a fuzzer learns from comparing, and sends.
    assert_eq!(Cursor::open(&String::from_utf8_lossy(data), &[9; 32], SCOPE), None);
    // A position, one change, and a query.
    let Some((position, rest)) = data.split_first_chunk() else { return };
    let Some(([at, other], raw)) = rest.split_first_chunk() else { return };
    let Ok(query) = Query::parse(&String::from_utf8_lossy(raw), Endpoint::Collection) else { return };
    let position = Timestamp::from_micros(i64::from_be_bytes(*position));
    let cursor = Cursor::new(position, query.filter.unwrap_or_default());
    let next = cursor.seal(KEY, SCOPE);
    assert!(next.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
    assert_eq!(Cursor::open(&next, KEY, SCOPE).as_ref(), Some(&cursor));
    assert_eq!(cursor.position(), position);
    assert_eq!(Cursor::open(&next, KEY, "versions"), None);
    assert_eq!(Cursor::open(&next, &[8; 32], SCOPE), None);
    changed(&next, usize::from(*at), char::from(*other));
});

/// Another character, one too many, one too few.
fn changed(next: &str, at: usize, other: char) {
    // Near the end are the seal and the bits that mean nothing.
    for at in [at % next.len(), next.len() - 1 - at % next.len()] {
        let (before, after) = (&next[..at], &next[at + 1..]);
        let replaced = format!("{before}{other}{after}");
        if replaced != next {
            assert_eq!(Cursor::open(&replaced, KEY, SCOPE), None);
        }
        assert_eq!(Cursor::open(&format!("{before}{other}{}", &next[at..]), KEY, SCOPE), None);
        assert_eq!(Cursor::open(&format!("{before}{after}"), KEY, SCOPE), None);
    }
}
