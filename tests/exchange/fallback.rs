//! The fallback listener: who has no certificate, and shows a secret.

use crate::support::actor::{Actor, Connection, TAXII, ask, request};
use crate::support::clock::Turnable;
use crate::support::endpoints;
use crate::support::objects::{envelope, id, indicator, marked};
use crate::support::server::{Setup, Terms, collection, manifest, object, objects};
use crate::support::trail::{Trail, until};
use crate::support::{Answer, MISSING, NO, RO, RW, Server, WO};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use entente::access::credential::{Credential, Proof};
use entente::access::level::Level;
use entente::access::proof::certificate::Certificate;
use entente::access::proof::secret;
use entente::clock::Clock;
use entente::exchange::{Exchange, Rights, Settings};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

const CHALLENGES: [&str; 2] = [r#"Basic realm="entente", charset="UTF-8""#, r#"Bearer realm="entente""#];

fn start() -> Server {
    Server::with(Setup::with_fallback())
}

fn basic(scheme: &str, pair: &str) -> String {
    format!("{scheme} {}", STANDARD.encode(pair))
}

/// The words of a refusal, which are the same for all, and its challenges.
#[track_caller]
fn refused(answer: Answer) -> String {
    assert_eq!(answer.values("www-authenticate"), CHALLENGES);
    assert_eq!(answer.header("location"), None);
    // The next try costs another handshake.
    assert_eq!(answer.header("connection"), Some("close"));
    answer.must_fail(401)
}

/// Rows: AUTH-2.
#[test]
fn there_is_no_such_listener_unless_the_operator_wants_one() {
    assert_eq!(Server::start().fallback, None);
}

#[test]
fn a_fresh_server_has_no_secret_and_no_guess_is_let_in() {
    let server = start();
    assert!(server.admin.overview().unwrap().registry.credentials.is_empty());
    let nobody = server.without_certificate();
    let mut words = BTreeSet::from([refused(nobody.get("/taxii2/"))]);
    for pair in
        ["admin:admin", "entente:entente", ":", "admin:", ":admin", "reader:", "operator:changeme", "a:entente_"]
    {
        words.insert(refused(nobody.showing("Authorization", &basic("Basic", pair)).get("/taxii2/")));
    }
    assert_eq!(words.len(), 1);
}

#[test]
fn a_hundred_thousand_guesses_let_nobody_in() {
    let server = start();
    let exchange = Exchange::new(Arc::clone(&server.store), Clock::system(), Settings::default(), "").unwrap();
    let exchange = Arc::new(exchange);
    let guesses = |tries: u32| {
        let good = (0..tries).filter(|n| {
            let hash = secret::hash(&format!("entente_{n}"));
            exchange.sign_in_with_secret(&hash, ([127, 0, 0, 1], 1).into()).is_ok()
        });
        good.count()
    };
    assert_eq!(guesses(10_000), 0, "where there is no secret");
    let known = server.secret("reader", &Terms::default());
    assert_eq!(guesses(90_000), 0, "where there is one");
    exchange.sign_in_with_secret(&secret::hash(&known), ([127, 0, 0, 1], 1).into()).unwrap();
}

/// Rows: AUTH-1, AUTH-3.
#[test]
fn a_secret_is_taken_however_clients_send_it() {
    let server = start();
    let secret = server.secret("reader", &Terms::default());
    let nobody = server.without_certificate();
    for value in [
        basic("Basic", &format!("sentinel:{secret}")),
        basic("basic", &format!(":{secret}")),
        basic("BASIC", &format!("{secret}:")),
        basic("Basic", &format!("reader:{secret}")).trim_end_matches('=').to_owned(),
        format!("Bearer {secret}"),
        format!("bEARER {secret}"),
        format!("Token {secret}"),
    ] {
        nobody.showing("Authorization", &value).get(&objects(RW)).must_be(200);
    }
    nobody.showing("x-api-key", &secret).get(&objects(RW)).must_be(200);
    nobody.bearing(&secret).showing("X-API-Key", &secret).get(&objects(RW)).must_be(200);
    nobody.showing("X-API-Key", &secret).showing("Authorization", "Basic Og==").get(&objects(RW)).must_be(200);
    for wrong in [
        nobody.showing("Authorization", &secret),
        nobody.showing("Authorization", &format!("Digest {secret}")),
        nobody.showing("Authorization", &format!("Basic {secret}")),
        nobody.showing("X-Other-Key", &secret),
        nobody.showing("Cookie", &format!("secret={secret}")),
        nobody.bearing(&secret.to_uppercase()),
        nobody.bearing(&secret[1..]),
    ] {
        refused(wrong.get(&objects(RW)));
    }
    refused(nobody.get(&format!("{}?secret={secret}&api_key={secret}", objects(RW))));
}

#[test]
fn different_credentials_in_one_request_are_nobodys() {
    let server = start();
    let (one, other) = (server.secret("reader", &Terms::default()), server.secret("writer", &Terms::default()));
    let nobody = server.without_certificate();
    refused(nobody.bearing(&one).showing("X-API-Key", &other).get(&objects(RW)));
    refused(nobody.bearing(&one).bearing(&other).get(&objects(RW)));
    refused(nobody.bearing(&one).bearing("undefined").get(&objects(RW)));
    refused(nobody.bearing(&one).showing("X-API-Key", "undefined").get(&objects(RW)));
}

#[test]
fn whatever_is_wrong_with_a_secret_its_holder_is_told_the_same() {
    let clock = Turnable::default();
    let server = Server::with(Setup { clock: clock.clock(), ..Setup::with_fallback() });
    let nobody = server.without_certificate();
    let foreign = server.secret("reader", &Terms { from: &["192.0.2.0/24", "127.0.0.2"], ..Terms::default() });
    nobody.bearing(&foreign).from([127, 0, 0, 2]).get(&objects(RW)).must_be(200);
    let revoked = server.secret("reader", &Terms::default());
    let ended = server.secret("reader", &Terms::default());
    let suspended = server.secret("writer", &Terms::default());
    for secret in [&revoked, &ended, &suspended] {
        nobody.bearing(secret).get(&objects(RW)).must_be(200);
    }
    let registry = server.admin.overview().unwrap().registry;
    let keys: Vec<String> = registry.credentials.iter().map(|own| own.fingerprint().to_string()).collect();
    server.admin.revoke("reader", &keys[1]).unwrap();
    server.admin.suspend("writer", true).unwrap();
    let mut answers = BTreeSet::new();
    let mut told = |actor: &Actor| {
        let answer = actor.get(&objects(RW));
        let mut headers = answer.stable_headers();
        headers.retain(|(name, _)| name != "content-length");
        answers.insert((headers, refused(answer)));
    };
    told(&nobody.bearing(&foreign));
    told(&nobody.bearing(&revoked));
    told(&nobody.bearing(&suspended));
    told(&nobody.bearing("entente_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
    clock.turn_on(2 * 86_400);
    told(&nobody.bearing(&ended));
    assert_eq!(answers.len(), 1, "{answers:?}");
    // The operator is told whose it is, and of each by itself.
    let trail = Trail::of(&server);
    until("all are told", || trail.all("refusal").len() >= 5);
    let text = |entry: &Value, member: &str| entry[member].as_str().map(ToOwned::to_owned);
    let told: Vec<_> = trail
        .all("refusal")
        .iter()
        .map(|entry| ["reason", "organisation", "credential"].map(|name| text(entry, name)))
        .collect();
    let expected = |reason: &str, whose: Option<(&str, usize)>| {
        let (organisation, key) =
            whose.map_or((None, None), |(name, at)| (Some(name.to_owned()), Some(keys[at].clone())));
        [Some(reason.to_owned()), organisation, key]
    };
    assert_eq!(
        told,
        [
            expected("foreign_address", Some(("reader", 0))),
            expected("revoked", Some(("reader", 1))),
            expected("suspended", Some(("writer", 3))),
            expected("unregistered", None),
            expected("not_valid_now", Some(("reader", 2))),
        ]
    );
}

/// Rows: AUTH-4, AUTH-5, AUTH-6, AUTH-16, COMPAT-13.
#[test]
fn nothing_is_looked_at_before_a_secret_is_good() {
    let server = start();
    let nobody = server.without_certificate();
    let mut answers = BTreeSet::new();
    for root in [RW, MISSING] {
        for endpoint in endpoints::all(root, &id("indicator", 1), MISSING) {
            answers.insert(refused(endpoint.ask(&nobody)));
        }
    }
    for path in ["/", "/nowhere/", "/x-entente/whoami", "/login", "/api1/%/"] {
        answers.insert(refused(nobody.get(path)));
        answers.insert(refused(nobody.send("OPTIONS", path, &[], None)));
    }
    assert_eq!(answers.len(), 1);
}

#[test]
fn a_secret_reaches_its_own_collections_and_no_others_exist_for_it() {
    let server = start();
    let secret = server.secret("manager", &Terms { collections: &[RW, RO], write: true, ..Terms::default() });
    let client = server.without_certificate().bearing(&secret);
    let root = format!("https://localhost:{}/api1/", server.fallback.unwrap().port());
    let discovery = client.get("/taxii2/").must_be(200).json();
    assert_eq!(discovery["api_roots"], serde_json::json!([root]), "on this listener");
    client.get("/second/root/").must_be(404);
    let listed = client.get("/api1/collections/").list("collections");
    let ids: BTreeSet<&str> = listed.iter().map(|found| found["id"].as_str().unwrap()).collect();
    assert_eq!(ids, BTreeSet::from([RW, RO]));
    for hidden in [WO, NO, MISSING] {
        for endpoint in endpoints::of_collection(hidden, &id("indicator", 1)) {
            endpoint.ask(&client).must_be(404);
        }
    }
}

#[test]
fn a_secret_reads_up_to_its_ceiling_and_never_red_not_even_its_own() {
    for in_memory in [true, false] {
        let server = Server::with(Setup { in_memory, ..Setup::with_fallback() });
        let manager = server.actor("manager");
        for (n, level) in Level::ALL.into_iter().enumerate() {
            manager.post(&objects(RW), &envelope(&[marked(n, 1, level)])).must_be(202);
        }
        let seen = |terms: &Terms, organisation: &str| {
            let client = server.without_certificate().bearing(&server.secret(organisation, terms));
            let seen = client.get(&objects(RW)).must_be(200).ids().len();
            assert_eq!(client.get(&manifest(RW)).ids().len(), seen);
            for n in 0..Level::ALL.len() {
                let answer = client.get(&object(RW, &id("indicator", n)));
                assert_eq!(answer.status, if n < seen { 200 } else { 404 }, "{n} of {seen}");
            }
            seen
        };
        for ceiling in [Level::Clear, Level::Green, Level::Amber, Level::AmberStrict] {
            let terms = Terms { ceiling, write: true, ..Terms::default() };
            assert_eq!(seen(&terms, "manager"), usize::from(ceiling.rank()) + 1, "of its own, {ceiling}");
            assert_eq!(seen(&terms, "reader"), usize::from(ceiling.rank().min(1)) + 1, "as its grant says, {ceiling}");
        }
        assert_eq!(manager.get(&objects(RW)).ids().len(), 5);
    }
}

#[test]
fn no_secret_is_made_that_reads_red() {
    let server = start();
    let all = Terms { ceiling: Level::Red, ..Terms::default() };
    let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| server.secret("manager", &all)));
    assert!(made.is_err());
}

#[test]
fn a_secret_writes_only_if_it_says_so_and_never_manages() {
    let server = start();
    let writer = server.actor("writer");
    writer.post(&objects(RW), &envelope(&[indicator(1, 1)])).must_be(202);
    let nobody = server.without_certificate();
    let reading = nobody.bearing(&server.secret("manager", &Terms::default()));
    reading.post(&objects(RW), &envelope(&[indicator(2, 1)])).must_fail(403);
    reading.delete(&object(RW, &id("indicator", 1))).must_fail(403);
    assert_eq!(reading.get(&collection(RW)).json()["can_write"], false);

    let writing = nobody.bearing(&server.secret("manager", &Terms { write: true, ..Terms::default() }));
    assert_eq!(writing.get(&collection(RW)).json()["can_write"], true);
    let status = writing.post(&objects(RW), &envelope(&[indicator(1, 2), indicator(2, 1)])).must_be(202).json();
    assert_eq!((&status["success_count"], &status["failure_count"]), (&1.into(), &1.into()), "{status}");
    writing.delete(&object(RW, &id("indicator", 1))).must_fail(403);
    let manager = server.actor("manager");
    manager.post(&objects(RW), &envelope(&[indicator(1, 3)])).must_be(202);
    writing.delete(&object(RW, &id("indicator", 2))).must_be(200);

    let without_right = nobody.bearing(&server.secret("reader", &Terms { write: true, ..Terms::default() }));
    without_right.post(&objects(RW), &envelope(&[indicator(3, 1)])).must_fail(403);
}

#[test]
fn statuses_are_for_secrets_that_write_in_their_collection() {
    let server = start();
    let writer = server.actor("writer");
    let status = |path: &str| {
        let status = writer.post(path, &envelope(&[indicator(1, 1)])).must_be(202).json();
        format!("/api1/status/{}/", status["id"].as_str().unwrap())
    };
    let (here, elsewhere) = (status(&objects(RW)), status(&objects(WO)));
    let nobody = server.without_certificate();
    let writing = nobody.bearing(&server.secret("writer", &Terms { write: true, ..Terms::default() }));
    writing.get(&here).must_be(200);
    writing.get(&elsewhere).must_be(404);
    nobody.bearing(&server.secret("writer", &Terms::default())).get(&here).must_be(404);
    let manager = nobody.bearing(&server.secret("manager", &Terms { write: true, ..Terms::default() }));
    manager.get(&here).must_be(404);
}

#[test]
fn every_endpoint_answers_here_as_it_does_to_a_certificate() {
    let server = start();
    let writer = server.actor("writer");
    for n in 1..=3 {
        writer.post(&objects(RW), &envelope(&[indicator(n, 1)])).must_be(202);
    }
    let status = writer.post(&objects(RW), &envelope(&[indicator(4, 1)])).must_be(202).json();
    let status = status["id"].as_str().unwrap();
    let secret = server.secret("writer", &Terms { write: true, ..Terms::default() });
    let client = server.without_certificate().bearing(&secret);
    let port =
        |text: String| text.replace(&server.fallback.unwrap().port().to_string(), &server.address.port().to_string());
    for endpoint in endpoints::all(RW, &id("indicator", 2), status) {
        let (here, there) = match endpoint.method {
            // What deletes is asked once; the listing has other collections elsewhere.
            "DELETE" => (endpoint.ask(&client).must_be(200), None),
            _ if endpoint.path == "/taxii2/" || endpoint.path == "/api1/collections/" => (endpoint.ask(&client), None),
            "POST" => (endpoint.ask(&client).must_be(202), None),
            _ => (endpoint.ask(&client), Some(endpoint.ask(&writer))),
        };
        assert_eq!(here.status, endpoint.good(), "{endpoint:?}");
        if let Some(there) = there {
            assert_eq!(port(here.text()), there.text(), "{endpoint:?}");
            assert_eq!(here.stable_headers(), there.stable_headers(), "{endpoint:?}");
        }
    }
}

#[test]
fn the_listener_for_certificates_takes_no_secret_and_passes_over_what_says_that_it_is_one() {
    let server = start();
    let secret = server.secret("manager", &Terms { write: true, ..Terms::default() });
    // No certificate, no HTTP: whatever would have been said.
    server.actor_with(None).refusal();
    server.stranger().bearing(&secret).get("/taxii2/").must_be(401);
    server.stranger().showing("X-API-Key", &secret).get("/taxii2/").must_be(401);
    let reader = server.actor("reader");
    for value in
        ["Bearer undefined", "Basic Og==", "Basic", "None", "Bearer [object Object]", &format!("Bearer {secret}")]
    {
        let reader = reader.showing("Authorization", value);
        reader.get(&objects(RW)).must_be(200);
        reader.post(&objects(RW), &envelope(&[indicator(1, 1)])).must_be(403);
    }
}

#[test]
fn a_certificate_is_nothing_to_the_fallback_listener() {
    let server = start();
    let identity = server.ca.client("reader");
    server.register("reader", &identity);
    let with_certificate = Actor::new(server.fallback.unwrap(), &server.ca, Some(identity));
    refused(with_certificate.get("/taxii2/"));
    let secret = server.secret("writer", &Terms::default());
    let answer = with_certificate.bearing(&secret).get("/x-entente/whoami").must_be(200).json();
    assert_eq!(answer["organisation"]["name"], "writer");
}

#[test]
fn a_change_counts_from_the_next_request_on_a_live_connection() {
    let server = start();
    let secret = server.secret("writer", &Terms::default());
    let bearer = format!("Bearer {secret}");
    let mut live = server.without_certificate().connect().unwrap();
    let mut get = || ask(&mut live, "GET", &objects(RW), &[("Authorization", &bearer)], None).status;
    assert_eq!(get(), 200);
    let write_only = Rights { read: None, write: true, manage: false, relay: false };
    server.admin.grant("writer", RW, Some(write_only)).unwrap();
    assert_eq!(get(), 403);
    let fingerprint = server.admin.overview().unwrap().registry.credentials[0].fingerprint().to_string();
    server.admin.revoke("writer", &fingerprint).unwrap();
    assert_eq!(get(), 401);
}

#[test]
fn a_secret_that_is_revoked_while_a_body_comes_adds_nothing() {
    let server = start();
    let secret = server.secret("writer", &Terms { write: true, ..Terms::default() });
    let body = envelope(&[indicator(1, 1)]);
    let bearer = format!("Bearer {secret}");
    let headers = [("Content-Type", TAXII), ("Authorization", bearer.as_str()), ("Expect", "100-continue")];
    let octets = request("POST", &objects(RW), &headers, Some(body.as_bytes()));
    let mut connection = server.without_certificate().connect().unwrap();
    connection.write_all(&octets[..octets.len() - body.len()]).unwrap();
    let mut go_on = [0; 25];
    connection.read_exact(&mut go_on).unwrap();
    let fingerprint = server.admin.overview().unwrap().registry.credentials[0].fingerprint().to_string();
    server.admin.revoke("writer", &fingerprint).unwrap();
    connection.write_all(body.as_bytes()).unwrap();
    refused(crate::support::actor::read_answer(&mut connection, false).unwrap());
    assert!(server.actor("writer").get(&objects(RW)).ids().is_empty());
}

#[test]
fn who_fails_too_often_is_told_to_come_back_later_and_a_good_secret_beside_it_is_not() {
    let server = start();
    let secret = server.secret("reader", &Terms::default());
    let foreign = server.secret("writer", &Terms { from: &["192.0.2.1"], ..Terms::default() });
    let nobody = server.without_certificate();
    for n in 0..20 {
        refused(nobody.bearing(&format!("guess {n}")).get("/taxii2/"));
    }
    for n in 0..3 {
        let answer = nobody.bearing(&format!("another guess {n}")).get("/taxii2/");
        let wait: u32 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
        assert!(answer.must_fail(429).contains("sign_in_failures"));
        // Who asks how to sign in, and who can, is not kept out by its neighbours.
        refused(nobody.get("/taxii2/"));
        nobody.bearing(&secret).get("/taxii2/").must_be(200);
    }
    assert!(server.metrics().contains(r#"entente_throttled_total{limit="sign_in_failures"} 3"#));
    // A secret that is not good where it comes from is counted wherever that is.
    let from = |n: u8| nobody.from([127, 0, 1, n]).bearing(&foreign).get("/taxii2/").status;
    let statuses: Vec<u16> = (1..=22).map(from).collect();
    assert_eq!(statuses, [vec![401; 20], vec![429; 2]].concat());
}

#[test]
fn what_was_done_with_a_secret_is_recorded_by_its_fingerprint() {
    let server = start();
    let secret = server.secret("reader", &Terms::default());
    server.without_certificate().bearing(&secret).get(&objects(RW)).must_be(200);
    server.without_certificate().bearing(&format!("{secret}x")).get(&objects(RW)).must_be(401);
    let credential = server.admin.overview().unwrap().registry.credentials[0].clone();
    let trail = rusqlite::Connection::open(server.path().join("data/entente.db")).unwrap();
    let sql = "SELECT group_concat(entry) FROM audit WHERE entry LIKE '%\"action\":\"read\"%'";
    let begun = entente::clock::stopwatch();
    let entries: String = loop {
        match trail.query_row(sql, [], |row| row.get(0)) {
            Ok(entries) => break entries,
            Err(error) => assert!(begun.elapsed().as_secs() < 10, "{error}"),
        }
    };
    assert!(entries.contains(&credential.fingerprint().to_string()), "{entries}");
    let everything = std::fs::read(server.path().join("data/entente.db")).unwrap();
    let log = std::fs::read(server.path().join("data/entente.db-wal")).unwrap_or_default();
    for octets in [everything, log] {
        assert!(!octets.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
}

#[test]
fn the_key_of_a_certificate_and_the_hash_of_a_secret_let_nobody_in() {
    let server = start();
    let identity = server.ca.client("reader");
    server.register("reader", &identity);
    let secret = server.secret("reader", &Terms::default());
    let hash = secret::hash(&secret).map(|octet| format!("{octet:02x}")).concat();
    let registry = server.admin.overview().unwrap().registry;
    let fingerprints = registry.credentials.iter().map(|credential| credential.fingerprint().to_string());
    let key = Certificate::read(&identity.chain[0]).unwrap().fingerprint.to_string();
    for known in fingerprints.chain([hash, key]) {
        refused(server.without_certificate().bearing(&known).get("/taxii2/"));
    }
}

#[test]
fn a_refusal_names_the_secret_that_was_shown_and_a_foreign_cursor_is_one() {
    let server = start();
    let actor = server.without_certificate().bearing(&server.secret("reader", &Terms::default()));
    actor.post(&objects(RW), &envelope(&[indicator(1, 1)])).must_be(403);
    actor.get(&format!("{}?next=nothing", objects(RW))).must_be(400);
    let trail = Trail::of(&server);
    until("both are told", || trail.all("refusal").len() >= 2);
    let key = server.admin.overview().unwrap().registry.credentials[0].fingerprint().to_string();
    for (refusal, reason) in trail.all("refusal").iter().zip(["forbidden", "cursor"]) {
        assert_eq!((&refusal["reason"], &refusal["organisation"]), (&reason.into(), &"reader".into()));
        assert_eq!(refusal["credential"], key);
    }
}

/// A connection on which one answer is under way, larger than all buffers between here and there.
fn downloading(server: &Server, secret: &str) -> Connection {
    let mut connection = server.without_certificate().connect().unwrap();
    let asking = format!("GET {} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {secret}\r\n\r\n", objects(RW));
    connection.write_all(asking.as_bytes()).unwrap();
    connection.read_exact(&mut [0; 1000]).unwrap();
    connection
}

#[test]
fn a_running_download_ends_when_its_secret_is_revoked_and_no_other_does() {
    const LARGE: usize = 3 << 20;
    const OBJECTS: usize = 16;
    let mut setup = Setup::with_fallback();
    setup.settings.taxii.page_octets = 2 * OBJECTS * LARGE;
    let server = Server::with(setup);
    let writer = server.actor("writer");
    for n in 0..OBJECTS {
        let large = format!(r#"{{"type":"x-large","id":"{}","text":"{}"}}"#, id("x-large", n), "x".repeat(LARGE));
        writer.post(&objects(RW), &envelope(&[large])).must_be(202);
    }
    let secrets = [(); 2].map(|()| server.secret("reader", &Terms::default()));
    let credentials = server.admin.overview().unwrap().registry.credentials;
    let is_first = |credential: &&Credential| match &credential.proof {
        Proof::Secret(terms) => terms.hash == secret::hash(&secrets[0]),
        _ => false,
    };
    let fingerprint = credentials.iter().find(is_first).unwrap().fingerprint().to_string();
    // Both are asked for again after as long. So when the one that began later is cut off, the other was asked
    // for, too, in the middle of its answer; or it is before another octet of it goes out.
    let mut other = downloading(&server, &secrets[1]);
    let mut cut = downloading(&server, &secrets[0]);
    until("both are there", || server.metrics().contains("entente_connections 2\n"));
    server.admin.revoke("reader", &fingerprint).unwrap();
    until("one is cut off", || !server.metrics().contains("entente_connections 2\n"));
    other.read_exact(&mut vec![0; OBJECTS * LARGE]).unwrap();
    let mut rest = Vec::new();
    assert!(cut.read_to_end(&mut rest).is_err() && rest.len() < OBJECTS * LARGE, "the rest came, too");
}
