//! Crawls: a collection read page by page, in the ways that clients go on.

use super::actor::{Actor, TAXII, read_answer, request};
use super::objects::id;
use super::server::{manifest, object, objects, versions};
use super::{Answer, Server};
use serde_json::Value;
use std::io::Write as _;

/// How a client asks for the page after this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `next`, with all other parameters repeated.
    Next,
    /// `next`, and nothing else but a limit.
    NextAlone,
    /// `added_after` = `X-TAXII-Date-Added-Last`, with the filters repeated.
    Header,
}

pub const WAYS: [Way; 3] = [Way::Next, Way::NextAlone, Way::Header];

/// All pages of a crawl for `query` (parameters joined by `&`), with these limits in turn: all on
/// one connection.
pub fn crawl(actor: &Actor, path: &str, query: &str, way: Way, limits: &[usize]) -> Vec<Answer> {
    let mut connection = actor.connect().unwrap();
    let mut pages: Vec<Answer> = Vec::new();
    let mut asked = query.to_owned();
    for limit in limits.iter().cycle() {
        let path = format!("{path}?limit={limit}&{asked}");
        connection.write_all(&request("GET", &path, &[("Accept", TAXII)], None)).unwrap();
        let page = read_answer(&mut connection, false).unwrap().must_be(200);
        let next = page.next();
        let last = page.dates().1;
        pages.push(page);
        let Some(next) = next else { break };
        let filters = query.split('&').filter(|pair| !pair.starts_with("added_after=")).collect::<Vec<_>>().join("&");
        asked = match way {
            Way::Next => format!("{query}&next={next}"),
            Way::NextAlone => format!("next={next}"),
            Way::Header => format!("{filters}&added_after={last}"),
        };
        assert!(pages.len() < 5_000, "{path}?{query} has no end");
    }
    pages
}

/// What is in these pages, in order: objects, records or versions.
pub fn items(pages: &[Answer]) -> Vec<Value> {
    pages.iter().flat_map(|page| [page.list("objects"), page.list("versions")].concat()).collect()
}

/// The four ways to read a collection: its objects, its manifest, its third object (a malware
/// in a seeded server) and the versions of that.
pub fn views(collection: &str) -> [String; 4] {
    let third = id("malware", 3);
    [objects(collection), manifest(collection), object(collection, &third), versions(collection, &third)]
}

impl Answer {
    /// Ids and versions of manifest records, in order.
    pub fn records(&self) -> Vec<(String, String)> {
        let text = |record: &Value, name: &str| record[name].as_str().unwrap().to_owned();
        self.list("objects").iter().map(|record| (text(record, "id"), text(record, "version"))).collect()
    }

    /// The `date_added` of manifest records, in order.
    pub fn dates_added(&self) -> Vec<String> {
        self.list("objects").iter().map(|record| record["date_added"].as_str().unwrap().to_owned()).collect()
    }

    /// The names of the members of the resource, in ascending order.
    pub fn members(&self) -> Vec<String> {
        let mut names: Vec<String> = self.json().as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    }
}

impl Server {
    /// When each entry of a collection was added, as its manager sees it.
    pub fn dates_added(&self, collection: &str) -> Vec<String> {
        self.actor("manager").get(&format!("{}?match[version]=all", manifest(collection))).must_be(200).dates_added()
    }
}
