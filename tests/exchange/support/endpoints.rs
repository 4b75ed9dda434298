//! The endpoints of TAXII, each method of each (TAXII 2.1 §4, §5).

use super::actor::{Actor, Answer, TAXII};
use super::objects::{envelope, indicator};
use super::server::{collection, manifest, object, objects, versions};

/// A method of an endpoint.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub method: &'static str,
    pub path: String,
}

/// Those of one collection and one object in it. What deletes comes last.
pub fn of_collection(id: &str, object_id: &str) -> Vec<Endpoint> {
    let endpoint = |method, path| Endpoint { method, path };
    vec![
        endpoint("GET", collection(id)),
        endpoint("GET", manifest(id)),
        endpoint("GET", objects(id)),
        endpoint("POST", objects(id)),
        endpoint("GET", object(id, object_id)),
        endpoint("GET", versions(id, object_id)),
        endpoint("DELETE", object(id, object_id)),
    ]
}

/// All of the first root.
pub fn all(id: &str, object_id: &str, status: &str) -> Vec<Endpoint> {
    let paths = [
        "/taxii2/".to_owned(),
        "/api1/".to_owned(),
        format!("/api1/status/{status}/"),
        "/api1/collections/".to_owned(),
    ];
    let above = paths.map(|path| Endpoint { method: "GET", path });
    above.into_iter().chain(of_collection(id, object_id)).collect()
}

impl Endpoint {
    /// Asks as a TAXII client does; a POST adds an indicator.
    pub fn ask(&self, actor: &Actor) -> Answer {
        self.ask_with(actor, &[("Accept", TAXII)])
    }

    /// Asks with these headers, and the media type of the body.
    pub fn ask_with(&self, actor: &Actor, headers: &[(&str, &str)]) -> Answer {
        if self.method != "POST" {
            return actor.send(self.method, &self.path, headers, None);
        }
        let headers = [headers, &[("Content-Type", TAXII)]].concat();
        actor.send("POST", &self.path, &headers, Some(envelope(&[indicator(900, 1)]).as_bytes()))
    }

    /// Whether a caller may wait for something new there.
    pub fn may_wait(&self) -> bool {
        self.method == "GET" && ["/objects/", "/manifest/"].iter().any(|list| self.path.ends_with(list))
    }

    /// What a request that goes well is answered with.
    pub fn good(&self) -> u16 {
        if self.method == "POST" { 202 } else { 200 }
    }
}
