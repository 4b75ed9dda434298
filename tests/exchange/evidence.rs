//! Evidence: what the audit trail says, that nothing happens without it, and that nobody
//! changes it unnoticed.

use crate::support::actor::{Actor, TAXII, ask};
use crate::support::objects::{envelope, id, indicator, marked};
use crate::support::process::{Installation, PROGRAM, Process, open_to_all};
use crate::support::server::{manifest, object, objects};
use crate::support::trail::{Trail, stamps};
use crate::support::{EMPTY, MISSING, NO, RW, Server, WO};
use entente::access::level::Level;
use entente::audit::PublicKey;
use entente::audit::line::Line;
use entente::audit::verify::Verifier;
use entente::clock::{Clock, stopwatch};
use entente::taxii::timestamp::Timestamp;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{TestRng, TestRunner};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const OBJECTS: &str = "/api1/collections/all/objects/";
const PATIENCE: Duration = Duration::from_secs(20);
/// A second, and what a machine that is busy with other tests needs besides.
const AT_ONCE: Duration = Duration::from_millis(1900);

/// Polls for a condition.
#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = stopwatch();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        thread::yield_now();
    }
}

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
    installation.run(&["cert", "remove", "org", fingerprint]);
    installation.run(&["grant", "org", "all"]);
    let entries = Trail::in_folder(&installation.path("data")).all("administer");
    let collection = entries[1]["after"]["id"].as_str().unwrap();
    let named = |at: usize, when: &str, member: &str| entries[at][when][member].clone();
    assert_eq!(entries[0]["after"], json!({"name": "api1", "title": "First"}));
    assert!(entries[0].get("before").is_none());
    let grant = |read: &str, write: bool| json!({"organisation": "org", "collection": collection, "read": read, "write": write, "manage": false});
    assert_eq!((&entries[5]["before"], &entries[5]["after"]), (&grant("red", true), &grant("green", false)));
    assert_eq!((named(6, "before", "profile"), named(6, "after", "profile")), (json!("standard"), json!("strict")));
    assert_eq!((named(7, "before", "fingerprint"), entries[7].get("after")), (json!(fingerprint), None));
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

/// One of many requests: gives what must be in the trail because of it.
fn mixed(actor: &mut dyn FnMut(&str, &str, Option<&str>) -> (u16, Value), n: usize) -> Option<&'static str> {
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
    let (status, answer) = actor(method, &path, body.as_deref());
    let given = answer["objects"].as_array().is_some_and(|list| !list.is_empty()) || method == "HEAD";
    match (method, status) {
        ("POST", 202) if path.contains("dry_run") => Some("dry_run"),
        ("POST", 202) => Some("add"),
        ("DELETE", 200) => Some("delete"),
        ("GET" | "HEAD", 200) if given => Some("read"),
        ("GET", 200) => None,
        ("POST", 403) | ("DELETE", 404) | ("GET", 404) => None,
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

#[test]
fn who_saw_an_object_is_answered_also_after_it_was_deleted() {
    let installation = Installation::furnished();
    installation.run(&["org", "add", "siem", "--title", "Reads"]);
    installation.run(&["cert", "issue", "siem", "--out", installation.path("certs").to_str().unwrap()]);
    installation.run(&["grant", "siem", "all", "--read", "green"]);
    let server = installation.serve();
    let (org, siem) = (installation.actor("org", server.address), installation.actor("siem", server.address));
    let object = id("indicator", 1);
    org.post(OBJECTS, &envelope(&[marked(1, 1, Level::Green), marked(2, 1, Level::Green)])).must_be(202);
    siem.get(&format!("{OBJECTS}?match[id]={object}")).must_be(200);
    siem.get(OBJECTS).must_be(200);
    org.post(OBJECTS, &envelope(&[marked(1, 2, Level::Red)])).must_be(202);
    siem.get(OBJECTS).must_be(200);
    org.get("/api1/collections/all/manifest/").must_be(200);
    let who = || -> Vec<Value> {
        let found: Value = serde_json::from_str(&installation.run(&["audit", "who-saw", &object, "--json"])).unwrap();
        found["seen"].as_array().unwrap().clone()
    };
    let before = who();
    let line = |seen: &Value| {
        let text = |member: &str| seen[member].as_str().unwrap().to_owned();
        (text("organisation"), text("version"), text("how"), seen["times"].as_u64().unwrap())
    };
    let (first, second) = ("2024-01-01T00:00:01.000Z", "2024-01-01T00:00:02.000Z");
    let expected = |organisation: &str, version: &str, how: &str, times| {
        (organisation.to_owned(), version.to_owned(), how.to_owned(), times)
    };
    assert_eq!(
        before.iter().map(line).collect::<Vec<_>>(),
        [expected("org", second, "name", 1), expected("siem", first, "content", 3)]
    );
    org.delete(&format!("{OBJECTS}{object}/?match[version]=all")).must_be(200);
    assert_eq!(who(), before);
    let said = installation.run(&["audit", "who-saw", &object]);
    assert!(said.contains("siem was given the content of version 2024-01-01T00:00:01.000Z in "), "{said}");
    assert!(installation.fail(&["audit", "who-saw", &id("indicator", 7)]).contains("is in no collection"));
    let account = installation.path("out.json");
    installation.run(&["export", "all", "--out", account.to_str().unwrap()]);
    let found: Value =
        serde_json::from_str(&installation.run(&["audit", "who-saw", &id("indicator", 2), "--json"])).unwrap();
    let operator = |seen: &&Value| seen["organisation"].as_str().unwrap().starts_with("operator ");
    assert_eq!(found["seen"].as_array().unwrap().iter().filter(operator).count(), 1);
}

#[test]
fn peers_are_told_with_how_far_they_have_come() {
    let installation = Installation::furnished();
    let server = installation.serve();
    let actor = installation.actor("org", server.address);
    actor.post(OBJECTS, &envelope(&(1..=5).map(|n| indicator(n, 1)).collect::<Vec<_>>())).must_be(202);
    let headers = [("Accept", TAXII), ("User-Agent", "misp/2.5 \u{202e}")];
    let page = actor.get_with(&format!("{OBJECTS}?limit=2"), &headers).must_be(200);
    actor.get(&format!("/api1/collections/{MISSING}/objects/")).must_be(404);
    let peers = || -> Value { serde_json::from_str(&installation.run(&["audit", "peers", "--json"])).unwrap() };
    until("the refusal", || !peers()["peers"][0]["errors"].as_array().unwrap().is_empty());
    let peer = peers()["peers"][0].clone();
    assert_eq!(peer["organisation"], "org");
    assert_eq!(peer["client"], "misp/2.5 U+202E");
    assert_eq!(peer["collections"][0]["cursor"], page.dates().1);
    assert_eq!(peer["collections"][0]["behind"], 3);
    assert_eq!((&peer["errors"][0]["reason"], &peer["errors"][0]["http_status"]), (&"absent".into(), &404.into()));
    assert!(peer["last_poll"].as_str().unwrap() > "2026");
    let said = installation.run(&["audit", "peers"]);
    assert!(said.contains(", 3 behind"), "{said}");
}

#[test]
fn the_key_that_signs_is_private_and_made_where_it_is_missing() {
    let installation = Installation::furnished();
    let (key, public) = (installation.path("pki/audit.key"), installation.path("pki/audit.pub"));
    open_to_all(&key);
    for command in [&["serve", "--listen", "127.0.0.1:0", "--ops", "off"][..], &["list"], &["check"]] {
        let output = installation.try_run(command);
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(said.contains("audit.key: can be read by others (mode 644)"), "{said}");
    }
    // As in an installation of an older version.
    fs::remove_file(&key).unwrap();
    fs::remove_file(&public).unwrap();
    Trail::in_folder(&installation.path("data")).execute("DELETE FROM checkpoint");
    installation.run(&["org", "add", "more", "--title", "Without a key nothing is signed"]);
    assert!(Trail::in_folder(&installation.path("data")).checkpoints().is_empty());
    assert!(installation.serve().terminate());
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(installation.run(&["audit", "verify"]).contains(", 1 checkpoints;"));
}

/// An installation whose trail has some entries and checkpoints, exported whole.
fn exported() -> (Installation, String) {
    let installation = Installation::furnished();
    let server = installation.serve();
    let actor = installation.actor("org", server.address);
    for n in 1..30 {
        actor.post(OBJECTS, &envelope(&[indicator(n, 1)])).must_be(202);
        actor.get(&format!("{OBJECTS}?limit=3")).must_be(200);
    }
    assert!(server.terminate());
    let text = installation.run(&["audit", "export"]) + "\n";
    (installation, text)
}

fn keys(installation: &Installation) -> Vec<PublicKey> {
    use rustls::pki_types::SubjectPublicKeyInfoDer;
    use rustls::pki_types::pem::PemObject as _;
    let spki = SubjectPublicKeyInfoDer::from_pem_file(installation.path("pki/audit.pub")).unwrap();
    vec![PublicKey::from_spki(&spki).unwrap()]
}

/// What verifying lines finds, beside a checkpoint kept elsewhere.
fn fault(keys: &[PublicKey], lines: &[String], witness: &Line) -> Option<String> {
    let Line::Checkpoint(witness) = witness else { panic!() };
    let mut verifier = Verifier::new(keys, Some(witness)).unwrap();
    for (at, line) in lines.iter().enumerate() {
        match Line::read(line) {
            Some(line) => verifier.take(&line),
            None => verifier.take_unreadable(at + 1),
        }
    }
    verifier.finish().fault
}

/// LOG-4.
#[test]
fn ten_thousand_edits_of_an_exported_trail_are_all_found() {
    let (installation, text) = exported();
    let keys = keys(&installation);
    let lines: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
    let witness = Line::read(lines.last().unwrap()).unwrap();
    assert_eq!(fault(&keys, &lines, &witness), None);
    let mut runner = TestRunner::new_with_rng(
        ProptestConfig::default(),
        TestRng::from_seed(proptest::test_runner::RngAlgorithm::ChaCha, &[7; 32]),
    );
    let mut any = |below: usize| (0..below).new_tree(&mut runner).unwrap().current();
    let mut found = HashMap::new();
    for edit in 0..10_000 {
        let mut edited = lines.clone();
        let (at, other) = (any(lines.len()), any(lines.len()));
        match edit % 7 {
            0 => {
                let mut octets = edited[at].clone().into_bytes();
                let place = any(octets.len());
                octets[place] ^= 1 << any(7);
                edited[at] = String::from_utf8_lossy(&octets).into_owned();
            }
            // The last checkpoint is what was kept.
            1 if at < lines.len() - 1 => drop(edited.remove(at)),
            2 if at != other => edited.swap(at, other),
            3 => edited.insert(at, lines[other].clone()),
            4 if at < lines.len() - 1 => edited.truncate(at),
            5 => edited[at].insert(any(lines[at].len()), ' '),
            _ => {
                let place = any(edited[at].len());
                edited[at].remove(place);
            }
        }
        if edited == lines {
            continue;
        }
        let fault = fault(&keys, &edited, &witness).unwrap_or_else(|| panic!("not found: {}", edited.join("\n")));
        *found.entry(edit % 7).or_insert(0) += usize::from(!fault.is_empty());
    }
    assert_eq!(found.len(), 7, "{found:?}");
}

/// LOG-4.
#[test]
fn what_is_done_to_the_store_or_to_a_file_is_named_by_the_command() {
    let (installation, text) = exported();
    let kept = installation.path("kept.json");
    installation.run(&["audit", "checkpoint", "--out", kept.to_str().unwrap()]);
    let key = installation.path("pki/audit.pub");
    let verify = |arguments: &[&str]| {
        let output = installation.try_run(&[&["audit", "verify"], arguments].concat());
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap(),
        )
    };
    // Alone with the public key: no settings, no store.
    let file = installation.path("trail.ndjson");
    fs::write(&file, &text).unwrap();
    let alone = |checkpoint: bool| {
        let arguments =
            ["-c", "/nonexistent", "audit", "verify", file.to_str().unwrap(), "--key", key.to_str().unwrap()];
        let more = if checkpoint { vec!["--checkpoint", kept.to_str().unwrap()] } else { vec![] };
        let output = Command::new(PROGRAM).args(arguments).args(more).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(alone(true).0, 0, "{}", alone(true).1);
    let half: String = text.lines().take(30).map(|line| format!("{line}\n")).collect();
    fs::write(&file, half).unwrap();
    assert_eq!(alone(false).0, 0, "what is cut off at the end shows beside a checkpoint only");
    assert!(alone(true).0 == 1 && alone(true).1.contains("was cut off, with all after it"), "{}", alone(true).1);
    fs::write(&file, "nothing\n").unwrap();
    assert_eq!(alone(false).0, 2);
    let beside = ["--checkpoint", kept.to_str().unwrap()];
    assert_eq!(verify(&beside).0, 0);
    assert_eq!(verify(&["--key", "/nonexistent"]).0, 2);
    // The store: an old copy that went on, and edits.
    let database = installation.path("data/entente.db");
    let copy = installation.path("copy.db");
    let edit = |sql: &str| Trail::in_folder(&installation.path("data")).execute(sql);
    edit("PRAGMA wal_checkpoint(TRUNCATE)");
    fs::copy(&database, &copy).unwrap();
    for (sql, expected) in [
        ("UPDATE audit SET entry = replace(entry, '\"org\"', '\"orc\"') WHERE seq = 12", "entry 12 was changed"),
        ("DELETE FROM audit WHERE seq = 12", "entry 12 was dropped: entry 13 stands in its place"),
        (
            "UPDATE audit SET seq = -1 WHERE seq = 12; UPDATE audit SET seq = 12 WHERE seq = 13; UPDATE audit SET seq = 13 WHERE seq = -1",
            "entry 12 was swapped: entry 13 stands in its place",
        ),
        ("DELETE FROM audit WHERE seq > 12", "entry 13 was cut off, with all after it"),
        (
            "DELETE FROM audit WHERE seq > 12; DELETE FROM checkpoint WHERE seq > 12",
            "entry 13 was cut off, with all after it",
        ),
        ("UPDATE checkpoint SET signature = replace(signature, 'a', 'b')", "was not signed as it stands"),
    ] {
        edit(sql);
        let (code, said) = verify(&beside);
        assert!(code == 1 && said.contains(expected), "{sql}: {code} {said}");
        fs::copy(&copy, &database).unwrap();
    }
    assert_eq!(verify(&beside).0, 0);
    edit("DELETE FROM audit WHERE seq > 40; DELETE FROM checkpoint WHERE seq > 40; PRAGMA wal_checkpoint(TRUNCATE)");
    let server = installation.serve();
    let actor = installation.actor("org", server.address);
    (100..130).for_each(|n| drop(actor.post(OBJECTS, &envelope(&[indicator(n, 1)])).must_be(202)));
    assert!(server.terminate());
    assert_eq!(verify(&[]).0, 0, "by itself it is sound");
    let (code, said) = verify(&beside);
    assert!(code == 1 && said.contains("are not those that were signed on"), "{said}");
}

#[test]
fn a_part_of_the_trail_is_verified_from_its_checkpoint_on_and_a_running_server_does_not_mind() {
    let installation = Installation::furnished();
    let since = Timestamp::from(Clock::system().now()).to_string();
    let server = installation.serve();
    let actor = installation.actor("org", server.address);
    actor.post(OBJECTS, &envelope(&[indicator(1, 1)])).must_be(202);
    let said = installation.run(&["audit", "verify", "--since", &since]);
    assert!(said.starts_with("sound: entries 6 to ") && said.contains(" 1 checkpoints;"), "{said}");
    let file = installation.path("part.ndjson");
    installation.run(&["audit", "export", "--since", &since, "--out", file.to_str().unwrap()]);
    let part = fs::read_to_string(&file).unwrap();
    assert!(part.starts_with("{\"checkpoint\":"), "{part}");
    let said = installation.run(&["audit", "verify", file.to_str().unwrap(), "--since", &since]);
    assert!(said.starts_with("sound: entries 6 to "), "{said}");
    let whole = installation.try_run(&["audit", "verify", file.to_str().unwrap()]);
    assert_eq!(whole.status.code(), Some(1), "a beginning that is missing shows unless it was meant");
    // A copy on a medium that takes no files beside it.
    drop(server);
    let copy = installation.path("copy");
    fs::create_dir(&copy).unwrap();
    Trail::in_folder(&installation.path("data")).execute("PRAGMA wal_checkpoint(TRUNCATE)");
    fs::copy(installation.path("data/entente.db"), copy.join("entente.db")).unwrap();
    let output = Command::new(PROGRAM)
        .env("ENTENTE__SERVER__DATA", &copy)
        .args(["-c", &installation.config(), "audit", "verify"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

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
    const CANARY: &str = "canary-7d1f";
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
    text.bytes().map(|octet| format!("%{octet:02x}")).collect()
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
