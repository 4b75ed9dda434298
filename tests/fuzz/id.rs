//! An identifier: exactly a type, two hyphens and a UUID.
#![no_main]

use entente::stix::id::{Id, is_type};
use libfuzzer_sys::fuzz_target;
use std::fmt::Write as _;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        read(text);
    }
    if let Some((octets, rest)) = data.split_first_chunk::<16>() {
        made(octets, &String::from_utf8_lossy(rest));
    }
});

/// What is read is what stands there.
fn read(text: &str) {
    let Some(id) = Id::parse(text) else { return };
    assert_eq!((id.as_str(), id.to_string().as_str()), (text, text));
    assert!(is_type(id.object_type()));
    let uuid = text.strip_prefix(id.object_type()).and_then(|rest| rest.strip_prefix("--")).unwrap();
    let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12]);
    assert!(uuid.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit()));
}

/// Whatever is made of a type and a UUID is an identifier, and of anything else is none.
fn made(octets: &[u8; 16], object_type: &str) {
    let mut uuid = String::new();
    for (at, octet) in octets.iter().enumerate() {
        let hyphen = if [4, 6, 8, 10].contains(&at) { "-" } else { "" };
        write!(uuid, "{hyphen}{octet:02x}").unwrap();
    }
    for uuid in [uuid.to_uppercase(), uuid] {
        let id = Id::parse(&format!("{object_type}--{uuid}"));
        assert_eq!(id.as_ref().map(Id::object_type), is_type(object_type).then_some(object_type));
    }
}
