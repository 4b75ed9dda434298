//! Originators: whose name an object may bear.

use crate::support::clock::Still;
use crate::support::inside::Inside;
use crate::support::objects::{envelope, id, versioned};
use crate::support::server::objects;
use crate::support::{RW, Server};
use entente::access::level::Level;
use entente::clock::Clock;
use entente::exchange::Rights;
use entente::store::registry::Rules;
use entente::taxii::status::WAS_THERE;
use entente::taxii::timestamp::Timestamp;
use std::time::Duration;

fn by(n: usize, version: u32, creator: usize) -> String {
    versioned("indicator", n, version, &format!(r#","created_by_ref":"{}""#, id("identity", creator)))
}

fn identity(n: usize, version: u32) -> String {
    versioned("identity", n, version, "")
}

const NOT_YOURS: &str = "/objects/0/id: this id belongs to another organisation: only its owner adds versions of it";

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
    assert_eq!(said, NOT_YOURS);
    assert_eq!(message(&server, "writer", &identity(1, 1)), None);
    assert_eq!(message(&server, "manager", &identity(1, 2)), None);
    assert_eq!(message(&server, "outsider", &identity(9, 1)), None);
}

/// An exchange whose `other` sent identity 1 before it was declared as `whose`'s, with a creation of its own making.
fn sent_before(in_memory: bool) -> (Inside, String) {
    let inside = Inside::at(in_memory, Still::default());
    inside.add_collection(RW, "Read and write", Rules::default());
    for (name, manage) in [("whose", false), ("other", false), ("reader", false), ("manager", true)] {
        inside.add_organisation(name);
        inside.grant(name, RW, Some(Rights { read: Some(Level::Green), write: true, manage, relay: true }));
    }
    let forged =
        identity(1, 1).replace(r#""created":"2024-01-01T00:00:00.000Z""#, r#""created":"2023-01-01T00:00:00.000Z""#);
    assert_ne!(forged, identity(1, 1));
    assert_eq!(inside.push("other", RW, &[forged.clone()]).successes().len(), 1);
    assert!(inside.admin.declare_identity("whose", &id("identity", 2)).unwrap().is_empty());
    let earlier = inside.admin.declare_identity("whose", &id("identity", 1)).unwrap();
    assert_eq!(earlier, [(RW.to_owned(), "other".to_owned())], "the operator is told");
    (inside, forged)
}

#[test]
fn an_identity_that_another_sent_before_it_was_declared_is_its_declarers_from_its_next_version_on() {
    for in_memory in [true, false] {
        let (inside, forged) = sent_before(in_memory);
        let failure = |who: &str, text: String| inside.push(who, RW, &[text]).failures().first().cloned();
        let seen = || inside.get("reader", RW, "objects", "match[version]=all").items().len();
        let again = inside.push("other", RW, &[forged]);
        assert_eq!(again.successes()[0].message.as_deref(), Some(WAS_THERE), "what is there is there");
        assert_eq!(failure("other", identity(1, 2)).unwrap().message.as_deref(), Some(NOT_YOURS));
        assert_eq!(failure("whose", identity(1, 2)), None, "whatever was said in its name");
        assert_eq!(inside.delete("whose", RW, &id("identity", 1), "match[version]=first"), 200, "the first of its own");
        assert_eq!(failure("whose", identity(1, 3)), None);
        assert_eq!(failure("manager", identity(1, 4)), None);
        assert_eq!(seen(), 3);
        assert_eq!(
            inside.delete("other", RW, &id("identity", 1), "match[version]=all"),
            200,
            "what it sent is its own"
        );
        assert_eq!(seen(), 2);
        assert_eq!(inside.delete("other", RW, &id("identity", 1), "match[version]=all"), 403);
        inside.admin.withdraw_identity(&id("identity", 1)).unwrap();
        assert_eq!(failure("other", identity(1, 5)).unwrap().message.as_deref(), Some(NOT_YOURS), "nor then");
        assert_eq!(failure("whose", identity(1, 5)), None);
        assert_eq!(inside.delete("whose", RW, &id("identity", 1), "match[version]=all"), 200);
        assert_eq!((seen(), failure("other", identity(1, 6)).is_some()), (0, true));
    }
}

#[test]
fn a_refusal_does_not_say_whether_an_id_is_declared_or_owned_or_there() {
    let (inside, _) = sent_before(true);
    let said = |n| inside.push("manager", RW, &[identity(n, 1)]).failures().len();
    assert_eq!(said(3), 0);
    for n in [1, 2, 3] {
        let refused = inside.push("reader", RW, &[identity(n, 9)]);
        assert_eq!(refused.failures()[0].message.as_deref(), Some(NOT_YOURS), "{n}");
    }
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
