//! The operator's own door: plain HTTP on loopback.

use crate::support::objects::{envelope, indicator};
use crate::support::server::objects;
use crate::support::{RW, Server};

/// Rows: TLS-14.
#[test]
fn health_is_told_on_a_listener_of_its_own() {
    let server = Server::start();
    let ok = |body: &str| ("HTTP/1.1 200 OK".to_owned(), body.to_owned());
    assert_eq!(server.ask_ops("GET /livez"), ok("alive\n"));
    assert_eq!(server.ask_ops("GET /readyz"), ok("ready\n"));
    assert_eq!(server.ask_ops("GET /taxii2/").0, "HTTP/1.1 404 Not Found");
    assert_eq!(server.ask_ops("POST /metrics").0, "HTTP/1.1 405 Method Not Allowed");
    server.actor("reader").get("/livez").must_fail(404);
    server.actor("reader").get("/metrics").must_fail(404);
}

#[test]
fn what_happens_is_counted_without_naming_anybody() {
    let server = Server::start();
    let writer = server.actor("writer");
    let bad = indicator(2, 1).replace("\"type\":\"indicator\"", "\"type\":\"malware\"");
    writer.post(&objects(RW), &envelope(&[indicator(1, 1), bad])).must_be(202);
    writer.get(&objects(RW)).must_be(200);
    writer.send("BREW", "/coffee", &[], None).must_be(404);
    server.actor_with(None).refusal();
    let metrics = server.metrics();
    for line in [
        "entente_requests_total{endpoint=\"objects\",method=\"GET\",status=\"200\"} 1",
        "entente_requests_total{endpoint=\"objects\",method=\"POST\",status=\"202\"} 1",
        "entente_requests_total{endpoint=\"api_root\",method=\"other\",status=\"404\"} 1",
        "entente_request_seconds_count{endpoint=\"objects\"} 2",
        "entente_items_out_total 1",
        "entente_objects_in_total{outcome=\"success\"} 1",
        "entente_objects_in_total{outcome=\"failure\"} 1",
        "entente_tls_refusals_total{reason=\"no_certificate\"} 1",
        "entente_writer_queue 0",
        "entente_store_octets ",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    assert!(metrics.ends_with("# EOF\n"));
    assert!(!metrics.contains("writer\"") && !metrics.contains(RW) && !metrics.contains("coffee"), "{metrics}");
}
