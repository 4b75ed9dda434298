//! What an entry says, and its text: one line of canonical JSON (RFC 8785).
//!
//! Texts are written member by member and sorted: no tree is built for an entry that
//! stands between a caller and its page. Every string passes through [`plain`].

use super::given::Given;
use super::held::Held;
use crate::access::credential::Fingerprint;
use crate::access::level::Level;
use crate::access::terms::Terms;
use crate::taxii::timestamp::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// Characters of a logged value, at most.
const LONGEST: usize = 1000;
/// Characters of a query, at most: more than a URL can carry.
const LONGEST_QUERY: usize = 70_000;
/// Characters of a path, at most.
pub const LONGEST_PATH: usize = 256;
/// Digests that an entry lists, at most: of more objects added together it has only the one over them all.
const MOST_DIGESTS: usize = 1000;
/// Characters of what a client says of itself, at most.
pub const LONGEST_CLIENT: usize = 200;

/// Who acted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actor {
    /// The organisation's name; `None` for the operator at the command line, and for strangers.
    pub organisation: Option<String>,
    /// The credential that proved it, by its fingerprint.
    pub credential: Option<Fingerprint>,
    /// The network address and port it came from; for the operator, `operator` and its account.
    pub address: String,
    /// What the client says that it is (`User-Agent`), on reads.
    pub client: Option<String>,
    /// The name of the organisation for which the operator acts, if it is for one.
    pub on_behalf: Option<String>,
}

impl Actor {
    /// The server itself.
    pub fn server() -> Self {
        Self { address: "server".to_owned(), ..Self::default() }
    }
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Objects, a manifest, an object or versions were read.
    Read {
        /// The collection's id.
        collection: String,
        /// The resource, by TAXII's noun; `export` at the command line.
        resource: &'static str,
        /// Up to which level the caller could read; `None`: only what it owns.
        level: Option<Level>,
        /// What was asked, with all that a cursor carried.
        query: String,
        /// Exactly which entries were given out.
        given: Given,
        /// Whether only the page's headers were: it was asked for with `HEAD`.
        head: bool,
    },
    /// The holds of a collection were read.
    ReadHolds {
        /// The collection's id.
        collection: String,
        /// Their ids.
        holds: Vec<String>,
        /// Versions that they name.
        given: Given,
    },
    /// Objects were offered.
    Add {
        /// The collection's id.
        collection: String,
        /// The status resource's id.
        status: String,
        /// How many were added or there already.
        successes: usize,
        /// How many were refused.
        failures: usize,
        /// Whom the submitter passed objects on for: identities that are not its own.
        relayed: Vec<String>,
        /// Exactly which entries were added.
        added: Given,
        /// SHA-256 of the text of each, in the same order; hexadecimal.
        digests: Vec<String>,
    },
    /// Objects were offered to be judged, and nothing else.
    DryRun {
        /// The collection's id.
        collection: String,
        /// The status resource's id.
        status: String,
        /// How many would have been added, or were there already.
        successes: usize,
        /// How many would have been refused.
        failures: usize,
    },
    /// A new version of an object may travel further than the one before it.
    Downgrade {
        /// The collection's id.
        collection: String,
        /// The object's id.
        object: String,
        /// The new version.
        version: String,
        /// How far, and when, before.
        from: Terms,
        /// How far, and when, now.
        to: Terms,
        /// Whether nobody else sees it until who manages the collection releases it.
        quarantined: bool,
    },
    /// A hold was placed.
    Hold {
        /// The collection's id.
        collection: String,
        /// The hold.
        held: Held,
    },
    /// A hold ended.
    Release {
        /// The collection's id.
        collection: String,
        /// The hold.
        held: Held,
        /// The entries that were added for those it was held from.
        added: Given,
        /// How many versions others can see since.
        versions: usize,
        /// Whether it ended in part: the rest follows in entries of its own.
        more: bool,
    },
    /// Versions of an object were deleted.
    Delete {
        /// The collection's id.
        collection: String,
        /// The object's id.
        object: String,
        /// What is gone: enough to tell later who had been given it.
        deleted: Vec<Gone>,
    },
    /// The registry of roots, collections, organisations, credentials or grants was changed.
    Administer {
        /// The change in words.
        change: String,
        /// The record that was changed, as it was; `None` if it was not there.
        before: Option<Value>,
        /// The record as it is now; `None` if it is there no longer.
        after: Option<Value>,
    },
    /// A caller was refused.
    Refusal {
        /// What it asked, by the endpoint's name; `handshake` before anything could be asked.
        endpoint: &'static str,
        /// The HTTP method, if it came to that.
        method: Option<String>,
        /// The path, if it came to that.
        path: Option<String>,
        /// The HTTP status, if it came to that.
        http_status: Option<u16>,
        /// Why, in a word.
        reason: &'static str,
        /// How often. Above 1: since it was last told, and within about a minute.
        times: u64,
    },
    /// Files were read anew while the server ran.
    Reload {
        /// What they hold.
        what: String,
        /// What came of it.
        outcome: String,
    },
    /// The server began to answer.
    Start {
        /// The program's version.
        version: &'static str,
    },
    /// The server was told to stop, and gave its last answer.
    Stop,
    /// Entries that changed nothing and gave nothing out were lost because the trail could not be written for too long.
    Gap {
        /// How many.
        lost: u64,
    },
}

/// A version of an object that is gone.
// Members in canonical order: serialised as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gone {
    /// Its place in the collection's order.
    pub date_added: Timestamp,
    /// SHA-256 of its text; hexadecimal.
    pub digest: String,
    /// Its version.
    pub version: String,
}

/// One entry of the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it happened.
    pub at: Timestamp,
    /// Who acted.
    pub actor: Actor,
    /// What was done.
    pub action: Action,
}

impl Entry {
    /// The text that is kept and chained, as the entry with this number.
    ///
    /// Numbers are written as they are, which is canonical for those below 2^53: times
    /// before the year 2255.
    pub fn text(&self, seq: i64) -> String {
        let mut members = Members(Vec::with_capacity(16));
        members.number("seq", seq);
        members.json("at", &self.at);
        members.plain("address", &self.actor.address, LONGEST);
        members.maybe("organisation", self.actor.organisation.as_deref(), LONGEST);
        members.maybe("client", self.actor.client.as_deref(), LONGEST_CLIENT);
        members.maybe("for", self.actor.on_behalf.as_deref(), LONGEST);
        members.maybe("credential", self.actor.credential.map(|own| own.to_string()).as_deref(), LONGEST);
        self.action.write(&mut members);
        members.into_text()
    }

    /// How much memory it takes while it waits, more or less, in octets.
    pub fn octets(&self) -> usize {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let Actor { organisation, address, client, on_behalf, credential: _ } = &self.actor;
        let actor = length(organisation) + address.len() + length(client) + length(on_behalf);
        let particular = match &self.action {
            Action::Read { query, given, .. } => query.len() + 8 * given.as_slice().len(),
            Action::ReadHolds { holds, given, .. } => 64 * holds.len() + 8 * given.as_slice().len(),
            Action::Refusal { method, path, .. } => length(method) + length(path),
            Action::Reload { what, outcome } => what.len() + outcome.len(),
            _ => 0,
        };
        actor + particular + 512
    }
}

impl Action {
    fn write(&self, members: &mut Members) {
        members.plain("action", self.word(), LONGEST);
        match self {
            Self::Read { collection, resource, level, query, given, head } => {
                members.given(collection, resource, given, given.count());
                members.maybe("method", head.then_some("HEAD"), LONGEST);
                members.maybe("level", level.map(Level::as_str), LONGEST);
                members.plain("query", query, LONGEST_QUERY);
            }
            Self::ReadHolds { collection, holds, given } => {
                members.given(collection, "holds", given, holds.len());
                members.list("holds", holds);
            }
            Self::Add { collection, status, successes, failures, relayed, added, digests } => {
                members.offered(collection, status, *successes, *failures);
                members.list("relayed", relayed);
                members.added(added, digests);
            }
            Self::DryRun { collection, status, successes, failures } => {
                members.offered(collection, status, *successes, *failures);
            }
            Self::Downgrade { collection, object, version, from, to, quarantined } => {
                members.short(&[("collection", collection), ("object", object), ("version", version)]);
                members.loosened(from, to);
                members.json("quarantined", quarantined);
            }
            Self::Hold { collection, held } => members.held(collection, held),
            Self::Release { collection, held, added, versions, more } => {
                members.held(collection, held);
                members.json("added", &added.as_slice());
                members.number("versions", *versions);
                members.json("more", more);
            }
            Self::Delete { collection, object, deleted } => {
                members.plain("collection", collection, LONGEST);
                members.plain("object", object, LONGEST);
                members.json("deleted", deleted);
            }
            Self::Administer { change, before, after } => {
                members.plain("change", change, LONGEST);
                members.value("before", before.as_ref());
                members.value("after", after.as_ref());
            }
            Self::Refusal { endpoint, method, path, http_status, reason, times } => {
                members.plain("endpoint", endpoint, LONGEST);
                members.maybe("method", method.as_deref(), LONGEST_CLIENT);
                members.maybe("path", path.as_deref(), LONGEST_PATH);
                http_status.iter().for_each(|status| members.number("http_status", *status));
                members.plain("reason", reason, LONGEST);
                members.number("times", *times);
            }
            Self::Reload { what, outcome } => {
                members.plain("what", what, LONGEST);
                members.plain("outcome", outcome, LONGEST);
            }
            Self::Start { version } => members.plain("version", version, LONGEST),
            Self::Stop => {}
            Self::Gap { lost } => members.number("lost", *lost),
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Read { .. } | Self::ReadHolds { .. } => "read",
            Self::Add { .. } => "add",
            Self::DryRun { .. } => "dry_run",
            Self::Downgrade { .. } => "downgrade",
            Self::Hold { .. } => "hold",
            Self::Release { .. } => "release",
            Self::Delete { .. } => "delete",
            Self::Administer { .. } => "administer",
            Self::Refusal { .. } => "refusal",
            Self::Reload { .. } => "reload",
            Self::Start { .. } => "start",
            Self::Stop => "stop",
            Self::Gap { .. } => "gap",
        }
    }
}

/// The members of a JSON object in the making: names and canonical JSON. Names are ASCII, so
/// their order as octets is the canonical one.
struct Members(Vec<(&'static str, String)>);

impl Members {
    fn json(&mut self, name: &'static str, value: &impl Serialize) {
        // Strings, numbers and lists of them always have a JSON form.
        self.0.push((name, serde_json::to_string(value).unwrap_or_default()));
    }

    fn loosened(&mut self, from: &Terms, to: &Terms) {
        let level = |terms: &Terms| terms.level.map_or("", Level::as_str);
        self.short(&[("from", level(from)), ("to", level(to))]);
        for (name, terms) in [("dates_from", from), ("dates_to", to)] {
            if terms.starts.is_some() || terms.ends.is_some() {
                self.json(name, &(terms.starts, terms.ends));
            }
        }
    }

    fn number(&mut self, name: &'static str, number: impl std::fmt::Display) {
        self.0.push((name, number.to_string()));
    }

    /// Texts that are short unless somebody means ill.
    fn short(&mut self, members: &[(&'static str, &str)]) {
        members.iter().for_each(|(name, text)| self.plain(name, text, LONGEST));
    }

    fn plain(&mut self, name: &'static str, text: &str, most: usize) {
        self.json(name, &plain(text, most));
    }

    fn maybe(&mut self, name: &'static str, text: Option<&str>, most: usize) {
        text.into_iter().for_each(|text| self.plain(name, text, most));
    }

    /// A whole JSON value; these are rare, so it may cost a tree.
    fn value(&mut self, name: &'static str, value: Option<&Value>) {
        let canonical = value.map(|value| serde_json_canonicalizer::to_string(&all_plain(value)));
        canonical.and_then(Result::ok).into_iter().for_each(|text| self.0.push((name, text)));
    }

    fn list(&mut self, name: &'static str, texts: &[String]) {
        self.json(name, &texts.iter().map(|text| plain(text, LONGEST)).collect::<Vec<_>>());
    }

    fn given(&mut self, collection: &str, resource: &str, given: &Given, items: usize) {
        self.short(&[("collection", collection), ("resource", resource)]);
        self.json("given", &given.as_slice());
        self.number("items", items);
    }

    fn added(&mut self, added: &Given, digests: &[String]) {
        self.json("added", &added.as_slice());
        self.plain("digest", &digest(digests.concat().as_bytes()), LONGEST);
        if digests.len() <= MOST_DIGESTS {
            self.list("digests", digests);
        }
    }

    /// What there is of these: a hold without `withheld_from` is from everybody but the owner; one without
    /// `until` and `until_defined` ends when it is released.
    fn held(&mut self, collection: &str, held: &Held) {
        self.short(&[("collection", collection), ("hold", &held.id.to_string()), ("reason", &held.reason)]);
        self.maybe("object", held.object.as_deref(), LONGEST);
        self.maybe("placed_by", held.placed_by.as_deref(), LONGEST);
        self.json("placed", &held.placed);
        let times = [("version_added", held.version_added), ("added_from", held.added_from), ("until", held.until)];
        times.iter().for_each(|(name, time)| time.iter().for_each(|time| self.json(name, time)));
        let lists = [("withheld_from", &held.withheld_from), ("until_defined", &held.until_defined)];
        lists.iter().filter(|(_, texts)| !texts.is_empty()).for_each(|(name, texts)| self.list(name, texts));
    }

    fn offered(&mut self, collection: &str, status: &str, successes: usize, failures: usize) {
        self.plain("collection", collection, LONGEST);
        self.plain("status", status, LONGEST);
        self.number("successes", successes);
        self.number("failures", failures);
    }

    fn into_text(mut self) -> String {
        self.0.sort_unstable_by_key(|(name, _)| *name);
        let mut text = String::with_capacity(self.0.iter().map(|(name, value)| name.len() + value.len() + 4).sum());
        for (name, value) in self.0 {
            let separator = if text.is_empty() { '{' } else { ',' };
            text.push(separator);
            text.push('"');
            text.push_str(name);
            text.push_str("\":");
            text.push_str(&value);
        }
        text.push('}');
        text
    }
}

/// A text that can be logged: at most so many characters, an ellipsis where more were, and
/// in place of those that change how a line reads (controls beyond those that JSON escapes,
/// text direction, zero width, line separators) their names, such as `U+202E`.
pub fn plain(text: &str, most: usize) -> String {
    let mut plain = String::with_capacity(text.len().min(4 * most));
    for (at, character) in text.chars().enumerate() {
        if at == most {
            plain.push('…');
            break;
        }
        if misleads(character) {
            // Writing to memory cannot fail.
            let _ = write!(plain, "U+{:04X}", u32::from(character));
        } else {
            plain.push(character);
        }
    }
    plain
}

fn misleads(character: char) -> bool {
    matches!(character,
        '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The same for every string of a JSON value.
fn all_plain(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(plain(text, LONGEST)),
        Value::Array(values) => values.iter().map(all_plain).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (plain(name, LONGEST), all_plain(value))).collect()
        }
        other => other.clone(),
    }
}

/// SHA-256 in hexadecimal.
pub fn digest(octets: &[u8]) -> String {
    Fingerprint(Sha256::digest(octets).into()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn held(text: &str) -> Held {
        let (text, time) = (|| text.to_owned(), Some(Timestamp::EPOCH));
        let (withheld_from, until_defined) = (vec![text()], vec![text()]);
        Held {
            id: uuid::Uuid::nil(),
            object: Some(text()),
            version_added: time,
            added_from: time,
            withheld_from,
            until: time,
            until_defined,
            reason: text(),
            placed: Timestamp::EPOCH,
            placed_by: Some(text()),
        }
    }

    fn actions(text: &str) -> Vec<Action> {
        let (text, id) = (|| text.to_owned(), || "378e5de7-84a4-45e4-8a34-c02a43d0b657".to_owned());
        let given = [1_760_000_000_000_123, 1_760_000_000_000_124].map(Timestamp::from_micros);
        let before = Some(json!({"z": text(), "a": [1, 2.5, null], "é": true}));
        vec![
            Action::Read {
                collection: id(),
                resource: "objects",
                level: Some(Level::AmberStrict),
                query: text(),
                given: given.into_iter().collect(),
                head: true,
            },
            Action::ReadHolds { collection: id(), holds: vec![id(), text()], given: given.into_iter().collect() },
            Action::Add {
                collection: id(),
                status: text(),
                successes: 1,
                failures: 2,
                relayed: vec![text()],
                added: given.into_iter().collect(),
                digests: vec![digest(b""), digest(b"1")],
            },
            Action::Downgrade {
                collection: id(),
                object: text(),
                version: text(),
                from: Terms { level: Some(Level::Red), ..Terms::default() },
                to: Terms { level: Some(Level::Clear), ..Terms::default() },
                quarantined: true,
            },
            Action::Hold { collection: id(), held: held(&text()) },
            Action::Release {
                collection: id(),
                held: held(&text()),
                added: given.into_iter().collect(),
                versions: 2,
                more: true,
            },
            Action::DryRun { collection: id(), status: id(), successes: 0, failures: 2 },
            Action::Delete {
                collection: id(),
                object: text(),
                deleted: vec![Gone { date_added: Timestamp::EPOCH, digest: digest(b""), version: id() }],
            },
            Action::Administer { change: text(), before, after: None },
            Action::Refusal {
                endpoint: "objects",
                method: Some(text()),
                path: Some(text()),
                http_status: Some(404),
                reason: "absent",
                times: 7,
            },
            Action::Reload { what: text(), outcome: text() },
            Action::Start { version: "0.1.0" },
            Action::Stop,
            Action::Gap { lost: 3 },
        ]
    }

    fn entry(action: Action, text: &str) -> Entry {
        let actor = Actor {
            organisation: Some(text.to_owned()),
            credential: Some(Fingerprint([7; 32])),
            address: text.to_owned(),
            client: Some(text.to_owned()),
            on_behalf: Some(text.to_owned()),
        };
        Entry { at: Timestamp::EPOCH, actor, action }
    }

    #[test]
    fn an_entry_is_one_line_that_begins_with_no_surprise() {
        let actor = Actor { organisation: Some("siem".into()), address: "127.0.0.1:4\n".into(), ..Actor::default() };
        let entry = Entry { at: Timestamp::EPOCH, actor, action: Action::Gap { lost: 3 } };
        assert_eq!(
            entry.text(9),
            r#"{"action":"gap","address":"127.0.0.1:4\n","at":"1970-01-01T00:00:00.000000Z","lost":3,"organisation":"siem","seq":9}"#
        );
    }

    #[test]
    fn what_is_too_long_is_cut_and_shown_to_be() {
        assert_eq!(plain("abc", 3), "abc");
        assert_eq!(plain("abcd", 3), "abc…");
        assert_eq!(plain("a\u{202e}b\u{7f}\u{1}", 9), "aU+202EbU+007F\u{1}");
        let long = entry(Action::Stop, &"x".repeat(100_000)).text(1);
        assert!(long.len() < 4 * LONGEST, "{}", long.len());
    }

    #[test]
    fn an_entry_that_waits_counts_with_all_that_a_caller_can_make_long() {
        let long = "x".repeat(100_000);
        for (action, texts) in [
            (Action::Stop, 4),
            (
                Action::Refusal {
                    endpoint: "none",
                    method: Some(long.clone()),
                    path: Some(long.clone()),
                    http_status: None,
                    reason: "absent",
                    times: 1,
                },
                6,
            ),
        ] {
            let octets = entry(action, &long).octets();
            assert!((texts * long.len()..texts * long.len() + 1024).contains(&octets), "{octets}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        /// LOG-1: every kind of entry, a thousand hostile values each.
        #[test]
        fn a_text_is_canonical_and_one_line_whatever_it_holds(text in "(\\PC|[\\x00-\\x1f\\x7f-\\x9f\"\\\\\u{202a}-\u{202e}\u{2066}-\u{2069}\u{200b}\u{2028}\u{feff}]|\\x1b\\[2J|\r\n\\{\\}){0,60}", seq in 1i64..1 << 53) {
            for action in actions(&text) {
                let written = entry(action, &text).text(seq);
                prop_assert!(!written.chars().any(|c| c.is_control() || misleads(c)), "{written}");
                let value: Value = serde_json::from_str(&written).unwrap();
                prop_assert_eq!(serde_json_canonicalizer::to_string(&value).unwrap(), written);
                prop_assert_eq!(&value["seq"], &json!(seq));
            }
        }
    }
}
