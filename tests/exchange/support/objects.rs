//! STIX objects to push.

use entente::access::level::Level;
use entente::stix::marking::TLP;

/// The id of the `n`th object of a type.
pub fn id(object_type: &str, n: usize) -> String {
    format!("{object_type}--252c7c11-daf2-42bd-843b-{n:012}")
}

/// Version `version` (seconds) of the `n`th indicator.
pub fn indicator(n: usize, version: u32) -> String {
    versioned("indicator", n, version, "")
}

/// The same, marked with a TLP 2.0 level.
pub fn marked(n: usize, version: u32, level: Level) -> String {
    versioned("indicator", n, version, &format!(r#","object_marking_refs":["{}"]"#, tlp(level)))
}

/// Version `version` (seconds) of the `n`th object of a type, with more members.
pub fn versioned(object_type: &str, n: usize, version: u32, more: &str) -> String {
    format!(
        r#"{{"type":"{object_type}","spec_version":"2.1","id":"{}","created":"2024-01-01T00:00:00.000Z","modified":"2024-01-01T00:00:{version:02}.000Z","name":"Invented {n}"{}{more}}}"#,
        id(object_type, n),
        required(object_type)
    )
}

/// What the standard requires of an object of a type besides a name.
fn required(object_type: &str) -> &'static str {
    match object_type {
        "indicator" => {
            r#","pattern":"[url:value = 'http://example.com']","pattern_type":"stix","valid_from":"2024-01-01T00:00:00Z""#
        }
        "malware" => r#","is_family":false"#,
        _ => "",
    }
}

/// The `n`th IPv4 address, as an observable.
pub fn address(n: usize, value: &str) -> String {
    format!(r#"{{"type":"ipv4-addr","spec_version":"2.1","id":"{}","value":"{value}"}}"#, id("ipv4-addr", n))
}

/// The id of the TLP 2.0 marking of a level.
pub fn tlp(level: Level) -> &'static str {
    TLP[4 + usize::from(level.rank())].id
}

/// An envelope of objects.
pub fn envelope(objects: &[String]) -> String {
    format!("{{\"objects\":[{}]}}", objects.join(","))
}
