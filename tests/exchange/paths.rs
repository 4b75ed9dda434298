//! What paths and methods name.

use crate::support::actor::{Actor, TAXII, ask};
use crate::support::endpoints;
use crate::support::objects::{envelope, id, indicator};
use crate::support::server::{collection, manifest, object, objects, versions};
use crate::support::{MISSING, RW, Server};
use entente::access::level::Level;
use entente::exchange::Rights;
use entente::stix::head::Spec;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// The id of a status of the writer's.
fn status_of(writer: &Actor) -> String {
    writer.post(&objects(RW), &envelope(&[indicator(8, 1)])).must_be(202).json()["id"].as_str().unwrap().to_owned()
}

/// Rows: EP-2, COMPAT-4, COMPAT-7.
#[test]
fn a_slash_at_the_end_may_be_missing() {
    let server = Server::seeded();
    let writer = server.actor("writer");
    let status = status_of(&writer);
    for endpoint in endpoints::all(RW, &id("indicator", 1), &status) {
        let slashless =
            endpoints::Endpoint { path: endpoint.path.trim_end_matches('/').to_owned(), ..endpoint.clone() };
        let answer = slashless.ask(&writer).must_be(endpoint.good());
        if endpoint.method == "GET" {
            assert_eq!(endpoint.ask(&writer).must_be(200).body, answer.body, "{endpoint:?}");
        }
    }
    writer.get(&object(RW, &id("indicator", 1))).must_be(404);
    assert_eq!(writer.get(&format!("{}?limit=1", objects(RW).trim_end_matches('/'))).ids().len(), 1);
}

/// Rows: EP-10, CONF-3.
#[test]
fn what_names_nothing_is_404() {
    let server = Server::seeded();
    let writer = server.actor("writer");
    let below = |rest: &str| format!("{}{rest}", collection(RW));
    for path in [
        "/",
        "/api3/",
        "/api3/collections/",
        "/api3/collections/x/objects/",
        "/api3/status/x/",
        "/api3/anything/",
        "/taxii/",
        "/taxii2/x/",
        "/taxii2//",
        "//taxii2/",
        "/TAXII2/",
        "/api1//",
        "/api1/x/",
        "/api1/status/",
        "/api1/status/x/",
        "/api1/channels/",
        "/api1/channels/x/",
        "/api1/collections//",
        "/api1/collections/x/",
        "/metrics",
        "/livez",
    ] {
        writer.get(path).must_fail(404);
    }
    for rest in [
        "object/x/",
        "objects/x/",
        "objects/x/versions/",
        "objects//",
        "manifest/x/",
        "versions/",
        "objects/x/versions/y/",
    ] {
        writer.get(&below(rest)).must_fail(404);
    }
}

/// Rows: EP-9, SEC-5.
#[test]
fn a_path_is_taken_as_it_was_sent_and_an_encoded_one_names_nothing() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    let encoded_id = id("indicator", 1).replace("--", "%2D%2D");
    for path in [
        "/taxii%32/".to_owned(),
        "/%61pi1/".to_owned(),
        format!("/api1/collections/%33{}/", &RW[1..]),
        format!("/api1%2Fcollections/{RW}/"),
        object(RW, &encoded_id),
        object(RW, "%2e%2e%2f"),
        object(RW, "%2E%2E"),
        object(RW, "%00"),
        object(RW, "%0d%0aX:y"),
        object(RW, "%ff"),
        object(RW, "%"),
        object(RW, ".."),
        format!("/api1/collections/{MISSING}/../{RW}/"),
        "/api1/../taxii2/".to_owned(),
        "/./taxii2/".to_owned(),
        "/api1/collections;x/".to_owned(),
    ] {
        reader.get(&path).must_fail(404);
    }
    for raw in [&b"GET /taxii2/\0 HTTP/1.1\r\nHost: a\r\n\r\n"[..], b"GET /taxii2/\xff/ HTTP/1.1\r\nHost: a\r\n\r\n"] {
        assert!([400, 404].contains(&reader.raw(raw).status), "{raw:?}");
    }
}

#[test]
fn ids_are_compared_letter_by_letter() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    let of = |object_id: &str| reader.get(&object(RW, object_id)).status;
    assert_eq!(of(&id("malware", 3)), 200);
    for other in [
        id("malware", 3).to_uppercase(),
        id("malware", 3).replace("252c7c11", "252C7C11"),
        id("malware", 3) + "x",
        "abc".into(),
    ] {
        assert_eq!(of(&other), 404, "{other}");
        reader.get(&versions(RW, &other)).must_fail(404);
    }
    reader.get(&collection(&RW.to_uppercase())).must_fail(404);
    reader.get(&collection("RW")).must_fail(404);
}

/// Rows: EP-7, COL-7.
#[test]
fn a_collections_alias_stands_for_its_id_in_every_path() {
    let server = Server::seeded();
    let writer = server.actor("writer");
    for (by_alias, by_id) in endpoints::of_collection("rw", &id("malware", 3))
        .into_iter()
        .zip(endpoints::of_collection(RW, &id("malware", 3)))
    {
        let answer = by_alias.ask(&writer).must_be(by_alias.good());
        if by_id.method == "GET" {
            assert_eq!(answer.body, by_id.ask(&writer).must_be(200).body, "{by_id:?}");
        }
    }
    assert_eq!(writer.get(&collection("rw")).json()["id"], RW);
    assert_eq!(
        writer.get(&versions(RW, &id("malware", 3))).list("versions").len(),
        2,
        "the last one was deleted by the alias"
    );
}

/// Rows: TLS-15.
#[test]
fn a_method_that_an_endpoint_does_not_have_is_405_and_those_it_has_are_named() {
    let server = Server::seeded();
    let writer = server.actor("writer");
    let status = format!("/api1/status/{}/", status_of(&writer));
    let (one, its_versions) = (object(RW, &id("indicator", 1)), versions(RW, &id("indicator", 1)));
    let (rw, its_manifest, its_objects) = (collection(RW), manifest(RW), objects(RW));
    for (path, allow) in [
        ("/taxii2/", "GET, HEAD"),
        ("/api1/", "GET, HEAD"),
        (&status, "GET, HEAD"),
        ("/api1/collections/", "GET, HEAD"),
        (&rw, "GET, HEAD"),
        (&its_manifest, "GET, HEAD"),
        (&its_objects, "GET, HEAD, POST"),
        (&one, "GET, HEAD, DELETE"),
        (&its_versions, "GET, HEAD"),
    ] {
        for method in ["PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "FROB"] {
            if !allow.contains(method) {
                let answer = writer.send(method, path, &[("Accept", TAXII), ("Content-Type", TAXII)], Some(b"{}"));
                assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{method} {path}");
            }
        }
    }
    writer.get(&one).must_be(200);
}

/// Rows: EP-5, TLS-15.
#[test]
fn head_is_get_without_the_body() {
    let server = Server::seeded();
    let writer = server.actor("writer");
    let status = status_of(&writer);
    let mut live = writer.connect().unwrap();
    let endpoints = endpoints::all(RW, &id("indicator", 1), &status);
    let absent = endpoints::all(MISSING, &id("indicator", 1), &status);
    for endpoint in endpoints.into_iter().chain(absent).filter(|endpoint| endpoint.method == "GET") {
        let head = ask(&mut live, "HEAD", &endpoint.path, &[("Accept", TAXII)], None);
        // If a body had followed, it would be read as the beginning of this answer.
        let get = ask(&mut live, "GET", &endpoint.path, &[("Accept", TAXII)], None);
        assert_eq!((head.status, head.stable_headers()), (get.status, get.stable_headers()), "{endpoint:?}");
        assert!(head.body.is_empty() && get.header("content-length") != Some("0"));
    }
}

/// Rows: EP-8, TLS-14.
#[test]
fn a_root_may_have_any_path_that_is_not_discoverys() {
    let server = Server::start();
    let reader = server.actor("reader");
    let roots = ["taxii2/api1", "a/b/c/d", "metrics", "livez", "cert.example~1_x"];
    for (n, root) in roots.into_iter().enumerate() {
        let collection = format!("0c455dd5-3fb5-4f7b-a8a0-{n:012}");
        server.admin.add_root(root, "A root").unwrap();
        server.add_collection(root, &collection, "c", "C", &[Spec::V21]);
        server
            .admin
            .grant(
                "reader",
                &collection,
                Some(Rights { read: Some(Level::Green), write: false, manage: false, relay: true }),
            )
            .unwrap();
        assert_eq!(reader.get(&format!("/{root}/")).must_be(200).json()["title"], "A root");
        assert_eq!(reader.get(&format!("/{root}/collections/")).list("collections")[0]["id"], collection.as_str());
        reader.get(&format!("/{root}/collections/c/objects/")).must_be(200);
    }
    assert_eq!(reader.get("/taxii2/").list("api_roots").len(), 1 + roots.len());
    for refused in ["taxii2", "a/collections", "status/x", "channels", "", "/a", "a//b", "a/..", "a b", "a%2fb", "ä"] {
        assert!(server.admin.add_root(refused, "A root").is_err(), "{refused}");
    }
    let mut ops = TcpStream::connect(server.ops.unwrap()).unwrap();
    ops.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut alive = String::new();
    ops.read_to_string(&mut alive).unwrap();
    assert!(alive.starts_with("HTTP/1.1 200"), "{alive}");
}

#[test]
fn brackets_may_be_encoded_and_what_is_unknown_is_passed_over() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    for (query, expected) in [
        ("match[type]=malware", 1),
        ("match%5Btype%5D=malware", 1),
        ("match%5btype%5d=malware%2cindicator", 7),
        ("_=123", 7),
        ("utm_source=x&limit=3", 3),
        ("match[foo]=x", 7),
        ("next=", 7),
        ("match[type]=malware,%20indicator", 7),
    ] {
        let answer = reader.get(&format!("{}?{query}", manifest(RW)));
        assert_eq!((answer.status, answer.list("objects").len()), (200, expected), "{query}");
    }
    for query in ["match[type]=a&match[type]=b", "match[type]=a&match%5Btype%5D=b", "limit=1&limit=2"] {
        reader.get(&format!("{}?{query}", manifest(RW))).must_fail(400);
    }
}
