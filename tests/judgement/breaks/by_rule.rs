//! What the functions among the rules look for.

use super::{Row, row};
use crate::generator::id;
use crate::{custom, object, without};
use serde_json::{Value, json};

const UNKNOWN: &str = "extension-definition--1f0cfa1c-31ce-4b43-91d8-4ad3ba2a4e31";

pub fn rows() -> Vec<Row> {
    [times(), ids(), markings(), names(), meanings(), extensions(), custom_content(), patterns()]
        .into_iter()
        .flatten()
        .collect()
}

fn tool(members: Value) -> Value {
    object("tool", members)
}

fn extended(extension_type: &str) -> Value {
    json!({UNKNOWN: {"extension_type": extension_type, "rank": 1}})
}

fn times() -> Vec<Row> {
    let (early, late) = ("2025-03-01T08:00:00.000Z", "2025-03-01T08:00:00.001Z");
    let pair = |object_type: &str, earlier: &str, later: &str, times: [&str; 2]| {
        row("time-order", &format!("/{later}"), object(object_type, json!({earlier: times[0], later: times[1]})))
    };
    let mut rows = vec![
        pair("indicator", "valid_from", "valid_until", [early, early]),
        pair("relationship", "start_time", "stop_time", [early, "2025-03-01T08:00:00Z"]),
        pair("language-content", "created", "modified", [late, early]),
        pair("indicator", "valid_from", "valid_until", [late, early]),
        pair("relationship", "start_time", "stop_time", [late, early]),
        pair("observed-data", "first_observed", "last_observed", [late, early]),
        pair("network-traffic", "start", "end", [late, early]),
    ];
    let seen = ["campaign", "infrastructure", "intrusion-set", "malware", "sighting", "threat-actor"];
    rows.extend(seen.map(|name| pair(name, "first_seen", "last_seen", [late, early])));
    rows.push(row("time-order", "/modified", tool(json!({"created": late, "modified": early}))));
    rows
}

fn ids() -> Vec<Row> {
    let other = "99999999-9999-5999-8999-999999999999";
    let wrong = |object_type: &str, members: Value| {
        let mut object = object(object_type, members);
        object["id"] = json!(format!("{object_type}--{other}"));
        row("deterministic-id", "/id", object)
    };
    let random = |version: u8| {
        let id = format!("email-message--99999999-9999-{version}999-8999-999999999999");
        row("random-id", "/id", json!({"type": "email-message", "id": id, "is_multipart": false}))
    };
    let extensions = json!({UNKNOWN: {"extension_type": "toplevel-property-extension"}});
    let versioned = |more: Value| {
        let mut versioned = object("mutex", json!({"name": "keel", "extensions": extensions}));
        versioned.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row("id-namespace", "/id", versioned)
    };
    vec![
        random(1),
        random(5),
        wrong("mutex", json!({})),
        wrong("file", json!({"name": "a", "extensions": {"pdf-ext": {"version": "1"}}})),
        wrong("windows-registry-key", json!({"values": [{"name": "a"}]})),
        wrong("cryptocurrency-wallet", json!({"value": "a"})),
        versioned(json!({"created": "2025-03-01T08:00:00.000Z", "modified": "2025-03-01T08:00:00.000Z"})),
        versioned(json!({"created_by_ref": id("identity", 1)})),
        versioned(json!({"revoked": true})),
    ]
}

fn markings() -> Vec<Row> {
    let selector = |selector: &str| {
        let granular = json!([{"lang": "ko", "selectors": ["name", selector]}]);
        let members = json!({"labels": ["a"], "granular_markings": granular, "tool_version": "1",
            "external_references": [{"source_name": "a", "url": "https://a.example"}]});
        row("selector", "/granular_markings/0/selectors/1", tool(members))
    };
    let own = id("marking-definition", 1);
    let marking = |members: Value| {
        let mut marking = object("marking-definition", members);
        marking["id"] = json!(own);
        marking
    };
    vec![
        selector("description"),
        selector("labels.[1]"),
        selector("labels.0"),
        selector("name.[0]"),
        selector("external_references.[0].external_id"),
        selector("external_references.url"),
        row("marks-itself", "/object_marking_refs/1", {
            marking(json!({"object_marking_refs": [id("marking-definition", 2), own]}))
        }),
        row("marks-itself", "/granular_markings/0/marking_ref", {
            marking(json!({"granular_markings": [{"marking_ref": own, "selectors": ["created"]}]}))
        }),
    ]
}

fn names() -> Vec<Row> {
    let phases = |chain: &str, phase: &str| {
        tool(json!({"kill_chain_phases": [{"kill_chain_name": chain, "phase_name": phase}]}))
    };
    vec![
        row("kill-chain-name", "/kill_chain_phases/0/kill_chain_name", phases("Keel", "laying")),
        row("kill-chain-name", "/kill_chain_phases/0/phase_name", phases("keel", "keel laying")),
        row("kill-chain-name", "/kill_chain_phases/0/phase_name", phases("keel", "keel_laying")),
        row("reserved-name", "/severity", tool(json!({"severity": "high"}))),
        row("reserved-name", "/phone_number", object("identity", json!({"phone_number": "1"}))),
        row("reserved-name", "/username", object("user-account", json!({"username": "quay"}))),
        row("reserved-name", "/action", object("course-of-action", json!({"action": "sail"}))),
        row("charset-name", "/name_enc", object("file", json!({"name": "a", "name_enc": "Windows 1252"}))),
        row("charset-name", "/path_enc", object("directory", json!({"path": "/a", "path_enc": "u".repeat(41)}))),
        row("charset-name", "/path_enc", object("directory", json!({"path": "/a", "path_enc": ""}))),
    ]
}

fn meanings() -> Vec<Row> {
    let related = |source: &str, name: &str, target: &str| {
        let ends = json!({"source_ref": id(source, 1), "relationship_type": name, "target_ref": id(target, 2)});
        row("relationship-type", "/relationship_type", object("relationship", ends))
    };
    let translated =
        |texts: Value| object("language-content", json!({"object_ref": id("tool", 1), "contents": {"ko": texts}}));
    vec![
        related("tool", "indicates", "malware"),
        related("malware", "indicates", "indicator"),
        related("file", "derived-from", "tool"),
        related("tool", "duplicate-of", "malware"),
        related("url", "sails-to", "url"),
        row("translation", "/contents/ko/motto", translated(json!({"name": "무탭", "motto": "나침반"}))),
        row("observed-object", "/object_refs", {
            let observed = object("observed-data", json!({"object_refs": [id("relationship", 1), id("sighting", 1)]}));
            without(observed, &["objects"])
        }),
    ]
}

fn extensions() -> Vec<Row> {
    let place = |step: &str| format!("/extensions/{UNKNOWN}{step}");
    let alone = json!({UNKNOWN: {"extension_type": "property-extension"}});
    vec![
        row("new-type", &place("/extension_type"), tool(json!({"extensions": extended("new-sdo")}))),
        row("new-type", &place("/extension_type"), object("mutex", json!({"extensions": extended("new-sco")}))),
        row("new-type", &place("/extension_type"), object("sighting", json!({"extensions": extended("new-sro")}))),
        row("extension-content", &place(""), tool(json!({"extensions": alone}))),
        row("extension-content", &place(""), object("url", json!({"extensions": alone}))),
        row(
            "custom-extension",
            "/extensions/keel-ext",
            object("file", json!({"extensions": {"keel-ext": {"own": 1}}})),
        ),
        row(
            "custom-extension",
            "/extensions/x-own-ext",
            object("url", json!({"extensions": {"x-own-ext": {"own": 1}}})),
        ),
    ]
}

fn custom_content() -> Vec<Row> {
    let named = |name: &str| tool(json!({name: "a"}));
    let long = "x_".to_owned() + &"a".repeat(248);
    vec![
        row("custom-property", "/x_tide", named("x_tide")),
        row("custom-property", "/x_1", object("url", json!({"x_1": {"Any": ["thing"]}}))),
        row("custom-property", &format!("/{}", &long[..64]), named(&long)),
        row("custom-property-name", "/x_Tide", named("x_Tide")),
        row("custom-property-name", "/x-tide", named("x-tide")),
        row("custom-property-name", "/ab", named("ab")),
        row("custom-property-name", "/", named("")),
        row("custom-property-name", "/x_~1~0", named("x_/~")),
        row("custom-property-name", &format!("/{}", &long[..64]), named(&(long.clone() + "a"))),
        row("custom-property-prefix", "/tide", named("tide")),
        row("custom-property-prefix", "/value", named("value")),
        row("custom-property-prefix", "/first_seen", object("incident", json!({"first_seen": "2025-03-01T08:00:00Z"}))),
        row("custom-type", "/type", custom("x-lighthouse", json!({"beam": true}))),
        row("custom-type", "/type", custom("x-lighthouse", json!({"extensions": extended("property-extension")}))),
        row("custom-type-prefix", "/type", custom("lighthouse", json!({"beam": true}))),
    ]
}

fn patterns() -> Vec<Row> {
    let pattern = |rule, text: &str| row(rule, "/pattern", object("indicator", json!({"pattern": text})));
    let of_kind = |kind: &str, text: &str| {
        row("pattern-syntax", "/pattern", object("indicator", json!({"pattern_type": kind, "pattern": text})))
    };
    vec![
        pattern("pattern-syntax", "ipv4-addr:value = '198.51.100.3'"),
        pattern("pattern-syntax", "[ipv4-addr:value = 198.51.100.3]"),
        pattern("pattern-syntax", "[ipv4-addr:value = '198.51.100.3'] AND"),
        pattern("pattern-syntax", " "),
        of_kind("yara", ""),
        of_kind("sigma", "\n\t"),
        pattern("pattern-names", "[ipv4-adr:value = '198.51.100.3']"),
        pattern("pattern-names", "[ipv4-addr:valeu = '198.51.100.3']"),
        pattern("pattern-values", "[file:hashes.MD5 = 'abc']"),
        pattern("pattern-values", "[ipv4-addr:value ISSUBSET '198.51.100.0/33']"),
        pattern("pattern-values", "[ipv6-addr:value ISSUPERSET 'example.com']"),
    ]
}
