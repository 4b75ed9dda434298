//! Valid look-alikes of what breaks a rule: they break none.

use crate::generator::id;
use crate::{custom, must_be_clean, object, said, without, words};
use entente::stix::finding::Profile;
use serde_json::{Value, json};

const UNKNOWN: &str = "extension-definition--1f0cfa1c-31ce-4b43-91d8-4ad3ba2a4e31";

fn tool(members: Value) -> Value {
    object("tool", members)
}

fn clean(object_type: &str, members: Value) {
    must_be_clean(&object(object_type, members));
}

/// Not refused, nor warned of, where only what the standard requires and recommends counts.
fn must_be_standard(object: &Value) {
    for profile in [Profile::Standard, Profile::Lenient] {
        assert!(said(object, profile).is_empty(), "{}", words(object, profile));
    }
}

/// STIX 2.1 §2.9: an identifier is a type and a UUID of any version, in either case.
#[test]
fn identifiers_of_any_uuid_version_are_identifiers() {
    for version in 1..=8 {
        must_be_clean(&tool(json!({"id": format!("tool--11111111-1111-{version}111-8111-111111111111")})));
    }
    must_be_clean(&tool(json!({"id": "tool--ABCDEFAB-1111-4111-A111-111111111111"})));
}

/// STIX 2.1 §2.16.
#[test]
fn timestamps_may_be_finer_than_milliseconds_and_may_be_leap_seconds() {
    let at = |time: &str| tool(json!({"created": time, "modified": time}));
    must_be_clean(&at("2025-03-01T08:00:00.000000001Z"));
    must_be_clean(&at("2016-12-31T23:59:60.000Z"));
    must_be_clean(&at("2024-02-29T00:00:00.000Z"));
    clean("indicator", json!({"valid_from": "2025-03-01T08:00:00Z"}));
    clean("indicator", json!({"valid_from": format!("2025-03-01T08:00:00.{}Z", "0".repeat(64))}));
}

/// STIX 2.1 §3.2, §4, §5, §6: most pairs of times may be the same, in whatever precision.
#[test]
fn what_comes_later_may_come_at_the_same_time() {
    let (short, long) = ("2025-03-01T08:00:00Z", "2025-03-01T08:00:00.000Z");
    clean("malware", json!({"first_seen": long, "last_seen": short}));
    clean("observed-data", json!({"first_observed": short, "last_observed": long}));
    clean("network-traffic", json!({"start": short, "end": short}));
    clean("indicator", json!({"valid_from": short, "valid_until": "2025-03-01T08:00:00.0001Z"}));
    clean("relationship", json!({"start_time": short, "stop_time": "2025-03-01T08:00:00.0001Z"}));
}

/// STIX 2.1 §3.2: what is defanged is not of its form any more.
#[test]
fn a_defanged_value_need_not_be_of_its_form() {
    for (object_type, value) in [
        ("ipv4-addr", "198.51.100[.]3"),
        ("ipv6-addr", "2001:db8[::]7"),
        ("domain-name", "example[.]com"),
        ("url", "hxxps://example[.]com"),
        ("email-addr", "quay[at]example[.]com"),
        ("mac-addr", "D2-FB"),
    ] {
        clean(object_type, json!({"value": value, "defanged": true}));
        let fanged = object(object_type, json!({"value": value, "defanged": false}));
        let found = said(&fanged, Profile::Standard);
        let expected = matches!(&found[..], [("malformed-value", at, _)] if at == "/value");
        // An URI is a scheme and nearly anything, and a domain name is nearly any text.
        assert!(expected || ["url", "domain-name"].contains(&object_type), "{}", words(&fanged, Profile::Standard));
    }
}

/// STIX 2.1 §6.8, §6.9: an address may be a network.
#[test]
fn addresses_may_be_networks_of_any_length() {
    for value in ["198.51.100.3/32", "0.0.0.0/0", "198.51.100.7/24"] {
        clean("ipv4-addr", json!({"value": value}));
    }
    for value in ["::/0", "2001:db8::/128", "2001:0DB8:0:0:0:0:0:7", "::ffff:198.51.100.3"] {
        clean("ipv6-addr", json!({"value": value}));
    }
}

/// STIX 2.1 §2.7: a hash is in either case, and a long one by an algorithm of one's own is allowed.
#[test]
fn hashes_are_of_either_case() {
    clean("file", json!({"hashes": {"MD5": "D41D8CD98F00B204E9800998ECF8427E"}}));
    clean("file", json!({"hashes": {"TLSH": "T1".to_owned() + &"aF".repeat(35)}}));
}

/// STIX 2.1 §4.10: a place by its region, its country, or its coordinates.
#[test]
fn a_location_is_known_by_any_one_of_three_things() {
    let location = |members: Value| {
        let place = object("location", members.clone());
        if members.get("region").is_some() { place } else { without(place, &["region"]) }
    };
    must_be_clean(&location(json!({"region": "polynesia"})));
    must_be_clean(&location(json!({"country": "xx"})));
    must_be_clean(&location(json!({"latitude": -90, "longitude": 180, "precision": 0.5})));
}

/// STIX 2.1 §4.11, §6.6, §6.7, §6.12, §4.7.
#[test]
fn properties_that_need_or_exclude_each_other_may_be_used_accordingly() {
    clean("malware", json!({"is_family": true, "name": "Nordlicht"}));
    must_be_clean(&without(object("malware", json!({"is_family": false})), &["name"]));
    clean("email-message", json!({"is_multipart": false, "body": "a"}));
    clean("email-message", json!({"is_multipart": true, "body_multipart": [{"body_raw_ref": id("file", 1)}]}));
    clean("network-traffic", json!({"is_active": false, "end": "2025-03-01T08:00:00Z"}));
    clean("network-traffic", json!({"is_active": true, "start": "2025-03-01T08:00:00Z"}));
    clean("file", json!({"name": "a", "name_enc": "UTF-8"}));
    must_be_clean(&without(object("file", json!({"name": "a"})), &["hashes"]));
    let definition =
        json!({"extension_types": ["new-sdo", "toplevel-property-extension"], "extension_properties": ["rank"]});
    clean("extension-definition", definition);
    clean("attack-pattern", json!({"external_references": [{"source_name": "cve", "external_id": "12"}]}));
}

/// STIX 2.1 §7.2.3: a selector may select anything that there is, values of no weight too.
#[test]
fn a_selector_may_select_whatever_the_object_has() {
    let selectors = json!([
        "type",
        "labels",
        "labels.[0]",
        "revoked",
        "external_references.[0].source_name",
        "extensions",
        format!("extensions.{UNKNOWN}.rank"),
        "granular_markings"
    ]);
    must_be_clean(&tool(json!({"labels": [""], "revoked": false,
        "external_references": [{"source_name": "a", "url": "https://a.example"}],
        "extensions": {UNKNOWN: {"extension_type": "property-extension", "rank": 0}},
        "granular_markings": [{"lang": "ko", "selectors": selectors}]})));
}

/// STIX 2.1 §7.2.1: other objects may be marked by a marking, and markings by others.
#[test]
fn a_marking_may_be_marked_by_another_marking() {
    clean("marking-definition", json!({"object_marking_refs": [id("marking-definition", 7)]}));
}

/// STIX 2.1 §7.2.1.4: the predefined markings may be sent as they are.
#[test]
fn copies_of_predefined_markings_are_clean() {
    must_be_clean(&json!({"type": "marking-definition", "spec_version": "2.1", "name": "TLP:RED",
        "id": "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed", "created": "2017-01-20T00:00:00.000Z",
        "definition_type": "tlp", "definition": {"tlp": "red"}}));
    must_be_clean(&json!({"type": "marking-definition", "spec_version": "2.1", "name": "TLP:AMBER+STRICT",
        "id": "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003", "created": "2022-10-01T00:00:00.000Z",
        "extensions": {"extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d":
            {"extension_type": "property-extension", "tlp_2_0": "amber+strict"}}}));
}

/// STIX 2.1 §2.11, §3.1, §6.7.
#[test]
fn names_that_only_resemble_what_is_not_allowed_are_allowed() {
    clean("tool", json!({"kill_chain_phases": [{"kill_chain_name": "keel-1.0", "phase_name": "무탭"}]}));
    must_be_standard(&tool(json!({"x_severity": "high"})));
    must_be_standard(&tool(json!({"x_action": "sail"})));
    for name in ["ISO_8859-1:1987", "windows-1252", "Adobe-Standard-Encoding", &"u".repeat(40)] {
        clean("file", json!({"name": "a", "name_enc": name}));
    }
}

/// STIX 2.1 §4.14: one observable is enough.
#[test]
fn observed_data_may_refer_to_relationships_besides_observables() {
    let observed = |list: Value| without(object("observed-data", json!({"object_refs": list})), &["objects"]);
    must_be_clean(&observed(json!([id("relationship", 1), id("mutex", 1)])));
    must_be_clean(&observed(json!([id("x-lighthouse", 1)])));
    let deprecated = object("observed-data", json!({"objects": {"0": {"type": "mutex", "name": "a"}}}));
    must_be_clean(&without(deprecated, &["object_refs"]));
}

/// STIX 2.1 §2.9: what a type that nobody knows may be, nobody knows.
#[test]
fn references_may_lead_to_types_that_nobody_knows() {
    clean("note", json!({"object_refs": [id("x-lighthouse", 1), id("marking-definition", 1), id("sighting", 1)]}));
    clean("sighting", json!({"sighting_of_ref": id("x-lighthouse", 1), "where_sighted_refs": [id("location", 1)]}));
    let ends = json!({"source_ref": id("x-lighthouse", 1), "relationship_type": "guides", "target_ref": id("tool", 1)});
    clean("relationship", ends);
}

/// STIX 2.1 §5.1: these may be between any two, or any two of one type.
#[test]
fn relationships_that_the_standard_names_for_all_are_named() {
    for (source, name, target) in [
        ("url", "related-to", "tool"),
        ("file", "derived-from", "file"),
        ("report", "duplicate-of", "report"),
        ("infrastructure", "consists-of", "mac-addr"),
    ] {
        let ends = json!({"source_ref": id(source, 1), "relationship_type": name, "target_ref": id(target, 2)});
        clean("relationship", ends);
    }
}

/// STIX 2.1 §7.1: any property of the type, those in common and custom ones too.
#[test]
fn whatever_the_object_may_have_may_be_translated() {
    let texts = json!({"name": "무탭", "aliases": ["하나"], "labels": ["둘"], "x_motto": "나침반"});
    clean(
        "language-content",
        json!({"object_ref": id("tool", 1), "contents": {"ko": texts, "pt-BR": {"name": "Quilha"}}}),
    );
    clean("language-content", json!({"object_ref": id("x-lighthouse", 1), "contents": {"ko": {"beam": "빛"}}}));
}

/// STIX 2.1 §7.3: what an extension brings is its own.
#[test]
fn what_an_extension_makes_is_not_custom() {
    let extension = |kind: &str| json!({UNKNOWN: {"extension_type": kind}});
    must_be_clean(&tool(
        json!({"extensions": extension("toplevel-property-extension"), "tide": 1, "rank": {"A": [1]}}),
    ));
    must_be_clean(&custom("lighthouse", json!({"extensions": extension("new-sdo"), "beam": true})));
    let observable = json!({"type": "buoy", "id": id("buoy", 1), "extensions": extension("new-sco"), "colour": "red"});
    must_be_clean(&observable);
    must_be_standard(&custom("x-lighthouse", json!({"beam": true})));
    must_be_standard(&tool(json!({"x_tide": 1})));
    must_be_standard(&object("file", json!({"extensions": {"x-own-ext": {"own": 1}}})));
}

/// STIX 2.1 §9: a pattern of another language is for its own readers, and custom names are allowed.
#[test]
fn patterns_of_other_languages_and_of_custom_names_are_not_doubted() {
    for (kind, pattern) in [
        ("yara", "rule keel { condition: true }"),
        ("stix", "[x-lighthouse:beam = 1]"),
        ("stix", "[file:x_depth = 1]"),
        ("stix", "[file:hashes.MD5 LIKE 'abc%']"),
        ("stix", "[file:hashes.'x-own' = 'abc']"),
        ("stix", "[ipv4-addr:value ISSUBSET '198.51.100.0/24' OR ipv6-addr:value ISSUPERSET '2001:db8::7']"),
        ("stix", "[file:parent_directory_ref.path = 'C:\\\\']/* quay */"),
    ] {
        clean("indicator", json!({"pattern_type": kind, "pattern": pattern}));
    }
}

/// STIX 2.1 §3.6: what has versions has an id of its own.
#[test]
fn an_observable_with_versions_may_have_a_random_id() {
    let extensions = json!({UNKNOWN: {"extension_type": "toplevel-property-extension"}});
    let versioned =
        object("process", json!({"pid": 7, "extensions": extensions, "created": "2025-03-01T08:00:00.000Z"}));
    must_be_clean(&versioned);
}

/// STIX 2.1 §2: nothing and null are not the same.
#[test]
fn values_of_no_weight_are_values() {
    let extension =
        json!({UNKNOWN: {"extension_type": "property-extension", "ebb": false, "low": 0, "calm": "", "still": "null"}});
    clean("tool", json!({"name": "", "revoked": false, "confidence": 0, "extensions": extension}));
}
