//! `/taxii2/`

use crate::support::Server;
use crate::support::server::Setup;
use entente::config::Settings;
use serde_json::json;

/// Rows: TLS-1, EP-3, DISC-1, DISC-3, DISC-4, DISC-5, DISC-8, HDR-4.
#[test]
fn a_member_sees_the_server_and_its_roots() {
    let server = Server::start();
    let answer = server.actor("manager").get("/taxii2/").must_be(200);
    let base = format!("https://localhost:{}", server.address.port());
    let roots = [format!("{base}/api1/"), format!("{base}/second/root/")];
    assert_eq!(answer.json(), json!({"title": "Entente", "default": roots[0], "api_roots": roots}));
    assert_eq!(answer.header("x-taxii-date-added-first"), None);
}

/// Rows: AUTH-10, DISC-6, DISC-7.
#[test]
fn a_root_is_listed_for_those_who_have_a_grant_in_it() {
    let server = Server::start();
    let base = format!("https://localhost:{}", server.address.port());
    let reader = server.actor("reader").get("/taxii2/").must_be(200).json();
    assert_eq!(reader["api_roots"], json!([format!("{base}/api1/")]));
    assert_eq!(server.actor("outsider").get("/taxii2/").must_be(200).json(), json!({"title": "Entente"}));
}

/// Rows: DISC-9.
#[test]
fn every_root_and_collection_that_is_advertised_answers() {
    let server = Server::seeded();
    let base = format!("https://localhost:{}", server.address.port());
    for who in ["reader", "writer", "manager", "outsider"] {
        let actor = server.actor(who);
        for root in actor.get("/taxii2/").list("api_roots") {
            let root = root.as_str().unwrap().strip_prefix(&base).unwrap().to_owned();
            actor.get(&root).must_be(200);
            for one in actor.get(&format!("{root}collections/")).must_be(200).list("collections") {
                let path = format!("{root}collections/{}/", one["id"].as_str().unwrap());
                assert_eq!(actor.get(&path).must_be(200).json(), one);
                let objects = actor.get(&format!("{path}objects/"));
                assert_eq!(objects.status, if one["can_read"] == true { 200 } else { 403 }, "{who} {path}");
            }
        }
    }
}

#[test]
fn roots_are_named_by_the_public_url_whatever_the_request_calls_the_server() {
    let mut settings = Settings::default();
    settings.server.public_url = Some("https://taxii.example:8443/".to_owned());
    (settings.taxii.description, settings.taxii.contact) =
        (Some("Ours".to_owned()), Some("desk@cert.example".to_owned()));
    let server = Server::with(Setup { settings, in_memory: true, ..Setup::default() });
    let reader = server.actor("reader");
    let root = "https://taxii.example:8443/api1/";
    let expected = json!({"title": "Entente", "description": "Ours", "contact": "desk@cert.example", "default": root, "api_roots": [root]});
    assert_eq!(reader.get("/taxii2/").json(), expected);
    for headers in ["Host: evil.example", "Host: a\r\nX-Forwarded-Host: evil.example\r\nForwarded: host=evil.example"] {
        let answer = reader.raw(format!("GET /taxii2/ HTTP/1.1\r\n{headers}\r\n\r\n").as_bytes()).must_be(200);
        assert_eq!(answer.json(), expected, "{headers}");
    }
}

#[test]
fn no_query_and_no_missing_header_spoils_discovery() {
    let server = Server::start();
    let reader = server.actor("reader");
    let plain = reader.get("/taxii2/").text();
    for query in ["?", "?limit=0", "?added_after=x", "?match[version]=nonsense", "?%ff", "?next=AAAA"] {
        assert_eq!(reader.get(&format!("/taxii2/{query}")).must_be(200).text(), plain, "{query}");
    }
    assert_eq!(reader.get_with("/taxii2/", &[]).must_be(200).text(), plain);
}
