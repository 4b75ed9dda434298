//! Who is asking, and what they may.

use crate::support::actor::{Actor, Connection, TAXII, ask, read_answer, request};
use crate::support::clock::Turnable;
use crate::support::endpoints::{self, Endpoint};
use crate::support::objects::{envelope, id, indicator, marked};
use crate::support::server::{Setup, collection, manifest, object, objects, versions};
use crate::support::{Answer, MISSING, NO, RO, RW, Server, WO};
use entente::access::level::Level;
use entente::access::proof::certificate::Certificate;
use entente::clock::stopwatch;
use entente::exchange::Rights;
use serde_json::json;
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::time::Duration;

const UNKNOWN: &str = "2d086da7-4bdc-4f91-900e-d77486753710";

#[expect(clippy::unnecessary_wraps, reason = "as grants take it")]
fn rights(read: Option<Level>, write: bool, manage: bool) -> Option<Rights> {
    Some(Rights { read, write, manage, relay: true })
}

/// Rows: TLS-10, AUTH-4, AUTH-5, AUTH-16, COMPAT-13.
#[test]
fn a_valid_certificate_that_nobody_registered_is_told_so() {
    let server = Server::seeded();
    let stranger = server.stranger();
    for endpoint in endpoints::all(RW, &id("indicator", 1), UNKNOWN) {
        let answer = endpoint.ask(&stranger);
        assert_eq!(answer.header("www-authenticate"), Some("TLS-Client-Certificate realm=\"entente\""));
        assert_eq!(answer.json()["title"], "Unauthorized");
        assert!(answer.must_fail(401).contains("is registered for no organisation"), "{endpoint:?}");
    }
}

/// Rows: AUTH-6.
#[test]
fn nothing_is_looked_at_before_it_is_known_who_asks() {
    let server = Server::seeded();
    let stranger = server.stranger();
    let known = endpoints::all(RW, &id("indicator", 1), UNKNOWN);
    let unknown = endpoints::all(MISSING, &id("indicator", 1), UNKNOWN);
    let odd = [("PUT", "/taxii2/"), ("GET", "/nowhere/"), ("GET", "/api1/%/")];
    let odd = odd.map(|(method, path)| Endpoint { method, path: path.to_owned() });
    let mut answers = BTreeSet::new();
    for endpoint in known.into_iter().chain(unknown).chain(odd) {
        answers.insert(endpoint.ask(&stranger).must_fail(401));
        answers.insert(endpoint.ask_with(&stranger, &[("Accept", "text/html")]).must_fail(401));
    }
    for (content_type, body) in [("text/plain", "{"), (TAXII, "{")] {
        answers.insert(
            stranger
                .send("POST", &objects(RW), &[("Content-Type", content_type)], Some(body.as_bytes()))
                .must_fail(401),
        );
    }
    assert_eq!(answers.len(), 1);
}

/// Rows: AUTH-3, TLS-9.
#[test]
fn the_key_is_the_identity_and_names_are_only_text() {
    let server = Server::start();
    let identity = server.ca.client("reader");
    server.register("reader", &identity);
    server.actor_with(Some(server.ca.renew("another name", &identity))).get("/api1/").must_be(200);
    server.actor_with(Some(server.ca.client("reader"))).get("/api1/").must_be(401);
}

#[test]
fn one_key_speaks_for_one_organisation() {
    let server = Server::start();
    let identity = server.ca.client("reader");
    server.register("reader", &identity);
    let again = Certificate::read(&server.ca.renew("writer", &identity).chain[0]).unwrap();
    let refusal = server.admin.register("writer", &again).unwrap_err().to_string();
    assert!(refusal.contains("one key speaks for one only"), "{refusal}");
    server.actor_with(Some(identity)).post(&objects(RW), &envelope(&[indicator(1, 1)])).must_be(403);
}

fn read(connection: &mut Connection, path: &str) -> u16 {
    ask(connection, "GET", path, &[("Accept", TAXII)], None).status
}

#[test]
fn a_revoked_certificate_is_refused_on_the_next_request_of_a_live_connection_and_for_good() {
    for in_memory in [true, false] {
        let server = Server::with(Setup { in_memory, ..Setup::default() });
        let identity = server.ca.client("reader");
        server.register("reader", &identity);
        let mut live = server.actor_with(Some(identity.clone())).connect().unwrap();
        assert_eq!(read(&mut live, &objects(RW)), 200);
        let fingerprint = Certificate::read(&identity.chain[0]).unwrap().fingerprint.to_string();
        server.admin.revoke("reader", &fingerprint).unwrap();
        assert_eq!(read(&mut live, &objects(RW)), 401);
        let certificate = Certificate::read(&identity.chain[0]).unwrap();
        let refusal = server.admin.register("reader", &certificate).unwrap_err().to_string();
        assert!(refusal.contains("was revoked"), "{refusal}");
    }
}

#[test]
fn a_certificate_that_runs_out_is_refused_on_a_live_connection() {
    let clock = Turnable::default();
    let server = Server::with(Setup { clock: clock.clock(), in_memory: true, ..Setup::default() });
    let mut live = server.actor("reader").connect().unwrap();
    assert_eq!(read(&mut live, "/api1/"), 200);
    clock.turn_on(2 * 86_400);
    let answer = ask(&mut live, "GET", "/api1/", &[("Accept", TAXII)], None);
    assert!(answer.must_fail(401).contains("certificate expired"));
}

#[test]
fn a_change_of_rights_holds_from_the_next_request_on() {
    for in_memory in [true, false] {
        let server = Server::with(Setup { in_memory, ..Setup::default() });
        let mut live = server.actor("outsider").connect().unwrap();
        assert_eq!(read(&mut live, &objects(RW)), 404);
        for (given, expected) in [
            (rights(None, true, false), 403),
            (rights(Some(Level::Clear), false, false), 200),
            (rights(None, false, false), 403),
            (None, 404),
        ] {
            server.admin.grant("outsider", RW, given).unwrap();
            assert_eq!(read(&mut live, &objects(RW)), expected, "{given:?}");
            assert_eq!(read(&mut live, "/api1/"), if given.is_some() { 200 } else { 404 });
        }
    }
}

/// Rows: AUTH-7, AUTH-8, AUTH-9, COL-6, SEC-8.
#[test]
fn rights_decide_as_the_standards_tables_say() {
    let server = Server::start();
    let (writer, manager) = (server.actor("writer"), server.actor("manager"));
    writer.post(&objects(RW), &envelope(&[indicator(1, 1)])).must_be(202);
    for id in [RO, WO, NO] {
        manager.post(&objects(id), &envelope(&[indicator(1, 1)])).must_be(202);
    }
    // Collection, manifest, objects, POST, object, versions, DELETE.
    for (id, expected) in [
        (RW, [200, 200, 200, 202, 200, 200, 200]),
        (RO, [200, 200, 200, 403, 200, 200, 403]),
        (WO, [200, 403, 403, 202, 403, 403, 403]),
        (NO, [200, 403, 403, 403, 403, 403, 404]),
        (MISSING, [404; 7]),
    ] {
        let endpoints = endpoints::of_collection(id, &crate::support::objects::id("indicator", 1));
        let statuses: Vec<u16> = endpoints.iter().map(|endpoint| endpoint.ask(&writer).status).collect();
        assert_eq!(statuses, expected, "{id}");
    }
}

/// An answer, to the octet, but for what differs each time.
fn octets(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let error_id = answer.json()["error_id"].as_str().unwrap().to_owned();
    (answer.status, answer.stable_headers(), answer.text().replace(&error_id, "…"))
}

/// Rows: AUTH-14, SEC-4.
#[test]
fn what_is_hidden_and_what_is_absent_get_the_same_answer_to_the_octet() {
    let server = Server::seeded();
    let (outsider, reader, writer, manager) =
        (server.actor("outsider"), server.actor("reader"), server.actor("writer"), server.actor("manager"));
    let added = manager.post(&objects(RW), &envelope(&[marked(50, 1, Level::Red)])).must_be(202);
    let status = added.json()["id"].as_str().unwrap().to_owned();
    let (hidden, absent) = (id("indicator", 50), id("indicator", 51));
    let mut pairs: Vec<(&Actor, Endpoint, Endpoint)> = Vec::new();
    let known = endpoints::of_collection(RW, &hidden).into_iter();
    pairs.extend(
        known.zip(endpoints::of_collection(MISSING, &hidden)).map(|(hidden, absent)| (&outsider, hidden, absent)),
    );
    let get = |path: &str| Endpoint { method: "GET", path: path.to_owned() };
    for below in ["", "collections/", "status/x/", "collections/x/"] {
        pairs.push((&reader, get(&format!("/second/root/{below}")), get(&format!("/third/root/{below}"))));
    }
    for method in ["PUT", "POST", "DELETE"] {
        let wrong = |path: String| Endpoint { method, path };
        pairs.push((&outsider, wrong(manifest(RW)), wrong(manifest(MISSING))));
    }
    for method in ["GET", "DELETE"] {
        let of = |object_id: &str| Endpoint { method, path: object(RW, object_id) };
        pairs.push((&writer, of(&hidden), of(&absent)));
    }
    pairs.push((&writer, get(&versions(RW, &hidden)), get(&versions(RW, &absent))));
    pairs.push((&writer, get(&format!("/api1/status/{status}/")), get(&format!("/api1/status/{UNKNOWN}/"))));
    for (actor, hidden, absent) in pairs {
        let answer = hidden.ask(actor);
        assert_eq!(answer.status, 404, "{hidden:?}");
        assert_eq!(octets(&answer), octets(&absent.ask(actor)), "{hidden:?}");
    }
    manager.get(&object(RW, &hidden)).must_be(200);
}

#[test]
fn only_the_owner_of_an_id_and_managers_add_versions_of_it() {
    let server = Server::start();
    let (writer, outsider, manager) = (server.actor("writer"), server.actor("outsider"), server.actor("manager"));
    server.admin.grant("outsider", RW, rights(Some(Level::Green), true, false)).unwrap();
    writer.post(&objects(RW), &envelope(&[indicator(1, 1), marked(2, 1, Level::Red)])).must_be(202);
    let refused = outsider.post(&objects(RW), &envelope(&[indicator(1, 2), indicator(2, 2)])).must_be(202).json();
    let message =
        |at: usize| refused["failures"][at]["message"].as_str().unwrap().replace(&format!("/objects/{at}/"), "");
    assert!(message(0).contains("belongs to another organisation"));
    assert_eq!(message(0), message(1), "the one it cannot see is no different");
    assert_eq!(manager.post(&objects(RW), &envelope(&[indicator(1, 3)])).json()["success_count"], 1);
    assert_eq!(writer.post(&objects(RW), &envelope(&[indicator(1, 4)])).json()["success_count"], 1);
    let held = writer.get(&versions(RW, &id("indicator", 1))).list("versions");
    assert_eq!(held, ["1", "3", "4"].map(|second| json!(format!("2024-01-01T00:00:0{second}.000Z"))));
}

#[test]
fn only_the_owner_of_an_id_and_managers_delete_it() {
    let server = Server::start();
    let (writer, outsider, manager) = (server.actor("writer"), server.actor("outsider"), server.actor("manager"));
    server.admin.grant("outsider", RW, rights(Some(Level::Green), true, false)).unwrap();
    writer.post(&objects(RW), &envelope(&[indicator(1, 1), indicator(2, 1)])).must_be(202);
    let (first, second) = (object(RW, &id("indicator", 1)), object(RW, &id("indicator", 2)));
    outsider.delete(&first).must_be(403);
    outsider.get(&first).must_be(200);
    writer.delete(&first).must_be(200);
    manager.delete(&second).must_be(200);
    for gone in [first, second] {
        outsider.get(&gone).must_be(404);
    }
}

/// Rows: AUTH-10.
#[test]
fn a_caller_sees_what_is_marked_up_to_its_level_and_what_it_owns() {
    let server = Server::start();
    let (writer, outsider, manager) = (server.actor("writer"), server.actor("outsider"), server.actor("manager"));
    let each: Vec<String> = (1..).zip(Level::ALL).map(|(n, level)| marked(n, 1, level)).collect();
    manager.post(&objects(RW), &envelope(&each)).must_be(202);
    for level in Level::ALL {
        server.admin.grant("outsider", RW, rights(Some(level), false, false)).unwrap();
        let expected: BTreeSet<String> = (1..=usize::from(level.rank()) + 1).map(|n| id("indicator", n)).collect();
        for path in [objects(RW), manifest(RW)] {
            assert_eq!(outsider.get(&path).ids().into_iter().collect::<BTreeSet<_>>(), expected, "{level} {path}");
        }
    }
    writer.post(&objects(RW), &envelope(&[marked(9, 1, Level::Red)])).must_be(202);
    let ids = |actor: &Actor| actor.get(&objects(RW)).ids();
    assert!(ids(&writer).contains(&id("indicator", 9)));
    server.admin.grant("outsider", RW, rights(Some(Level::AmberStrict), false, false)).unwrap();
    assert!(!ids(&outsider).contains(&id("indicator", 9)));
}

/// Rows: SEC-1.
#[test]
fn a_cursor_is_good_for_the_one_it_was_given_to_and_nobody_else() {
    let server = Server::seeded();
    let (reader, manager) = (server.actor("reader"), server.actor("manager"));
    let next = manager.get(&format!("{}?limit=2", objects(RW))).next().unwrap();
    let with = |path: String| format!("{path}?next={next}");
    manager.get(&with(objects(RW))).must_be(200);
    for (actor, path) in [(&reader, objects(RW)), (&manager, objects(RO)), (&manager, manifest(RW))] {
        assert!(actor.get(&with(path)).must_fail(400).contains("next"));
    }
}

#[test]
fn an_authorization_header_beside_a_certificate_changes_nothing() {
    let server = Server::start();
    let (reader, stranger) = (server.actor("reader"), server.stranger());
    let collection = reader.get(&collection(RW)).text();
    for header in [
        ("Authorization", "Basic d3JpdGVyOnNlY3JldA=="),
        ("Authorization", "basic !!!"),
        ("Authorization", "Bearer e30.e30."),
        ("Authorization", "Token 0123"),
        ("Authorization", ""),
        ("x-api-key", "0123"),
    ] {
        let path = crate::support::server::collection(RW);
        assert_eq!(reader.get_with(&path, &[("Accept", TAXII), header]).must_be(200).text(), collection, "{header:?}");
        stranger.get_with(&path, &[("Accept", TAXII), header]).must_be(401);
    }
}

/// Rows: AUTH-13.
#[test]
fn every_read_is_in_the_audit_trail() {
    let server = Server::seeded();
    server.actor("reader").get(&format!("{}?match[type]=malware", manifest(RW))).must_be(200);
    let trail = rusqlite::Connection::open(server.path().join("data/entente.db")).unwrap();
    let sql = "SELECT entry FROM audit WHERE entry LIKE '%\"action\":\"read\"%'";
    let begun = stopwatch();
    let entry: String = loop {
        match trail.query_row(sql, [], |row| row.get(0)) {
            Ok(entry) => break entry,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(10), "{error}"),
        }
    };
    for expected in
        ["\"organisation\":\"reader\"", RW, "\"resource\":\"manifest\"", "malware", "\"items\":1", "\"credential\""]
    {
        assert!(entry.contains(expected), "{entry}");
    }
}

#[test]
fn rights_that_end_while_a_body_comes_are_gone_when_it_is_whole() {
    let server = Server::start();
    let writer = server.actor("writer");
    let body = envelope(&[indicator(1, 1)]);
    let headers = [("Accept", TAXII), ("Content-Type", TAXII), ("Expect", "100-continue")];
    let octets = request("POST", &objects(RW), &headers, Some(body.as_bytes()));
    let (begun, rest) = octets.split_at(octets.len() - body.len());
    let mut connection = writer.connect().unwrap();
    connection.write_all(begun).unwrap();
    let mut go_on = [0; 25];
    connection.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    server.admin.grant("writer", RW, rights(Some(Level::Green), false, false)).unwrap();
    connection.write_all(rest).unwrap();
    read_answer(&mut connection, false).unwrap().must_fail(403);
    assert_eq!(writer.get(&objects(RW)).must_be(200).text(), "{}");
}
