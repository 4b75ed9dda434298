//! Markings: how far an object travels, and when.

use crate::support::actor::Actor;
use crate::support::clock::Turnable;
use crate::support::objects::{envelope, id, tlp, versioned};
use crate::support::server::{Setup, object, objects};
use crate::support::{RW, Server};
use entente::access::level::Level;
use entente::exchange::Rights;
use entente::stix::marking::TLP;
use entente::store::registry::{Downgrade, Rule};
use entente::taxii::timestamp::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

pub const ACS: &str = "extension-definition--3a65884d-005a-4290-8335-cb2d778a83ce";
pub const IEP: &str = "extension-definition--762e2e97-ee51-43e5-a9ea-165fbb862c4a";

/// The `n`th marking definition, with an extension.
pub fn definition(n: usize, extension: &str, content: &Value) -> String {
    json!({
        "type": "marking-definition", "spec_version": "2.1", "id": id("marking-definition", n), "name": "A marking",
        "created": "2024-01-01T00:00:00.000Z", "extensions": {extension: content},
    })
    .to_string()
}

pub fn acs(policy: &str, control: &Value) -> Value {
    json!({
        "extension_type": "property-extension", "identifier": "isa:guide.19001.ACS3-1",
        "create_date_time": "2024-01-01T00:00:00.000Z", "responsible_entity_custodian": "USA.DHS",
        "policy_reference": format!("urn:isa:policy:acs:ns:v3.0?{policy}"), "control_set": control,
    })
}

pub fn iep(tlp: &str, starts: &str, ends: Option<&str>) -> Value {
    let mut policy = json!({
        "extension_type": "property-extension", "encrypt_in_transit": "must", "permitted_actions": "none",
        "affected_party_notifications": "must-not", "tlp": tlp, "provider_attribution": "must-not",
        "unmodified_resale": "must-not", "iep_id": "50c0e7a4-1d7a-4d1f-9b1f-5a3f4a1f7d10", "iep_version": 2.0,
        "description": "A policy", "start_date": starts,
    });
    if let Some(ends) = ends {
        policy["end_date"] = json!(ends);
    }
    policy
}

/// The `n`th indicator, marked by the `n`th definition.
fn marked_by(n: usize) -> String {
    versioned("indicator", n, 1, &format!(r#","object_marking_refs":["{}"]"#, id("marking-definition", n)))
}

/// Up to which level callers have to read to find the `n`th indicator; `None`: nobody else finds it.
fn level_of(server: &Server, n: usize) -> Option<Level> {
    let reader = server.actor("outsider");
    let found = |level: &Level| {
        let rights = Rights { read: Some(*level), write: false, manage: false, relay: false };
        server.admin.grant("outsider", RW, Some(rights)).unwrap();
        finds(&reader, n)
    };
    Level::ALL.into_iter().find(found)
}

fn finds(actor: &Actor, n: usize) -> bool {
    !actor.get(&format!("{}?match[id]={}", objects(RW), id("indicator", n))).must_be(200).ids().is_empty()
}

#[test]
fn the_level_is_what_all_markings_ask_for_and_what_cannot_be_evaluated_closes() {
    let server = Server::start();
    let writer = server.actor("writer");
    let permit = "privdefault=permit&sharedefault=permit";
    let open = json!({"classification": "U", "formal_determination": ["PUBREL"]});
    let cases = [
        (definition(1, ACS, &acs(permit, &open)), Level::Clear),
        (definition(2, ACS, &acs("privdefault=permit&sharedefault=deny", &open)), Level::Red),
        (definition(3, ACS, &acs("privdefault=deny&sharedefault=permit", &open)), Level::Red),
        (definition(4, ACS, &acs(permit, &json!({"classification": "U", "formal_determination": ["NF"]}))), Level::Red),
        (
            definition(5, ACS, &acs(permit, &json!({"classification": "U", "formal_determination": ["FOUO"]}))),
            Level::Amber,
        ),
        (definition(6, ACS, &acs(permit, &json!({"classification": "U"}))), Level::Green),
        (definition(7, IEP, &iep("amber", "2024-01-01T00:00:00Z", None)), Level::Amber),
    ];
    for (at, (definition, level)) in cases.iter().enumerate() {
        let pushed = writer.post(&objects(RW), &envelope(&[marked_by(at + 1), definition.clone()])).must_be(202);
        assert_eq!(pushed.json()["failure_count"], 0, "{}", pushed.text());
        assert_eq!(level_of(&server, at + 1), Some(*level), "{definition}");
    }
    let granular = format!(
        r#","object_marking_refs":["{}"],"granular_markings":[{{"selectors":["name"],"marking_ref":"{}"}}]"#,
        tlp(Level::Clear),
        tlp(Level::AmberStrict)
    );
    writer.post(&objects(RW), &envelope(&[versioned("indicator", 9, 1, &granular)])).must_be(202);
    assert_eq!(level_of(&server, 9), Some(Level::AmberStrict), "a part marked higher withholds the whole");
}

#[test]
fn what_is_classified_is_refused() {
    let server = Server::start().lenient();
    for classification in ["C", "S", "TS", "X"] {
        let content = acs("privdefault=permit&sharedefault=permit", &json!({"classification": classification}));
        let pushed = server.actor("writer").post(&objects(RW), &envelope(&[definition(1, ACS, &content)])).must_be(202);
        let said = pushed.json()["failures"][0]["message"].as_str().unwrap().to_owned();
        assert!(said.contains("control_set/classification") && said.contains("unclassified"), "{said}");
    }
}

#[test]
fn an_object_is_its_owners_alone_until_its_marking_is_known() {
    let server = Server::start();
    let [reader, writer] = ["reader", "writer"].map(|name| server.actor(name));
    let pushed = writer.post(&objects(RW), &envelope(&[marked_by(1)])).must_be(202).json();
    assert!(pushed["successes"][0]["message"].as_str().unwrap().contains(&id("marking-definition", 1)), "{pushed}");
    assert!(finds(&writer, 1) && !finds(&reader, 1));
    let cursor = reader.get(&objects(RW)).must_be(200).dates().1;
    let content = acs("privdefault=permit&sharedefault=permit", &json!({"classification": "U"}));
    writer.post(&objects(RW), &envelope(&[definition(1, ACS, &content)])).must_be(202);
    let fresh = reader.get(&format!("{}?added_after={cursor}", objects(RW))).must_be(200).ids();
    assert_eq!(fresh, [id("marking-definition", 1), id("indicator", 1)]);
}

#[test]
fn a_policy_lets_an_object_go_out_between_its_dates_only() {
    let clock = Turnable::default();
    let server = Server::with(Setup { clock: clock.clock(), ..Setup::default() });
    let [reader, writer] = ["reader", "writer"].map(|name| server.actor(name));
    let time = |hours| Timestamp::from(clock.clock().now() + Duration::from_hours(hours)).to_string();
    let policy = definition(1, IEP, &iep("green", &time(1), Some(&time(2))));
    writer.post(&objects(RW), &envelope(&[policy, marked_by(1)])).must_be(202);
    for expected in [false, true, false] {
        server.store.tend().unwrap();
        assert_eq!((finds(&reader, 1), finds(&writer, 1)), (expected, true));
        clock.turn_on(3601);
    }
}

#[test]
fn predefined_markings_are_served_when_asked_for_by_id() {
    let server = Server::start();
    let reader = server.actor("reader");
    assert_eq!(reader.get(&objects(RW)).must_be(200).ids(), Vec::<String>::new());
    for marking in &TLP {
        let found = reader.get(&object(RW, marking.id)).must_be(200);
        assert_eq!(found.list("objects")[0]["name"], marking.name);
    }
    let all: Vec<&str> = TLP.iter().map(|marking| marking.id).collect();
    let query = format!("match[id]={}", all.join(","));
    let listed = reader.get(&format!("{}?{query}", objects(RW))).must_be(200);
    assert_eq!(listed.ids(), all);
    let page = reader.get(&format!("{}?{query}&limit=4", objects(RW))).must_be(200);
    let rest = reader.get(&format!("{}?next={}", objects(RW), page.next().unwrap())).must_be(200);
    assert_eq!([page.ids(), rest.ids()].concat(), all);
    assert_eq!(reader.get(&format!("{}?{query}&match[type]=indicator", objects(RW))).must_be(200).ids().len(), 0);
    let added = listed.dates().0;
    server.actor("writer").post(&objects(RW), &envelope(&[TLP[0].definition()])).must_be(202);
    let own = reader.get(&object(RW, TLP[0].id)).must_be(200);
    assert!(own.list("objects").len() == 1 && own.dates().0 > added, "the collection's own copy");
}

#[test]
fn a_collection_takes_nothing_above_its_ceiling_and_quarantines_downgrades_if_told_to() {
    let server = Server::start();
    server.admin.set_rules(RW, &[Rule::Ceiling(Level::Amber), Rule::Downgrade(Downgrade::Quarantine)]).unwrap();
    let [reader, writer, manager] = ["reader", "writer", "manager"].map(|name| server.actor(name));
    let at = |n, version, level| {
        versioned("indicator", n, version, &format!(r#","object_marking_refs":["{}"]"#, tlp(level)))
    };
    let pushed =
        writer.post(&objects(RW), &envelope(&[at(1, 1, Level::Red), at(2, 1, Level::Amber)])).must_be(202).json();
    assert_eq!(pushed["success_count"], 1);
    assert!(pushed["failures"][0]["message"].as_str().unwrap().contains("takes up to amber"), "{pushed}");
    writer.post(&objects(RW), &envelope(&[at(2, 2, Level::Clear)])).must_be(202);
    assert!(!finds(&reader, 2));
    let holds = format!("/api1/collections/{RW}/x_entente_hold/");
    let held = manager.get(&holds).must_be(200).json();
    assert_eq!(held["holds"][0]["object"], id("indicator", 2));
    manager.delete(&format!("{holds}{}/", held["holds"][0]["id"].as_str().unwrap())).must_be(200);
    assert!(finds(&reader, 2));
}

#[test]
fn a_downgrade_that_nobody_has_decided_about_does_not_open_the_way_for_the_next() {
    let server = Server::start();
    server.admin.set_rules(RW, &[Rule::Downgrade(Downgrade::Quarantine)]).unwrap();
    let [reader, writer] = ["reader", "writer"].map(|name| server.actor(name));
    let at = |n, version, marking: &str| {
        versioned("indicator", n, version, &format!(r#","object_marking_refs":["{marking}"]"#))
    };
    let (red, green) = (tlp(Level::Red), tlp(Level::Green));
    writer.post(&objects(RW), &envelope(&[at(1, 1, red), at(2, 1, &id("marking-definition", 99))])).must_be(202);
    writer.post(&objects(RW), &envelope(&[at(1, 2, green)])).must_be(202);
    writer.post(&objects(RW), &envelope(&[at(1, 3, green), at(2, 2, green)])).must_be(202);
    writer.post(&objects(RW), &envelope(&[at(3, 1, red), at(3, 2, green), at(3, 3, green)])).must_be(202);
    for n in 1..=3 {
        assert!(finds(&writer, n) && !finds(&reader, n), "{n}");
    }
}
