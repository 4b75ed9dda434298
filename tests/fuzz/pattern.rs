//! A STIX pattern: read, printed, read again, and held against what is known of its types.
#![no_main]

use entente::stix::pattern::{Pattern, check};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let columns = 1..=text.chars().count() + 1;
    match Pattern::parse(text) {
        Ok(pattern) => {
            let printed = pattern.to_string();
            assert_eq!(Pattern::parse(&printed).as_ref(), Ok(&pattern), "{printed}");
            let places: Vec<usize> = pattern.comparisons().map(|comparison| comparison.column).collect();
            assert!(places.is_sorted() && places.iter().all(|column| columns.contains(column)), "{places:?}");
            for finding in check::check(&pattern, known) {
                assert!(places.contains(&finding.column));
                assert!(finding.to_string().chars().count() < 1200, "{finding}");
            }
        }
        Err(fault) => {
            assert!(columns.contains(&fault.column), "{fault}");
            assert!(fault.to_string().chars().count() < 1200, "{fault}");
        }
    }
});

fn known(object_type: &str) -> Option<&'static [&'static str]> {
    match object_type {
        "file" => Some(&["name", "hashes"]),
        "ipv4-addr" => Some(&["value"]),
        _ => None,
    }
}
