//! Waiting (`Prefer: wait=N`, RFC 7240 §4.3): who asks what is new is answered once there is something.

use crate::support::actor::{Actor, Connection, TAXII, ask, read_answer, request};
use crate::support::clock::Turnable;
use crate::support::objects::{envelope, id, indicator, marked};
use crate::support::process::{Installation, PROGRAM, Process};
use crate::support::server::{Setup, Terms, collection, manifest, object, objects};
use crate::support::trail::{Trail, until};
use crate::support::{Answer, EMPTY, RW, Server};
use entente::access::level::Level;
use entente::access::proof::certificate::Certificate;
use entente::clock::stopwatch;
use entente::exchange::Rights;
use entente::http::limits::Limits;
use serde_json::{Value, json};
use std::fs;
use std::io::{Read as _, Write as _};
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Longer than any of these tests takes: who is answered later than `SOON` was not woken.
const LONG: &str = "wait=50";
const SOON: Duration = Duration::from_secs(15);
const BEFORE: &str = "2020-01-01T00:00:00.000000Z";

fn with(change: impl FnOnce(&mut Limits)) -> Server {
    let mut setup = Setup::default();
    change(&mut setup.settings.limits);
    Server::with(setup)
}

/// A poll for what is new since a time, that would wait.
fn poll(actor: &Actor, path: &str, after: &str, prefer: &str) -> Answer {
    let separator = if path.contains('?') { '&' } else { '?' };
    actor.get_with(&format!("{path}{separator}added_after={after}"), &[("Accept", TAXII), ("Prefer", prefer)])
}

/// Somebody who waits, on a thread of its own, and how long it took.
struct Waiting(JoinHandle<(Answer, Duration)>);

impl Waiting {
    fn begin(actor: &Actor, path: &str, after: &str, prefer: &str) -> Self {
        let (actor, path, after, prefer) = (actor.clone(), path.to_owned(), after.to_owned(), prefer.to_owned());
        Self(thread::spawn(move || {
            let begun = stopwatch();
            let answer = poll(&actor, &path, &after, &prefer);
            (answer, begun.elapsed())
        }))
    }

    /// The answer, which must have come before its time was over.
    #[track_caller]
    fn woken(self) -> Answer {
        let (answer, took) = self.0.join().unwrap();
        assert!(took < SOON, "{took:?}");
        answer
    }
}

/// So many wait.
fn wait(server: &Server, waiting: usize) -> bool {
    server.metrics().contains(&format!("entente_waiting {waiting}\n"))
}

#[track_caller]
fn until_waiting(server: &Server, waiting: usize) {
    until(&format!("{waiting} wait"), || wait(server, waiting));
}

fn push(actor: &Actor, collection: &str, object: String) {
    actor.post(&objects(collection), &envelope(&[object])).must_be(202);
}

fn applied(answer: &Answer) -> Option<&str> {
    assert_eq!(answer.header("vary"), Some("Accept, Accept-Encoding, Authorization, Prefer"));
    answer.header("preference-applied")
}

/// Rows: NEG-18.
#[test]
fn who_waits_is_answered_when_something_is_added() {
    let server = Server::start();
    let (reader, writer) = (server.actor("reader"), server.actor("writer"));
    let last = poll(&reader, &objects(RW), BEFORE, "wait=0").dates().1;
    assert_eq!(last, BEFORE);
    let waiting = [objects(RW), manifest(RW)].map(|path| Waiting::begin(&reader, &path, &last, LONG));
    until_waiting(&server, 2);
    push(&writer, RW, indicator(1, 1));
    for waiting in waiting {
        let answer = waiting.woken().must_be(200);
        assert_eq!(answer.ids(), [id("indicator", 1)]);
        assert_eq!(applied(&answer), Some(LONG));
        assert_ne!(answer.dates().1, last);
    }
    until_waiting(&server, 0);
}

#[test]
fn the_trail_is_told_once_of_what_was_given_out_after_waiting() {
    let server = Server::start();
    let (reader, writer) = (server.actor("reader").showing("User-Agent", "siem/1"), server.actor("writer"));
    let waiting = Waiting::begin(&reader, &objects(RW), BEFORE, LONG);
    until_waiting(&server, 1);
    // It is put together again for nothing, twice.
    push(&server.actor("manager"), RW, marked(8, 1, Level::Red));
    push(&server.actor("manager"), RW, marked(9, 1, Level::Red));
    push(&writer, RW, indicator(1, 1));
    assert_eq!(waiting.woken().must_be(200).ids(), [id("indicator", 1)]);
    // What was noted before this page is in the trail by the time that it is given out.
    reader.get(&objects(RW)).must_be(200);
    let told = Trail::of(&server).all("read");
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|read| read["items"] == 1 && read["client"] == "siem/1"), "{told:?}");
}

#[test]
fn what_is_added_elsewhere_or_kept_from_the_caller_ends_no_wait() {
    let server = Server::start();
    let [reader, writer, manager] = ["reader", "writer", "manager"].map(|name| server.actor(name));
    let waiting = Waiting::begin(&reader, &objects(RW), BEFORE, LONG);
    let filtered = Waiting::begin(&reader, &format!("{}?match[type]=malware", objects(RW)), BEFORE, LONG);
    let elsewhere = Waiting::begin(&reader, &objects(EMPTY), BEFORE, LONG);
    let sees_all = Waiting::begin(&manager, &objects(RW), BEFORE, LONG);
    until_waiting(&server, 4);
    push(&manager, RW, marked(1, 1, Level::Red));
    // Who sees it is woken, and so was everybody that could be.
    assert_eq!(sees_all.woken().must_be(200).ids(), [id("indicator", 1)]);
    until_waiting(&server, 3);
    push(&writer, RW, indicator(2, 1));
    assert_eq!(waiting.woken().must_be(200).ids(), [id("indicator", 2)]);
    until_waiting(&server, 2);
    push(&writer, EMPTY, indicator(3, 1));
    assert_eq!(elsewhere.woken().must_be(200).ids(), [id("indicator", 3)]);
    until_waiting(&server, 1);
    push(&writer, RW, crate::support::objects::versioned("malware", 4, 1, ""));
    assert_eq!(filtered.woken().must_be(200).ids(), [id("malware", 4)]);
}

/// Of two waits of a second each, during one of which things happen that the caller may not see, neither is
/// shorter, and both have the same end.
#[test]
fn the_time_of_an_answer_tells_nothing_of_what_is_kept_from_the_caller() {
    let server = Server::start();
    let (reader, manager) = (server.actor("reader"), server.actor("manager"));
    let quiet = Waiting::begin(&reader, &objects(EMPTY), BEFORE, "wait=1").0;
    let busy = Waiting::begin(&reader, &objects(RW), BEFORE, "wait=1").0;
    let mut n = 0;
    while !busy.is_finished() {
        n += 1;
        push(&manager, RW, marked(n, 1, Level::Red));
        if n % 2 == 0 {
            manager.delete(&object(RW, &id("indicator", n))).must_be(200);
        }
    }
    let [(quiet, took), (busy, as_long)] = [quiet, busy].map(|waiting| waiting.join().unwrap());
    assert!(n > 3 && took >= Duration::from_secs(1) && as_long >= Duration::from_secs(1), "{n} {took:?} {as_long:?}");
    assert_eq!((quiet.text(), quiet.stable_headers()), (busy.text(), busy.stable_headers()));
}

/// Rows: NEG-18.
#[test]
fn a_wait_ends_in_time_with_what_there_is() {
    let server = Server::start();
    let reader = server.actor("reader");
    let begun = stopwatch();
    let answer = poll(&reader, &objects(RW), BEFORE, "wait=1").must_be(200);
    let took = begun.elapsed();
    assert!((1.0..SOON.as_secs_f64()).contains(&took.as_secs_f64()), "{took:?}");
    assert_eq!((answer.text().as_str(), applied(&answer)), ("{}", Some("wait=1")));
    assert_eq!(answer.dates(), (BEFORE.to_owned(), BEFORE.to_owned()));
    until_waiting(&server, 0);
    let trail = Trail::of(&server);
    until("the trail says so", || trail.all("read").len() == 1);
    assert_eq!(trail.last("read")["items"], 0);
}

#[test]
fn who_has_the_page_waits_too_and_is_told_that_it_has_it() {
    let server = Server::start();
    let (reader, writer) = (server.actor("reader"), server.actor("writer"));
    let path = format!("{}?added_after={BEFORE}", objects(RW));
    let tag = reader.get(&path).header("etag").unwrap().to_owned();
    let headers = |wait| [("Accept", TAXII), ("Prefer", wait), ("If-None-Match", &*tag)];
    let begun = stopwatch();
    let answer = reader.get_with(&path, &headers("wait=1")).must_be(304);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!((applied(&answer), answer.header("etag")), (Some("wait=1"), Some(&*tag)));
    assert_eq!(answer.dates().1, BEFORE);
    let waiting = thread::scope(|scope| {
        let waiting = scope.spawn(|| reader.get_with(&path, &headers(LONG)));
        until_waiting(&server, 1);
        push(&writer, RW, indicator(1, 1));
        waiting.join().unwrap()
    });
    assert_eq!(waiting.must_be(200).ids(), [id("indicator", 1)]);
    // There is something, and the caller has it.
    let tag = reader.get(&path).header("etag").unwrap().to_owned();
    let headers = [("Accept", TAXII), ("Prefer", LONG), ("If-None-Match", &*tag)];
    assert_eq!(applied(&reader.get_with(&path, &headers).must_be(304)), Some(LONG));
}

/// Rows: NEG-15, NEG-18.
#[test]
fn who_asks_for_no_wait_or_where_there_is_none_is_answered_at_once() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    let now = reader.get(&objects(RW)).dates().1;
    let begun = stopwatch();
    // Nothing new, and nobody waits.
    for prefer in ["wait=0", "wait=-1", "wait=soon", "wait", "respond-async", "", "x=\", wait=50"] {
        let answer = poll(&reader, &objects(RW), &now, prefer).must_be(200);
        let expected = (prefer == "wait=0").then_some("wait=0");
        assert_eq!((answer.text().as_str(), applied(&answer)), ("{}", expected), "{prefer}");
    }
    let prefer = [("Accept", TAXII), ("Prefer", LONG)];
    let empty = format!("{}?added_after={now}", objects(RW));
    let head = reader.send("HEAD", &empty, &prefer, None).must_be(200);
    assert_eq!((applied(&head), head.header("content-length")), (None, Some("2")));
    // No place in the order; a place in a crawl; and where it is not told what is new.
    assert_eq!(applied(&reader.get_with(&objects(EMPTY), &prefer).must_be(200)), None);
    let next = reader.get(&format!("{}?limit=1", objects(RW))).next().unwrap();
    let within = format!("{}?added_after={now}&next={next}", objects(RW));
    assert_eq!(applied(&reader.get_with(&within, &prefer).must_be(200)), None);
    let first = format!("{}?added_after={now}", object(RW, &id("indicator", 1)));
    assert_eq!(reader.get_with(&first, &prefer).must_be(200).header("preference-applied"), None);
    for path in [collection(RW), "/taxii2/".to_owned(), "/api1/".to_owned()] {
        assert_eq!(reader.get_with(&path, &prefer).must_be(200).header("preference-applied"), None);
    }
    // A body that nobody wants.
    let answer = reader.send("GET", &empty, &prefer, Some(b"12345"));
    assert_eq!(answer.header("preference-applied"), None, "{}", answer.status);
    // Something is there.
    let answer = poll(&reader, &objects(RW), BEFORE, "foo=bar; x, WAIT = \"600\"; y").must_be(200);
    assert_eq!((answer.ids().len(), applied(&answer)), (7, Some("wait=60")));
    // What is wrong is told at once.
    reader.get_with(&format!("{}?added_after=now", objects(RW)), &prefer).must_fail(400);
    reader.get_with(&empty, &[("Accept", "text/html"), ("Prefer", LONG)]).must_fail(406);
    server.actor("outsider").get_with(&empty, &prefer).must_fail(404);
    assert!(begun.elapsed() < SOON);
}

#[test]
fn what_is_released_or_whose_embargo_ends_wakes_who_waits() {
    let clock = Turnable::default();
    let server = Server::with(Setup { clock: clock.clock(), ..Setup::default() });
    let [reader, writer, manager] = ["reader", "writer", "manager"].map(|name| server.actor(name));
    let holds = format!("{}x_entente_hold/", collection(RW));
    let in_an_hour = entente::taxii::timestamp::Timestamp::from(clock.clock().now() + Duration::from_hours(1));
    let place = |n: usize| {
        let hold = json!({"object": id("indicator", n), "until": in_an_hour.to_string(), "reason": "Joint release"});
        manager.post(&holds, &hold.to_string()).must_be(200).json()["id"].as_str().unwrap().to_owned()
    };
    let (first, _second) = (place(1), place(2));
    writer.post(&objects(RW), &envelope(&[indicator(1, 1), indicator(2, 1)])).must_be(202);
    let now = poll(&reader, &objects(RW), BEFORE, "wait=0").dates().1;
    let waiting = Waiting::begin(&reader, &objects(RW), &now, LONG);
    until_waiting(&server, 1);
    manager.delete(&format!("{holds}{first}/")).must_be(200);
    let answer = waiting.woken().must_be(200);
    assert_eq!(answer.ids(), [id("indicator", 1)]);
    let waiting = Waiting::begin(&reader, &manifest(RW), &answer.dates().1, LONG);
    until_waiting(&server, 1);
    // The store ends it by itself.
    clock.turn_on(3601);
    assert_eq!(waiting.woken().must_be(200).ids(), [id("indicator", 2)]);
}

#[test]
fn what_another_process_imports_wakes_who_waits() {
    let server = Server::start();
    let reader = server.actor("reader");
    let [settings, file] = ["entente.toml", "in.json"].map(|name| server.path().join(name));
    fs::write(&settings, "[server]\nhosts = [\"localhost\"]\n").unwrap();
    fs::write(&file, envelope(&[indicator(1, 1)])).unwrap();
    let waiting = Waiting::begin(&reader, &objects(RW), BEFORE, LONG);
    until_waiting(&server, 1);
    let mut import = Command::new(PROGRAM);
    import.arg("-c").arg(&settings).args(["import", "rw"]).arg(&file).args(["--org", "writer"]);
    let done = import.output().unwrap();
    assert!(done.status.success(), "{done:?}");
    assert_eq!(waiting.woken().must_be(200).ids(), [id("indicator", 1)]);
}

#[test]
fn who_loses_its_rights_while_it_waits_is_refused_then() {
    let server = Server::start();
    let admin = &server.admin;
    let identity = server.ca.client("reader");
    server.register("reader", &identity);
    let fingerprint = Certificate::read(&identity.chain[0]).unwrap().fingerprint.to_string();
    let (reader, revoked) = (server.actor("reader"), server.actor_with(Some(identity)));
    let begin = |actor: &Actor| {
        let waiting = Waiting::begin(actor, &objects(RW), BEFORE, LONG);
        until_waiting(&server, 1);
        waiting
    };
    let waiting = begin(&revoked);
    admin.revoke("reader", &fingerprint).unwrap();
    waiting.woken().must_fail(401);
    let waiting = begin(&reader);
    admin.suspend("reader", true).unwrap();
    let told = waiting.woken().must_fail(401);
    assert_eq!(told, reader.get(&objects(RW)).must_fail(401));
    admin.suspend("reader", false).unwrap();
    let waiting = begin(&reader);
    admin.grant("reader", RW, Some(Rights { read: None, write: true, manage: false, relay: false })).unwrap();
    waiting.woken().must_fail(403);
    let green = Some(Rights { read: Some(Level::Green), write: false, manage: false, relay: false });
    admin.grant("reader", RW, green).unwrap();
    let waiting = begin(&reader);
    admin.grant("reader", RW, None).unwrap();
    waiting.woken().must_fail(404);
    until_waiting(&server, 0);
    // In the trail as any other refusal.
    let trail = Trail::of(&server);
    until("the trail says so", || {
        let refusals = trail.all("refusal");
        [401, 403, 404].iter().all(|status| refusals.iter().any(|refusal| refusal["http_status"] == *status))
    });
}

#[test]
fn rights_are_those_of_the_time_of_the_answer_whatever_else_is_added() {
    let server = Server::start();
    let (reader, writer) = (server.actor("reader"), server.actor("writer"));
    push(&server.actor("manager"), RW, marked(1, 1, Level::Amber));
    let waiting = Waiting::begin(&reader, &objects(RW), BEFORE, LONG);
    until_waiting(&server, 1);
    // Others lose and gain: that is nothing to who waits.
    server.admin.grant("writer", EMPTY, None).unwrap();
    let rights = |level| Some(Rights { read: Some(level), write: false, manage: false, relay: false });
    server.admin.grant("reader", EMPTY, rights(Level::Clear)).unwrap();
    thread::yield_now();
    assert!(wait(&server, 1));
    server.admin.grant("reader", RW, rights(Level::Amber)).unwrap();
    // What it may see now was there already: it is not new, but it is not hidden either.
    assert_eq!(waiting.woken().must_be(200).ids(), [id("indicator", 1)]);
    push(&writer, RW, indicator(2, 1));
}

#[test]
fn a_server_that_stops_answers_who_waits() {
    let mut server = Server::start();
    let reader = server.actor("reader");
    let waiting: Vec<Waiting> = (0..20).map(|_| Waiting::begin(&reader, &objects(RW), BEFORE, LONG)).collect();
    until_waiting(&server, 20);
    let begun = stopwatch();
    server.restart();
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    for waiting in waiting {
        let answer = waiting.woken().must_be(200);
        assert_eq!((answer.text().as_str(), applied(&answer)), ("{}", Some(LONG)));
    }
}

fn waiting_on(server: &Server, actor: &Actor) -> Connection {
    let mut connection = actor.connect().unwrap();
    let path = format!("{}?added_after={BEFORE}", objects(RW));
    connection.write_all(&request("GET", &path, &[("Prefer", LONG)], None)).unwrap();
    until_waiting(server, 1);
    connection
}

#[test]
fn a_connection_that_ends_waits_no_longer() {
    let server = Server::start();
    let reader = server.actor("reader");
    let begun = stopwatch();
    // Cut off; and ended in order.
    drop(waiting_on(&server, &reader));
    until_waiting(&server, 0);
    let mut ended = waiting_on(&server, &reader);
    ended.conn.send_close_notify();
    ended.flush().unwrap();
    until_waiting(&server, 0);
    let answer = read_answer(&mut ended, false).unwrap();
    assert_eq!((answer.text().as_str(), applied(&answer)), ("{}", Some(LONG)));
    assert_eq!(ended.read(&mut [0]).unwrap_or(0), 0);
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

#[test]
fn so_many_wait_of_one_credential_and_so_many_of_all() {
    let server = with(|limits| (limits.waiting_per_credential, limits.waiting) = (2, 3));
    let [first, second] = ["reader", "reader"].map(|name| server.actor(name));
    let mut waiting: Vec<Waiting> = (0..2).map(|_| Waiting::begin(&first, &objects(RW), BEFORE, LONG)).collect();
    until_waiting(&server, 2);
    let at_once = |actor: &Actor| {
        let begun = stopwatch();
        let answer = poll(actor, &objects(RW), BEFORE, LONG).must_be(200);
        assert!(begun.elapsed() < SOON);
        assert_eq!((answer.text().as_str(), applied(&answer)), ("{}", None));
    };
    at_once(&first);
    waiting.push(Waiting::begin(&second, &objects(RW), BEFORE, LONG));
    until_waiting(&server, 3);
    at_once(&second);
    for limit in ["waiting", "waiting_per_credential"] {
        let line = format!("entente_throttled_total{{limit=\"{limit}\"}}");
        assert!(server.metrics().lines().any(|told| told.starts_with(&line)), "{limit}");
    }
    push(&server.actor("writer"), RW, indicator(1, 1));
    waiting.into_iter().for_each(|waiting| assert_eq!(waiting.woken().ids(), [id("indicator", 1)]));
    // Their places are free again.
    let last = poll(&first, &objects(RW), BEFORE, "wait=0").dates().1;
    let again = Waiting::begin(&first, &objects(RW), &last, LONG);
    until_waiting(&server, 1);
    push(&server.actor("writer"), RW, indicator(2, 1));
    again.woken();
    let nobody = with(|limits| limits.waiting = 0);
    let answer = poll(&nobody.actor("reader"), &objects(RW), BEFORE, LONG).must_be(200);
    assert_eq!(applied(&answer), None);
}

/// A waiting answer is not one that nobody takes, its connection not an idle one, and the next request on it is as
/// good as any.
#[test]
fn no_other_deadline_ends_a_wait_and_nobody_else_is_held_up() {
    let server = with(|limits| {
        (limits.header_seconds, limits.keep_alive_seconds, limits.write_stall_seconds) = (1, 1, 1);
        (limits.writer_seconds, limits.body_stall_seconds, limits.body_seconds) = (1, 1, 1);
        limits.octets_in_flight_per_credential = 10;
    });
    let reader = server.actor("reader");
    let mut live = reader.connect().unwrap();
    let path = format!("{}?added_after={BEFORE}", objects(RW));
    let begun = stopwatch();
    // The next request is there already.
    let both =
        [("wait=4", &path), ("wait=0", &path)].map(|(wait, path)| request("GET", path, &[("Prefer", wait)], None));
    live.write_all(&both.concat()).unwrap();
    until_waiting(&server, 1);
    for _ in 0..20 {
        reader.get(&path).must_be(200);
    }
    assert!(begun.elapsed() < Duration::from_secs(4));
    for expected in ["wait=4", "wait=0"] {
        assert_eq!(applied(&read_answer(&mut live, false).unwrap().must_be(200)), Some(expected));
        assert!(begun.elapsed() >= Duration::from_secs(4));
    }
    ask(&mut live, "GET", &path, &[], None).must_be(200);
}

#[test]
fn who_shows_a_secret_waits_too_and_no_longer_than_it_is_good() {
    let server = Server::with(Setup::with_fallback());
    let terms = Terms { collections: &[RW, EMPTY], ..Terms::default() };
    let (secret, writer) = (server.secret("reader", &terms), server.actor("writer"));
    let siem = server.without_certificate().bearing(&secret);
    let waiting = Waiting::begin(&siem, &objects(RW), BEFORE, LONG);
    until_waiting(&server, 1);
    push(&writer, RW, indicator(1, 1));
    assert_eq!(waiting.woken().must_be(200).ids(), [id("indicator", 1)]);
    let waiting = Waiting::begin(&siem, &objects(EMPTY), BEFORE, LONG);
    until_waiting(&server, 1);
    let credentials = server.admin.overview().unwrap().registry.credentials;
    let own = credentials.iter().find(|credential| credential.secret().is_some()).unwrap();
    server.admin.revoke("reader", &own.fingerprint().to_string()).unwrap();
    waiting.woken().must_fail(401);
}

/// Whoever asks again as soon as it is answered, while another adds as soon as that is done, misses nothing, and is
/// never left to wait for what is there.
#[test]
fn nothing_is_missed_between_one_wait_and_the_next() {
    const PUSHES: usize = 300;
    let server = Server::start();
    let (reader, writer) = (server.actor("reader"), server.actor("writer"));
    let reading = |path: String| {
        let reader = reader.clone();
        thread::spawn(move || {
            let (mut connection, mut ids, mut after) = (reader.connect().unwrap(), Vec::new(), BEFORE.to_owned());
            while ids.len() < PUSHES {
                let begun = stopwatch();
                let path = format!("{path}?added_after={after}");
                let answer = ask(&mut connection, "GET", &path, &[("Prefer", LONG)], None).must_be(200);
                assert!(begun.elapsed() < SOON, "{} of {PUSHES}", ids.len());
                after = answer.dates().1;
                ids.extend(answer.ids());
            }
            ids
        })
    };
    let readers = [objects(RW), manifest(RW), objects(RW)].map(reading);
    let mut live = writer.connect().unwrap();
    for n in 0..PUSHES {
        let body = envelope(&[indicator(n, 1)]);
        ask(&mut live, "POST", &objects(RW), &[("Content-Type", TAXII)], Some(body.as_bytes())).must_be(202);
    }
    let expected: Vec<String> = (0..PUSHES).map(|n| id("indicator", n)).collect();
    readers.into_iter().for_each(|reading| assert_eq!(reading.join().unwrap(), expected));
}

#[test]
fn the_log_says_apart_how_long_an_answer_waited() {
    let installation = Installation::furnished();
    let log = installation.path("log");
    let mut command = Command::new(PROGRAM);
    command.args(["-c", &installation.config(), "serve", "--listen", "127.0.0.1:0", "--ops", "off"]);
    let (server, _) = Process::start_logging(&mut command, &log);
    let actor = installation.actor("org", server.address);
    poll(&actor, "/api1/collections/all/objects/", BEFORE, "wait=1").must_be(200);
    poll(&actor, "/api1/collections/all/objects/", BEFORE, "wait=0").must_be(200);
    assert!(server.terminate());
    let text = fs::read_to_string(&log).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let requests: Vec<Value> = lines.filter(|line| line["message"] == "request").collect();
    assert_eq!(requests.len(), 2, "{text}");
    assert!(requests[0]["waited_millis"].as_f64().unwrap() >= 1000.0, "{}", requests[0]);
    assert!(requests[0]["millis"].as_f64().unwrap() < 1000.0, "{}", requests[0]);
    assert!(requests[1].get("waited_millis").is_none(), "{}", requests[1]);
}
