//! What cannot be read, and what a server can make no use of.

use super::{Row, row};
use crate::generator::id;
use crate::{object, without};
use serde_json::json;

pub fn rows() -> Vec<Row> {
    [unreadable(), unusable()].into_iter().flatten().collect()
}

fn unreadable() -> Vec<Row> {
    let mutex =
        |name: &str| format!(r#"{{"type":"mutex","id":"mutex--f93fe911-e545-5239-b9b0-597840d0c871","name":{name}}}"#);
    let nested = |depth: usize| mutex(&("[".repeat(depth) + &"]".repeat(depth)));
    let deep = "/name".to_owned() + &"/0".repeat(63);
    let mut rows = vec![
        row("strict-json", "", ""),
        row("strict-json", "/name", r#"{"name":"#),
        row("strict-json", "", mutex("1") + "2"),
        row("strict-json", "", "\u{feff}".to_owned() + &mutex("1")),
        row("strict-json", "/name", mutex("01")),
        row("strict-json", "/name", mutex("NaN")),
        row("strict-json", "/name", mutex("1e999")),
        row("strict-json", "/name", mutex("'a'")),
        row("strict-json", "/name", mutex(r#""a","name":"b""#)),
        row("strict-json", "/name", mutex(r#""a","n\u0061me":"b""#)),
        row("strict-json", "/name/x/x", mutex(r#"{"x":{"x":1,"x":1}}"#)),
        row("strict-json", "/name", mutex(r#""\ud800""#)),
        row("strict-json", "/name", mutex(r#""\udc00\ud800""#)),
        row("strict-json", "/name", mutex(r#""a\u0000""#)),
        row("strict-json", "/name", mutex("\"a\tb\"")),
        row("strict-json", &deep, nested(64)),
    ];
    let invalid: [&[u8]; 3] = [b"{\"name\":\"\xff\"}", b"\xff\xfe{\0}\0", b"{\"name\":\"\xed\xa0\x80\"}"];
    rows.extend(invalid.map(|text| Row { rule: "strict-json", text: text.to_vec(), pointer: String::new() }));
    rows
}

fn unusable() -> Vec<Row> {
    let tool = |members| object("tool", members);
    let red = "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed";
    vec![
        row("usable", "", "[]"),
        row("usable", "", "null"),
        row("usable", "", "\"tool\""),
        row("usable", "/id", without(tool(json!({})), &["id"])),
        row("usable", "/id", tool(json!({"id": 7}))),
        row("usable", "/id", tool(json!({"id": "tool--1"}))),
        row("usable", "/id", tool(json!({"id": "tool-11111111-1111-4111-8111-111111111111"}))),
        row("usable", "/id", tool(json!({"id": id("Tool", 1)}))),
        row("usable", "/type", without(tool(json!({})), &["type"])),
        row("usable", "/type", json!({"type": "bundle", "id": id("bundle", 1), "objects": []})),
        row("usable", "/spec_version", tool(json!({"spec_version": "2.2"}))),
        row("usable", "/spec_version", tool(json!({"spec_version": 2.1}))),
        row("usable", "/spec_version", without(tool(json!({})), &["spec_version"])),
        row("usable", "/modified", tool(json!({"modified": "yesterday"}))),
        row("usable", "/created", tool(json!({"created": "2025-02-29T00:00:00.000Z"}))),
        row("usable", "/created", without(object("marking-definition", json!({})), &["created"])),
        row("usable", "/object_marking_refs", tool(json!({"object_marking_refs": red}))),
        row("usable", "/object_marking_refs/1", tool(json!({"object_marking_refs": [red, "TLP:RED"]}))),
        row("usable", "/granular_markings/0", tool(json!({"granular_markings": [{"selectors": ["name"]}]}))),
        row(
            "usable",
            "/granular_markings/0/marking_ref",
            tool(json!({"granular_markings": [{"marking_ref": "red", "selectors": ["name"]}]})),
        ),
        // STIX 2.1 §7.2.1.4: nobody redefines TLP:RED.
        row("usable", "", object("marking-definition", json!({"id": red, "created": "2017-01-20T00:00:00.000Z"}))),
    ]
}
