//! Originators: whose name an object may bear.

use crate::support::objects::{envelope, id, versioned};
use crate::support::server::objects;
use crate::support::{RW, Server};
use entente::access::level::Level;
use entente::clock::Clock;
use entente::exchange::Rights;
use entente::taxii::timestamp::Timestamp;
use std::time::Duration;

fn by(n: usize, version: u32, creator: usize) -> String {
    versioned("indicator", n, version, &format!(r#","created_by_ref":"{}""#, id("identity", creator)))
}

fn identity(n: usize, version: u32) -> String {
    versioned("identity", n, version, "")
}

/// The checklist's server, whose writer may not pass on what others created, and is identity 1; the manager is 2.
fn server() -> Server {
    let server = Server::start();
    let rights = |manage| Some(Rights { read: Some(Level::Green), write: true, manage, relay: false });
    server.admin.grant("writer", RW, rights(false)).unwrap();
    server.admin.grant("manager", RW, rights(true)).unwrap();
    server.admin.declare_identity("writer", &id("identity", 1)).unwrap();
    server.admin.declare_identity("manager", &id("identity", 2)).unwrap();
    server
}

fn message(server: &Server, who: &str, object: &str) -> Option<String> {
    let pushed = server.actor(who).post(&objects(RW), &envelope(&[object.to_owned()])).must_be(202).json();
    pushed["failures"][0]["message"].as_str().map(str::to_owned)
}

#[test]
fn an_object_bears_its_submitters_name_or_none() {
    let server = server();
    assert_eq!(message(&server, "writer", &by(1, 1, 1)), None);
    assert_eq!(message(&server, "writer", &versioned("indicator", 2, 1, "")), None);
    for stranger in [2, 3] {
        let said = message(&server, "writer", &by(3, 1, stranger)).unwrap();
        assert!(
            said.starts_with("/objects/0/created_by_ref: names an identity that is not declared as yours"),
            "{said}"
        );
    }
    let rights = Rights { read: Some(Level::Green), write: true, manage: false, relay: true };
    server.admin.grant("writer", RW, Some(rights)).unwrap();
    assert_eq!(message(&server, "writer", &by(3, 1, 2)), None, "it may pass on");
}

#[test]
fn a_manager_adds_versions_of_what_others_created_and_creates_nothing_in_their_name() {
    let server = server();
    assert_eq!(message(&server, "writer", &by(1, 1, 1)), None);
    assert_eq!(message(&server, "manager", &by(1, 2, 1)), None);
    assert!(message(&server, "manager", &by(2, 1, 1)).is_some());
}

#[test]
fn an_identity_is_added_by_who_declares_it() {
    let server = server();
    server.admin.grant("outsider", RW, Some(Rights { read: None, write: true, manage: false, relay: true })).unwrap();
    let said = message(&server, "outsider", &identity(1, 1)).unwrap();
    assert!(said.contains("declared by another organisation"), "{said}");
    assert_eq!(message(&server, "writer", &identity(1, 1)), None);
    assert_eq!(message(&server, "manager", &identity(1, 2)), None);
    assert_eq!(message(&server, "outsider", &identity(9, 1)), None);
}

#[test]
fn a_version_from_the_future_is_refused() {
    let server = server();
    let soon = |minutes: u64| Timestamp::from(Clock::system().now() + Duration::from_secs(60 * minutes)).to_string();
    let at = |minutes| {
        versioned("indicator", 1, 1, "").replacen("2024-01-01T00:00:01.000Z", &format!("{}Z", &soon(minutes)[..23]), 1)
    };
    let said = message(&server, "writer", &at(6)).unwrap();
    assert!(said.starts_with("/objects/0/modified: is more than 300 seconds ahead"), "{said}");
    assert_eq!(message(&server, "writer", &at(4)), None);
}
