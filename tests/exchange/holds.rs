//! Holds: what is kept from whom, and until when.

use crate::support::clock::Turnable;
use crate::support::objects::{envelope, id, indicator};
use crate::support::server::{Setup, collection, manifest, object, objects, versions};
use crate::support::{RW, Server};
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

#[test]
fn a_manager_does_not_end_what_is_held_from_it() {
    let (server, clock) = server();
    let manager = server.actor("manager");
    let until = in_an_hour(&clock);
    let wanted = json!({"object": id("indicator", 1), "withheld_from": ["manager"], "until": until, "reason": "x"});
    let placed = manager.post(&holds(), &wanted.to_string()).must_be(200).json();
    manager.delete(&format!("{}{}/", holds(), placed["id"].as_str().unwrap())).must_be(403);
    server.admin.holding(RW).unwrap().release(placed["id"].as_str().unwrap()).unwrap();
}
