//! The text of one object: strict JSON, and everything that is read from its value.
#![no_main]

use entente::stix::finding::{Profile, Severity, Verdict};
use entente::stix::head::{Head, Spec};
use entente::stix::id::Id;
use entente::stix::json::{self, Fault};
use entente::stix::judge::Judge;
use entente::stix::{marking, rules};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(init: assert!(Judge::new().is_ok()), |text: &str| {
    let plain = serde_json::from_str::<Value>(text);
    match json::parse(text) {
        Ok(value) => {
            assert_eq!(value, plain.unwrap());
            digest(&value);
            // Whatever reads the value of an object has its properties below, and its line here.
            head(&value);
            judge(text, Some(&value));
        }
        Err(fault) => {
            sayable(&fault);
            let ours = ["occurs twice", "U+0000", "nested more than", "more values than", "member name is longer"];
            assert!(plain.is_err() || ours.iter().any(|reason| fault.reason.contains(reason)), "{fault}");
            judge(text, None);
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
            leads_into(object, &fault.pointer);
        }
    }
}

/// Under every profile the same facts; and what a milder one refuses, a stricter one refuses too.
fn judge(text: &str, object: Option<&Value>) {
    let refused = Profile::ALL.map(|profile| {
        let judged = Judge::new().unwrap().judge(text.as_bytes(), profile, &[Spec::V20, Spec::V21]);
        assert_eq!(judged.object.as_ref(), object);
        assert_eq!(judged.head.is_some(), object.is_some_and(|object| Head::of(object).is_ok()));
        assert!(judged.head.is_some() || judged.verdict.is_refused(), "no reason is given");
        verdict(&judged.verdict, profile, object);
        judged.verdict.is_refused()
    });
    assert!(refused.is_sorted_by(|stricter, milder| stricter >= milder), "{refused:?}");
}

fn verdict(verdict: &Verdict, profile: Profile, object: Option<&Value>) {
    let findings = verdict.findings();
    assert!(findings.len() <= verdict.count().min(100));
    assert!(findings.is_sorted_by_key(|finding| finding.severity), "refusals first");
    assert_eq!(verdict.is_refused(), findings.iter().any(|finding| finding.severity == Severity::Refuse));
    for finding in findings {
        assert!(rules::ALL.iter().any(|rule| std::ptr::eq(*rule, finding.rule)), "{finding}");
        assert_eq!(finding.severity, finding.rule.severity(profile), "{finding}");
        assert_ne!(finding.severity, Severity::Pass, "{finding}");
        assert_ne!(finding.rule.id, "unjudged", "{finding}");
        assert!(finding.pointer.chars().count() <= json::MAX_DEPTH * 130, "{finding}");
        assert!(finding.message.chars().count() <= 2000, "{finding}");
        if let Some(object) = object {
            leads_into(object, &finding.pointer);
        }
    }
}

/// A pointer names a place in the object, or one that is missing in such a place. Long names are cut in it,
/// and control characters escaped.
fn leads_into(object: &Value, pointer: &str) {
    let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
    let altered = pointer.contains('\\') || pointer.split('/').any(|name| name.chars().count() >= 64);
    assert!(altered || object.pointer(parent).is_some(), "{pointer}");
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
