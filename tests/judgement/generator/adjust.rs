//! What is put right by hand: the conditions of the schemas, and what the rules ask beyond them.

use super::schemas::Schemas;
use super::{Maker, UNKNOWN, id};
use entente::stix::timestamp::Timestamp;
use serde_json::{Map, Value, json};

/// Pairs of times: the earlier, the later, and whether they may be the same.
const TIMES: [(&str, &str, bool); 6] = [
    ("created", "modified", true),
    ("first_seen", "last_seen", true),
    ("first_observed", "last_observed", true),
    ("valid_from", "valid_until", false),
    ("start_time", "stop_time", false),
    ("start", "end", true),
];

/// Source, name and target of relationships (STIX 2.1 §4, §5.1, §6).
const RELATIONSHIPS: [(&str, &str, &str); 8] = [
    ("malware", "related-to", "tool"),
    ("indicator", "indicates", "malware"),
    ("infrastructure", "consists-of", "mac-addr"),
    ("file", "derived-from", "file"),
    ("identity", "duplicate-of", "identity"),
    ("ipv6-addr", "belongs-to", "autonomous-system"),
    ("malware-analysis", "analysis-of", "malware"),
    ("phone-number", "rings-at", "identity"),
];

const PATTERNS: [(&str, &str); 5] = [
    ("stix", "[ipv4-addr:value = '198.51.100.3'] FOLLOWEDBY [file:hashes.'SHA-256' LIKE 'a%'] WITHIN 5 SECONDS"),
    ("stix", "[EXISTS x-lighthouse:x_beam OR process:x_depth > 3]"),
    (
        "stix",
        "[network-traffic:extensions.'http-request-ext'.request_header.'User-Agent' MATCHES '^k'] REPEATS 2 TIMES",
    ),
    ("yara", "rule keel { condition: true }"),
    ("sigma", "title: keel"),
];

/// The predefined markings, as their definitions say it: id, name, and value.
const TLP_1: [(&str, &str, &str); 2] = [
    ("marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9", "TLP:WHITE", "white"),
    ("marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed", "TLP:RED", "red"),
];
const TLP_2: [(&str, &str, &str); 2] = [
    ("marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487", "TLP:CLEAR", "clear"),
    ("marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003", "TLP:AMBER+STRICT", "amber+strict"),
];
const PAP: [(&str, &str, &str); 2] = [
    ("marking-definition--a3bea94c-b469-41dc-9cfe-d6e7daba7730", "PAP:WHITE", "white"),
    ("marking-definition--740d36e5-7714-4c30-961a-3ae632ceee0e", "PAP:RED", "red"),
];
const TLP_2_EXTENSION: &str = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d";
const PAP_EXTENSION: &str = "extension-definition--f8d78575-edfd-406e-8e84-6162a8450f5b";
/// Published extensions of markings whose schema says all: ACS, IEP, CUI.
const DESCRIBED: [&str; 3] = [
    "extension-definition--3a65884d-005a-4290-8335-cb2d778a83ce",
    "extension-definition--762e2e97-ee51-43e5-a9ea-165fbb862c4a",
    "extension-definition--dff17fb3-edcb-4f99-ad1b-4b751c95738a",
];

fn put(members: &mut Map<String, Value>, more: Value) {
    let Value::Object(more) = more else { panic!("members") };
    members.extend(more);
}

impl Maker<'_> {
    pub(super) fn adjust(&mut self, members: &mut Map<String, Value>) {
        let object_type = self.object_type.clone();
        match object_type.as_str() {
            "malware" if members["is_family"] == true => put(members, json!({"name": "Nordlicht"})),
            "indicator" => {
                let (kind, pattern) = self.tape.among(&PATTERNS);
                put(members, json!({"pattern_type": kind, "pattern": pattern}));
            }
            "email-message" => {
                members.remove(if members["is_multipart"] == true { "body" } else { "body_multipart" });
            }
            "network-traffic" if members.get("is_active") == Some(&json!(true)) => drop(members.remove("end")),
            "extension-definition" if members.contains_key("extension_properties") => {
                members["extension_types"].as_array_mut().unwrap().push(json!("toplevel-property-extension"));
            }
            "observed-data" => {
                let observable = id("file", 9);
                let list = members.get_mut("object_refs").and_then(Value::as_array_mut);
                list.into_iter().for_each(|list| list.push(json!(observable)));
                // What is contained is an observable, too.
                if members.contains_key("objects") {
                    let file = json!({"type": "file", "name": "keel.zip", "parent_directory_ref": "any key"});
                    put(members, json!({"objects": {"0": {"type": "mutex", "name": "keel"}, "any key": file}}));
                }
            }
            "relationship" => {
                let (source, name, target) = self.tape.among(&RELATIONSHIPS);
                let ends = json!({"source_ref": id(source, 1), "relationship_type": name, "target_ref": id(target, 2)});
                put(members, ends);
            }
            "language-content" => self.translate(members),
            "marking-definition" => self.mark(members),
            "vulnerability" => self.cite(members, "cve", "CVE-2024-12345"),
            "attack-pattern" => self.cite(members, "capec", "CAPEC-98"),
            "domain-name" => self.value_of(members, &["example.com", "무탭.example", "xn--bcher-kva.example."]),
            "email-addr" => self.value_of(members, &["quay@example.com", "\"a b\"@example.com", "ü@example.org"]),
            "ipv4-addr" => self.value_of(members, &["198.51.100.3", "198.51.100.0/24", "0.0.0.0/0"]),
            "ipv6-addr" => self.value_of(members, &["2001:db8::7", "2001:0DB8::/32", "::ffff:198.51.100.3"]),
            "mac-addr" => self.value_of(members, &["d2:fb:49:24:37:18", "00:00:00:00:00:00"]),
            "url" => self.value_of(members, &["https://example.com/a", "mailto:quay@example.com"]),
            _ => {}
        }
        Self::times(members);
        self.extend(members);
        self.select(members);
    }

    fn value_of(&mut self, members: &mut Map<String, Value>, values: &[&str]) {
        let value = self.tape.among(values);
        put(members, json!({"value": value}));
    }

    fn times(members: &mut Map<String, Value>) {
        for (earlier, later, may_be_same) in TIMES {
            let time = |name: &str| Timestamp::parse(members.get(name)?.as_str()?);
            let (Some(first), Some(last)) = (time(earlier), time(later)) else { continue };
            if first > last {
                put(members, json!({later: first.as_str(), earlier: last.as_str()}));
            } else if first == last && !may_be_same {
                members.remove(later);
            }
        }
    }

    /// Properties of the object's own that an extension gives it (STIX 2.1 §7.3).
    fn extend(&mut self, members: &mut Map<String, Value>) {
        if self.object_type == "marking-definition" || !self.tape.once_in(8) {
            return;
        }
        let extension = json!({"extension_type": "toplevel-property-extension"});
        let mut extensions = members.get("extensions").and_then(Value::as_object).cloned().unwrap_or_default();
        extensions.insert(UNKNOWN[1].to_owned(), extension);
        put(members, json!({"extensions": extensions, "tide": "high", "x_tide": [1, 2.5]}));
    }

    /// Markings and languages of parts of the object that it has.
    fn select(&mut self, members: &mut Map<String, Value>) {
        if !self.tape.once_in(3) {
            return;
        }
        let mut places = Vec::new();
        for (name, value) in members.iter() {
            places.push(name.clone());
            match value {
                Value::Array(items) => places.push(format!("{name}.[{}]", items.len() - 1)),
                Value::Object(inner) => places.extend(inner.keys().take(1).map(|key| format!("{name}.{key}"))),
                _ => {}
            }
        }
        let selectors = [self.tape.among(&places), self.tape.among(&places)];
        let marking = json!({"marking_ref": id("marking-definition", 3), "selectors": selectors});
        let language = json!({"lang": "ko", "selectors": [selectors[0]]});
        put(members, json!({"granular_markings": [self.tape.among(&[marking, language])]}));
    }

    fn translate(&mut self, members: &mut Map<String, Value>) {
        let object_type = self.tape.among(&["tool", "malware", "report"]);
        let mut texts = json!({"name": "무탭"});
        if self.tape.once_in(2) {
            texts["x_motto"] = json!(["나침반"]);
            texts["labels"] = json!(["하나", "둘"]);
        }
        put(members, json!({"object_ref": id(object_type, 4), "contents": {"ko": texts}}));
    }

    fn cite(&mut self, members: &mut Map<String, Value>, source: &str, external_id: &str) {
        if self.tape.once_in(2) {
            put(members, json!({"external_references": [{"source_name": source, "external_id": external_id}]}));
        }
    }

    /// Markings are of many kinds, each with conditions of its own.
    fn mark(&mut self, members: &mut Map<String, Value>) {
        for name in ["definition_type", "definition", "extensions"] {
            members.remove(name);
        }
        let pick = self.tape.pick(7);
        match pick {
            0 => put(members, json!({"definition_type": "statement", "definition": {"statement": "Keep it dry."}})),
            1 => put(members, json!({"definition_type": "x-tide", "definition": {"tide": self.json(2)}})),
            2 => {
                let (id, name, value) = self.tape.among(&TLP_1);
                let created = "2017-01-20T00:00:00.000Z";
                put(members, json!({"id": id, "name": name, "created": created, "definition_type": "tlp"}));
                put(members, json!({"definition": {"tlp": value}}));
            }
            3 => {
                let (id, name, value) = self.tape.among(&TLP_2);
                let extension = json!({"extension_type": "property-extension", "tlp_2_0": value});
                put(members, json!({"id": id, "name": name, "created": "2022-10-01T00:00:00.000Z"}));
                put(members, json!({"extensions": {TLP_2_EXTENSION: extension}}));
            }
            4 => {
                let (id, name, value) = self.tape.among(&PAP);
                let extension = json!({"extension_type": "property-extension", "pap": value});
                put(members, json!({"id": id, "name": name, "extensions": {PAP_EXTENSION: extension}}));
            }
            5 => {
                let key = self.tape.among(&DESCRIBED);
                let layers = Schemas::of("marking-definition").layers();
                let extensions = &super::properties(&layers)["extensions"];
                let layers = super::properties(extensions)[key].clone();
                let extension = self.object(&layers, &[]);
                put(members, json!({"name": "Keel", "extensions": {key: extension}}));
            }
            _ => put(members, json!({"extensions": {UNKNOWN[0]: {"extension_type": "property-extension", "own": 1}}})),
        }
    }
}
