//! What a server tells its callers about themselves, and how the command shows it.

use crate::support::actor::Actor;
use crate::support::objects::tlp;
use crate::support::pki::Ca;
use crate::support::process::{PROGRAM, program};
use crate::support::server::{Setup, Terms};
use crate::support::{EMPTY, NO, RO, RW, Server, WO};
use entente::access::level::Level;
use entente::access::proof::certificate::{Certificate, Name};
use rcgen::SanType;
use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

const WHOAMI: &str = "/x-entente/whoami";

fn collections(answer: &Value) -> Vec<&Value> {
    answer["collections"].as_array().unwrap().iter().collect()
}

fn of<'v>(answer: &'v Value, id: &str) -> &'v Value {
    collections(answer).into_iter().find(|found| found["id"] == id).unwrap()
}

#[test]
fn a_certificates_holder_is_told_who_it_is_and_what_it_may() {
    let server = Server::start();
    let identity = server.ca.client("writer");
    server.register("writer", &identity);
    let certificate = Certificate::read(&identity.chain[0]).unwrap();
    let answer = server.actor_with(Some(identity)).get(WHOAMI).must_be(200).json();
    assert_eq!(answer["organisation"], json!({"name": "writer", "title": "writer"}));
    assert_eq!(answer["credential"]["fingerprint"], certificate.fingerprint.to_string());
    assert_eq!(answer["credential"]["kind"], "key");
    assert!(answer["credential"]["rule"].as_str().unwrap().contains("exactly this key"));
    assert_eq!(answer["certificate"]["subject"], "CN=writer");
    assert_eq!(answer["not_after"], certificate.not_after.to_string());
    assert!([0, 1].contains(&answer["days_left"].as_i64().unwrap()), "{answer}");
    assert_eq!(answer["listener"], "mutual TLS");
    assert_eq!(answer["limits"]["page_size"], 1000);
    let rights = |id: &str| {
        let found = of(&answer, id);
        let right = |name: &str| found[format!("can_{name}").as_str()].as_bool().unwrap();
        ["read", "write", "manage", "relay"].map(right)
    };
    assert_eq!(rights(RW), [true, true, false, true]);
    assert_eq!(rights(RO), [true, false, false, true]);
    assert_eq!(rights(WO), [false, true, false, true]);
    assert_eq!(rights(NO), [false, false, false, true]);
    let readable = of(&answer, RW);
    assert_eq!((&readable["level"], &readable["api_root"]), (&json!("green"), &json!("api1")));
    let markings = readable["markings"].as_array().unwrap();
    assert_eq!(markings.len(), 4, "WHITE and GREEN of TLP 1.0, CLEAR and GREEN of TLP 2.0");
    assert!(markings.contains(&json!(tlp(Level::Green))) && !markings.contains(&json!(tlp(Level::Amber))));
    assert!(readable["why"].as_str().unwrap().contains("grant reads up to green"), "{readable}");
    let unreadable = of(&answer, WO);
    assert_eq!((&unreadable["level"], &unreadable["markings"]), (&Value::Null, &json!([])));
    assert!(unreadable["why"].as_str().unwrap().contains("does not let it read"));
}

#[test]
fn a_caller_is_told_nothing_of_what_is_hidden_from_it() {
    let server = Server::start();
    let outsider = server.actor("outsider").get(WHOAMI).must_be(200);
    assert_eq!(outsider.json()["collections"], json!([]));
    let reader = server.actor("reader").get(WHOAMI).must_be(200);
    assert_eq!(collections(&reader.json()).len(), 6);
    for secret in ["second/root", "Other", "0c455dd5", "manager", "outsider", "writer"] {
        assert!(!reader.text().contains(secret), "{secret}");
    }
    let stranger = server.stranger().get(WHOAMI);
    assert!(stranger.must_fail(401).contains("registered for no organisation"));
}

#[test]
fn a_secrets_holder_is_told_how_far_it_goes() {
    let server = Server::with(Setup::with_fallback());
    let terms = Terms { collections: &[RW, EMPTY], ceiling: Level::Amber, from: &["127.0.0.0/8"], ..Terms::default() };
    let client = server.without_certificate().bearing(&server.secret("manager", &terms));
    let answer = client.get(WHOAMI).must_be(200).json();
    assert_eq!((&answer["listener"], &answer["credential"]["kind"]), (&json!("fallback"), &json!("secret")));
    assert!(answer["credential"]["rule"].as_str().unwrap().contains("127.0.0.0/8"));
    assert_eq!(answer.get("certificate"), None);
    assert_eq!(collections(&answer).len(), 2);
    let found = of(&answer, RW);
    assert_eq!(
        ["level", "can_read", "can_write", "can_manage", "can_relay"].map(|name| found[name].clone()),
        [json!("amber"), json!(true), json!(false), json!(false), json!(false)]
    );
    assert_eq!(found["markings"].as_array().unwrap().len(), 6);
    let why = found["why"].as_str().unwrap();
    assert!(why.contains("grant reads up to red") && why.contains("secret up to amber"), "{why}");
    assert!(why.contains("never leaves by a secret"), "{why}");
}

#[test]
fn the_rule_that_let_a_caller_in_is_named() {
    let server = Server::start();
    server.admin.register_name("reader", None, Name::parse("uri:spiffe://reader/puller").unwrap()).unwrap();
    let identity = server.ca.issue("anything", |parameters| {
        parameters.subject_alt_names = vec![SanType::URI("spiffe://reader/puller".try_into().unwrap())];
    });
    let answer = server.actor_with(Some(identity)).get(WHOAMI).must_be(200).json();
    assert_eq!((&answer["organisation"]["name"], &answer["credential"]["kind"]), (&json!("reader"), &json!("name")));
    assert!(answer["credential"]["rule"].as_str().unwrap().ends_with("exactly the name uri:spiffe://reader/puller"));
}

#[test]
fn the_endpoint_is_no_api_root_and_has_one_method() {
    let server = Server::start();
    let reader = server.actor("reader");
    reader.get("/x-entente/whoami/").must_be(200);
    reader.get("/x-entente/").must_be(404);
    reader.get("/x-entente/whoami/x/").must_be(404);
    reader.get("/X-Entente/whoami").must_be(404);
    assert_eq!(reader.send("POST", WHOAMI, &[], Some(b"{}")).must_be(405).header("allow"), Some("GET, HEAD"));
    for name in ["x-entente", "x-entente/whoami"] {
        assert!(server.admin.add_root(name, "A root").unwrap_err().to_string().contains("choose another name"));
    }
}

/// A member's files: certificate, key, and the CA of the server.
struct Member {
    folder: tempfile::TempDir,
    url: String,
}

impl Member {
    fn new(server: &Server, identity: &crate::support::pki::Identity) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let file = folder.path().join(name);
            fs::write(&file, text).unwrap();
            fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
        };
        write("own.pem", &identity.pem);
        write("own.key", &identity.key.serialize_pem());
        write("ca.pem", &server.ca.pem);
        Self { folder, url: format!("https://localhost:{}", server.address.port()) }
    }

    fn file(&self, name: &str) -> String {
        PathBuf::from(self.folder.path()).join(name).display().to_string()
    }

    fn ask(&self, more: &[&str]) -> Output {
        let (cert, key, ca) = (self.file("own.pem"), self.file("own.key"), self.file("ca.pem"));
        program(&[&["whoami", &self.url, "--cert", &cert, "--key", &key, "--ca", &ca], more].concat())
    }
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What a command that must fail says about it.
#[track_caller]
fn failed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn the_command_shows_it_to_people_and_to_programs() {
    let server = Server::start();
    let identity = server.ca.client("reader");
    server.register("reader", &identity);
    let member = Member::new(&server, &identity);
    let text = said(&member.ask(&[]));
    for expected in
        ["organisation  reader (reader)", "exactly this key", "CN=reader", "days left", "mutual TLS", "up to green"]
    {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let answer: Value = serde_json::from_str(&said(&member.ask(&["--json"]))).unwrap();
    assert_eq!(answer["organisation"]["name"], "reader");
}

#[test]
fn the_command_takes_a_secret_from_a_file_and_from_standard_input() {
    let server = Server::with(Setup::with_fallback());
    let folder = tempfile::tempdir().unwrap();
    let (ca, file) = (folder.path().join("ca.pem"), folder.path().join("secret"));
    fs::write(&ca, &server.ca.pem).unwrap();
    let secret = server.secret("reader", &Terms::default());
    fs::write(&file, format!("{secret}\n")).unwrap();
    let url = format!("https://localhost:{}", server.fallback.unwrap().port());
    let arguments =
        |from: &str| ["whoami", &url, "--ca", ca.to_str().unwrap(), "--secret", from].map(ToOwned::to_owned);
    let shown = said(&Command::new(PROGRAM).args(arguments(file.to_str().unwrap())).output().unwrap());
    assert!(shown.contains("secret, shown from 127.0.0.1/32"), "{shown}");
    let mut child =
        Command::new(PROGRAM).args(arguments("-")).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(secret.as_bytes()).unwrap();
    assert_eq!(said(&child.wait_with_output().unwrap()), shown);
    fs::write(&file, "wrong").unwrap();
    let refusal = failed(&Command::new(PROGRAM).args(arguments(file.to_str().unwrap())).output().unwrap());
    assert!(refusal.contains("401") && refusal.contains("no credentials that are good here"), "{refusal}");
    fs::write(&file, "two\nlines").unwrap();
    let refusal = failed(&Command::new(PROGRAM).args(arguments(file.to_str().unwrap())).output().unwrap());
    assert!(refusal.contains("holds no secret"), "{refusal}");
}

#[test]
fn every_failure_of_the_command_says_what_to_do() {
    let server = Server::start();
    let good = server.ca.client("reader");
    server.register("reader", &good);
    let fail = |member: &Member, more: &[&str], expected: &str| {
        let text = failed(&member.ask(more));
        assert!(text.contains(expected), "{expected}: {text}");
    };
    let member = Member::new(&server, &good);
    let stranger = Member::new(&server, &server.ca.client("stranger"));
    fail(&stranger, &[], "401: the certificate with the key");
    fail(&Member::new(&server, &Ca::new("Another CA").client("x")), &[], "with `anchor add`");
    let server_only = server.ca.issue("reader", |parameters| {
        parameters.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    });
    fail(&Member::new(&server, &server_only), &[], "clientAuth");
    let old = server.ca.issue("reader", |parameters| {
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    fail(&Member::new(&server, &old), &[], "not within its time");
    let foreign = Ca::new("Another CA");
    fs::write(member.file("ca.pem"), &foreign.pem).unwrap();
    fail(&member, &[], "name its CA with --ca");
    let by_address =
        Member { url: format!("https://127.0.0.2:{}", server.address.port()), ..Member::new(&server, &good) };
    fail(&by_address, &[], "no connection to 127.0.0.2");
    for url in ["http://localhost", "localhost:6443", "nonsense"] {
        fail(&Member { url: url.to_owned(), ..Member::new(&server, &good) }, &[], "write https://HOST:PORT");
    }
    let ops = format!("https://localhost:{}", server.ops.unwrap().port());
    fail(&Member { url: ops, ..Member::new(&server, &good) }, &[], "is that where it listens?");
    let without = Member::new(&server, &good);
    let secret = without.file("secret");
    fs::write(&secret, "entente_x").unwrap();
    let output = program(&["whoami", &without.url, "--ca", &without.file("ca.pem"), "--secret", &secret]);
    assert!(failed(&output).contains("it wants a client certificate"), "{output:?}");
    let swapped = Member::new(&server, &good);
    fs::write(swapped.file("own.key"), stranger_key(&server)).unwrap();
    fail(&swapped, &[], "is not the key of");
}

fn stranger_key(server: &Server) -> String {
    server.ca.client("stranger").key.serialize_pem()
}

#[test]
fn the_certificate_that_is_asked_with_is_the_one_that_is_told_of() {
    let server = Server::start();
    let identity = server.ca.client("reader");
    server.register("reader", &identity);
    let renewed = server.ca.renew("reader 2", &identity);
    let answer = Actor::new(server.address, &server.ca, Some(renewed)).get(WHOAMI).must_be(200).json();
    assert_eq!(answer["certificate"]["subject"], "CN=reader 2");
}
