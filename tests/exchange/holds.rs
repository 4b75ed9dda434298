//! Holds: what is kept from whom, and until when.

use crate::markings::{IEP, definition, iep};
use crate::support::actor::Actor;
use crate::support::clock::Turnable;
use crate::support::objects::{envelope, id, indicator, marked, versioned};
use crate::support::server::{Setup, collection, manifest, object, objects, versions};
use crate::support::{RW, Server};
use entente::access::level::Level;
use entente::exchange::Rights;
use entente::store::registry::{Downgrade, Rule};
use entente::taxii::timestamp::Timestamp;
use serde_json::json;
use std::time::Duration;

fn holds() -> String {
    format!("{}x_entente_hold/", collection(RW))
}

fn server() -> (Server, Turnable) {
    let clock = Turnable::default();
    let server = Server::with(Setup { clock: clock.clock(), ..Setup::default() });
    server.actor("writer").post(&objects(RW), &envelope(&[indicator(1, 1), indicator(2, 1)])).must_be(202);
    (server, clock)
}

fn in_an_hour(clock: &Turnable) -> String {
    Timestamp::from(clock.clock().now() + Duration::from_hours(1)).to_string()
}

#[test]
fn a_manager_withholds_an_object_from_a_member_and_it_is_new_for_it_when_released() {
    let (server, clock) = server();
    let [reader, writer, manager] = ["reader", "writer", "manager"].map(|name| server.actor(name));
    let before = manager.get(&manifest(RW)).must_be(200).text();
    let wanted = json!({"object": id("indicator", 1), "withheld_from": ["reader"], "until": in_an_hour(&clock), "reason": "Reported to one CSIRT first"});
    let placed = manager.post(&holds(), &wanted.to_string()).must_be(200).json();
    assert_eq!(placed["placed_by"], "manager");
    assert_eq!(reader.get(&objects(RW)).must_be(200).ids(), [id("indicator", 2)]);
    for path in [object(RW, &id("indicator", 1)), versions(RW, &id("indicator", 1))] {
        let absent = path.replace("000000000001", "000000000099");
        assert_eq!(reader.get(&path).must_fail(404), reader.get(&absent).must_fail(404));
    }
    writer.post(&objects(RW), &envelope(&[indicator(1, 2)])).must_be(202);
    assert_eq!(reader.get(&format!("{}?match[version]=all", manifest(RW))).must_be(200).ids(), [id("indicator", 2)]);
    assert_eq!(manager.get(&holds()).must_be(200).json()["holds"], json!([placed]));
    let cursor = reader.get(&objects(RW)).must_be(200).dates().1;
    clock.turn_on(60);
    let hold = format!("{}{}/", holds(), placed["id"].as_str().unwrap());
    assert_eq!(manager.delete(&hold).must_be(200).json(), json!({"versions": 2}));
    let fresh = reader.get(&format!("{}?added_after={cursor}&match[version]=all", objects(RW))).must_be(200);
    assert_eq!(fresh.ids(), [id("indicator", 1), id("indicator", 1)], "a poller gets what it was kept from");
    assert!(
        manager.get(&format!("{}?match[version]=all", manifest(RW))).must_be(200).text().starts_with(&before[..60])
    );
    manager.delete(&hold).must_be(404);
    manager.get(&holds()).must_be(200);
}

#[test]
fn an_embargo_ends_by_itself() {
    let (server, clock) = server();
    let [reader, writer, manager] = ["reader", "writer", "manager"].map(|name| server.actor(name));
    let wanted = json!({"object": id("indicator", 3), "until": in_an_hour(&clock), "reason": "Joint release"});
    manager.post(&holds(), &wanted.to_string()).must_be(200);
    writer.post(&objects(RW), &envelope(&[indicator(3, 1)])).must_be(202);
    let of_it = format!("{}?match[id]={}", objects(RW), id("indicator", 3));
    assert_eq!([&reader, &manager, &writer].map(|actor| actor.get(&of_it).must_be(200).ids().len()), [0, 0, 1]);
    clock.turn_on(3601);
    server.store.tend().unwrap();
    assert_eq!([&reader, &manager, &writer].map(|actor| actor.get(&of_it).must_be(200).ids().len()), [1, 1, 1]);
}

#[test]
fn who_does_not_manage_has_no_holds_to_see_or_place() {
    let (server, clock) = server();
    let wanted = json!({"object": id("indicator", 1), "until": in_an_hour(&clock), "reason": "x"}).to_string();
    let hold = format!("{}{}/", holds(), uuid::Uuid::new_v4());
    for (name, status) in [("reader", 403), ("writer", 403), ("outsider", 404)] {
        let actor = server.actor(name);
        actor.get(&holds()).must_be(status);
        actor.post(&holds(), &wanted).must_be(status);
        actor.delete(&hold).must_be(status);
    }
    server.actor("manager").delete(&hold).must_be(404);
}

#[test]
fn a_hold_without_sense_is_refused_with_what_is_wrong() {
    let (server, clock) = server();
    let manager = server.actor("manager");
    let (until, object) = (in_an_hour(&clock), id("indicator", 1));
    for (wanted, expected) in [
        (json!({"until": until, "reason": "x"}), "object"),
        (json!({"object": object, "added_from": "2020-01-01T00:00:00Z", "until": until, "reason": "x"}), "object"),
        (json!({"added_from": "2020-01-01T00:00:00Z", "until": until, "reason": "x"}), "withheld_from"),
        (json!({"added_from": until, "withheld_from": ["reader"], "until": until, "reason": "x"}), "future"),
        (json!({"object": "report--x", "until": until, "reason": "x"}), "no id of an object"),
        (json!({"object": object, "until": "2020-01-01T00:00:00Z", "reason": "x"}), "past"),
        (json!({"object": object, "until": until, "reason": " "}), "reason"),
        (json!({"object": object, "until": until, "reason": "x", "withheld_from": ["outsider"]}), "outsider"),
        (json!({"object": object, "until": until, "reason": "x", "withheld_from": ["nobody"]}), "nobody"),
        (json!({"object": object, "until": until, "reason": "x", "from": []}), "unknown field"),
        (json!({"object": object, "until": "soon", "reason": "x"}), "soon"),
    ] {
        let said = manager.post(&holds(), &wanted.to_string()).must_fail(400);
        assert!(said.contains(expected), "{wanted}: {said}");
    }
    assert_eq!(manager.get(&holds()).must_be(200).json(), json!({"holds": []}));
}

#[test]
fn a_hold_is_no_larger_than_a_hold_can_be() {
    let (server, clock) = server();
    let manager = server.actor("manager");
    let wanted = json!({"object": id("indicator", 1), "until": in_an_hour(&clock), "reason": "x".repeat(64 << 10)});
    assert!(manager.post(&holds(), &wanted.to_string()).must_fail(413).contains("65536 octets"));
}

/// A second manager, `deputy`, which reads up to a level.
fn deputy(server: &Server, level: Level) -> Actor {
    server.admin.add_organisation("deputy", "Deputy").unwrap();
    let rights = Rights { read: Some(level), write: true, manage: true, relay: true };
    server.admin.grant("deputy", RW, Some(rights)).unwrap();
    server.actor("deputy")
}

fn listed(actor: &Actor) -> Vec<String> {
    let held = actor.get(&holds()).must_be(200).list("holds");
    held.iter().map(|hold| hold["id"].as_str().unwrap().to_owned()).collect()
}

/// The hold is to be there for whoever manages, or not to be, in the list and when it is released.
#[track_caller]
fn must_be_there(actor: &Actor, hold: &str, is_there: bool) {
    assert_eq!(listed(actor).contains(&hold.to_owned()), is_there);
    if !is_there {
        let none = uuid::Uuid::new_v4().to_string();
        let [hidden, absent] = [hold, &none].map(|hold| actor.delete(&format!("{}{hold}/", holds())));
        assert_eq!(hidden.stable_headers(), absent.stable_headers());
        assert_eq!(hidden.must_fail(404), absent.must_fail(404));
    }
}

#[test]
fn a_manager_is_told_of_what_it_placed_and_of_what_is_not_from_it_and_on_what_it_sees() {
    let (server, clock) = server();
    let [writer, manager] = ["writer", "manager"].map(|name| server.actor(name));
    let deputy = deputy(&server, Level::Green);
    let seen: Vec<String> = [3, 4, 5, 6].iter().map(|n| indicator(*n, 1)).collect();
    writer.post(&objects(RW), &envelope(&[&seen[..], &[marked(7, 1, Level::Red)]].concat())).must_be(202);
    deputy.post(&objects(RW), &envelope(&[indicator(8, 1), indicator(9, 1)])).must_be(202);
    clock.turn_on(60);
    let now = Timestamp::from(clock.clock().now()).to_string();
    let object = |n| json!({"object": id("indicator", n)});
    let since = json!({"added_from": now});
    let mut placed = Vec::new();
    for (who, what, from, is_there) in [
        (&manager, object(1), "reader", true),
        (&manager, object(7), "reader", false),
        (&manager, object(99), "reader", false),
        (&manager, object(2), "deputy", false),
        (&manager, object(3), "", false),
        (&manager, object(4), "reader", false),
        (&manager, object(4), "deputy", false),
        (&manager, object(8), "", true),
        (&manager, object(9), "deputy", false),
        (&manager, since.clone(), "reader", true),
        (&manager, since.clone(), "deputy", false),
        (&deputy, object(7), "reader", true),
        (&deputy, object(99), "", true),
        (&deputy, object(5), "deputy", true),
        (&deputy, since, "deputy", true),
    ] {
        let mut wanted = what;
        (wanted["until"], wanted["reason"]) = (json!(in_an_hour(&clock)), json!("x"));
        if !from.is_empty() {
            wanted["withheld_from"] = json!([from]);
        }
        let hold = who.post(&holds(), &wanted.to_string()).must_be(200).json();
        placed.push((wanted, hold["id"].as_str().unwrap().to_owned(), is_there));
    }
    for (wanted, hold, is_there) in &placed {
        assert_eq!(listed(&deputy).contains(hold), *is_there, "{wanted}");
        must_be_there(&deputy, hold, *is_there);
    }
    assert_eq!(listed(&manager).len(), 11 + 3, "its own, and the deputy's but the one on what is not there");
    for (wanted, hold, is_there) in &placed {
        let status = deputy.delete(&format!("{}{hold}/", holds())).status;
        assert_eq!(status, if *is_there { 200 } else { 404 }, "{wanted}");
    }
    assert_eq!(listed(&deputy), [""; 0]);
    assert_eq!(
        server.admin.holding(RW).unwrap().list().unwrap().wait().unwrap().len(),
        8,
        "the operator is told of all"
    );
}

#[test]
fn what_waits_for_a_manager_is_shown_to_those_who_read_up_to_all_levels_of_it() {
    let (server, clock) = server();
    server.admin.set_rules(RW, &[Rule::Downgrade(Downgrade::Quarantine)]).unwrap();
    let [writer, manager] = ["writer", "manager"].map(|name| server.actor(name));
    let deputy = deputy(&server, Level::Amber);
    let (unknown, starting) = (id("marking-definition", 77), id("marking-definition", 78));
    let tomorrow = Timestamp::from(clock.clock().now() + Duration::from_hours(24)).to_string();
    let refs = |n, marking: &str| versioned("indicator", n, 1, &format!(r#","object_marking_refs":["{marking}"]"#));
    let items = [
        marked(3, 1, Level::Amber),
        marked(3, 2, Level::Green),
        marked(4, 1, Level::Red),
        marked(4, 2, Level::Green),
        refs(5, &unknown),
        definition(78, IEP, &iep("green", &tomorrow, None)),
        refs(6, &starting),
    ];
    assert_eq!(writer.post(&objects(RW), &envelope(&items)).must_be(202).json()["success_count"], items.len());
    let of = |n| {
        let all = server.admin.holding(RW).unwrap().list().unwrap().wait().unwrap();
        let held = all.into_iter().find(|hold| hold.version_added.is_some() && hold.object == Some(id("indicator", n)));
        held.unwrap().id.to_string()
    };
    for (n, to_deputy, to_manager) in [(3, true, true), (4, false, true), (5, false, true), (6, false, false)] {
        must_be_there(&deputy, &of(n), to_deputy);
        must_be_there(&manager, &of(n), to_manager);
    }
    // Something else keeps it from the deputy, too.
    let wanted =
        json!({"object": id("indicator", 3), "withheld_from": ["deputy"], "until": in_an_hour(&clock), "reason": "x"});
    manager.post(&holds(), &wanted.to_string()).must_be(200);
    must_be_there(&deputy, &of(3), false);
    clock.turn_on(3601);
    server.store.tend().unwrap();
    must_be_there(&deputy, &of(3), true);
    assert_eq!(deputy.delete(&format!("{}{}/", holds(), of(3))).must_be(200).json(), json!({"versions": 1}));
    manager.delete(&format!("{}{}/", holds(), of(4))).must_be(200);
}

#[test]
fn a_manager_that_releases_is_told_how_many_of_those_it_sees() {
    let (server, clock) = server();
    let deputy = deputy(&server, Level::Green);
    let red: Vec<String> = (3..7).map(|n| marked(n, 1, Level::Red)).collect();
    server.actor("writer").post(&objects(RW), &envelope(&red)).must_be(202);
    for (what, told) in [
        (json!({"added_from": "2020-01-01T00:00:00Z"}), json!({})),
        (json!({"object": id("indicator", 1)}), json!({"versions": 1})),
        (json!({"object": id("indicator", 3)}), json!({"versions": 0})),
        (json!({"object": id("indicator", 99)}), json!({"versions": 0})),
    ] {
        let mut wanted = what;
        wanted["withheld_from"] = json!(["reader"]);
        (wanted["until"], wanted["reason"]) = (json!(in_an_hour(&clock)), json!("x"));
        let hold = deputy.post(&holds(), &wanted.to_string()).must_be(200).json();
        let released = deputy.delete(&format!("{}{}/", holds(), hold["id"].as_str().unwrap()));
        assert_eq!(released.must_be(200).json(), told, "{wanted}");
    }
}
