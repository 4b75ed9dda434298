//! `/{root}/collections/` and `/{root}/collections/{id}/`

use crate::support::server::{BOTH, OTHER, collection, manifest};
use crate::support::{EMPTY, MISSING, NO, RO, RW, Server, WO};
use entente::access::permission::CollectionKey;
use entente::stix::head::Spec;
use entente::store::registry::{Collection, Rules};
use entente::taxii::timestamp::Timestamp;
use serde_json::{Value, json};

const COLLECTIONS: &str = "/api1/collections/";

/// A root with nothing in it for the caller is no root for the caller, so the list is never empty.
/// Rows: COLS-1, SORT-2.
#[test]
fn the_collections_of_a_root_are_listed_by_id() {
    let server = Server::start();
    let (writer, manager) = (server.actor("writer"), server.actor("manager"));
    let mut expected = [RW, RO, WO, NO, EMPTY, BOTH];
    expected.sort_unstable();
    for _ in 0..3 {
        let listed = writer.get(COLLECTIONS).must_be(200);
        assert_eq!(listed.json().as_object().unwrap().keys().collect::<Vec<_>>(), ["collections"]);
        assert_eq!(
            listed.list("collections").iter().map(|one| one["id"].as_str().unwrap()).collect::<Vec<_>>(),
            expected
        );
    }
    assert_eq!(manager.get("/second/root/collections/").list("collections")[0]["id"], OTHER);
    server.actor("outsider").get(COLLECTIONS).must_be(404);
}

/// Rows: COLS-3.
#[test]
fn the_list_is_not_paged() {
    let server = Server::start();
    let writer = server.actor("writer");
    let all = writer.get(COLLECTIONS).text();
    for query in ["limit=1", "limit=0", "next=x", "added_after=x"] {
        assert_eq!(writer.get(&format!("{COLLECTIONS}?{query}")).must_be(200).text(), all, "{query}");
    }
}

/// Rows: COL-1, COL-2.
#[test]
fn a_collection_says_what_this_caller_may_do() {
    let server = Server::start();
    for (who, id, can_read, can_write) in [
        ("writer", RW, true, true),
        ("writer", RO, true, false),
        ("writer", WO, false, true),
        ("writer", NO, false, false),
        ("reader", RW, true, false),
        ("reader", WO, true, false),
        ("manager", NO, true, true),
    ] {
        let actor = server.actor(who);
        let one = actor.get(&collection(id)).must_be(200).json();
        assert_eq!((&one["can_read"], &one["can_write"]), (&json!(can_read), &json!(can_write)), "{who} {id}");
        assert!(actor.get(COLLECTIONS).list("collections").contains(&one), "{who} {id}");
    }
    let expected = json!({"id": RW, "title": "Read and write", "alias": "rw", "can_read": true, "can_write": true,
        "media_types": ["application/stix+json;version=2.1"]});
    assert_eq!(server.actor("writer").get(&collection(RW)).json(), expected);
}

/// Rows: COL-4.
#[test]
fn a_collection_lists_every_media_type_that_it_can_hold() {
    let server = Server::start();
    let both = server.actor("reader").get(&collection(BOTH)).json();
    assert_eq!(both["media_types"], json!(["application/stix+json;version=2.0", "application/stix+json;version=2.1"]));
}

#[test]
fn a_collection_without_a_grant_is_neither_listed_nor_there() {
    let server = Server::start();
    let reader = server.actor("reader");
    server.admin.grant("reader", RO, None).unwrap();
    let ids: Vec<Value> = reader.get(COLLECTIONS).list("collections").iter().map(|one| one["id"].clone()).collect();
    assert!(ids.len() == 5 && !ids.contains(&json!(RO)));
    for path in [collection(RO), collection("ro"), manifest(RO), collection(MISSING)] {
        reader.get(&path).must_fail(404);
    }
    reader.get(&format!("/second/root/collections/{RW}/")).must_fail(404);
}

/// What the operator is told about a collection like this.
fn refusal(server: &Server, id: &str, alias: &str, title: &str) -> String {
    let new = Collection {
        key: CollectionKey(0),
        id: id.to_owned(),
        root: "api1".to_owned(),
        title: title.to_owned(),
        description: None,
        alias: Some(alias.to_owned()),
        rules: Rules::default(),
        specs: vec![Spec::V21],
        created: Timestamp::EPOCH,
    };
    server.admin.add_collection(new).unwrap_err().to_string()
}

/// Rows: COL-3, TYPE-2, SEC-6, COMPAT-14.
#[test]
fn a_collection_that_could_be_mistaken_for_another_is_refused() {
    let server = Server::start();
    for (id, alias, title, expected) in [
        (MISSING, "rw", "T", "the alias \"rw\" is taken"),
        (MISSING, RW, "T", "is taken"),
        (RW, "t", "T", "the id 378e5de7-84a4-45e4-8a34-c02a43d0b657 is taken"),
        (MISSING, "t", "Read only", "the title \"Read only\" is taken"),
        (MISSING, "rẃ", "T", "is no alias"),
        (MISSING, "\u{440}w", "T", "is no alias"),
        (MISSING, "a/b", "T", "is no alias"),
        (MISSING, "t", "T\u{202e}x", "is no title"),
        (MISSING, "t", " ", "is no title"),
        ("x-mitre-collection--0c455dd5-3fb5-4f7b-a8a0-1f9a0d0e7c12", "t", "T", "is no version 4 UUID"),
        ("d021ecc8-ab8e-11ab-815e-911c7e329f88", "t", "T", "is no version 4 UUID"),
        ("D021ECC8-AB8E-41AB-815E-911C7E329F88", "t", "T", "is no version 4 UUID"),
    ] {
        let told = refusal(&server, id, alias, title);
        assert!(told.contains(expected), "{alias} {title}: {told}");
    }
    server.add_collection("second/root", MISSING, "rw", "Read only", &[Spec::V21]);
}
