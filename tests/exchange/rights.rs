//! Rights: who gets which answer from which endpoint, that no answer tells of what is hidden, and that a loss of
//! rights takes hold at once.

use crate::support::actor::{Actor, Answer, TAXII};
use crate::support::clock::Turnable;
use crate::support::inside::{Inside, ROOT, Told, page, proven};
use crate::support::objects::{address, envelope, id, indicator, marked};
use crate::support::rounds;
use crate::support::server::{Setup, Terms, collection, manifest, object, objects, versions};
use crate::support::{MISSING, RW, Server};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entente::access::credential::Fingerprint;
use entente::access::level::Level;
use entente::access::proof::certificate::{Certificate, Proven};
use entente::exchange::{Error, Rights};
use entente::store::registry::Rules;
use entente::taxii::timestamp::Timestamp;
use proptest::prelude::Rng as _;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use uuid::Uuid;

/// Who asks, in the order of the columns below.
const ACTORS: [&str; 9] =
    ["stranger", "other", "below", "reader", "writer", "manager", "suspended", "revoked", "secret"];

/// A row for each endpoint and method: the statuses that each actor is answered with.
type Row = (&'static str, &'static str, [u16; 9]);

/// `other` has no grant, `below` reads up to GREEN, `reader`, `writer` and `manager` up to RED; `secret` is a
/// manager's secret that writes, and reads up to GREEN. The object is another organisation's, AMBER.
const ROWS: [Row; 15] = [
    ("Whoami", "GET", [401, 200, 200, 200, 200, 200, 401, 401, 200]),
    ("Discovery", "GET", [401, 200, 200, 200, 200, 200, 401, 401, 200]),
    ("Root", "GET", [401, 404, 200, 200, 200, 200, 401, 401, 200]),
    ("Status", "GET", [401, 404, 404, 404, 404, 200, 401, 401, 404]),
    ("Collections", "GET", [401, 404, 200, 200, 200, 200, 401, 401, 200]),
    ("Collection", "GET", [401, 404, 200, 200, 200, 200, 401, 401, 200]),
    ("Manifest", "GET", [401, 404, 200, 200, 200, 200, 401, 401, 200]),
    ("Objects", "GET", [401, 404, 200, 200, 200, 200, 401, 401, 200]),
    ("Objects", "POST", [401, 404, 403, 403, 202, 202, 401, 401, 202]),
    ("Object", "GET", [401, 404, 404, 200, 200, 200, 401, 401, 404]),
    ("Object", "DELETE", [401, 404, 403, 403, 403, 200, 401, 401, 404]),
    ("Versions", "GET", [401, 404, 404, 200, 200, 200, 401, 401, 404]),
    ("Holds", "GET", [401, 404, 403, 403, 403, 200, 401, 401, 403]),
    ("Holds", "POST", [401, 404, 403, 403, 403, 200, 401, 401, 403]),
    ("Hold", "DELETE", [401, 404, 403, 403, 403, 200, 401, 401, 403]),
];

/// The names of the routes, as the table of URLs has them.
fn routes() -> Vec<String> {
    let table = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/routes.rs")).unwrap();
    let variants = table.split("enum Route").nth(1).unwrap().split_once('{').unwrap().1.split_once('}').unwrap().0;
    let name = |line: &str| line.trim().split(['(', ',', ' ']).next().unwrap().to_owned();
    variants.lines().filter(|line| !line.trim().starts_with("//")).map(name).filter(|name| !name.is_empty()).collect()
}

/// What the endpoints are about.
struct Place {
    object: String,
    status: String,
    hold: String,
}

impl Place {
    fn path(&self, route: &str) -> Option<String> {
        let holds = format!("{}x_entente_hold/", collection(RW));
        Some(match route {
            "Discovery" => "/taxii2/".to_owned(),
            "Whoami" => "/x-entente/whoami".to_owned(),
            "Root" => "/api1/".to_owned(),
            "Status" => format!("/api1/status/{}/", self.status),
            "Collections" => "/api1/collections/".to_owned(),
            "Collection" => collection(RW),
            "Manifest" => manifest(RW),
            "Objects" => objects(RW),
            "Object" => object(RW, &self.object),
            "Versions" => versions(RW, &self.object),
            "Holds" => holds,
            "Hold" => format!("{holds}{}/", self.hold),
            _ => return None,
        })
    }

    fn ask(&self, actor: &Actor, route: &str, method: &str) -> Answer {
        let path = self.path(route).unwrap();
        match (method, route) {
            ("POST", "Holds") => actor.post(&path, &hold_of(&id("indicator", 70))),
            ("POST", _) => actor.post(&path, &envelope(&[indicator(900, 1)])),
            _ => actor.send(method, &path, &[("Accept", TAXII)], None),
        }
    }
}

fn hold_of(object: &str) -> String {
    json!({"object": object, "until": "2100-01-01T00:00:00Z", "reason": "x"}).to_string()
}

/// A server on which all of [`ACTORS`] are what they are called, and `owner` owns things.
struct Cast {
    server: Server,
    actors: Vec<Actor>,
    owner: Actor,
}

impl Cast {
    fn new() -> Self {
        let server = Server::with(Setup { in_memory: true, ..Setup::with_fallback() });
        let rights = |level, write, manage| Some(Rights { read: Some(level), write, manage, relay: true });
        for name in ["owner", "other", "below", "suspended", "revoked"] {
            server.admin.add_organisation(name, name).unwrap();
        }
        for (name, given) in [
            ("owner", rights(Level::Red, true, false)),
            ("below", rights(Level::Green, false, false)),
            ("reader", rights(Level::Red, false, false)),
            ("writer", rights(Level::Red, true, false)),
            ("suspended", rights(Level::Red, true, true)),
            ("revoked", rights(Level::Red, true, true)),
        ] {
            server.admin.grant(name, RW, given).unwrap();
        }
        let actors = ACTORS
            .iter()
            .map(|name| match *name {
                "stranger" => server.stranger(),
                "secret" => {
                    let secret = server.secret("manager", &Terms { write: true, ..Terms::default() });
                    server.without_certificate().showing("Authorization", &format!("Bearer {secret}"))
                }
                "revoked" => {
                    let identity = server.ca.client(name);
                    server.register(name, &identity);
                    let key = Certificate::read(&identity.chain[0]).unwrap().fingerprint.to_string();
                    server.admin.revoke(name, &key).unwrap();
                    server.actor_with(Some(identity))
                }
                _ => server.actor(name),
            })
            .collect();
        server.admin.suspend("suspended", true).unwrap();
        let owner = server.actor("owner");
        Self { server, actors, owner }
    }

    fn actor(&self, name: &str) -> &Actor {
        &self.actors[ACTORS.iter().position(|other| *other == name).unwrap()]
    }

    /// Anew, with an object of the owner's, the status of its push, and a hold of something else.
    fn place(&self, n: usize) -> Place {
        let pushed = self.owner.post(&objects(RW), &envelope(&[marked(n, 1, Level::Amber)])).must_be(202).json();
        let holds = format!("{}x_entente_hold/", collection(RW));
        let held = self.actor("manager").post(&holds, &hold_of(&id("indicator", 70))).must_be(200).json();
        let text = |value: &serde_json::Value| value["id"].as_str().unwrap().to_owned();
        Place { object: id("indicator", n), status: text(&pushed), hold: text(&held) }
    }
}

#[test]
fn every_route_has_a_row_for_every_method_and_every_actor_is_answered_with_what_it_says() {
    let cast = Cast::new();
    let place = cast.place(1);
    for route in routes() {
        assert!(ROWS.iter().any(|(name, ..)| *name == route), "{route} has no row");
        let path = place.path(&route).unwrap_or_else(|| panic!("no path is known of {route}"));
        let methods = cast.actor("manager").send("PUT", &path, &[("Accept", TAXII)], None).must_be(405);
        let methods: BTreeSet<&str> =
            methods.header("allow").unwrap().split(", ").filter(|name| *name != "HEAD").collect();
        let rows = ROWS.iter().filter(|(name, ..)| *name == route).map(|(_, method, ..)| *method).collect();
        assert_eq!(methods, rows, "{route}");
    }
    for (route, method, expected) in ROWS {
        for (at, (name, actor)) in ACTORS.iter().zip(&cast.actors).enumerate() {
            let place = cast.place(100 + at);
            let answer = place.ask(actor, route, method);
            assert_eq!(answer.status, expected[at], "{name}: {method} {route}: {}", answer.text());
            if method == "GET" {
                let head = place.ask(actor, route, "HEAD");
                assert_eq!((head.status, head.body.len()), (expected[at], 0), "{name}: HEAD {route}");
            }
        }
    }
}

/// An answer, to the octet, but for what differs each time.
fn octets(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let mut text = answer.text();
    if answer.status >= 400 && !answer.body.is_empty() {
        text = text.replace(answer.json()["error_id"].as_str().unwrap(), "…");
    }
    (answer.status, answer.stable_headers(), text)
}

/// Reads up to, writes, manages.
type Given = Option<(Option<Level>, bool, bool)>;

/// What an organisation is, that something is hidden from: its rights, and how the thing is hidden from it.
const HIDDEN: [(&str, Given, &str); 14] = [
    ("has no grant", None, "red"),
    ("has a grant of nothing", Some((None, false, false)), "red"),
    ("writes only", Some((None, true, false)), "red"),
    ("reads clear", Some((Some(Level::Clear), false, false)), "green"),
    ("reads green", Some((Some(Level::Green), false, false)), "amber"),
    ("reads amber", Some((Some(Level::Amber), false, false)), "amber+strict"),
    ("reads amber strictly", Some((Some(Level::AmberStrict), false, false)), "red"),
    ("reads and writes green", Some((Some(Level::Green), true, false)), "red"),
    ("reads red, held from it", Some((Some(Level::Red), false, false)), "held"),
    ("reads and writes red, held from it", Some((Some(Level::Red), true, false)), "held"),
    ("reads red, under embargo", Some((Some(Level::Red), true, false)), "embargo"),
    ("reads red, marking unknown", Some((Some(Level::Red), true, false)), "unknown"),
    ("manages up to green", Some((Some(Level::Green), true, true)), "amber"),
    ("manages, marking unknown", Some((Some(Level::Red), true, true)), "unknown"),
];

/// Rows: AUTH-14, SEC-4.
#[test]
fn hidden_and_absent_are_one_answer_for_every_endpoint_method_and_role() {
    for (at, (role, rights, hidden)) in HIDDEN.into_iter().enumerate() {
        let cast = Cast::new();
        cast.server.admin.add_organisation("role", role).unwrap();
        let given = rights.map(|(read, write, manage)| Rights { read, write, manage, relay: true });
        if given.is_some() {
            cast.server.admin.grant("role", RW, given).unwrap();
        }
        let actor = cast.server.actor("role");
        let object_id = hide(&cast, hidden, 10 + at);
        let absent = id("indicator", 99);
        let below = |collection: &str, object: &str| {
            let objects = format!("/api1/collections/{collection}/objects/");
            [
                format!("{objects}{object}/"),
                format!("{objects}{object}/versions/"),
                format!("{objects}?match[id]={object}"),
                format!("/api1/collections/{collection}/manifest/?match[id]={object}&match[version]=all"),
                format!("{objects}{object}/?match[version]=all&added_after=2020-01-01T00:00:00Z"),
                format!("{objects}{object}/?match[version]=2024-01-01T00:00:01.000Z"),
            ]
        };
        let mut pairs: Vec<(String, String)> = below(RW, &object_id).into_iter().zip(below(RW, &absent)).collect();
        if rights.is_none() {
            let holds = |collection: &str| format!("/api1/collections/{collection}/x_entente_hold/");
            pairs.extend(below(RW, &object_id).into_iter().zip(below(MISSING, &object_id)));
            pairs.push((collection(RW), collection(MISSING)));
            pairs.push((holds(RW), holds(MISSING)));
            pairs.push((objects(RW), objects(MISSING)));
            pairs.push(("/api1/".to_owned(), "/api9/".to_owned()));
        }
        for (hidden, absent) in pairs {
            for method in ["GET", "HEAD", "DELETE", "POST", "PUT", "PATCH", "OPTIONS"] {
                for accept in [TAXII, "text/html"] {
                    let [one, other] = [&hidden, &absent].map(|path| {
                        let headers = [("Accept", accept), ("Content-Type", TAXII)];
                        octets(&actor.send(method, path, &headers, (method == "POST").then_some(&b"{}"[..])))
                    });
                    assert_eq!(one, other, "{role}: {method} {hidden}");
                }
            }
        }
        cast.owner.get(&object(RW, &object_id)).must_be(200);
    }
}

/// Adds an object that is hidden in this way from whoever is called `role`.
fn hide(cast: &Cast, how: &str, n: usize) -> String {
    let marking = id("marking-definition", 77);
    let text = match how.parse() {
        Ok(level) => marked(n, 1, level),
        Err(_) if how == "unknown" => {
            crate::support::objects::versioned("indicator", n, 1, &format!(r#","object_marking_refs":["{marking}"]"#))
        }
        Err(_) => marked(n, 1, Level::Green),
    };
    let mut wanted: serde_json::Value = serde_json::from_str(&hold_of(&id("indicator", n))).unwrap();
    if how == "held" {
        wanted["withheld_from"] = json!(["role"]);
    }
    if ["held", "embargo"].contains(&how) {
        let holds = format!("{}x_entente_hold/", collection(RW));
        cast.actor("manager").post(&holds, &wanted.to_string()).must_be(200);
    }
    assert_eq!(cast.owner.post(&objects(RW), &envelope(&[text])).must_be(202).json()["success_count"], 1);
    id("indicator", n)
}

#[test]
fn the_operators_listener_has_nothing_of_the_members_one_and_that_nothing_of_it() {
    let cast = Cast::new();
    let place = cast.place(1);
    for path in ["/livez", "/readyz", "/metrics", "/livez/", "/metrics/", "//metrics", "/taxii2/../metrics"] {
        for actor in ["manager", "reader", "other"] {
            cast.actor(actor).get(path).must_be(404);
        }
        cast.actor("stranger").get(path).must_be(401);
    }
    for route in routes() {
        for method in ["GET", "POST", "DELETE"] {
            let (status, body) = cast.server.ask_ops(&format!("{method} {}", place.path(&route).unwrap()));
            assert!(status.contains("404") || status.contains("405"), "{method} {route}: {status}");
            assert!(!body.contains("Invented") && !body.contains(RW), "{body}");
        }
    }
}

fn random() -> TestRng {
    TestRng::deterministic_rng(RngAlgorithm::ChaCha)
}

fn below(random: &mut TestRng, bound: usize) -> usize {
    usize::try_from(random.next_u64() % bound as u64).unwrap()
}

const OTHER: &str = "253900d3-b9dd-46df-8184-469380fae6d2";

/// Two members, two collections, the same objects in both.
fn twice(in_memory: bool) -> Inside {
    let inside = Inside::new(in_memory);
    for (collection, title) in [(RW, "One"), (OTHER, "Two")] {
        inside.add_collection(collection, title, Rules::default());
    }
    for name in ["anna", "bert", "carl"] {
        inside.add_organisation(name);
        for collection in [RW, OTHER] {
            let rights = Rights { read: Some(Level::Red), write: true, manage: false, relay: true };
            inside.grant(name, collection, Some(rights));
        }
    }
    for collection in [RW, OTHER] {
        let texts: Vec<String> = (1..=4).map(|version| indicator(1, version)).chain([indicator(2, 1)]).collect();
        inside.push("anna", collection, &texts);
        inside.push("anna", collection, &[address(1, "192.0.2.1")]);
    }
    inside
}

#[test]
fn a_cursor_that_was_changed_or_given_to_another_is_refused_in_the_same_words() {
    let (inside, mut random) = (twice(true), random());
    let views = [
        "objects".to_owned(),
        "manifest".to_owned(),
        format!("object/{}", id("indicator", 1)),
        format!("versions/{}", id("indicator", 1)),
    ];
    let mut cursors = Vec::new();
    for member in ["anna", "bert"] {
        for collection in [RW, OTHER] {
            for view in &views {
                for query in
                    ["limit=1&match[version]=all", "limit=1&match[version]=first,last,2024-01-01T00:00:02.000Z"]
                {
                    if let Some(next) = inside.get(member, collection, view, query).next() {
                        cursors.push((member, collection, view, next));
                    }
                }
            }
        }
    }
    let (sessions, tries) = (["anna", "bert", "carl"].map(|name| (name, inside.session(name))), rounds(20_000));
    let mut words = BTreeSet::new();
    let mut accepted = 0;
    for _ in 0..tries {
        let (member, collection, view, next) = &cursors[below(&mut random, cursors.len())];
        let (name, session) = &sessions[below(&mut random, 3)];
        let (other, at) = ([RW, OTHER][below(&mut random, 2)], &views[below(&mut random, views.len())]);
        let next = match below(&mut random, 3) {
            0 => next.clone(),
            1 => changed(next, &mut random),
            _ => spliced(next, &cursors[below(&mut random, cursors.len())].3, &mut random),
        };
        let is_own = cursors.iter().any(|(m, c, v, n)| (*m, *c, *v, n) == (*name, other, at, &next));
        if next.is_empty() {
            // That is no cursor, but a first page.
            continue;
        }
        if is_own {
            accepted += 1;
            assert_eq!(Told::of(page(session, other, at, &format!("next={next}"))).status, 200);
            continue;
        }
        let told = Told::of(page(session, other, at, &format!("next={next}")));
        assert_eq!(told.status, 400, "{member} {collection} {view}: {next} by {name} of {other} {at}");
        words.insert(told.body);
    }
    assert!(words.len() == 1 && accepted > 0, "{words:?}");
}

/// The same, with octets or letters changed.
fn changed(next: &str, random: &mut TestRng) -> String {
    let mut octets = URL_SAFE_NO_PAD.decode(next).unwrap();
    let at = below(random, octets.len());
    match below(random, 5) {
        0 => octets[at] ^= 1 << below(random, 8),
        1 => drop(octets.remove(at)),
        2 => octets.insert(at, u8::try_from(below(random, 256)).unwrap()),
        3 => octets.truncate(at),
        _ => {
            // Another place, with the same seal.
            let text = String::from_utf8_lossy(&octets[..octets.len() - 16]).replacen(":1", ":2", 1);
            let seal = octets.split_off(octets.len() - 16);
            octets = [text.as_bytes(), &seal].concat();
            octets[at] ^= u8::from(octets[at] == b'9');
        }
    }
    let changed = URL_SAFE_NO_PAD.encode(octets);
    if changed == next { format!("{next}A") } else { changed }
}

/// The beginning of one with the end of another.
fn spliced(one: &str, other: &str, random: &mut TestRng) -> String {
    let (one, other) = (URL_SAFE_NO_PAD.decode(one).unwrap(), URL_SAFE_NO_PAD.decode(other).unwrap());
    let seal = if below(random, 2) == 0 { 16 } else { below(random, other.len()) };
    URL_SAFE_NO_PAD.encode([&one[..one.len() - 16], &other[other.len() - seal..]].concat())
}

#[test]
fn nobody_but_its_submitter_and_who_manages_reads_a_status() {
    let (inside, mut random) = (twice(true), random());
    let statuses: Vec<Uuid> = (10..30).map(|n| inside.push("anna", RW, &[indicator(n, 1)]).id).collect();
    let sessions = ["bert", "carl"].map(|name| inside.session(name));
    let absent = sessions[0].status(ROOT, &Uuid::from_u128(1).to_string()).unwrap_err().to_string();
    for _ in 0..rounds(5_000) {
        let status = statuses[below(&mut random, statuses.len())];
        let near = Uuid::from_u128(status.as_u128() ^ (1 << below(&mut random, 128)));
        let text = match below(&mut random, 8) {
            0 | 1 => status.to_string(),
            2 => near.to_string(),
            3 => status.simple().to_string(),
            4 => status.braced().to_string(),
            5 => status.urn().to_string(),
            6 => status.to_string().to_uppercase(),
            _ => Uuid::from_u128(u128::from(random.next_u64()) << 64 | u128::from(random.next_u64())).to_string(),
        };
        let session = &sessions[below(&mut random, 2)];
        let told = session.status(ROOT, &text).unwrap_err();
        assert!(matches!(told, Error::Absent) && told.to_string() == absent, "{text}: {told}");
    }
    let anna = inside.session("anna");
    assert!(statuses.iter().all(|status| anna.status(ROOT, &status.to_string()).is_ok()));
    assert!(statuses.iter().all(|status| anna.status("api2", &status.to_string()).is_err()));
}

/// What is taken from a reader while it pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    Grant,
    Read,
    Level,
    Hold,
    Suspension,
    Revocation,
}

const LOSSES: [Loss; 6] = [Loss::Grant, Loss::Read, Loss::Level, Loss::Hold, Loss::Suspension, Loss::Revocation];

/// The reader's `n`th key.
fn key(n: u32) -> Arc<Proven> {
    let mut proven = Proven::clone(&proven("bert"));
    let mut fingerprint = [1; 32];
    fingerprint[..4].copy_from_slice(&n.to_be_bytes());
    proven.certificate.fingerprint = Fingerprint(fingerprint);
    Arc::new(proven)
}

fn lose(inside: &Inside, loss: Loss, race: u32) {
    let rights = |read| Some(Rights { read, write: true, manage: false, relay: true });
    match loss {
        Loss::Grant => inside.grant("bert", RW, None),
        Loss::Read => inside.grant("bert", RW, rights(None)),
        Loss::Level => inside.grant("bert", RW, rights(Some(Level::Clear))),
        Loss::Hold => {
            let until = inside.clock.now().plus_seconds(60);
            let wanted =
                json!({"object": id("indicator", 1), "withheld_from": ["bert"], "until": until, "reason": "x"});
            inside.admin.holding(RW).unwrap().place(serde_json::from_value(wanted).unwrap()).map(drop).unwrap();
        }
        Loss::Suspension => inside.admin.suspend("bert", true).unwrap(),
        Loss::Revocation => {
            inside.admin.revoke("bert", &key(race).certificate.fingerprint.to_string()).map(|_| ()).unwrap();
        }
    }
}

fn races(in_memory: bool, count: u32) {
    let inside = twice(in_memory);
    for race in 0..count {
        let loss = LOSSES[race as usize % LOSSES.len()];
        inside.clock.turn_on(120);
        inside.store.tend().unwrap();
        inside.admin.suspend("bert", false).unwrap();
        inside.grant("bert", RW, Some(Rights { read: Some(Level::Red), write: true, manage: false, relay: true }));
        inside.admin.register("bert", &key(race).certificate).unwrap();
        let (lost, pages) = (AtomicBool::new(false), AtomicU32::new(0));
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut next = String::new();
                loop {
                    let over = lost.load(Ordering::SeqCst);
                    let told = inside.exchange.sign_in(&key(race), "192.0.2.1:1").map(|session| {
                        Told::of(page(&session, RW, "objects", &format!("limit=1&match[version]=all{next}")))
                    });
                    if over {
                        return told;
                    }
                    pages.fetch_add(1, Ordering::SeqCst);
                    let place = told.ok().and_then(|told| told.next());
                    next = place.map_or_else(String::new, |next| format!("&next={next}"));
                }
            });
            // Somewhere in a crawl: of its six pages, four show what is to be lost.
            while pages.load(Ordering::SeqCst) < race % 11 {
                std::thread::yield_now();
            }
            lose(&inside, loss, race);
            lost.store(true, Ordering::SeqCst);
            let told = reader.join().unwrap();
            let shows = told.as_ref().is_ok_and(|told| told.status == 200 && told.body.contains("Invented 1\""));
            assert!(!shows, "{loss:?}, race {race}: {told:?}");
        });
    }
}

#[test]
fn a_loss_of_rights_takes_hold_on_the_very_next_page() {
    races(true, rounds(140));
    races(false, rounds(140));
}

#[test]
fn a_hold_takes_hold_on_the_very_next_request_of_a_live_connection() {
    let clock = Turnable::default();
    let server = Server::with(Setup { clock: clock.clock(), ..Setup::default() });
    let [reader, writer, manager] = ["reader", "writer", "manager"].map(|name| server.actor(name));
    writer.post(&objects(RW), &envelope(&[indicator(1, 1), indicator(2, 1)])).must_be(202);
    let mut live = reader.connect().unwrap();
    let ask = |live: &mut _| crate::support::actor::ask(live, "GET", &objects(RW), &[("Accept", TAXII)], None);
    let until = Timestamp::from(clock.clock().now() + Duration::from_hours(1)).to_string();
    for round in 0..4 {
        assert_eq!(ask(&mut live).must_be(200).ids().len(), 2, "{round}");
        let wanted = json!({"object": id("indicator", 1), "until": until, "reason": "x"});
        let holds = format!("{}x_entente_hold/", collection(RW));
        let held = manager.post(&holds, &wanted.to_string()).must_be(200).json();
        assert_eq!(ask(&mut live).must_be(200).ids(), [id("indicator", 2)], "{round}");
        manager.delete(&format!("{holds}{}/", held["id"].as_str().unwrap())).must_be(200);
    }
}
