//! The log, and what else is written line by line: one event, one line; no secret, no body.

use crate::support::actor::{TAXII, ask};
use crate::support::objects::{envelope, indicator};
use crate::support::process::{Installation, PROGRAM, Process};
use crate::support::server::objects;
use crate::support::trail::Trail;
use crate::support::{RW, Server};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

const OBJECTS: &str = "/api1/collections/all/objects/";
const CANARY: &str = "canary-7d1f";

/// Values that somebody might hope to break a line with.
fn hostile() -> impl Iterator<Item = String> {
    let pieces = [
        "\r\n",
        "\u{1b}[2J",
        "\u{0}",
        "\u{7f}",
        "\u{85}",
        "\u{9b}",
        "\u{202e}",
        "\u{2066}",
        "\u{200b}",
        "\u{feff}",
        "\"}",
        "\\",
        "{\"level\":\"ERROR\"}",
        "%0d%0a",
        "é",
        "\u{1f600}",
        "\t",
        "'",
        "\u{2028}",
        "x",
    ];
    (0..10_000usize).map(move |n| format!("{}{n}{}{}", pieces[n % 20], pieces[n / 20 % 20], pieces[n / 400 % 20]))
}

/// LOG-1, LOG-2.
#[test]
fn log_and_trail_are_lines_of_json_without_control_characters_secrets_or_bodies() {
    let installation = Installation::furnished();
    let log = installation.path("log");
    let (server, _) = Process::start_logging(
        Command::new(PROGRAM).env("ENTENTE__SERVER__OPS", "127.0.0.1:0").args([
            "-c",
            &installation.config(),
            "serve",
            "--listen",
            "127.0.0.1:0",
        ]),
        &log,
    );
    let actor = installation.actor("org", server.address);
    let body = indicator(1, 1).replace("Invented", CANARY);
    actor.post(OBJECTS, &envelope(&[body, "{\"type\":\"canary-7d1f-broken".to_owned()])).must_be(400);
    actor.post(OBJECTS, &envelope(&[indicator(1, 1).replace("Invented", CANARY)])).must_be(202);
    actor
        .post(OBJECTS, &envelope(&[indicator(2, 1).replace("http://example.com", CANARY).replace("[url", "[[url")]))
        .must_be(202);
    let mut connection = actor.connect().unwrap();
    for (n, value) in hostile().enumerate() {
        // What HTTP itself refuses, in a header or a path, ends the connection before it is read.
        let header: String = value.chars().filter(|c| !c.is_control()).collect();
        let path: String = header.chars().filter(|c| !" \"{}\\#?".contains(*c)).collect();
        let secret = format!("Bearer {CANARY}{n}");
        let headers = [("Accept", TAXII), ("User-Agent", header.as_str()), ("Authorization", &secret)];
        let path = match n % 3 {
            0 => format!("{OBJECTS}?limit=1&match[type]={}", percent(&value)),
            1 => format!("/api1/collections/{path}/objects/"),
            _ => format!("{OBJECTS}{path}/"),
        };
        let status = ask(&mut connection, "GET", &path, &headers, None).status;
        assert!([200, 400, 404].contains(&status), "{status} {path}");
        if status == 400 {
            connection = actor.connect().unwrap();
        }
    }
    drop(connection);
    assert!(server.terminate());
    let trail = Trail::in_folder(&installation.path("data"));
    let texts = trail.texts();
    let lines = fs::read_to_string(&log).unwrap();
    assert!(lines.lines().count() > 10_000 && texts.len() > 3_000, "{} {}", lines.lines().count(), texts.len());
    let bad =
        |c: char| c.is_control() || ('\u{200b}'..='\u{200f}').contains(&c) || ('\u{2028}'..='\u{202e}').contains(&c);
    for line in lines.lines().chain(texts.iter().map(String::as_str)) {
        assert!(serde_json::from_str::<Value>(line).is_ok_and(|value| value.is_object()), "{line}");
        assert!(!line.chars().any(bad), "{line:?}");
        assert!(!line.contains(CANARY) && !line.contains("BEGIN PRIVATE"), "{line}");
    }
    assert!(installation.run(&["audit", "verify"]).starts_with("sound"));
}

fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, octet| {
        write!(encoded, "%{octet:02x}").unwrap();
        encoded
    })
}

/// LOG-2.
#[test]
fn metrics_hold_no_secret_and_no_body() {
    let server = Server::start();
    let writer = server.actor("writer");
    writer.post(&objects(RW), &envelope(&[indicator(1, 1).replace("Invented", "canary-7d1f")])).must_be(202);
    let headers = [("Accept", TAXII), ("Authorization", "Basic canary-7d1f"), ("User-Agent", "canary-7d1f")];
    writer.get_with(&format!("{}?match[id]=canary-7d1f", objects(RW)), &headers);
    writer.get_with("/canary-7d1f/", &headers).must_be(404);
    assert!(!server.metrics().contains("canary"));
}
