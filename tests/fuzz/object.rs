//! The text of one object: strict JSON, and everything that is read from its value.
#![no_main]

use entente::stix::head::Head;
use entente::stix::id::Id;
use entente::stix::json::{self, Fault};
use entente::stix::marking;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|text: &str| {
    let plain = serde_json::from_str::<Value>(text);
    match json::parse(text) {
        Ok(value) => {
            assert_eq!(value, plain.unwrap());
            digest(&value);
            // Whatever reads the value of an object has its properties below, and its line here.
            head(&value);
        }
        Err(fault) => {
            sayable(&fault);
            let ours = ["occurs twice", "U+0000", "nested more than"];
            assert!(plain.is_err() || ours.iter().any(|reason| fault.reason.contains(reason)), "{fault}");
        }
    }
});

fn digest(value: &Value) {
    let again = json::parse(&value.to_string()).unwrap();
    assert_eq!(again, *value);
    assert_eq!(json::digest(&again), json::digest(value));
    let wrapped = Value::Array(vec![again]);
    assert_ne!(json::digest(&wrapped), json::digest(value));
}

fn head(object: &Value) {
    match Head::of(object) {
        Ok(head) => {
            assert_eq!(object["id"], head.id.as_str());
            assert_eq!(object["type"], head.id.object_type());
            assert_eq!(head.markings.len(), references(object), "no marking is lost");
            assert!(head.markings.iter().all(|marking| Id::parse(marking).is_some()));
            assert_eq!(head.predefined, marking::predefined(head.id.as_str()).is_some());
            if let Some(version) = head.version {
                assert!([&object["modified"], &object["created"]].into_iter().any(|text| text == version.as_str()));
            }
        }
        Err(fault) => {
            sayable(&fault);
            let parent = fault.pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
            assert!(object.pointer(parent).is_some(), "{fault}");
        }
    }
}

/// How often an object refers to a marking.
fn references(object: &Value) -> usize {
    let list = |name: &str| object.get(name).and_then(Value::as_array).into_iter().flatten();
    let granular = list("granular_markings").filter(|granular| granular.get("marking_ref").is_some());
    list("object_marking_refs").count() + granular.count()
}

/// However long the object and its names are.
fn sayable(fault: &Fault) {
    assert!(fault.pointer.chars().count() <= json::MAX_DEPTH * 130, "{}", fault.pointer);
    assert!(fault.reason.chars().count() <= 1000, "{}", fault.reason);
}
