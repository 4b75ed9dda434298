//! Texts that were made to hurt: each gets a verdict, and the verdict stays small.

use crate::followed;
use crate::generator::id;
use crate::{judge, object};
use entente::stix::finding::Profile;
use serde_json::{Value, json};
use std::fmt::Write as _;

const MANY: usize = 100_000;

/// The rules that are broken under standard. Under every profile the verdict is small.
fn rules(text: &[u8]) -> Vec<&'static str> {
    for profile in Profile::ALL {
        let verdict = judge(text, profile).verdict;
        assert!(verdict.findings().len() <= 100);
        for finding in verdict.findings() {
            let length = finding.message.chars().count();
            assert!(length < 1000, "{length} characters: {:.300}", finding.message);
            let depth = finding.pointer.matches('/').count();
            assert!(depth <= 64 && finding.pointer.chars().count() <= depth * 130, "{:.300}", finding.pointer);
        }
    }
    let mut rules: Vec<&str> =
        judge(text, Profile::Standard).verdict.findings().iter().map(|finding| finding.rule.id).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

fn of(object: &Value) -> Vec<&'static str> {
    rules(object.to_string().as_bytes())
}

fn tool(members: Value) -> Value {
    object("tool", members)
}

fn indicator(pattern: &str) -> Value {
    object("indicator", json!({"pattern": pattern}))
}

/// STIX 2.1 §9: a stack is not as deep as a pattern may be.
#[test]
fn a_pattern_of_very_many_parentheses_is_no_pattern() {
    let open = "(".repeat(MANY);
    for pattern in [
        format!("[{open}file:name = 'a'{}]", ")".repeat(MANY)),
        format!("{open}[file:name = 'a']{}", ")".repeat(MANY)),
        format!("[{open}"),
        "[".repeat(MANY),
        "[NOT ".repeat(MANY),
    ] {
        assert_eq!(of(&indicator(&pattern)), ["pattern-syntax"]);
    }
}

/// STIX 2.1 §9: a mebibyte is read, and no more.
#[test]
fn a_pattern_of_a_mebibyte_is_read_and_a_longer_one_is_not() {
    let comparison = "file:name = 'abcdefgh' OR ";
    let mut pattern = format!("[{}", comparison.repeat(((1 << 20) - 50) / comparison.len()));
    pattern += "file:name = 'a'";
    pattern += &" ".repeat((1 << 20) - pattern.len() - 1);
    pattern.push(']');
    assert_eq!(pattern.len(), 1 << 20);
    assert!(of(&indicator(&pattern)).is_empty());
    pattern.push(' ');
    assert_eq!(of(&indicator(&pattern)), ["pattern-syntax"]);
    let quoted = format!("[file:name = '{}']", "a".repeat((1 << 20) - 16));
    assert!(of(&indicator(&quoted)).is_empty());
}

/// As many doubts as comparisons: most are only counted.
#[test]
fn a_pattern_of_very_many_doubts_gets_few_findings() {
    let pattern = format!("[{}file:name = 'a']", "fiel:name = 'a' OR file:hashes.MD5 = 'b' OR ".repeat(20_000));
    let text = indicator(&pattern).to_string();
    assert_eq!(rules(text.as_bytes()), ["pattern-names", "pattern-values"]);
    assert!(judge(text.as_bytes(), Profile::Standard).verdict.count() >= 40_000);
}

#[test]
fn a_very_long_string_is_judged_and_not_repeated() {
    let long = "a".repeat(5 << 20);
    assert!(of(&tool(json!({"name": long}))).is_empty());
    for (property, rule) in
        [("created_by_ref", "malformed-value"), ("lang", "malformed-value"), ("labels", "wrong-type")]
    {
        assert_eq!(of(&tool(json!({property: long}))), [rule], "{property}");
    }
    for property in ["id", "type", "spec_version", "created"] {
        assert!(of(&tool(json!({property: long}))).contains(&"usable"), "{property}");
    }
    assert_eq!(of(&tool(json!({long[..1000]: 1}))), ["custom-property-name"]);
    assert_eq!(of(&tool(json!({long[..1001]: 1}))), ["strict-json"]);
    assert_eq!(of(&tool(json!({"tool_types": [long]}))), ["open-vocabulary"]);
    assert_eq!(
        of(&tool(json!({"extensions": {long[..1000]: {"extension_type": "property-extension", "own": 1}}}))),
        ["malformed-value"]
    );
    assert_eq!(of(&object("url", json!({"value": long, "defanged": false}))), ["malformed-value"]);
    assert!(of(&object("mutex", json!({"name": long}))).is_empty());
}

/// Every escape makes a character longer than it was.
#[test]
fn a_message_stays_short_whatever_characters_it_shows() {
    let wide = "\u{10ffff}".repeat(1000);
    let type_of_250 = "a".repeat(250);
    let mut objects = vec![
        tool(json!({"type": wide, "id": id(&type_of_250, 1)})),
        tool(json!({"id": wide})),
        tool(json!({"created_by_ref": wide, "modified": wide})),
        tool(json!({"created_by_ref": format!("{wide}--{wide}"), "tool_types": [wide], "lang": wide})),
        object("relationship", json!({"relationship_type": wide})),
        object("language-content", json!({"contents": {"ko": {wide.as_str(): "a"}}, "object_ref": id("tool", 1)})),
        object("file", json!({"hashes": {"MD5": wide}, "name_enc": wide, "name": wide})),
        indicator(&format!("[{wide}:{wide} = '{wide}']")),
        indicator(&format!("['{wide}':'{wide}' = '{wide}']")),
        indicator(&format!("[file:hashes.MD5 = '{wide}' AND ipv4-addr:value ISSUBSET '{wide}']")),
        tool(json!({"granular_markings": [{"lang": wide, "selectors": [wide]}]})),
        tool(json!({wide.as_str(): 1})),
    ];
    objects.push(object("opinion", json!({"opinion": wide})));
    objects.iter().for_each(|object| assert!(!of(object).is_empty()));
    rules(format!("{{\"{wide}\":1,\"{wide}\":2}}").as_bytes());
}

/// Numbers of any length are numbers, but for those that no reader can hold.
#[test]
fn a_very_long_number_is_judged_or_refused() {
    let digits = "9".repeat(MANY);
    let text = |number: &str| tool(json!({"confidence": "#"})).to_string().replace("\"#\"", number);
    assert_eq!(rules(text(&digits).as_bytes()), ["strict-json"]);
    assert_eq!(rules(text(&format!("0.5{digits}")).as_bytes()), ["wrong-type"]);
    assert_eq!(rules(text("1e400").as_bytes()), ["strict-json"]);
    assert_eq!(rules(text("-1e300").as_bytes()), ["value-not-allowed"]);
}

/// A value takes more memory than it takes to write: very many small ones are refused unread.
#[test]
fn a_million_members_are_refused_unless_they_are_long() {
    let mut text = String::from(r#"{"type":"tool""#);
    for number in 0..1_000_000 {
        write!(text, ",\"x_{number}\":0").unwrap();
    }
    text.push('}');
    assert_eq!(rules(text.as_bytes()), ["strict-json"]);

    let names = (0..MANY).map(|number| (format!("Tide {number} {}", "of the sea ".repeat(4)), json!(1)));
    let mut tool = tool(json!({}));
    tool.as_object_mut().unwrap().extend(names);
    assert_eq!(of(&tool), ["custom-property-name"]);
    assert!(judge(tool.to_string().as_bytes(), Profile::Lenient).verdict.count() >= MANY);
}

#[test]
fn very_many_entries_and_keys_of_every_kind_get_few_findings() {
    let keys = |value: Value| (0..20_000).map(|at| (format!("key {at}"), value.clone())).collect::<Value>();
    assert_eq!(of(&object("process", json!({"environment_variables": keys(json!(1))}))), ["wrong-type"]);
    assert_eq!(of(&object("process", json!({"environment_variables": keys(json!("a"))}))), ["malformed-value"]);
    assert!(of(&object("file", json!({"hashes": keys(json!("a"))}))).contains(&"malformed-value"));
    let extension = json!({"extension_type": "property-extension", "own": 1});
    assert_eq!(of(&tool(json!({"extensions": keys(extension)}))), ["malformed-value"]);
    assert!(of(&tool(json!({"extensions": keys(json!({}))}))).contains(&"missing-property"));
    let texts = json!({"ko": keys(json!("a"))});
    assert_eq!(of(&object("language-content", json!({"contents": texts}))), ["malformed-value"]);
    let references: Vec<Value> = (0..20_000).map(|_| json!({"url": "sea"})).collect();
    assert!(of(&tool(json!({"external_references": references}))).contains(&"missing-property"));
    assert_eq!(of(&tool(json!({"labels": vec![1; 50_000]}))), ["wrong-type"]);
    assert_eq!(
        of(&tool(json!({"extensions": {"extension-definition--1f0cfa1c-31ce-4b43-91d8-4ad3ba2a4e31":
        {"extension_type": "property-extension", "own": vec![Value::Null; 50_000]}}}))),
        ["no-null"]
    );
}

#[test]
fn nesting_of_any_depth_is_refused_unread() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}"), (r#"[{"a":"#, "}]")] {
        for close in [close, ""] {
            let text = format!("{}1{}", open.repeat(MANY), close.repeat(MANY));
            assert_eq!(rules(text.as_bytes()), ["strict-json"]);
            assert_eq!(rules(format!(r#"{{"type":"tool","x_a":{text}}}"#).as_bytes()), ["strict-json"]);
        }
    }
    // As deep as may be, the object itself counted.
    let deepest = format!("{}null{}", "[".repeat(61), "]".repeat(61));
    let extension = format!(r#"{{"extension_type":"property-extension","own":{deepest}}}"#);
    let text = tool(json!({"extensions": "#"})).to_string();
    let key = "extension-definition--1f0cfa1c-31ce-4b43-91d8-4ad3ba2a4e31";
    assert_eq!(rules(text.replace("\"#\"", &format!("{{\"{key}\":{extension}}}")).as_bytes()), ["no-null"]);
}

/// STIX 2.1 §2.9: one object is judged at a time, and its references are not followed.
#[test]
fn references_in_circles_are_references() {
    let (one, two) = (id("process", 1), id("process", 2));
    let process =
        |own: &str, parent: &str| json!({"type": "process", "id": own, "parent_ref": parent, "child_refs": [parent]});
    for process in [process(&one, &two), process(&two, &one), process(&one, &one)] {
        assert!(of(&process).is_empty());
        assert_eq!(followed(&process).len(), 2);
    }
    let note = id("note", 1);
    assert!(of(&object("note", json!({"id": note, "object_refs": [note]}))).is_empty());
    let identity = id("identity", 1);
    assert!(of(&object("identity", json!({"id": identity, "created_by_ref": identity}))).is_empty());
}

#[test]
fn a_report_may_refer_to_very_many_objects() {
    let list: Vec<String> = (0..2 * MANY).map(|number| id("tool", number)).collect();
    let report = object("report", json!({"object_refs": list}));
    assert!(of(&report).is_empty());
    assert_eq!(followed(&report).len(), 10_000, "as many as are followed");
    let strays: Vec<String> =
        (0..2 * MANY).map(|number| format!("tool {number}, which has no id and never had one")).collect();
    assert_eq!(of(&object("report", json!({"object_refs": strays}))), ["malformed-value"]);
    let mut mixed = list;
    mixed.push(id("bundle", 1));
    assert_eq!(of(&object("report", json!({"object_refs": mixed}))), ["reference-type"]);
}

/// STIX 2.1 §7.2.3.
#[test]
fn very_many_selectors_are_looked_up_each() {
    let references = "external_references.[0].source_name";
    let marked = |selector: &str| {
        tool(json!({"external_references": [{"source_name": "a", "url": "https://a.example"}],
            "granular_markings": [{"lang": "ko", "selectors": vec![selector; MANY]}]}))
    };
    assert!(of(&marked(references)).is_empty());
    let missing = marked("external_references.[1].source_name");
    assert_eq!(of(&missing), ["selector"]);
    let long = tool(json!({"granular_markings": [{"lang": "ko", "selectors": ["name.".repeat(MANY) + "name"]}]}));
    assert_eq!(of(&long), ["selector"]);
    let marked = |count: usize| {
        let granular = json!({"lang": "ko", "selectors": ["name"], "marking_ref": 7});
        of(&tool(json!({"granular_markings": vec![granular; count]})))
    };
    assert_eq!(marked(500), ["property-combination", "usable", "wrong-type"]);
    // Of a large object only the first fault of its schema is said, here one that is said already.
    assert_eq!(marked(10_000), ["usable"]);
}

/// RFC 8259 §8.1, RFC 7493 §2.1.
#[test]
fn a_text_that_two_readers_could_understand_differently_is_refused() {
    let good = tool(json!({"name": "#"})).to_string();
    let with = |name: &[u8]| {
        let (before, after) = good.split_once('#').unwrap();
        [before.as_bytes(), name, after.as_bytes()].concat()
    };
    assert!(rules(&with(b"keel")).is_empty());
    let bad: [&[u8]; 9] = [
        b"\\u0000",
        b"\0",
        b"\\ud800",
        b"\\udfff\\ud800",
        b"\xff",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\n",
    ];
    for name in bad {
        assert_eq!(rules(&with(name)), ["strict-json"], "{name:?}");
    }
    for mark in [&b"\xef\xbb\xbf"[..], b"\xff\xfe", b"\xfe\xff", b"\0"] {
        assert_eq!(rules(&[mark, good.as_bytes()].concat()), ["strict-json"], "{mark:?}");
    }
    let wide: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(rules(&wide), ["strict-json"]);
    for end in [&b"\0"[..], b"}", b"{}", b"\x1a"] {
        assert_eq!(rules(&[good.as_bytes(), end].concat()), ["strict-json"], "{end:?}");
    }
}
