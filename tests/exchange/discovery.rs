//! `/taxii2/`

use crate::support::Server;
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
