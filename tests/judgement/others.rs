//! Rules that look at more than one object, through the functions that find them broken.

use crate::followed;
use crate::generator::id;
use entente::stix::finding::{Profile, Severity};
use entente::stix::rules::DANGLING;
use entente::stix::rules::version::Lineage;
use serde_json::{Value, json};

/// The rules that a version breaks beside another one: their ids, places and severities.
fn beside(here: &Value, there: &Value, profile: Profile) -> Vec<(&'static str, String, Severity)> {
    let findings = Lineage::of(here).judge_beside(&Lineage::of(there), profile);
    findings.into_iter().map(|finding| (finding.rule.id, finding.pointer, finding.severity)).collect()
}

fn version(members: Value) -> Value {
    let mut version = json!({"created": "2025-03-01T08:00:00.000Z", "modified": "2025-03-02T08:00:00.000Z",
        "created_by_ref": id("identity", 1)});
    version.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    version
}

const SEVERE: [(Profile, Severity); 3] =
    [(Profile::Strict, Severity::Refuse), (Profile::Standard, Severity::Refuse), (Profile::Lenient, Severity::Warn)];

/// STIX 2.1 §3.6.
#[test]
fn a_version_with_another_time_of_creation_breaks_exactly_that_rule() {
    let other = version(json!({"created": "2025-03-01T08:00:00.001Z"}));
    for (profile, severity) in SEVERE {
        let expected = [("version-created", "/created".to_owned(), severity)];
        assert_eq!(beside(&version(json!({})), &other, profile), expected);
    }
    let finer = version(json!({"created": "2025-03-01T08:00:00.000000Z"}));
    assert!(beside(&version(json!({})), &finer, Profile::Strict).is_empty(), "the same instant");
}

/// STIX 2.1 §3.6.
#[test]
fn a_version_by_another_creator_is_refused_under_every_profile() {
    let mut anonymous = version(json!({}));
    anonymous.as_object_mut().unwrap().remove("created_by_ref");
    for other in [version(json!({"created_by_ref": id("identity", 2)})), anonymous] {
        for profile in Profile::ALL {
            let expected = [("version-creator", "/created_by_ref".to_owned(), Severity::Refuse)];
            assert_eq!(beside(&version(json!({})), &other, profile), expected);
            assert_eq!(beside(&other, &version(json!({})), profile), expected);
        }
    }
}

/// STIX 2.1 §3.6.
#[test]
fn nothing_is_later_than_a_revocation_whichever_comes_first() {
    let revoked = version(json!({"revoked": true}));
    let later = version(json!({"modified": "2025-03-02T08:00:00.001Z"}));
    let earlier = version(json!({"modified": "2025-03-02T07:59:59.999Z"}));
    for (profile, severity) in SEVERE {
        let at = |place: &str| [("version-after-revocation", place.to_owned(), severity)];
        assert_eq!(beside(&later, &revoked, profile), at("/modified"));
        assert_eq!(beside(&revoked, &later, profile), at("/revoked"));
        assert!(beside(&earlier, &revoked, profile).is_empty() && beside(&revoked, &earlier, profile).is_empty());
    }
}

/// STIX 2.1 §2.9: what the dangling references of an object are looked for among.
#[test]
fn references_are_found_at_whatever_depth_each_with_its_place() {
    let (one, two, three, four) = (id("identity", 1), id("file", 2), id("directory", 3), id("x-lighthouse", 4));
    let object = json!({
        "created_by_ref": one,
        "extensions": {"archive-ext": {"contains_refs": [two, three]}},
        "x_keel": [{"quay_ref": four}],
        "other_refs": [one, "no id", 7],
        "name": two,
    });
    let found = followed(&object);
    let places: Vec<(&str, &str)> = found.iter().map(|(pointer, id)| (pointer.as_str(), id.as_str())).collect();
    let mut expected = [
        ("/created_by_ref", one.as_str()),
        ("/extensions/archive-ext/contains_refs/0", &two),
        ("/extensions/archive-ext/contains_refs/1", &three),
        ("/x_keel/0/quay_ref", &four),
        ("/other_refs/0", &one),
    ];
    expected.sort_unstable();
    let mut sorted = places.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    for (pointer, id) in places {
        assert_eq!(object.pointer(pointer).unwrap(), id);
    }
}

/// STIX 2.1 §7.2.1.4: predefined markings are known everywhere.
#[test]
fn predefined_markings_are_no_references_that_could_dangle() {
    let white = "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9";
    assert!(
        followed(&json!({"object_marking_refs": [white, "marking-definition--613F2E26-407D-48C7-9ECA-B8E91DF99DC9"]}))
            .is_empty()
    );
    let own = id("marking-definition", 1);
    let object = json!({"object_marking_refs": [own]});
    assert_eq!(followed(&object), [("/object_marking_refs/0".to_owned(), own)]);
}

/// STIX 2.1 §2.9.
#[test]
fn a_dangling_reference_is_a_warning_where_fragments_are_usual() {
    let severities = Profile::ALL.map(|profile| DANGLING.severity(profile));
    assert_eq!(severities, [Severity::Refuse, Severity::Warn, Severity::Warn]);
}
