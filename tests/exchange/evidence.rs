//! Evidence: what the audit trail says, and that nothing happens without it.

use crate::markings::{IEP, definition, iep};
use crate::support::actor::{Actor, TAXII, ask};
use crate::support::clock::Turnable;
use crate::support::objects::{envelope, id, indicator, marked, versioned};
use crate::support::process::{Installation, PROGRAM, Process};
use crate::support::server::{Setup, collection, manifest, object, objects};
use crate::support::trail::{Trail, numbers, stamps, until};
use crate::support::{EMPTY, MISSING, NO, RW, Server, WO};
use entente::access::level::Level;
use entente::audit::digest;
use entente::clock::{Clock, stopwatch};
use entente::store::registry::{Downgrade, Rule};
use entente::taxii::timestamp::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const OBJECTS: &str = "/api1/collections/all/objects/";
/// A second, and what a machine that is busy with other tests needs besides.
const AT_ONCE: Duration = Duration::from_millis(1900);

/// Rows: AUTH-13.
#[test]
fn a_page_says_exactly_which_entries_it_gave_out_and_to_whom() {
    let server = Server::start();
    let (writer, reader) = (server.actor("writer"), server.actor("reader"));
    let pushed = [marked(1, 1, Level::Green), marked(2, 1, Level::Red), marked(3, 1, Level::Green)];
    server.actor("manager").post(&objects(RW), &envelope(&pushed)).must_be(202);
    writer.post(&objects(RW), &envelope(&[indicator(4, 1)])).must_be(202);
    let headers = [("Accept", TAXII), ("User-Agent", "elastic-agent/9.2")];
    let path = format!("{}?match[type]=indicator&limit=2", objects(RW));
    let trail = Trail::of(&server);
    for (method, resource, path) in [
        ("GET", "objects", path.clone()),
        ("HEAD", "objects", path),
        ("GET", "manifest", manifest(RW)),
        ("GET", "object", object(RW, &id("indicator", 1))),
        ("GET", "versions", format!("{}versions/", object(RW, &id("indicator", 1)))),
    ] {
        let answer = reader.send(method, &path, &headers, None).must_be(200);
        // It is there when the page is.
        let entry = trail.last("read");
        let given = stamps(&entry);
        assert_eq!((&entry["resource"], &entry["organisation"]), (&resource.into(), &"reader".into()), "{entry}");
        assert_eq!((&entry["client"], &entry["level"]), (&"elastic-agent/9.2".into(), &"green".into()), "{entry}");
        assert_eq!(entry["items"], given.len(), "{entry}");
        assert_eq!(entry.get("method"), (method == "HEAD").then(|| json!("HEAD")).as_ref(), "{entry}");
        let dates = (given[0].to_string(), given[given.len() - 1].to_string());
        assert_eq!(answer.dates(), dates, "{method} {resource}");
        if method == "GET" {
            let list = if resource == "versions" { "versions" } else { "objects" };
            assert_eq!(answer.list(list).len(), given.len(), "{resource}");
        }
    }
    assert!(trail.last("read")["query"].as_str().unwrap().contains(&id("indicator", 1)));
    trail.must_be_sound();
}

#[test]
fn a_push_says_exactly_which_entries_it_added_and_what_is_in_them() {
    let server = Server::start();
    let (manager, trail) = (server.actor("manager"), Trail::of(&server));
    // Not in the order in which they are added: each level has its own place in it.
    let texts = [marked(1, 1, Level::Red), marked(2, 1, Level::Green), marked(3, 1, Level::Red), indicator(4, 1)];
    manager.post(&objects(RW), &envelope(&[marked(2, 1, Level::Green)])).must_be(202);
    manager.post(&objects(RW), &envelope(&texts)).must_be(202);
    let entry = trail.last("add");
    let added = numbers(&entry["added"]);
    assert_eq!(added.len(), 3, "what was there is not added: {entry}");
    let page = manager.get(&objects(RW)).must_be(200).json();
    let there: Vec<String> = manager.get(&manifest(RW)).must_be(200).list("objects")[1..]
        .iter()
        .map(|record| record["date_added"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(added.iter().map(ToString::to_string).collect::<Vec<_>>(), there);
    let text_of = |object: &Value| texts.iter().find(|text| text.contains(object["id"].as_str().unwrap())).unwrap();
    let given = page["objects"].as_array().unwrap()[1..].iter().map(text_of);
    let digests: Vec<String> = given.map(|text| digest(text.as_bytes())).collect();
    assert_eq!(entry["digests"], json!(digests));
    assert_eq!(entry["digest"], digest(digests.concat().as_bytes()));
    // Of very many there is the digest over all, and the entry stays short.
    let many: Vec<String> = (100..1200).map(|n| indicator(n, 1)).collect();
    manager.post(&objects(RW), &envelope(&many)).must_be(202);
    let entry = trail.last("add");
    assert!(numbers(&entry["added"]).len() == 1100 && entry.get("digests").is_none(), "{entry}");
    assert!(entry.to_string().len() < 700, "{entry}");
    let digests: String = many.iter().map(|text| digest(text.as_bytes())).collect();
    assert_eq!(entry["digest"], digest(digests.as_bytes()));
    trail.must_be_sound();
}

/// An entry without what differs each time.
fn particulars(mut entry: Value) -> Value {
    for member in ["at", "seq", "address", "credential", "placed", "hold"] {
        assert!(entry.as_object_mut().unwrap().remove(member).is_some() || member == "credential", "{member}: {entry}");
    }
    entry
}

#[test]
fn a_hold_and_its_end_say_by_name_what_is_kept_from_whom_until_when_and_why() {
    let clock = Turnable::default();
    let server = Server::with(Setup { clock: clock.clock(), ..Setup::default() });
    let (manager, trail) = (server.actor("manager"), Trail::of(&server));
    server.actor("writer").post(&objects(RW), &envelope(&[indicator(1, 1), indicator(2, 1)])).must_be(202);
    let holds = format!("{}x_entente_hold/", collection(RW));
    let until = Timestamp::from(clock.clock().now()).plus_seconds(3600).to_string();
    let from = "2020-01-01T00:00:00.000000Z";
    let place = |wanted: Value| {
        let placed = manager.post(&holds, &wanted.to_string()).must_be(200).json();
        assert_eq!((&placed["id"], &placed["placed"]), (&trail.last("hold")["hold"], &trail.last("hold")["placed"]));
        (placed["id"].as_str().unwrap().to_owned(), particulars(trail.last("hold")))
    };
    let object = id("indicator", 1);
    let told = json!({"collection": RW, "organisation": "manager", "placed_by": "manager", "reason": "First\nto one", "until": until});
    let with = |members: Value| {
        let mut told = told.clone();
        members.as_object().unwrap().iter().for_each(|(name, value)| told[name] = value.clone());
        told
    };
    let (one, entry) = place(
        json!({"object": object, "withheld_from": ["writer", "reader"], "until": until, "reason": "First\nto one"}),
    );
    assert_eq!(entry, with(json!({"action": "hold", "object": object, "withheld_from": ["reader", "writer"]})));
    let (_, entry) =
        place(json!({"added_from": from, "withheld_from": ["reader"], "until": until, "reason": "First\nto one"}));
    assert_eq!(entry, with(json!({"action": "hold", "added_from": from, "withheld_from": ["reader"]})));
    let (_, entry) = place(json!({"object": object, "until": until, "reason": "First\nto one"}));
    assert_eq!(entry, with(json!({"action": "hold", "object": object})), "from everybody but its owner");
    manager.delete(&format!("{holds}{one}/")).must_be(200);
    let entry = trail.last("release");
    assert_eq!(entry["hold"], one);
    let over = json!({"action": "release", "object": object, "withheld_from": ["reader", "writer"], "added": [], "versions": 0, "more": false});
    assert_eq!(particulars(entry), with(over));
    clock.turn_on(3601);
    server.store.tend().unwrap();
    let ended = trail.all("release").split_off(1);
    assert_eq!(ended.len(), 2);
    assert!(ended.iter().all(|entry| entry["address"] == "server" && entry.get("organisation").is_none()), "{ended:?}");
    // Whatever is there, the trail says what added it.
    let store = rusqlite::Connection::open(server.path().join("data/entente.db")).unwrap();
    let mut statement = store.prepare("SELECT date_added FROM entry ORDER BY date_added").unwrap();
    let there: Vec<Timestamp> =
        statement.query_map([], |row| row.get(0)).unwrap().map(|at| Timestamp::from_micros(at.unwrap())).collect();
    let added = trail.all("add").into_iter().chain(trail.all("release"));
    let told: BTreeSet<Timestamp> = added.flat_map(|entry| numbers(&entry["added"])).collect();
    assert_eq!(told.into_iter().collect::<Vec<_>>(), there);
    let seen = server.actor("reader").get(&manifest(RW)).must_be(200).list("objects").len();
    assert!(seen == 2 && ended.iter().all(|entry| !numbers(&entry["added"]).is_empty()), "{ended:?}");
    trail.must_be_sound();
}

#[test]
fn a_hold_that_the_server_places_by_itself_is_told_of_too() {
    let clock = Turnable::default();
    let server = Server::with(Setup { clock: clock.clock(), ..Setup::default() });
    let (writer, trail) = (server.actor("writer"), Trail::of(&server));
    server.admin.set_rules(RW, &[Rule::Downgrade(Downgrade::Quarantine)]).unwrap();
    let marked_by = |n: usize, version: u32| {
        versioned("indicator", n, version, &format!(r#","object_marking_refs":["{}"]"#, id("marking-definition", n)))
    };
    let push = |texts: &[String]| {
        let pushed = writer.post(&objects(RW), &envelope(texts)).must_be(202).json();
        assert_eq!(pushed["failure_count"], 0, "{pushed}");
        trail.all("hold").last().cloned().map(|entry| {
            assert_eq!((&entry["address"], &entry["collection"]), (&"server".into(), &RW.into()));
            let held = json!(server.admin.holding(RW).unwrap().list().unwrap().wait().unwrap());
            let held = held.as_array().unwrap().iter().find(|held| held["id"] == entry["hold"]).unwrap().clone();
            for member in ["object", "version_added", "until", "until_defined", "reason", "placed"] {
                assert_eq!(entry.get(member), held.get(member), "{member}");
            }
            entry
        })
    };
    assert_eq!(push(&[marked(1, 1, Level::Amber)]), None);
    let quarantined = push(&[marked(1, 2, Level::Green)]).unwrap();
    assert_eq!((quarantined["object"].clone(), quarantined.get("until")), (json!(id("indicator", 1)), None));
    assert_eq!(numbers(&trail.last("add")["added"])[0].to_string(), quarantined["version_added"]);
    let starts = Timestamp::from(clock.clock().now()).plus_seconds(3600).to_string();
    let embargoed = push(&[definition(2, IEP, &iep("green", &starts, None)), marked_by(2, 1)]).unwrap();
    assert_eq!((&embargoed["object"], &embargoed["until"]), (&json!(id("indicator", 2)), &json!(starts)));
    let unknown = push(&[marked_by(3, 1)]).unwrap();
    assert_eq!(unknown["until_defined"], json!([id("marking-definition", 3)]));
    // Once it is known, it starts later: one hold ends, and another is placed.
    push(&[definition(3, IEP, &iep("green", &starts, None))]);
    assert_eq!(trail.all("hold").len(), 4);
    assert_eq!(
        (&trail.last("hold")["object"], &trail.last("hold")["until"]),
        (&json!(id("indicator", 3)), &json!(starts))
    );
    assert_eq!(trail.last("release")["hold"], unknown["hold"]);
    // What is but tried is not held.
    writer.post(&format!("{}?x_entente_dry_run=true", objects(RW)), &envelope(&[marked_by(4, 1)])).must_be(202);
    assert_eq!(trail.all("hold").len(), 4);
    trail.must_be_sound();
}

#[test]
fn what_is_empty_is_noted_too_and_waits_for_nobody() {
    let server = Server::start();
    server.actor("reader").get(&objects(EMPTY)).must_be(200);
    let trail = Trail::of(&server);
    until("an entry", || trail.all("read").iter().any(|entry| entry["items"] == 0 && entry["collection"] == EMPTY));
}

#[test]
fn a_change_of_the_registry_says_what_was_and_what_is() {
    let installation = Installation::furnished();
    installation.run(&["grant", "org", "all", "--read", "green"]);
    installation.run(&["collection", "set", "all", "--profile", "strict"]);
    let prefix: Value = serde_json::from_str(&installation.run(&["cert", "list", "--json"])).unwrap();
    let fingerprint = prefix["certificates"][0]["fingerprint"].as_str().unwrap();
    installation.run(&["cert", "revoke", "org", fingerprint]);
    installation.run(&["grant", "org", "all"]);
    let entries = Trail::in_folder(&installation.path("data")).all("administer");
    let collection = entries[1]["after"]["id"].as_str().unwrap();
    let named = |at: usize, when: &str, member: &str| entries[at][when][member].clone();
    assert_eq!(entries[0]["after"], json!({"name": "api1", "title": "First"}));
    assert!(entries[0].get("before").is_none());
    let grant = |read: &str, write: bool| json!({"organisation": "org", "collection": collection, "read": read, "write": write, "manage": false, "relay": false});
    assert_eq!((&entries[5]["before"], &entries[5]["after"]), (&grant("red", true), &grant("green", false)));
    assert_eq!((named(6, "before", "profile"), named(6, "after", "profile")), (json!("standard"), json!("strict")));
    let key = json!({"key": fingerprint});
    assert_eq!((named(7, "before", "proof"), named(7, "before", "revoked")), (key.clone(), Value::Null));
    assert!(named(7, "after", "proof") == key && named(7, "after", "revoked").is_string());
    assert_eq!((&entries[8]["before"], entries[8].get("after")), (&grant("green", false), None));
    assert!(entries.iter().all(|entry| entry["change"].as_str().is_some_and(|words| !words.is_empty())));
}

#[test]
fn start_stop_and_checkpoints_are_in_the_trail_and_commands_sign_too() {
    let installation = Installation::furnished();
    let folder = installation.path("data");
    let after_commands = Trail::in_folder(&folder).checkpoints();
    assert_eq!(after_commands.len(), 5, "each command that changed something signed");
    let server = installation.serve();
    installation.actor("org", server.address).post(OBJECTS, &envelope(&[indicator(1, 1)])).must_be(202);
    assert!(server.terminate());
    let trail = Trail::in_folder(&folder);
    assert_eq!(trail.last("start")["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(trail.entries().last().unwrap()["action"], "stop");
    let newest = trail.checkpoints().pop().unwrap();
    assert_eq!(newest["seq"], trail.entries().len());
    let said = installation.run(&["audit", "verify"]);
    assert!(said.starts_with(&format!("sound: entries 1 to {}, 6 checkpoints", newest["seq"])), "{said}");
    assert!(said.ends_with("about the last 0 entries yet"), "{said}");
}

#[test]
fn a_refusal_is_told_once_and_then_counted() {
    let server = Server::start();
    let trail = Trail::of(&server);
    let (reader, stranger, nobody) = (server.actor("reader"), server.stranger(), server.actor_with(None));
    for _ in 0..20 {
        reader.post(&objects(RW), &envelope(&[indicator(1, 1)])).must_be(403);
        reader.get(&objects(MISSING)).must_be(404);
        reader.get(&object(RW, &id("indicator", 9))).must_be(404);
        stranger.get(&objects(RW)).must_be(401);
        nobody.refusal();
    }
    let path = server.path().to_owned();
    let first: Vec<Value> = {
        until("refusals", || trail.all("refusal").len() >= 4);
        trail.all("refusal")
    };
    assert_eq!(first.len(), 4, "{first:?}");
    let mut server = server;
    server.restart();
    let all = Trail::in_folder(&path.join("data"));
    until("counts", || all.all("refusal").len() >= 8);
    let count = |reason: &str| -> (u64, u64, Value) {
        let of: Vec<Value> = all.all("refusal").into_iter().filter(|entry| entry["reason"] == reason).collect();
        assert_eq!(of.len(), 2, "{of:?}");
        (of[0]["times"].as_u64().unwrap(), of[1]["times"].as_u64().unwrap(), of[0].clone())
    };
    let (once, times, forbidden) = count("forbidden");
    assert_eq!((once, times), (1, 19));
    assert_eq!(
        (&forbidden["endpoint"], &forbidden["method"], &forbidden["http_status"], &forbidden["organisation"]),
        (&"objects".into(), &"POST".into(), &403.into(), &"reader".into())
    );
    assert_eq!(forbidden["path"], objects(RW));
    let (_, times, absent) = count("absent");
    assert_eq!((times, &absent["http_status"]), (39, &404.into()));
    let (_, times, unregistered) = count("unregistered");
    assert_eq!((times, &unregistered["http_status"]), (19, &401.into()));
    assert_eq!(unregistered["credential"].as_str().unwrap().len(), 64);
    let (_, times, handshake) = count("no_certificate");
    assert_eq!((times, &handshake["endpoint"], handshake.get("http_status")), (19, &"handshake".into(), None));
}

#[test]
fn the_refusal_of_a_known_certificate_says_whose_it_is() {
    let server = Server::start();
    let trail = Trail::of(&server);
    let ago = |seconds| Clock::system().now() - Duration::from_secs(seconds);
    let expired = server.ca.issue("x", |cert| (cert.not_before, cert.not_after) = (ago(99).into(), ago(9).into()));
    let revoked = server.ca.client("x");
    server.register("reader", &expired);
    server.register("writer", &revoked);
    let keys = server.admin.overview().unwrap().registry.credentials;
    let key = |at: usize| keys[at].fingerprint().to_string();
    server.admin.revoke("writer", &key(keys.len() - 1)).unwrap();
    server.actor_with(Some(revoked)).get(&objects(RW)).must_be(401);
    server.actor_with(Some(expired)).refusal();
    until("refusals", || trail.all("refusal").len() >= 2);
    for (entry, (reason, organisation, at)) in
        trail.all("refusal").iter().zip([("revoked", "writer", keys.len() - 1), ("expired", "reader", keys.len() - 2)])
    {
        assert_eq!((&entry["reason"], &entry["organisation"]), (&reason.into(), &organisation.into()), "{entry}");
        assert_eq!(entry["credential"], key(at), "{entry}");
    }
    assert_eq!(trail.last("refusal")["endpoint"], "handshake");
}

/// Method, path, headers, body of a request; status and reason of its refusal.
type Bad<'b> = (&'b str, String, &'b [(&'b str, &'b str)], Option<&'b str>, u16, &'b str);

#[test]
fn what_is_malformed_is_refused_in_the_trail_too_and_a_flood_of_it_is_a_few_lines() {
    const HOSTILE: &str = "canary-7d1f";
    let mut setup = Setup::default();
    setup.settings.taxii.max_content_length = 100_000;
    let mut server = Server::with(setup);
    let writer = server.actor("writer");
    let (typed, length) = ([("Accept", TAXII), ("Content-Type", TAXII)], "1".repeat(100_001));
    let of_json = [("Accept", "application/json"), ("Content-Type", TAXII)];
    let of_xml = [("Accept", TAXII), ("Content-Type", "text/canary-7d1f")];
    let cases: [Bad<'_>; 9] = [
        ("POST", objects(RW), &typed, Some("{\"objects\":[canary-7d1f"), 400, "not_json"),
        ("POST", objects(RW), &typed, Some("[\"canary-7d1f\"]"), 422, "no_envelope"),
        ("POST", objects(RW), &typed, Some(&length), 413, "too_large"),
        ("POST", objects(RW), &of_xml, Some("{}"), 415, "media_type"),
        ("POST", objects(RW), &of_json, Some("{}"), 406, "not_acceptable"),
        ("PUT", objects(RW), &typed, None, 405, "method"),
        ("GET", format!("{}?limit=canary-7d1f", objects(RW)), &typed, None, 400, "malformed"),
        ("GET", format!("{}?match[id]={}", objects(RW), "x".repeat(64_000)), &typed, None, 414, "query_too_long"),
        ("GET", "/nothing/of/ours/".to_owned(), &typed, None, 404, "absent"),
    ];
    let trail = Trail::of(&server);
    for _ in 0..5 {
        for (method, path, headers, body, status, reason) in &cases {
            let answer = writer.send(method, path, headers, body.map(str::as_bytes));
            assert_eq!(answer.status, *status, "{method} {path}: {reason}");
        }
        assert_eq!(writer.raw(b"GET / HTTP/1.1\r\nnonsense\r\n\r\n").status, 400);
    }
    until("refusals", || trail.all("refusal").len() >= 10);
    let told = trail.all("refusal");
    assert_eq!(told.len(), 10, "one of each kind: {told:?}");
    for (method, path, _, _, status, reason) in &cases {
        let entry = told.iter().find(|entry| entry["reason"] == *reason).unwrap();
        assert_eq!((&entry["method"], &entry["http_status"]), (&(*method).into(), &(*status).into()), "{entry}");
        assert_eq!((&entry["path"], &entry["times"]), (&path.split('?').next().unwrap().into(), &1.into()), "{entry}");
        assert_eq!(entry["organisation"], "writer");
    }
    let unread = told.iter().find(|entry| entry["reason"] == "not_http").unwrap();
    assert_eq!((&unread["http_status"], unread["credential"].as_str().unwrap().len()), (&400.into(), 64));
    server.restart();
    let trail = Trail::in_folder(&server.path().join("data"));
    until("counts", || trail.all("refusal").len() >= 20);
    let counts = trail.all("refusal").split_off(10);
    assert!(counts.len() == 10 && counts.iter().all(|entry| entry["times"] == 4), "{counts:?}");
    assert!(!trail.texts().iter().any(|text| text.contains(HOSTILE)), "what was sent is not told");
    trail.must_be_sound();
}

#[test]
fn who_looks_at_the_holds_of_a_collection_is_told_of() {
    let server = Server::start();
    let (manager, trail) = (server.actor("manager"), Trail::of(&server));
    let holds = format!("{}x_entente_hold/", collection(RW));
    let headers = [("Accept", TAXII)];
    manager.get(&holds).must_be(200);
    until("an entry", || trail.all("read").iter().any(|entry| entry["resource"] == "holds" && entry["items"] == 0));
    server.admin.set_rules(RW, &[Rule::Downgrade(Downgrade::Quarantine)]).unwrap();
    for version in [marked(1, 1, Level::Amber), marked(1, 2, Level::Green)] {
        server.actor("writer").post(&objects(RW), &envelope(&[version])).must_be(202);
    }
    let until = server.admin.now().plus_seconds(3600);
    let wanted = json!({"object": id("indicator", 9), "until": until, "reason": "x"});
    manager.post(&holds, &wanted.to_string()).must_be(200);
    for method in ["GET", "HEAD"] {
        let before = trail.all("read").len();
        let held = manager.send(method, &holds, &headers, None).must_be(200);
        // It is there when the answer is.
        assert_eq!(trail.all("read").len(), before + 1);
        let entry = trail.last("read");
        assert_eq!((&entry["resource"], &entry["organisation"]), (&"holds".into(), &"manager".into()));
        assert_eq!((&entry["collection"], &entry["items"]), (&RW.into(), &2.into()), "{entry}");
        let quarantined = trail.last("add")["added"].clone();
        assert_eq!(entry["given"], quarantined, "the version that is named");
        if method == "GET" {
            let ids: Vec<Value> = held.list("holds").iter().map(|held| held["id"].clone()).collect();
            assert_eq!(entry["holds"], json!(ids));
        }
    }
    server.admin.holding(RW).unwrap().list().unwrap().wait().unwrap();
    assert_eq!((&trail.last("read")["address"], trail.last("read").get("organisation")), (&"tester".into(), None));
}

/// Sends method, path and body; gives status and body.
type Send<'s> = dyn FnMut(&str, &str, Option<&str>) -> (u16, Value) + 's;

/// One of many requests: gives what must be in the trail because of it.
fn mixed(send: &mut Send<'_>, n: usize) -> Option<&'static str> {
    let delete = format!("{}?match[version]=all", object(RW, &id("indicator", n - n % 10)));
    let (method, path, body) = match n % 10 {
        0 | 1 => ("POST", objects(RW), Some(envelope(&[indicator(n, 1), indicator(n, 2)]))),
        2 => ("POST", objects(NO), Some(envelope(&[indicator(n, 1)]))),
        3 => ("POST", format!("{}?x_entente_dry_run=true", objects(WO)), Some(envelope(&[indicator(n, 1)]))),
        4 => ("DELETE", delete, None),
        5 => ("GET", manifest(RW) + "?limit=5", None),
        6 => ("GET", object(RW, &id("indicator", n - 5)), None),
        7 => ("GET", objects(EMPTY), None),
        8 => ("HEAD", objects(RW) + "?limit=3", None),
        _ => ("GET", format!("{}?limit={}", objects(RW), 1 + n % 7), None),
    };
    let (status, answer) = send(method, &path, body.as_deref());
    let given = answer["objects"].as_array().is_some_and(|list| !list.is_empty()) || method == "HEAD";
    match (method, status) {
        ("POST", 202) if path.contains("dry_run") => Some("dry_run"),
        ("POST", 202) => Some("add"),
        ("DELETE", 200) => Some("delete"),
        ("GET" | "HEAD", 200) if given => Some("read"),
        ("GET", 200 | 404) | ("POST", 403) | ("DELETE", 404) => None,
        _ => panic!("{method} {path}: {status} {answer}"),
    }
}

/// LOG-3.
#[test]
fn every_acknowledged_change_has_one_entry_and_every_page_with_something_in_it_one() {
    const REQUESTS: usize = 10_000;
    let server = Server::start();
    let writer = server.actor("writer");
    // Something for the first to find.
    writer.post(&objects(RW), &envelope(&[indicator(99_999_999, 1)])).must_be(202);
    let next = AtomicUsize::new(10);
    let expected: HashMap<&str, usize> = thread::scope(|scope| {
        let work = || {
            let mut connection = writer.connect().unwrap();
            let mut counts: HashMap<&str, usize> = HashMap::new();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= REQUESTS + 10 {
                    return counts;
                }
                let mut send = |method: &str, path: &str, body: Option<&str>| {
                    let headers = [("Accept", TAXII), ("Content-Type", TAXII)];
                    let answer = ask(&mut connection, method, path, &headers, body.map(str::as_bytes));
                    if answer.status >= 400 {
                        connection = writer.connect().unwrap();
                    }
                    let json = if answer.body.is_empty() { Value::Null } else { answer.json() };
                    (answer.status, json)
                };
                if let Some(action) = mixed(&mut send, n) {
                    *counts.entry(action).or_default() += 1;
                }
            }
        };
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(work)).collect();
        let mut all: HashMap<&str, usize> = HashMap::from([("add", 1)]);
        for thread in threads {
            thread.join().unwrap().into_iter().for_each(|(action, count)| *all.entry(action).or_default() += count);
        }
        all
    });
    let trail = Trail::of(&server);
    for (action, count) in &expected {
        let found = trail.all(action).into_iter().filter(|entry| *action != "read" || entry["items"] != 0);
        assert_eq!(found.count(), *count, "{action} {expected:?}");
    }
    assert!(expected["add"] > REQUESTS / 10 && expected["read"] > REQUESTS / 10 && expected["delete"] > 100);
    trail.must_be_sound();
}

/// Sinks that fail: what is done to the store, and what undoes it.
fn must_refuse_and_recover(actor: &Actor, trail: &Trail, mend: impl FnOnce()) {
    let adds = trail.all("add").len();
    let reads = trail.all("read").len();
    for (method, body) in
        [("GET", None), ("HEAD", None), ("POST", Some(envelope(&[indicator(2, 1)]))), ("DELETE", None)]
    {
        let path = if method == "DELETE" { format!("{OBJECTS}{}/", id("indicator", 1)) } else { OBJECTS.to_owned() };
        let headers = [("Accept", TAXII), ("Content-Type", TAXII)];
        let begun = stopwatch();
        let answer = actor.send(method, &path, &headers, body.as_deref().map(str::as_bytes));
        assert!(begun.elapsed() < AT_ONCE, "{method} took {:?}", begun.elapsed());
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("10")), "{method}");
        assert!(!answer.text().contains("indicator"), "{method}");
    }
    // What gives nothing out needs no entry.
    actor.get("/taxii2/").must_be(200);
    actor.get(&format!("{OBJECTS}?added_after=2999-01-01T00:00:00Z")).must_be(200);
    mend();
    until("it recovers", || actor.get(OBJECTS).status == 200);
    let ids = actor.get(OBJECTS).must_be(200).ids();
    assert_eq!(ids, [id("indicator", 1)], "what was refused is not done later");
    actor.post(OBJECTS, &envelope(&[indicator(3, 1)])).must_be(202);
    assert_eq!(trail.all("add").len(), adds + 1);
    let given = trail.all("read").into_iter().skip(reads).filter(|entry| entry["items"] != 0);
    assert_eq!(given.count(), 2, "one for each page that was given out, none for those that were not");
}

/// LOG-5.
#[test]
fn a_trail_that_is_blocked_gives_nothing_out_takes_nothing_in_and_recovers() {
    let installation = Installation::furnished();
    let server = installation.serve();
    let actor = installation.actor("org", server.address);
    actor.post(OBJECTS, &envelope(&[indicator(1, 1)])).must_be(202);
    let trail = Trail::in_folder(&installation.path("data"));
    let other = rusqlite::Connection::open(installation.path("data/entente.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    must_refuse_and_recover(&actor, &trail, || other.execute_batch("ROLLBACK").unwrap());
    assert!(installation.run(&["audit", "verify"]).starts_with("sound"));
}

/// LOG-5. The disk's end is played by a limit on the size of files.
#[test]
fn a_trail_on_a_full_disk_gives_nothing_out_takes_nothing_in_and_recovers() {
    let installation = Installation::furnished();
    let serve =
        format!("trap '' XFSZ; exec {PROGRAM} -c {} serve --listen 127.0.0.1:0 --ops off", installation.config());
    let (server, _) = Process::start(Command::new("bash").args(["-c", &serve]));
    let actor = installation.actor("org", server.address);
    actor.post(OBJECTS, &envelope(&[indicator(1, 1)])).must_be(202);
    let trail = Trail::in_folder(&installation.path("data"));
    let limit = |octets: &str| {
        let arguments = ["--pid", &server.pid().to_string(), &format!("--fsize={octets}:")];
        assert!(Command::new("prlimit").args(arguments).status().unwrap().success());
    };
    limit("1");
    must_refuse_and_recover(&actor, &trail, || limit("unlimited"));
    assert!(installation.run(&["audit", "verify"]).starts_with("sound"));
}

/// A server whose disk fails as the files in a folder say: see `support/disk.c`.
fn serve_on_bad_disk(installation: &Installation) -> (Process, PathBuf) {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/exchange/support/disk.c");
    let (library, folder) = (installation.path("disk.so"), installation.path("disk"));
    let mut compiler = Command::new("cc");
    assert!(compiler.args(["-shared", "-fPIC", source, "-o"]).arg(&library).arg("-ldl").status().unwrap().success());
    fs::create_dir(&folder).unwrap();
    let mut server = Command::new(PROGRAM);
    server.env("LD_PRELOAD", library).env("DISK", &folder);
    server.args(["-c", &installation.config(), "serve", "--listen", "127.0.0.1:0", "--ops", "off"]);
    (Process::start(&mut server).0, folder)
}

/// LOG-5.
#[test]
fn a_trail_on_a_disk_that_became_read_only_gives_nothing_out_takes_nothing_in_and_recovers() {
    let installation = Installation::furnished();
    let (server, disk) = serve_on_bad_disk(&installation);
    let actor = installation.actor("org", server.address);
    actor.post(OBJECTS, &envelope(&[indicator(1, 1)])).must_be(202);
    let trail = Trail::in_folder(&installation.path("data"));
    fs::write(disk.join("read-only"), "").unwrap();
    must_refuse_and_recover(&actor, &trail, || fs::remove_file(disk.join("read-only")).unwrap());
    assert!(installation.run(&["audit", "verify"]).starts_with("sound"));
}

/// LOG-5. What the disk has been given cannot be taken back: so who pushed it waits for it, and is told the truth.
#[test]
fn on_a_slow_disk_nothing_is_given_out_and_what_is_not_begun_is_refused_at_once_and_never_done() {
    let installation = Installation::furnished();
    let (server, disk) = serve_on_bad_disk(&installation);
    let actor = installation.actor("org", server.address);
    actor.post(OBJECTS, &envelope(&[indicator(1, 1)])).must_be(202);
    let trail = Trail::in_folder(&installation.path("data"));
    let refused = |method: &str, path: &str, body: Option<String>| {
        let begun = stopwatch();
        let headers = [("Accept", TAXII), ("Content-Type", TAXII)];
        let answer = actor.send(method, path, &headers, body.as_deref().map(str::as_bytes)).must_be(503);
        assert!(begun.elapsed() < AT_ONCE, "{method} took {:?}", begun.elapsed());
        assert_eq!(answer.header("retry-after"), Some("10"), "{method}");
        assert!(!answer.text().contains("indicator"), "{method}");
    };
    fs::write(disk.join("slow"), "").unwrap();
    // The disk is busy with the entry of this one from now on.
    refused("GET", OBJECTS, None);
    for _ in 0..2 {
        refused("POST", OBJECTS, Some(envelope(&[indicator(2, 1)])));
        refused("DELETE", &format!("{OBJECTS}{}/", id("indicator", 1)), None);
        refused("HEAD", OBJECTS, None);
        actor.get("/taxii2/").must_be(200);
    }
    fs::remove_file(disk.join("slow")).unwrap();
    until("it recovers", || actor.get(OBJECTS).status == 200);
    assert_eq!(actor.get(OBJECTS).must_be(200).ids(), [id("indicator", 1)], "what was refused is not done later");
    // One that the store has begun with is answered when it is on disk. Another entry may come before it.
    let log = installation.path("data/entente.db-wal");
    let written = || fs::metadata(&log).unwrap().modified().unwrap();
    until("one is begun", || {
        let before = written();
        fs::write(disk.join("slow"), "").unwrap();
        thread::scope(|scope| {
            let post = scope.spawn(|| actor.post(OBJECTS, &envelope(&[indicator(3, 1)])));
            until("the store writes", || written() > before || post.is_finished());
            let was_refused = post.is_finished();
            fs::remove_file(disk.join("slow")).unwrap();
            let status = post.join().unwrap().status;
            assert!(!was_refused || status == 503, "{status} on a disk that keeps nothing");
            status == 202
        })
    });
    assert_eq!(actor.get(OBJECTS).must_be(200).ids(), [id("indicator", 1), id("indicator", 3)]);
    assert_eq!((trail.all("add").len(), trail.all("delete").len()), (2, 0));
    assert!(installation.run(&["audit", "verify"]).starts_with("sound"));
}

/// What the disk has made of a version is found when it is read: nothing of the page goes out, the log says why
/// under the id that the caller is told, and the trail says of nobody that he got it.
#[test]
fn a_page_that_the_store_cannot_read_is_none() {
    for (damage, expected) in [
        ("UPDATE entry SET version = CAST(x'ff' AS TEXT) WHERE id = ?", "utf-8"),
        ("DELETE FROM body WHERE key = (SELECT body FROM entry WHERE id = ?)", "type"),
    ] {
        let installation = Installation::furnished();
        let log = installation.path("log");
        let arguments = ["-c", &installation.config(), "serve", "--listen", "127.0.0.1:0", "--ops", "off"];
        let (server, _) = Process::start_logging(Command::new(PROGRAM).args(arguments), &log);
        let actor = installation.actor("org", server.address);
        let all: Vec<String> = (1..=3).map(|n| indicator(n, 1)).collect();
        actor.post(OBJECTS, &envelope(&all)).must_be(202);
        let trail = Trail::in_folder(&installation.path("data"));
        trail.execute(&damage.replace('?', &format!("'{}'", id("indicator", 3))));
        let mut live = actor.connect().unwrap();
        let one = format!("{OBJECTS}{}/", id("indicator", 3));
        for path in [OBJECTS, &one] {
            let answer = ask(&mut live, "GET", path, &[("Accept", TAXII)], None).must_be(500);
            assert!(!answer.text().contains("indicator"), "{}", answer.text());
            let error_id = answer.json()["error_id"].as_str().unwrap().to_owned();
            let told = |line: &str| {
                line.contains(&error_id) && line.contains("ERROR") && line.to_lowercase().contains(expected)
            };
            until("the log says why", || fs::read_to_string(&log).unwrap().lines().any(told));
        }
        // Neither the connection nor what can be read is lost.
        let first = ask(&mut live, "GET", &format!("{OBJECTS}?limit=1"), &[("Accept", TAXII)], None).must_be(200);
        assert_eq!(first.ids(), [id("indicator", 1)]);
        assert!(server.terminate());
        let given: Vec<Value> = trail.all("read").iter().map(|entry| entry["items"].clone()).collect();
        assert_eq!(given, [1], "{damage}");
    }
}
