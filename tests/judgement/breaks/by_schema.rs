//! What the schema of a type says.

use super::{Row, row};
use crate::generator::id;
use crate::{object, without};
use serde_json::{Value, json};

const UNKNOWN: &str = "extension-definition--1f0cfa1c-31ce-4b43-91d8-4ad3ba2a4e31";
const CUI: &str = "extension-definition--dff17fb3-edcb-4f99-ad1b-4b751c95738a";
const PAP: &str = "extension-definition--f8d78575-edfd-406e-8e84-6162a8450f5b";

pub fn rows() -> Vec<Row> {
    [missing(), types(), forms(), bounds(), combinations(), empty(), nulls(), closed(), references(), vocabularies()]
        .into_iter()
        .flatten()
        .collect()
}

fn tool(members: Value) -> Value {
    object("tool", members)
}

fn file(extensions: &Value) -> Value {
    object("file", json!({"extensions": extensions}))
}

fn missing() -> Vec<Row> {
    let missing = |pointer: &str, object: Value| row("missing-property", pointer, object);
    let phase = json!([{"kill_chain_name": "keel", "phase_name": "laying"}, {"kill_chain_name": "keel"}]);
    vec![
        missing("/name", without(tool(json!({})), &["name"])),
        missing("/created", without(tool(json!({})), &["created"])),
        missing("/modified", without(tool(json!({})), &["modified"])),
        missing("/target_ref", without(object("relationship", json!({})), &["target_ref"])),
        missing("/value", without(object("url", json!({})), &["value"])),
        missing("/kill_chain_phases/1/phase_name", tool(json!({"kill_chain_phases": phase}))),
        missing(
            "/external_references/0/source_name",
            tool(json!({"external_references": [{"url": "https://a.example"}]})),
        ),
        missing("/extensions/archive-ext/contains_refs", file(&json!({"archive-ext": {"comment": "a"}}))),
        missing(&format!("/extensions/{UNKNOWN}/extension_type"), tool(json!({"extensions": {UNKNOWN: {"rank": 1}}}))),
    ]
}

fn types() -> Vec<Row> {
    let wrong = |pointer: &str, object: Value| row("wrong-type", pointer, object);
    vec![
        wrong("/name", tool(json!({"name": 7}))),
        wrong("/name", tool(json!({"name": null}))),
        wrong("/labels", tool(json!({"labels": "a"}))),
        wrong("/labels/1", tool(json!({"labels": ["a", ["b"]]}))),
        wrong("/revoked", tool(json!({"revoked": "false"}))),
        wrong("/confidence", tool(json!({"confidence": 7.5}))),
        wrong("/number", object("autonomous-system", json!({"number": "15139"}))),
        wrong("/is_family", object("malware", json!({"is_family": 0}))),
        wrong("/contents/ko", object("language-content", json!({"contents": {"ko": "무탭"}}))),
        wrong("/extensions", tool(json!({"extensions": [UNKNOWN]}))),
        wrong("/extensions/pdf-ext/is_optimized", file(&json!({"pdf-ext": {"is_optimized": 1}}))),
    ]
}

fn forms() -> Vec<Row> {
    let malformed = |pointer: &str, object: Value| row("malformed-value", pointer, object);
    let value = |object_type: &str, value: &str| malformed("/value", object(object_type, json!({"value": value})));
    let hashes = |name: &str, value: &str| {
        malformed(&format!("/hashes/{name}"), object("file", json!({"hashes": {name: value}})))
    };
    let archive = json!({"archive-ext": {"extension_type": "property-extension", "comment": "a"}});
    let zeros = "0".repeat(65);
    vec![
        malformed("/created_by_ref", tool(json!({"created_by_ref": "identity--1"}))),
        malformed("/created_by_ref", tool(json!({"created_by_ref": id("identity", 1) + "\n"}))),
        // STIX 2.1 §3.2: to the millisecond at least.
        malformed("/created", tool(json!({"created": "2024-03-01T08:00:00Z"}))),
        malformed("/modified", tool(json!({"modified": "2025-03-31T08:00:00.00Z"}))),
        malformed("/valid_from", object("indicator", json!({"valid_from": "2025-03-01T08:00:00+00:00"}))),
        malformed("/valid_from", object("indicator", json!({"valid_from": "2025-02-30T08:00:00Z"}))),
        malformed("/valid_from", object("indicator", json!({"valid_from": format!("2025-03-01T08:00:00.{zeros}Z")}))),
        malformed("/lang", tool(json!({"lang": "the language of the sea"}))),
        malformed(
            "/external_references/0/url",
            tool(json!({"external_references": [{"source_name": "a", "url": "no url"}]})),
        ),
        malformed("/granular_markings/0/selectors/0", {
            let granular = json!([{"lang": "ko", "selectors": ["labels[0]"]}]);
            tool(json!({"labels": ["a"], "granular_markings": granular}))
        }),
        malformed("/extensions/archive-ext", tool(json!({"extensions": archive}))),
        malformed("/external_references/0/external_id", {
            let reference = json!([{"source_name": "cve", "external_id": "2024-12345"}]);
            object("vulnerability", json!({"external_references": reference}))
        }),
        malformed("/contents/the sea", object("language-content", json!({"contents": {"the sea": {"name": "a"}}}))),
        malformed("/environment_variables/A=", object("process", json!({"environment_variables": {"A=": "b"}}))),
        malformed("/key", object("windows-registry-key", json!({"key": "HKLM\\System"}))),
        malformed("/cpe", object("software", json!({"cpe": "cpe:/a:keel"}))),
        malformed(
            "/relationship_type",
            object(
                "relationship",
                json!({
            "relationship_type": "Uses", "source_ref": id("x-quay", 1), "target_ref": id("x-quay", 2)}),
            ),
        ),
        malformed("/payload_bin", object("artifact", json!({"payload_bin": "a"}))),
        malformed("/magic_number_hex", object("file", json!({"magic_number_hex": "0AFF"}))),
        hashes("MD5", "d41d8cd98f00b204e9800998ecf8427"),
        hashes("SHA-256", &zeros),
        hashes("SHA3-512", "x"),
        hashes("TLSH", "T2"),
        hashes("SSDEEP", "3"),
        value("ipv4-addr", "198.51.100.256"),
        value("ipv4-addr", "198.51.100.0/33"),
        value("ipv4-addr", "2001:db8::7"),
        value("ipv6-addr", "2001:db8::7::"),
        value("mac-addr", "D2:FB:49:24:37:18"),
        value("domain-name", "https://example.com"),
        value("email-addr", "Quay <quay@example.com>"),
        value("url", "example"),
    ]
}

fn bounds() -> Vec<Row> {
    let beyond = |pointer: &str, object: Value| row("value-not-allowed", pointer, object);
    let region = "northern-europe";
    vec![
        beyond("/confidence", tool(json!({"confidence": 101}))),
        beyond("/confidence", tool(json!({"confidence": -1}))),
        beyond("/opinion", object("opinion", json!({"opinion": "indifferent"}))),
        beyond("/count", object("sighting", json!({"count": 1_000_000_000}))),
        beyond("/number_observed", object("observed-data", json!({"number_observed": 0}))),
        beyond("/src_port", object("network-traffic", json!({"src_port": 65536}))),
        beyond("/latitude", object("location", json!({"region": region, "latitude": 90.5, "longitude": 0}))),
        beyond("/size", object("file", json!({"size": -1}))),
        // STIX 2.1 §2.10: an integer that every JSON reader reads alike.
        beyond("/number", object("autonomous-system", json!({"number": 9_007_199_254_740_992_u64}))),
        beyond("/encryption_algorithm", object("artifact", json!({"encryption_algorithm": "rot13"}))),
        beyond("/values/0/data_type", object("windows-registry-key", json!({"values": [{"data_type": "REG_SEA"}]}))),
        beyond(
            &format!("/extensions/{UNKNOWN}/extension_type"),
            tool(json!({"extensions": {UNKNOWN: {"extension_type": "sea"}}})),
        ),
    ]
}

fn combinations() -> Vec<Row> {
    let wrong = |pointer: &str, object: Value| row("property-combination", pointer, object);
    let url = "https://example.com/a";
    let part = json!({"body": "a", "body_raw_ref": id("artifact", 1)});
    vec![
        wrong("/name", object("malware", json!({"is_family": true}))),
        wrong("", without(object("location", json!({})), &["region"])),
        wrong("/longitude", object("location", json!({"latitude": 0.5}))),
        wrong("/hashes", without(object("artifact", json!({"url": url})), &["payload_bin"])),
        wrong("", object("artifact", json!({"url": url, "hashes": {"MD5": "0".repeat(32)}}))),
        wrong("/encryption_algorithm", object("artifact", json!({"decryption_key": "a"}))),
        wrong("", without(object("file", json!({"size": 1})), &["hashes", "name"])),
        wrong("/name", without(object("file", json!({"name_enc": "UTF-8"})), &["name"])),
        wrong("/body", object("email-message", json!({"is_multipart": true, "body": "a"}))),
        wrong(
            "/body_multipart",
            object("email-message", json!({"is_multipart": false, "body_multipart": [{"body": "a"}]})),
        ),
        wrong("/body_multipart/0", object("email-message", json!({"is_multipart": true, "body_multipart": [part]}))),
        wrong("/end", object("network-traffic", json!({"is_active": true, "end": "2025-03-01T08:00:00Z"}))),
        wrong("", without(object("network-traffic", json!({})), &["src_ref", "dst_ref"])),
        wrong("/external_references/0", tool(json!({"external_references": [{"source_name": "a"}]}))),
        wrong(
            "/granular_markings/0",
            tool(json!({"granular_markings": [
            {"lang": "ko", "marking_ref": id("marking-definition", 1), "selectors": ["name"]}]})),
        ),
        wrong(
            "",
            object(
                "observed-data",
                json!({
            "objects": {"0": {"type": "mutex", "name": "a"}}, "object_refs": [id("mutex", 1)]}),
            ),
        ),
        wrong("", without(object("malware-analysis", json!({})), &["result", "analysis_sco_refs"])),
        wrong(
            "/extension_types",
            object(
                "extension-definition",
                json!({
            "extension_types": ["new-sdo"], "extension_properties": ["rank"]}),
            ),
        ),
        wrong("/definition", without(object("marking-definition", json!({})), &["definition"])),
        wrong(
            "/external_references/0/external_id",
            object(
                "vulnerability",
                json!({
            "external_references": [{"source_name": "cve", "url": url}]}),
            ),
        ),
    ]
}

fn empty() -> Vec<Row> {
    let empty = |pointer: &str, object: Value| row("empty-value", pointer, object);
    vec![
        empty("/labels", tool(json!({"labels": []}))),
        empty("/object_refs", without(object("observed-data", json!({"object_refs": []})), &["objects"])),
        empty("/hashes", object("file", json!({"name": "a", "hashes": {}}))),
        empty("/extensions", tool(json!({"extensions": {}}))),
        row("property-combination", "/extensions/ntfs-ext", file(&json!({"ntfs-ext": {}}))),
        empty("/contents", object("language-content", json!({"contents": {}}))),
        empty("/contents/ko", object("language-content", json!({"contents": {"ko": {}}}))),
        empty("/granular_markings/0/selectors", tool(json!({"granular_markings": [{"lang": "ko", "selectors": []}]}))),
        empty("/environment_variables", object("process", json!({"environment_variables": {}}))),
    ]
}

/// Where a schema says what a value is, null is of the wrong type; elsewhere this rule sees it.
fn nulls() -> Vec<Row> {
    let null = |pointer: &str, object: Value| row("no-null", pointer, object);
    let extended =
        |rank: Value| tool(json!({"extensions": {UNKNOWN: {"extension_type": "property-extension", "rank": rank}}}));
    let phase = json!([{"kill_chain_name": "keel", "phase_name": "laying", "x_tide": null}]);
    vec![
        null(&format!("/extensions/{UNKNOWN}/rank"), extended(json!(null))),
        null(&format!("/extensions/{UNKNOWN}/rank/1/a"), extended(json!([1, {"a": null}]))),
        null(&format!("/extensions/{UNKNOWN}/rank/0/0"), extended(json!([[null]]))),
        null(
            "/definition/a",
            object("marking-definition", json!({"definition_type": "x-tide", "definition": {"a": null}})),
        ),
        null("/kill_chain_phases/0/x_tide", tool(json!({"kill_chain_phases": phase}))),
    ]
}

fn closed() -> Vec<Row> {
    let marked = |extensions: Value, more: Value| {
        let mut marking = without(object("marking-definition", more), &["definition", "definition_type"]);
        marking["extensions"] = extensions;
        marking
    };
    let cui = json!({"extension_type": "property-extension", "control": "CUI", "designator_ref": id("identity", 1), "own": 1});
    let pap = json!({"extension_type": "property-extension", "pap": "red"});
    let red = json!({"name": "PAP:RED", "id": "marking-definition--740d36e5-7714-4c30-961a-3ae632ceee0e"});
    let unknown = json!({"extension_type": "property-extension", "rank": 1, "pap": "red"});
    vec![
        row("property-not-allowed", &format!("/extensions/{CUI}/own"), marked(json!({CUI: cui}), json!({}))),
        row("property-not-allowed", "/extensions", marked(json!({PAP: pap, UNKNOWN: unknown}), red)),
    ]
}

fn references() -> Vec<Row> {
    let stray = |pointer: &str, object: Value| row("reference-type", pointer, object);
    vec![
        stray("/created_by_ref", tool(json!({"created_by_ref": id("tool", 1)}))),
        stray("/object_marking_refs", tool(json!({"object_marking_refs": [id("identity", 1)]}))),
        stray("/sighting_of_ref", object("sighting", json!({"sighting_of_ref": id("file", 1)}))),
        stray("/source_ref", object("relationship", json!({"source_ref": id("sighting", 1)}))),
        stray("/sample_refs", object("malware", json!({"sample_refs": [id("file", 1), id("tool", 1)]}))),
        stray("/from_ref", object("email-message", json!({"from_ref": id("x-own", 1)}))),
        stray(
            "/extensions/archive-ext/contains_refs",
            file(&json!({"archive-ext": {"contains_refs": [id("url", 1)]}})),
        ),
        stray("/object_refs", object("note", json!({"object_refs": [id("bundle", 1)]}))),
    ]
}

fn vocabularies() -> Vec<Row> {
    let unlisted = |pointer: &str, object: Value| row("open-vocabulary", pointer, object);
    vec![
        unlisted("/tool_types", tool(json!({"tool_types": ["remote-access", "sea"]}))),
        unlisted("/region", object("location", json!({"region": "Northern Europe"}))),
        unlisted("/context", object("grouping", json!({"context": ""}))),
        unlisted("/pattern_type", object("indicator", json!({"pattern_type": "kql"}))),
        unlisted("/hashes/WHIRLPOOL", object("file", json!({"hashes": {"WHIRLPOOL": "0"}}))),
        unlisted("/extensions/windows-pebinary-ext/pe_type", {
            file(&json!({"windows-pebinary-ext": {"pe_type": "so", "imphash": "0"}}))
        }),
    ]
}
