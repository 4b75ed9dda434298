//! The body of a push: cut into its objects, or refused for what it is.
#![no_main]

use entente::taxii::objects::{BodyError, Envelope};
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use serde_json::Value;

/// Few, so that bodies with too many are found.
const MOST: usize = 100;

fuzz_target!(|body: &[u8]| {
    let is_json = || serde_json::from_slice::<IgnoredAny>(body).is_ok();
    match Envelope::split(body, MOST) {
        Ok(envelope) => cut(body, &envelope.objects),
        Err(BodyError::NotUtf8(at)) => assert_eq!(std::str::from_utf8(body).unwrap_err().valid_up_to(), at),
        Err(BodyError::NotJson(reason)) => {
            assert!(reason.chars().count() <= 300);
            assert!(serde_json::from_slice::<Value>(body).is_err(), "it is JSON: {reason}");
        }
        Err(BodyError::NoEnvelope(reason)) => {
            assert!(reason.chars().count() <= 300);
            assert!(is_json(), "it is not JSON: {reason}");
        }
    }
});

fn cut(body: &[u8], objects: &[&str]) {
    assert!((1..=MOST).contains(&objects.len()));
    let mut free = body.as_ptr_range();
    for object in objects {
        let here = object.as_bytes().as_ptr_range();
        assert!(free.start < here.start && here.end < free.end, "within the body, one behind the other");
        free.start = here.end;
        assert!(serde_json::from_str::<IgnoredAny>(object).is_ok(), "{object}");
    }
    let again = format!("{{\"objects\":[{}]}}", objects.join(","));
    let again = Envelope::split(again.as_bytes(), MOST).unwrap();
    assert_eq!(again.objects, objects);
    assert!(!again.bundle);
}
