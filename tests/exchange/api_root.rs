//! `/{root}/`

use crate::support::Server;
use serde_json::json;

/// Rows: ROOT-1, ROOT-2, ROOT-3.
#[test]
fn a_root_says_what_it_speaks_and_how_much_it_takes() {
    let server = Server::start();
    let expected =
        json!({"title": "First", "versions": ["application/taxii+json;version=2.1"], "max_content_length": 100 << 20});
    assert_eq!(server.actor("reader").get("/api1/").must_be(200).json(), expected);
    assert_eq!(server.actor("manager").get("/second/root/").must_be(200).json()["title"], "Second");
}

/// Rows: ROOT-5.
#[test]
fn no_two_roots_have_one_url() {
    let server = Server::start();
    let refusal = server.admin.add_root("api1", "Another").unwrap_err().to_string();
    assert!(refusal.contains("already"), "{refusal}");
    assert_eq!(server.actor("reader").get("/api1/").json()["title"], "First");
}

#[test]
fn a_root_exists_for_those_who_have_a_grant_in_it() {
    let server = Server::start();
    for (who, first, second) in [("manager", 200, 200), ("reader", 200, 404), ("outsider", 404, 404)] {
        let actor = server.actor(who);
        for below in ["", "collections/"] {
            actor.get(&format!("/api1/{below}")).must_be(first);
            actor.get(&format!("/second/root/{below}")).must_be(second);
        }
    }
}
