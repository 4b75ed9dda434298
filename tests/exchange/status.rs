//! `/{root}/status/{id}/`

use crate::support::actor::{Actor, is_taxii_timestamp};
use crate::support::clock::Turnable;
use crate::support::objects::{address, envelope, id, indicator, versioned};
use crate::support::server::{OTHER, Setup, manifest, objects};
use crate::support::{RW, Server};
use entente::access::level::Level;
use entente::config::Settings;
use entente::exchange::Rights;
use serde_json::{Value, json};
use uuid::Uuid;

fn path(status: &Value) -> String {
    format!("/api1/status/{}/", status["id"].as_str().unwrap())
}

/// A status, as a client gets it when it adds this.
fn add(actor: &Actor, envelope: &str) -> Value {
    actor.post(&objects(RW), envelope).must_be(202).json()
}

/// Good objects with and without versions, and bad ones of several kinds.
fn mixed() -> String {
    envelope(&[
        indicator(1, 1),
        versioned("malware", 2, 5, ""),
        address(3, "192.0.2.3"),
        indicator(1, 1),
        indicator(4, 1).replace("\"type\":\"indicator\"", "\"type\":\"malware\""),
        r#"{"type":"x"}"#.to_owned(),
        "7".to_owned(),
    ])
}

/// Rows: STAT-1, STAT-2, STAT-4, STAT-5, STAT-8, TYPE-2.
#[test]
fn a_status_counts_what_became_of_each_object() {
    let server = Server::start();
    let writer = server.actor("writer");
    let status = add(&writer, &mixed());
    let counts =
        ["total_count", "success_count", "failure_count", "pending_count"].map(|name| status[name].as_u64().unwrap());
    assert_eq!((counts, &status["status"]), ([7, 4, 3, 0], &json!("complete")));
    assert_eq!((status["successes"].as_array().unwrap().len(), status["failures"].as_array().unwrap().len()), (4, 3));
    assert!(is_taxii_timestamp(status["request_timestamp"].as_str().unwrap()));
    let status_id = Uuid::parse_str(status["id"].as_str().unwrap()).unwrap();
    assert_eq!((status_id.get_version_num(), status_id.to_string().as_str()), (4, status["id"].as_str().unwrap()));
    let good = add(&writer, &envelope(&[indicator(9, 1)]));
    assert!(good.get("failures").is_none() && good.get("pendings").is_none(), "{good}");
    let bad = add(&writer, &envelope(&["7".to_owned()]));
    assert!(bad.get("successes").is_none() && bad["total_count"] == 1, "{bad}");
}

/// Rows: STAT-6, STAT-7.
#[test]
fn every_object_in_a_status_has_an_id_and_a_version() {
    let server = Server::start();
    let writer = server.actor("writer");
    let status = add(&writer, &mixed());
    let details: Vec<&Value> =
        ["successes", "failures"].iter().flat_map(|list| status[list].as_array().unwrap()).collect();
    for detail in &details {
        for name in ["id", "version"] {
            assert!(detail[name].as_str().is_some_and(|text| !text.is_empty()), "{detail}");
        }
    }
    let version_of =
        |object: &str| details.iter().find(|detail| detail["id"] == object).map(|detail| &detail["version"]);
    assert_eq!(version_of(&id("malware", 2)), Some(&json!("2024-01-01T00:00:05.000Z")));
    let record = writer
        .get(&manifest(RW))
        .list("objects")
        .into_iter()
        .find(|record| record["id"] == id("ipv4-addr", 3).as_str());
    assert_eq!(version_of(&id("ipv4-addr", 3)), Some(&record.unwrap()["version"]));
    assert!(status["failures"].as_array().unwrap().iter().all(|failure| failure["message"].is_string()));
}

/// Rows: STAT-3.
#[test]
fn a_request_without_objects_is_refused_and_has_no_status() {
    let server = Server::start();
    let writer = server.actor("writer");
    for body in ["{}", "{\"objects\":[]}", "{\"more\":false}"] {
        writer.post(&objects(RW), body).must_fail(422);
    }
}

/// Rows: STAT-2, STAT-13.
#[test]
fn a_status_is_the_same_whenever_it_is_asked_for_also_after_a_restart() {
    let mut server = Server::start();
    let writer = server.actor("writer");
    let status = writer.post(&objects(RW), &mixed()).must_be(202);
    let path = path(&status.json());
    assert_eq!(writer.get(&path).must_be(200).body, status.body);
    add(&writer, &envelope(&[indicator(1, 2)]));
    assert_eq!(writer.get(&path).must_be(200).body, status.body);
    server.restart();
    assert_eq!(writer.at(server.address).get(&path).must_be(200).body, status.body);
}

/// Rows: STAT-9, STAT-10.
#[test]
fn a_status_is_kept_for_as_long_as_the_setting_says_and_a_day_by_default() {
    for (hours, in_memory) in [(24, false), (24, true), (48, true)] {
        let clock = Turnable::default();
        let mut settings = Settings::default();
        settings.taxii.keep_status_hours = hours;
        let server = Server::with(Setup { settings, clock: clock.clock(), in_memory });
        // A certificate of the harness ends after a day, and these statuses do not.
        let lasting = server.ca.issue("writer", |certificate| certificate.not_after = rcgen::date_time_ymd(4000, 1, 1));
        server.register("writer", &lasting);
        let writer = server.actor_with(Some(lasting));
        let path = path(&add(&writer, &envelope(&[indicator(1, 1)])));
        clock.turn_on(u64::from(hours) * 3600 - 60);
        writer.get(&path).must_be(200);
        clock.turn_on(61);
        writer.get(&path).must_fail(404);
    }
    let mut short = Settings::default();
    assert_eq!(short.taxii.keep_status_hours, 24);
    short.taxii.keep_status_hours = 23;
    assert!(short.taxii.faults()[0].contains("at least 24"));
}

/// Rows: STAT-12.
#[test]
fn a_status_is_for_its_submitter_and_for_who_manages_the_collection() {
    let server = Server::start();
    let (reader, writer, manager) = (server.actor("reader"), server.actor("writer"), server.actor("manager"));
    server
        .admin
        .grant("outsider", RW, Some(Rights { read: Some(Level::Red), write: true, manage: false, relay: true }))
        .unwrap();
    let path = path(&add(&writer, &envelope(&[indicator(1, 1)])));
    writer.get(&path).must_be(200);
    server.actor("writer").get(&path).must_be(200);
    manager.get(&path).must_be(200);
    for other in [reader, server.actor("outsider")] {
        other.get(&path).must_fail(404);
    }
    server.stranger().get(&path).must_fail(401);
}

#[test]
fn a_status_is_found_in_its_own_root_only() {
    let server = Server::start();
    let manager = server.actor("manager");
    let second = format!("/second/root/collections/{OTHER}/objects/");
    let (here, there) =
        (add(&manager, &envelope(&[indicator(1, 1)])), manager.post(&second, &envelope(&[indicator(1, 1)])).json());
    let of =
        |root: &str, status: &Value| manager.get(&format!("/{root}/status/{}/", status["id"].as_str().unwrap())).status;
    assert_eq!((of("api1", &here), of("second/root", &here)), (200, 404));
    assert_eq!((of("api1", &there), of("second/root", &there)), (404, 200));
}

/// Rows: STAT-10.
#[test]
fn an_id_of_no_status_is_404_however_it_is_written() {
    let server = Server::start();
    let writer = server.actor("writer");
    let status = add(&writer, &envelope(&[indicator(1, 1)]))["id"].as_str().unwrap().to_owned();
    let others = [
        Uuid::new_v4().to_string(),
        status.to_uppercase(),
        status.replace('-', ""),
        format!("{{{status}}}"),
        "x".to_owned(),
        RW.to_owned(),
    ];
    for other in others {
        writer.get(&format!("/api1/status/{other}/")).must_fail(404);
    }
    writer.get(&format!("/api1/status/{status}")).must_be(200);
}
