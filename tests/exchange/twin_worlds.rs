//! Two servers with the same history, but that in the second what one caller may not see
//! never was. That caller cannot tell them apart, whatever it asks.

use crate::support::actor::{Actor, Connection, TAXII, ask};
use crate::support::objects::{envelope, id, marked, tlp};
use crate::support::server::{Setup, collection, manifest, object, objects, versions};
use crate::support::{Answer, RW, Server, rounds};
use entente::access::level::Level;
use entente::exchange::Rights;
use proptest::collection::vec;
use proptest::prelude::*;

/// The first one is who looks. All read up to GREEN and write.
const ORGANISATIONS: [&str; 3] = ["writer", "outsider", "reader"];
/// Ids of each organisation's own, versions of each, and observables that all may push.
const IDS: usize = 3;
const VERSIONS: usize = 3;
const ADDRESSES: usize = 3;

#[derive(Clone, Debug)]
enum Item {
    /// A version of one of the submitter's own ids.
    Version(usize, usize),
    /// An observable, with one of two contents.
    Address(usize, u8),
}

#[derive(Clone, Debug)]
enum Step {
    Push(usize, Vec<Item>),
    /// Of one version, by its owner.
    Delete(usize, usize, usize),
}

/// What happens, and how far each object may travel: by organisation, then by id and version.
#[derive(Clone, Debug)]
struct History {
    steps: Vec<Step>,
    levels: Vec<Level>,
}

fn histories() -> impl Strategy<Value = History> {
    let item = prop_oneof![
        (0..IDS, 0..VERSIONS).prop_map(|(n, version)| Item::Version(n, version)),
        (0..ADDRESSES, 0..2u8).prop_map(|(n, value)| Item::Address(n, value)),
    ];
    let step = prop_oneof![
        5 => (0..ORGANISATIONS.len(), vec(item, 1..6)).prop_map(|(who, items)| Step::Push(who, items)),
        1 => (0..ORGANISATIONS.len(), 0..IDS, 0..VERSIONS).prop_map(|(who, n, version)| Step::Delete(who, n, version)),
    ];
    let level = prop::sample::select(&[Level::Clear, Level::Green, Level::Amber, Level::Red][..]);
    (vec(step, 1..16), vec(level, ORGANISATIONS.len() * (IDS * VERSIONS + ADDRESSES)))
        .prop_map(|(steps, levels)| History { steps, levels })
}

/// The number of an organisation's `n`th id.
fn number(who: usize, n: usize) -> usize {
    10 * (who + 1) + n
}

impl History {
    fn level(&self, who: usize, item: &Item) -> Level {
        let at = match *item {
            Item::Version(n, version) => n * VERSIONS + version,
            Item::Address(n, _) => IDS * VERSIONS + n,
        };
        self.levels[who * (IDS * VERSIONS + ADDRESSES) + at]
    }

    fn is_hidden(&self, who: usize, item: &Item) -> bool {
        who != 0 && self.level(who, item) > Level::Green
    }

    fn text(&self, who: usize, item: &Item) -> String {
        let level = self.level(who, item);
        match *item {
            Item::Version(n, version) => marked(number(who, n), u32::try_from(version).unwrap(), level),
            Item::Address(n, value) => format!(
                r#"{{"type":"ipv4-addr","id":"{}","value":"192.0.2.{value}","object_marking_refs":["{}"]}}"#,
                id("ipv4-addr", n),
                tlp(level)
            ),
        }
    }

    /// A server on which all of it happened, or only what the caller who looks may see.
    fn happen(&self, setup: Setup, all: bool) -> (Server, Actor) {
        let server = Server::with(setup);
        for organisation in ORGANISATIONS {
            let rights = Rights { read: Some(Level::Green), write: true, manage: false, relay: true };
            server.admin.grant(organisation, RW, Some(rights)).unwrap();
        }
        let actors = ORGANISATIONS.map(|organisation| server.actor(organisation));
        for step in &self.steps {
            match step {
                Step::Push(who, items) => {
                    let shown = items.iter().filter(|item| all || !self.is_hidden(*who, item));
                    let texts: Vec<String> = shown.map(|item| self.text(*who, item)).collect();
                    if !texts.is_empty() {
                        actors[*who].post(&objects(RW), &envelope(&texts)).must_be(202);
                    }
                }
                Step::Delete(who, n, version) => {
                    if all || !self.is_hidden(*who, &Item::Version(*n, *version)) {
                        let path = object(RW, &id("indicator", number(*who, *n)));
                        let answer = actors[*who].delete(&format!("{path}?match[version]={}", instant(*version)));
                        assert!([200, 404].contains(&answer.status), "{}", answer.text());
                    }
                }
            }
        }
        let [looking, ..] = actors;
        (server, looking)
    }
}

fn instant(version: usize) -> String {
    format!("2024-01-01T00:00:{version:02}.000Z")
}

/// Someone who looks at everything, and writes down what is seen.
struct Crawler {
    connection: Connection,
    /// Every `date_added` in order: what is written down is its rank.
    dates: Vec<String>,
    /// Every entity tag, in the order in which they were seen first: what is written down is its place.
    tags: Vec<String>,
    seen: Vec<String>,
}

impl Crawler {
    fn new(actor: &Actor) -> Self {
        let mut connection = actor.connect().unwrap();
        let path = format!("{}?match[version]=all", manifest(RW));
        let records = ask(&mut connection, "GET", &path, &[("Accept", TAXII)], None).must_be(200).list("objects");
        let dates = records.iter().map(|record| record["date_added"].as_str().unwrap().to_owned()).collect();
        Self { connection, dates, tags: Vec::new(), seen: Vec::new() }
    }

    fn ask(&mut self, method: &str, path: &str) -> Answer {
        self.ask_as(path, method, path)
    }

    /// Asks, and writes down under this name what there was to see. Texts of `next` stay out.
    fn ask_as(&mut self, name: &str, method: &str, path: &str) -> Answer {
        let answer = ask(&mut self.connection, method, path, &[("Accept", TAXII)], None);
        let mut told = format!("{method} {name}: {} {:?} {}", answer.status, answer.stable_headers(), answer.text());
        if answer.status >= 400 {
            told = told.replace(answer.json()["error_id"].as_str().unwrap(), "…");
        } else if let Some(next) = answer.next() {
            told = told.replace(&next, "…");
        }
        for (rank, date) in self.dates.iter().enumerate() {
            told = told.replace(date, &format!("<{rank}>"));
        }
        if let Some(tag) = answer.header("etag") {
            let known = self.tags.iter().position(|known| known == tag);
            told = format!("{told} tag {}", known.unwrap_or(self.tags.len()));
            if known.is_none() {
                self.tags.push(tag.to_owned());
            }
        }
        self.seen.push(told);
        answer
    }

    /// Every page, by `next`.
    fn pages(&mut self, path: &str, query: &str) {
        let name = format!("{path}?{query}");
        let mut next = self.ask("GET", &name).next();
        while let Some(place) = next {
            next = self.ask_as(&name, "GET", &format!("{path}?limit=2&next={place}")).next();
        }
    }

    fn everything(mut self) -> Vec<String> {
        let filters = [
            "",
            "limit=1",
            "limit=2",
            "limit=2&match[version]=all",
            "limit=2&match[version]=first",
            "match[version]=first,last",
            "match[type]=ipv4-addr",
            "limit=1&match[type]=indicator",
            "match[spec_version]=2.1",
            "match[spec_version]=2.0",
            "match[version]=2024-01-01T00:00:01.000Z",
        ];
        let dates = self.dates.clone();
        self.ask("GET", "/api1/collections/");
        self.ask("GET", &collection(RW));
        for path in [manifest(RW), objects(RW)] {
            for filter in filters {
                // The third time from memory.
                (0..3).for_each(|_| self.pages(&path, filter));
            }
        }
        for date in &dates {
            self.pages(&objects(RW), &format!("limit=2&added_after={date}"));
            self.ask("GET", &format!("{}?added_after={date}&match[version]=all", manifest(RW)));
            self.ask("GET", &format!("{}?match[version]={date}", objects(RW)));
        }
        let own =
            (0..ORGANISATIONS.len()).flat_map(|who| (0..IDS).map(move |n| (who == 0, id("indicator", number(who, n)))));
        for (own, id) in own.chain((0..ADDRESSES).map(|n| (true, id("ipv4-addr", n)))).collect::<Vec<_>>() {
            for query in
                ["", "limit=1&match[version]=all", "match[version]=first", "match[version]=2024-01-01T00:00:01.000Z"]
            {
                self.pages(&object(RW, &id), query);
            }
            self.pages(&versions(RW, &id), "limit=1");
            self.ask("GET", &format!("{}?match[id]={id}", manifest(RW)));
            if !own {
                self.ask("DELETE", &object(RW, &id));
            }
        }
        self.seen
    }
}

fn the_twins_look_alike(history: &History, in_memory: bool) -> Result<(), TestCaseError> {
    let setup = || Setup { in_memory, ..Setup::default() };
    let (_first, in_first) = history.happen(setup(), true);
    let (_second, in_second) = history.happen(setup(), false);
    let (first, second) = (Crawler::new(&in_first).everything(), Crawler::new(&in_second).everything());
    for (first, second) in first.iter().zip(&second) {
        prop_assert_eq!(first, second);
    }
    prop_assert_eq!(first.len(), second.len());
    Ok(())
}

fn few(usual: u32) -> ProptestConfig {
    let cases = rounds(usual);
    ProptestConfig { cases, max_shrink_iters: 40, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(few(12))]

    #[test]
    fn what_a_caller_may_not_see_changes_nothing_that_it_can_see(history in histories()) {
        the_twins_look_alike(&history, true)?;
    }
}

proptest! {
    #![proptest_config(few(6))]

    #[test]
    fn what_a_caller_may_not_see_changes_nothing_that_it_can_see_on_disk(history in histories()) {
        the_twins_look_alike(&history, false)?;
    }
}
