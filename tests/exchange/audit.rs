//! `entente audit`: verifying the trail, and asking it.

use crate::support::actor::TAXII;
use crate::support::objects::{envelope, id, indicator, marked};
use crate::support::process::{Installation, PROGRAM, open_to_all};
use crate::support::server::{Setup, Terms, objects};
use crate::support::trail::{Trail, until};
use crate::support::{MISSING, RW, Server};
use entente::access::level::Level;
use entente::audit::PublicKey;
use entente::audit::line::Line;
use entente::audit::verify::Verifier;
use entente::clock::Clock;
use entente::exchange::Rights;
use entente::taxii::timestamp::Timestamp;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;

const OBJECTS: &str = "/api1/collections/all/objects/";

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
    siem.send("HEAD", OBJECTS, &[("Accept", TAXII)], None).must_be(200);
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
        [
            expected("org", first, "added", 1),
            expected("org", second, "added", 1),
            expected("org", second, "name", 1),
            expected("siem", first, "content", 3),
            expected("siem", first, "name", 1)
        ]
    );
    org.delete(&format!("{OBJECTS}{object}/?match[version]=all")).must_be(200);
    assert_eq!(who(), before);
    let said = installation.run(&["audit", "who-saw", &object]);
    assert!(said.contains("siem was given the content of version 2024-01-01T00:00:01.000Z in "), "{said}");
    assert!(said.contains("org added the content of version 2024-01-01T00:00:02.000Z in "), "{said}");
    assert!(installation.fail(&["audit", "who-saw", &id("indicator", 7)]).contains("is in no collection"));
    let account = installation.path("out.json");
    installation.run(&["export", "all", "--out", account.to_str().unwrap()]);
    let found: Value =
        serde_json::from_str(&installation.run(&["audit", "who-saw", &id("indicator", 2), "--json"])).unwrap();
    let operator = |seen: &&Value| seen["organisation"].as_str().unwrap().starts_with("operator ");
    assert_eq!(found["seen"].as_array().unwrap().iter().filter(operator).count(), 1);
}

#[test]
fn the_operator_is_named_by_account_and_number_and_for_whom_it_acted() {
    let installation = Installation::furnished();
    let file = installation.path("feed.json");
    fs::write(&file, marked(1, 1, Level::Green)).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.args(["-c", &installation.config()]).args(arguments).env_remove("SUDO_USER").env("USER", "server");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["import", "all", file.to_str().unwrap(), "--org", "org"]);
    let entry = Trail::in_folder(&installation.path("data")).last("add");
    let uid = fs::metadata(&file).unwrap().uid();
    assert_eq!(entry["address"], format!("operator server (uid {uid})"));
    assert_eq!((&entry["for"], entry.get("organisation")), (&"org".into(), None), "{entry}");
    let said = run(&["audit", "who-saw", &id("indicator", 1)]);
    assert!(said.starts_with(&format!("operator server (uid {uid}) for org added the content of")), "{said}");
}

#[test]
fn peers_are_told_with_how_far_they_have_come() {
    let installation = Installation::furnished();
    let server = installation.serve();
    let actor = installation.actor("org", server.address);
    actor.post(OBJECTS, &envelope(&(1..=5).map(|n| indicator(n, 1)).collect::<Vec<_>>())).must_be(202);
    let headers = [("Accept", TAXII), ("User-Agent", "misp/2.5 \u{202e}")];
    let page = actor.get_with(&format!("{OBJECTS}?limit=2"), &headers).must_be(200);
    // Whoever asks for headers only has been given nothing, and has come no further.
    actor.send("HEAD", OBJECTS, &headers, None).must_be(200);
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
fn how_far_a_secret_is_behind_is_counted_over_what_it_can_see() {
    let server = Server::with(Setup::with_fallback());
    let read = |read| Some(Rights { read: Some(read), write: true, manage: false, relay: false });
    server.admin.grant("reader", RW, read(Level::Red)).unwrap();
    let secret = server.secret("reader", &Terms::default());
    let objects_of = |from: usize, level| (from..from + 4).map(|n| marked(n, 1, level)).collect::<Vec<_>>();
    server.actor("manager").post(&objects(RW), &envelope(&objects_of(1, Level::Green))).must_be(202);
    server.actor("manager").post(&objects(RW), &envelope(&objects_of(11, Level::Amber))).must_be(202);
    server.actor("reader").post(&objects(RW), &envelope(&objects_of(21, Level::Red))).must_be(202);
    let first = format!("{}?limit=1", objects(RW));
    server.without_certificate().bearing(&secret).get(&first).must_be(200);
    server.actor("reader").get(&first).must_be(200);
    let settings = Installation::new();
    let output = Command::new(PROGRAM)
        .env("ENTENTE__SERVER__DATA", server.path().join("data"))
        .args(["-c", &settings.config(), "audit", "peers", "--json"])
        .output()
        .unwrap();
    let peers: Value = serde_json::from_slice(&output.stdout).unwrap();
    let behind = |kind: &str| {
        let credentials = server.admin.overview().unwrap().registry.credentials;
        let is_it = |peer: &&Value| {
            let own = credentials.iter().find(|own| peer["credential"] == own.fingerprint().to_string()).unwrap();
            own.proof.kind() == kind && peer["organisation"] == "reader"
        };
        let found: Vec<u64> = peers["peers"]
            .as_array()
            .unwrap()
            .iter()
            .filter(is_it)
            .map(|peer| peer["collections"][0]["behind"].as_u64().unwrap())
            .collect();
        assert_eq!(found.len(), 1, "{peers}");
        found[0]
    };
    assert_eq!((behind("secret"), behind("key")), (3, 11));
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

/// A trail that somebody changed, in one of seven ways. `any` gives a number below another.
fn tamper(lines: &[String], way: usize, any: &mut dyn FnMut(usize) -> usize) -> Vec<String> {
    let mut edited = lines.to_vec();
    let (at, other) = (any(lines.len()), any(lines.len()));
    match way {
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
    edited
}

/// LOG-4.
#[test]
fn ten_thousand_edits_of_an_exported_trail_are_all_found() {
    let (installation, text) = exported();
    let keys = keys(&installation);
    let lines: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
    let witness = Line::read(lines.last().unwrap()).unwrap();
    assert_eq!(fault(&keys, &lines, &witness), None);
    let mut runner =
        TestRunner::new_with_rng(ProptestConfig::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let mut any = |below: usize| (0..below).new_tree(&mut runner).unwrap().current();
    let mut found = HashMap::new();
    for edit in 0..10_000 {
        let edited = tamper(&lines, edit % 7, &mut any);
        if edited == lines {
            continue;
        }
        let fault = fault(&keys, &edited, &witness).unwrap_or_else(|| panic!("not found: {}", edited.join("\n")));
        *found.entry(edit % 7).or_insert(0) += usize::from(!fault.is_empty());
    }
    assert_eq!(found.len(), 7, "{found:?}");
}

/// Exit code and words of `audit verify` on the store.
fn verify(installation: &Installation, arguments: &[&str]) -> (i32, String) {
    let output = installation.try_run(&[&["audit", "verify"], arguments].concat());
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), said)
}

/// LOG-4.
#[test]
fn what_is_done_to_a_file_is_named_by_the_command() {
    let (installation, text) = exported();
    let kept = installation.path("kept.json");
    installation.run(&["audit", "checkpoint", "--out", kept.to_str().unwrap()]);
    let key = installation.path("pki/audit.pub");
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
    let half = text.lines().take(30).collect::<Vec<_>>().join("\n") + "\n";
    fs::write(&file, half).unwrap();
    assert_eq!(alone(false).0, 0, "what is cut off at the end shows beside a checkpoint only");
    assert!(alone(true).0 == 1 && alone(true).1.contains("was cut off, with all after it"), "{}", alone(true).1);
    fs::write(&file, "nothing\n").unwrap();
    assert_eq!(alone(false).0, 2);
}

/// LOG-4.
#[test]
fn what_is_done_to_the_store_is_named_by_the_command() {
    let (installation, _) = exported();
    let kept = installation.path("kept.json");
    installation.run(&["audit", "checkpoint", "--out", kept.to_str().unwrap()]);
    let beside = ["--checkpoint", kept.to_str().unwrap()];
    let verify = |arguments: &[&str]| verify(&installation, arguments);
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
