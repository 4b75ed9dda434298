//! The standard's editions, its published schemas and the common libraries have known defects.
//! Each test shows that the truth is followed, and not the defect.

use crate::{generator, must_be_clean, object, said, without, words};
use entente::stix::finding::Profile;
use serde_json::{Value, json};

/// What is said under `profile` is this and nothing else.
fn must_break(object: &Value, profile: Profile, rule: &str, pointer: &str) {
    let found = said(object, profile);
    assert!(matches!(&found[..], [(id, at, _)] if *id == rule && at == pointer), "{}", words(object, profile));
}

/// STIX 2.1 §4.4. One edition prints the name as required.
#[test]
fn a_grouping_needs_no_name() {
    must_be_clean(&without(object("grouping", json!({})), &["name"]));
}

/// STIX 2.1 §4.11. One edition prints `is_family` as optional.
#[test]
fn a_malware_must_say_whether_it_is_a_family() {
    let malware = without(object("malware", json!({"name": "Nordlicht"})), &["is_family"]);
    must_break(&malware, Profile::Standard, "missing-property", "/is_family");
}

/// STIX 2.1 §5.2. One edition prints it as a string.
#[test]
fn the_summary_of_a_sighting_is_a_boolean() {
    must_be_clean(&object("sighting", json!({"summary": true})));
    must_break(&object("sighting", json!({"summary": "true"})), Profile::Standard, "wrong-type", "/summary");
}

/// STIX 2.1 §6.13.2. One edition prints `windows_title`.
#[test]
fn the_title_of_a_windows_process_is_its_window_title() {
    let process = |name: &str| object("process", json!({"extensions": {"windows-process-ext": {name: 7}}}));
    must_break(
        &process("window_title"),
        Profile::Standard,
        "wrong-type",
        "/extensions/windows-process-ext/window_title",
    );
    // Nothing is known of that name, so that the extension says nothing.
    let place = "/extensions/windows-process-ext";
    must_break(&process("windows_title"), Profile::Standard, "property-combination", place);
}

/// STIX 2.1 §3.2. One edition prints `granular_marking_refs` among the common properties.
#[test]
fn granular_markings_are_called_granular_markings_on_every_type() {
    let marking = "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9";
    for object_type in generator::types() {
        let granular = json!([{"marking_ref": marking, "selectors": ["type"]}]);
        must_be_clean(&object(object_type, json!({"granular_markings": granular})));
        let misnamed = object(object_type, json!({"granular_marking_refs": [marking]}));
        must_break(&misnamed, Profile::Strict, "custom-property", "/granular_marking_refs");
    }
}

/// STIX 2.1 §6.17. The published schema has `modified` among the properties of which one is needed.
#[test]
fn a_registry_key_may_have_its_modified_time_alone_and_not_modified() {
    let key = |name: &str| {
        let key = object("windows-registry-key", json!({name: "2025-03-01T08:00:00.000Z"}));
        without(key, &["key"])
    };
    must_be_clean(&key("modified_time"));
    assert!(
        said(&key("modified"), Profile::Standard)
            .iter()
            .any(|(id, at, _)| *id == "property-combination" && at.is_empty())
    );
}

/// STIX 2.1 §6.13. The published schema lists names of STIX 2.0, and lacks `created_time`.
#[test]
fn a_process_may_have_its_created_time_alone_and_not_what_stix_2_0_called_it() {
    let process = |members: Value| {
        let mut process = json!({"type": "process", "id": generator::id("process", 1)});
        process.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        process
    };
    must_be_clean(&process(json!({"created_time": "2025-03-01T08:00:00Z"})));
    for members in [json!({"name": "quay"}), json!({"created": "2025-03-01T08:00:00Z"}), json!({"arguments": ["-v"]})] {
        let found = said(&process(members.clone()), Profile::Lenient);
        assert!(found.iter().any(|(id, at, _)| *id == "property-combination" && at.is_empty()), "{members}: {found:?}");
    }
}

/// STIX 2.1 §4.6. A common library gives incidents kill chain phases.
#[test]
fn an_incident_has_no_kill_chain_phases() {
    let phases = json!([{"kill_chain_name": "keel", "phase_name": "laying"}]);
    let incident = object("incident", json!({"kill_chain_phases": phases}));
    must_break(&incident, Profile::Strict, "custom-property", "/kill_chain_phases");
    must_break(&incident, Profile::Standard, "custom-property-prefix", "/kill_chain_phases");
    must_be_clean(&object("tool", json!({"kill_chain_phases": phases})));
}

/// STIX 2.1 §10. A common library has the vocabularies without what the errata added.
#[test]
fn the_vocabularies_have_what_the_errata_added() {
    must_be_clean(&object("malware", json!({"implementation_languages": ["rust"]})));
    must_be_clean(&object("identity", json!({"sectors": ["legal"]})));
    must_be_clean(&object("report", json!({"report_types": ["incident"]})));
    must_be_clean(&object("threat-actor", json!({"threat_actor_types": ["private-sector"]})));
}

fn relationship(source: &str, name: &str, target: &str) -> Value {
    let ends = json!({"source_ref": generator::id(source, 1), "target_ref": generator::id(target, 2)});
    let mut relationship = object("relationship", ends);
    relationship["relationship_type"] = json!(name);
    relationship
}

/// STIX 2.1 §4.11, §4.12, §4.19. A common validator's table has only the first edition's name of
/// `av-analysis-of`, lacks a row, and has one of its own.
#[test]
fn relationships_are_those_of_the_standard_and_not_of_a_validator() {
    must_be_clean(&relationship("malware", "targets", "vulnerability"));
    must_be_clean(&relationship("malware-analysis", "av-analysis-of", "malware"));
    must_be_clean(&relationship("malware-analysis", "analysis-of", "malware"));
    let impacts = relationship("vulnerability", "impacts", "tool");
    must_break(&impacts, Profile::Strict, "relationship-type", "/relationship_type");
    must_break(&relationship("tool", "impacts", "tool"), Profile::Strict, "relationship-type", "/relationship_type");
}

/// STIX 2.1 §2.9. The first edition's examples have ids that the rule does not give; the errata
/// computed them anew.
#[test]
fn the_ids_of_the_first_editions_examples_are_not_those_of_the_rule() {
    let printed = json!({"type": "ipv4-addr", "value": "198.51.100.3",
        "id": "ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd"});
    must_break(&printed, Profile::Standard, "deterministic-id", "/id");
    let recomputed = "ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4";
    must_be_clean(&json!({"type": "ipv4-addr", "value": "198.51.100.3", "id": recomputed}));
}

/// STIX 2.1 §10. The standard prints a capability of malware twice: a vocabulary is a set.
#[test]
fn a_vocabulary_has_each_value_once() {
    for (name, values) in generator::vocabularies() {
        let mut values: Vec<&str> = values.as_array().unwrap().iter().map(|value| value.as_str().unwrap()).collect();
        let count = values.len();
        values.sort_unstable();
        values.dedup();
        assert_eq!(values.len(), count, "{name}");
    }
}

/// STIX 2.1 §4, §6, Appendix B. The summary table differs from the sections of the types: those hold.
#[test]
fn relationships_are_those_of_the_sections_of_the_types() {
    for (source, name, target) in [
        ("attack-pattern", "delivers", "malware"),
        ("campaign", "compromises", "infrastructure"),
        ("course-of-action", "investigates", "indicator"),
        ("course-of-action", "remediates", "vulnerability"),
        ("identity", "located-at", "location"),
        ("indicator", "based-on", "observed-data"),
        ("indicator", "indicates", "infrastructure"),
        ("infrastructure", "consists-of", "x509-certificate"),
        ("infrastructure", "communicates-with", "url"),
        ("intrusion-set", "hosts", "infrastructure"),
        ("ipv4-addr", "resolves-to", "mac-addr"),
        ("malware", "downloads", "file"),
        ("malware", "exploits", "vulnerability"),
        ("malware-analysis", "static-analysis-of", "malware"),
        ("threat-actor", "located-at", "location"),
        ("tool", "uses", "infrastructure"),
    ] {
        must_be_clean(&relationship(source, name, target));
        let turned = relationship(target, name, source);
        must_break(&turned, Profile::Strict, "relationship-type", "/relationship_type");
        assert!(said(&turned, Profile::Standard).is_empty(), "the tables are advice");
    }
}
