//! `GET /{root}/collections/{id}/objects/`, and what all ways to read have in common.

use crate::support::crawl::views;
use crate::support::objects::{address, envelope, id, indicator, versioned};
use crate::support::server::{BOTH, Setup, collection, manifest, object, objects};
use crate::support::{EMPTY, MISSING, NO, RW, Server, WO};
use serde_json::{Value, json};

/// Rows: HDR-1, HDR-2.
#[test]
fn the_dates_of_a_page_are_those_of_its_first_and_last_item() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    let dates = server.dates_added(RW);
    let pair = |first: usize, last: usize| (dates[first].clone(), dates[last].clone());
    for (at, path) in views(RW).iter().enumerate() {
        let (start, end) = if at < 2 { (0, 8) } else { (2, 4) };
        let get = |query: &str| reader.get(&format!("{path}?match[version]=all{query}")).must_be(200).dates();
        assert_eq!(get(""), pair(start, end), "{path}");
        assert_eq!(get("&limit=2"), pair(start, start + 1), "{path}");
        assert_eq!(get("&limit=1"), pair(start, start), "{path}");
        assert_eq!(get(&format!("&added_after={}", dates[start])), pair(start + 1, end), "{path}");
    }
    assert_eq!(reader.get(&objects(RW)).must_be(200).dates(), pair(0, 8));
}

/// Rows: HDR-1, HDR-3, COMPAT-5.
#[test]
fn the_dates_of_an_empty_page_say_where_the_caller_began() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    for path in views(RW) {
        for (query, expected) in [
            ("added_after=2099-01-01T00:00:00Z", "2099-01-01T00:00:00.000000Z"),
            ("added_after=2099-01-01T09:00:00.5%2B09:00", "2099-01-01T00:00:00.500000Z"),
            ("match[spec_version]=2.0", "1970-01-01T00:00:00.000000Z"),
        ] {
            let answer = reader.get(&format!("{path}?{query}")).must_be(200);
            assert_eq!(
                (answer.text().as_str(), answer.dates()),
                ("{}", (expected.to_owned(), expected.to_owned())),
                "{path} {query}"
            );
        }
    }
}

/// Rows: HDR-4.
#[test]
fn only_pages_have_dates() {
    let server = Server::seeded();
    let writer = server.actor("writer");
    let added = writer.post(&objects(RW), &envelope(&[indicator(8, 1)])).must_be(202);
    let status = format!("/api1/status/{}/", added.json()["id"].as_str().unwrap());
    let gets = ["/taxii2/", "/api1/", "/api1/collections/", &collection(RW), &status]
        .map(|path| writer.get(path).must_be(200));
    let deleted = writer.delete(&object(RW, &id("indicator", 8))).must_be(200);
    let failed = writer.get(&object(RW, &id("indicator", 8))).must_be(404);
    for answer in gets.iter().chain([&added, &deleted, &failed]) {
        for name in ["x-taxii-date-added-first", "x-taxii-date-added-last"] {
            assert_eq!(answer.header(name), None, "{answer:?}");
        }
    }
}

/// Rows: HDR-5.
#[test]
fn a_caller_need_not_say_what_program_it_is() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    let without = reader.get_with(&objects(RW), &[]).must_be(200);
    let with = reader.get_with(&objects(RW), &[("User-Agent", "TAXII-Client/1.0")]).must_be(200);
    assert_eq!(without.body, with.body);
}

/// Rows: OBJ-1.
#[test]
fn all_filters_work_together() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    let first = &server.dates_added(RW)[0];
    let query = format!(
        "added_after={first}&limit=1&match[id]={},{},{}&match[type]=malware,indicator&match[version]=last,first&match[spec_version]=2.1",
        id("indicator", 1),
        id("malware", 3),
        id("indicator", 7)
    );
    let mut found = Vec::new();
    let mut next = String::new();
    for more in [true, true, false] {
        let answer = reader.get(&format!("{}?{query}&next={next}", objects(RW))).must_be(200);
        assert_eq!(answer.json()["more"], more);
        found.extend(answer.list("objects").iter().map(Value::to_string));
        next = answer.next().unwrap_or_default();
    }
    let texts = [versioned("malware", 3, 1, ""), versioned("malware", 3, 3, ""), indicator(7, 1)];
    assert_eq!(found, texts.map(|text| serde_json::from_str::<Value>(&text).unwrap().to_string()));
}

/// Rows: OBJ-2, ENV-2, DEL-4, PAG-14.
#[test]
fn a_query_without_hits_gives_an_empty_envelope() {
    let server = Server::seeded();
    let writer = server.actor("writer");
    writer.delete(&object(RW, &id("indicator", 1))).must_be(200);
    for path in [
        objects(EMPTY),
        format!("{}?match[id]={}", objects(RW), id("indicator", 99)),
        format!("{}?match[id]={}", objects(RW), id("indicator", 1)),
        format!("{}?match[id]=nonsense", objects(RW)),
    ] {
        assert_eq!(writer.get(&path).must_be(200).text(), "{}", "{path}");
    }
}

/// Rows: PAG-14.
/// Quirks: C8.
#[test]
fn an_operator_may_have_empty_pages_with_an_empty_list() {
    let mut setup = Setup::default();
    setup.settings.taxii.empty_objects_for = vec!["reader".to_owned()];
    let server = Server::with(setup);
    let empty = r#"{"more":false,"objects":[]}"#;
    assert_eq!(server.actor("reader").get(&objects(EMPTY)).must_be(200).text(), empty);
    assert_eq!(server.actor("reader").get(&manifest(EMPTY)).must_be(200).text(), empty);
    assert_eq!(server.actor("writer").get(&objects(EMPTY)).must_be(200).text(), "{}");
    let mut setup = Setup::default();
    setup.settings.taxii.empty_objects = true;
    let server = Server::with(setup);
    assert_eq!(server.actor("writer").get(&objects(EMPTY)).must_be(200).text(), empty);
}

/// Rows: ENV-1, COMPAT-10.
#[test]
fn objects_always_come_in_an_envelope_that_says_whether_there_is_more() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    let one = object(RW, &id("indicator", 1));
    for path in [objects(RW), one] {
        assert_eq!(reader.get(&path).must_be(200).members(), ["more", "objects"], "{path}");
    }
    assert_eq!(reader.get(&format!("{}?limit=1", objects(RW))).must_be(200).members(), ["more", "next", "objects"]);
    let answer = reader.get(&format!("{}?match[id]={}", objects(RW), id("indicator", 1))).must_be(200);
    assert_eq!(answer.text(), format!("{{\"objects\":[{}],\"more\":false}}", indicator(1, 1)));
}

/// Rows: OBJ-3, MAN-7, GET-4, VER-6.
/// Quirks: C10.
#[test]
fn every_way_to_read_refuses_in_the_same_ways() {
    let server = Server::seeded();
    let (writer, stranger) = (server.actor("writer"), server.stranger());
    for (at, path) in views(RW).iter().enumerate() {
        assert!(!writer.get(path).must_be(200).dates().0.is_empty());
        writer.get(&format!("{path}?limit=0")).must_fail(400);
        stranger.get(path).must_fail(401);
        for held in [WO, NO] {
            writer.get(&views(held)[at]).must_fail(403);
        }
        writer.get(&views(MISSING)[at]).must_fail(404);
        writer.get_with(path, &[("Accept", "application/xml")]).must_fail(406);
    }
}

/// Rows: TYPE-1, ENV-5, ADD-13.
/// Quirks: C4, C5.
#[test]
fn objects_go_out_to_the_octet_as_they_came_in() {
    let server = Server::start().lenient();
    let writer = server.actor("writer");
    let texts = [
        versioned("x-odd", 1, 1, r#","x_numbers":[1.0,1e2,0.1000,-0,12345678901234567890,1E-7],"z":null,"a":{"b":[]}"#),
        versioned("x-odd", 2, 1, ",\"x_text\":\"\\u00e9 \\/ 무탭é😀\\ud83d\\ude00\\t\"  ,\n\t\"x_space\" : { } "),
        r#"{"value":"198.51.100.7","id":"ipv4-addr--252c7c11-daf2-42bd-843b-000000000007","type":"ipv4-addr"}"#
            .to_owned(),
        indicator(3, 1).replace("2024-01-01T00:00:00.000Z", "2024-01-01T00:00:00Z").replace("01.000Z", "01.123456789Z"),
        versioned(
            "x-odd",
            4,
            1,
            r#","extensions":{"x_new":{"extension_type":"toplevel-property-extension"}},"revoked":true"#,
        ),
    ];
    let accepted = writer.post(&objects(RW), &format!("{{ \"objects\" : [ {} ] }}", texts.join(" ,\n"))).must_be(202);
    assert_eq!(accepted.json()["failures"], Value::Null);
    let page = writer.get(&objects(RW)).must_be(200);
    assert_eq!(page.text(), format!("{{\"objects\":[{}],\"more\":false}}", texts.join(",")));
    let one = writer.get(&object(RW, &id("x-odd", 2))).must_be(200);
    assert_eq!(one.text(), format!("{{\"objects\":[{}],\"more\":false}}", texts[1]));
}

/// Rows: TYPE-2, ADD-1.
/// Quirks: C7.
#[test]
fn ids_of_collections_and_statuses_are_version_4_uuids() {
    let server = Server::seeded();
    let writer = server.actor("writer");
    let collections = writer.get("/api1/collections/").must_be(200).list("collections");
    let status = writer.post(&objects(RW), &envelope(&[indicator(1, 1)])).must_be(202).json();
    for resource in collections.iter().chain([&status]) {
        let text = resource["id"].as_str().unwrap();
        let parsed = uuid::Uuid::try_parse(text).unwrap();
        assert_eq!((parsed.get_version_num(), parsed.to_string().as_str()), (4, text));
    }
    assert_eq!(collections.len(), 6);
}

/// Rows: TYPE-3, TYPE-4, TYPE-6.
/// Quirks: C11.
#[test]
fn no_resource_has_a_null_an_empty_list_or_a_number_that_is_no_count() {
    fn hold(value: &Value) {
        match value {
            Value::Null => panic!("null"),
            Value::Number(number) => assert!(number.as_u64().is_some_and(|number| number < 1 << 53), "{number}"),
            Value::Array(items) => assert!(!items.is_empty(), "an empty list"),
            Value::Bool(_) | Value::String(_) | Value::Object(_) => {}
        }
        match value {
            Value::Array(items) => items.iter().for_each(hold),
            Value::Object(members) => members.values().for_each(hold),
            _ => {}
        }
    }
    let server = Server::seeded();
    for name in ["reader", "writer", "manager"] {
        let actor = server.actor(name);
        for path in ["/taxii2/", "/api1/", "/api1/collections/", "/api1/x/"].map(str::to_owned).iter().chain(&views(RW))
        {
            hold(&actor.get(path).json());
        }
        for held in [RW, WO, NO] {
            let resource = actor.get(&collection(held)).must_be(200).json();
            assert!(resource["can_read"].is_boolean() && resource["can_write"].is_boolean(), "{resource}");
        }
        hold(&actor.get(&manifest(EMPTY)).json());
    }
    hold(&server.actor("outsider").get("/taxii2/").must_be(200).json());
    for body in [envelope(&[indicator(8, 1)]), envelope(&["1".to_owned()])] {
        hold(&server.actor("writer").post(&objects(RW), &body).must_be(202).json());
    }
}

/// Rows: TYPE-5, CUST-1, PAG-10.
#[test]
fn every_resource_has_the_members_of_the_standard_and_pages_a_next() {
    let server = Server::seeded();
    let writer = server.actor("writer");
    let both = envelope(&[indicator(8, 1), "1".to_owned()]);
    let status = writer.post(&objects(RW), &both).must_be(202);
    let page = |path: &str| writer.get(&format!("{path}?match[version]=all&limit=1"));
    let [all, manifest, object, versions] = views(RW).map(|path| page(&path));
    let counts = [
        "failure_count",
        "failures",
        "id",
        "pending_count",
        "request_timestamp",
        "status",
        "success_count",
        "successes",
        "total_count",
    ];
    for (answer, members) in [
        (writer.get("/taxii2/"), &["api_roots", "default", "title"][..]),
        (writer.get("/api1/"), &["max_content_length", "title", "versions"]),
        (writer.get("/api1/collections/"), &["collections"]),
        (writer.get(&collection(BOTH)), &["alias", "can_read", "can_write", "id", "media_types", "title"]),
        (all, &["more", "next", "objects"]),
        (manifest, &["more", "next", "objects"]),
        (object, &["more", "next", "objects"]),
        (versions, &["more", "next", "versions"]),
        (status, &counts),
        (writer.get("/api2/"), &["description", "error_id", "http_status", "title"]),
    ] {
        assert_eq!(answer.members(), members);
    }
}

/// Rows: FLT-36.
#[test]
fn an_observable_is_its_own_only_version() {
    let server = Server::start();
    let writer = server.actor("writer");
    writer.post(&objects(RW), &envelope(&[address(1, "198.51.100.1")])).must_be(202);
    let added = server.dates_added(RW)[0].clone();
    for value in ["last", "first", "all", &added] {
        let answer = writer.get(&format!("{}?match[version]={value}", objects(RW))).must_be(200);
        assert_eq!(
            answer.json()["objects"],
            json!([{"type": "ipv4-addr", "spec_version": "2.1", "id": id("ipv4-addr", 1), "value": "198.51.100.1"}])
        );
    }
}
