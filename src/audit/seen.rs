//! Who saw an object: from what the trail says was added and given out.

use super::given::runs;
use super::line::Told;
use crate::taxii::timestamp::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// One version of an object in one collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The collection's id.
    pub collection: String,
    /// Its place in the collection's order.
    pub date_added: Timestamp,
    /// Its version.
    pub version: String,
}

/// How a version was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// It was theirs to send: they added it.
    Added,
    /// Its text was given out.
    Content,
    /// Its id and version were, in a manifest or a list of versions; or only that it is there, to a `HEAD`.
    Name,
    /// Something was given out of its collection after it was added: an older program did not say what.
    Perhaps,
}

/// Resources that name versions and have no text of them.
const NAMES: [&str; 3] = ["manifest", "versions", "holds"];

/// That an organisation saw a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// The organisation's name; for the operator, `operator`, the account, and `for` whom it acted.
    pub organisation: String,
    /// The collection's id.
    pub collection: String,
    /// The version; of what has none, its `date_added`.
    pub version: String,
    /// The version's place in the collection's order.
    pub date_added: Timestamp,
    /// How.
    pub how: How,
    /// When first.
    pub first: String,
    /// When last.
    pub last: String,
    /// How often.
    pub times: u64,
}

/// The search for those who saw an object. First all entries are shown to [`Sought::learn`],
/// then all again to [`Sought::look`].
#[derive(Debug)]
pub struct Sought {
    object: String,
    /// By collection, then by `date_added` in microseconds: the version.
    places: BTreeMap<String, BTreeMap<i64, String>>,
    seen: BTreeMap<(String, String, i64, How), Seen>,
}

impl Sought {
    /// An object, and where it is now.
    pub fn new(object: &str, places: Vec<Place>) -> Self {
        let mut sought = Self { object: object.to_owned(), places: BTreeMap::new(), seen: BTreeMap::new() };
        places.into_iter().for_each(|place| sought.add(place));
        sought
    }

    /// Learns where the object was before versions of it were deleted.
    pub fn learn(&mut self, text: &str) {
        if !Told::may_be(text, "delete") {
            return;
        }
        let Told { action, object, collection, deleted, .. } = Told::of(text);
        if action != "delete" || object != self.object {
            return;
        }
        for gone in deleted {
            if let Some(date_added) = Timestamp::parse(&gone.date_added) {
                self.add(Place { collection: collection.clone(), date_added, version: gone.version });
            }
        }
    }

    /// Looks whether an entry says that the object was added, or given out.
    pub fn look(&mut self, text: &str) {
        if !(Told::may_be(text, "read") || Told::may_be(text, "add")) {
            return;
        }
        let told = Told::of(text);
        let Some(versions) = self.places.get(&told.collection) else { return };
        let (how, spans) = match told.action.as_str() {
            // An older program did not say what was added: it is not known by whom.
            "add" => (How::Added, runs(told.added.as_deref().unwrap_or_default()).collect()),
            "read" => given(&told),
            _ => return,
        };
        let within = spans.into_iter().flat_map(|(begin, end)| versions.range(begin..=end));
        let found: Vec<(i64, String)> = within.map(|(stamp, version)| (*stamp, version.clone())).collect();
        found.into_iter().for_each(|(stamp, version)| self.note(&told, how, stamp, version));
    }

    /// Who saw it, by organisation, collection and version.
    pub fn seen(self) -> Vec<Seen> {
        self.seen.into_values().collect()
    }

    /// How many versions are known, those that are deleted included.
    pub fn versions(&self) -> usize {
        self.places.values().map(BTreeMap::len).sum()
    }

    fn add(&mut self, place: Place) {
        self.places.entry(place.collection).or_default().insert(place.date_added.micros(), place.version);
    }

    fn note(&mut self, told: &Told, how: How, stamp: i64, version: String) {
        let organisation = told.organisation.clone().unwrap_or_else(|| operator(told));
        let key = (organisation.clone(), told.collection.clone(), stamp, how);
        let seen = self.seen.entry(key).or_insert_with(|| Seen {
            organisation,
            collection: told.collection.clone(),
            version,
            date_added: Timestamp::from_micros(stamp),
            how,
            first: told.at.clone(),
            last: told.at.clone(),
            times: 0,
        });
        seen.last.clone_from(&told.at);
        seen.times += 1;
    }
}

/// The operator, by the account, and for whom.
fn operator(told: &Told) -> String {
    // An older program wrote the account only.
    let account = told.address.strip_prefix("operator ").unwrap_or(&told.address);
    told.on_behalf
        .as_ref()
        .map_or_else(|| format!("operator {account}"), |organisation| format!("operator {account} for {organisation}"))
}

/// What a page gave out, and how.
fn given(told: &Told) -> (How, Vec<(i64, i64)>) {
    match &told.given {
        Some(given) if told.method == "HEAD" || NAMES.contains(&told.resource.as_str()) => {
            (How::Name, runs(given).collect())
        }
        Some(given) => (How::Content, runs(given).collect()),
        None if told.items == 0 => (How::Perhaps, Vec::new()),
        None => (How::Perhaps, vec![(i64::MIN, Timestamp::parse(&told.at).map_or(i64::MAX, Timestamp::micros))]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLLECTION: &str = "378e5de7-84a4-45e4-8a34-c02a43d0b657";

    /// Who saw the version that was added at 2000 µs.
    fn seen(entries: &[&str]) -> Vec<(String, How, u64)> {
        let version = "2024-01-01T00:00:00.000Z".to_owned();
        let place = Place { collection: COLLECTION.to_owned(), date_added: Timestamp::from_micros(2000), version };
        let mut sought = Sought::new("indicator--x", vec![place]);
        entries.iter().for_each(|entry| sought.look(&entry.replace("COLLECTION", COLLECTION)));
        sought.seen().into_iter().map(|seen| (seen.organisation, seen.how, seen.times)).collect()
    }

    #[test]
    fn entries_are_read_as_this_and_older_programs_wrote_them() {
        let one = |how, times| vec![("anna".to_owned(), how, times)];
        for (entry, expected) in [
            (r#""action":"add","added":[1000,1,1000,2],"digest":"ab""#, one(How::Added, 1)),
            (r#""action":"add","added":[2001,9],"digest":"ab""#, vec![]),
            (r#""action":"add","digest":"ab","relayed":[],"successes":1"#, vec![]),
            (r#""action":"read","given":[2000,1],"items":1,"resource":"objects""#, one(How::Content, 1)),
            (r#""action":"read","given":[2000,1],"items":1,"resource":"versions""#, one(How::Name, 1)),
            (r#""action":"read","given":[2000,1],"items":1,"method":"HEAD","resource":"objects""#, one(How::Name, 1)),
            (r#""action":"read","given":[2000,1],"holds":["ab"],"items":1,"resource":"holds""#, one(How::Name, 1)),
            (r#""action":"read","items":3,"resource":"objects""#, one(How::Perhaps, 1)),
            (r#""action":"read","items":0,"resource":"objects""#, vec![]),
            (r#""action":"hold","hold":"ab","reason":"x","terms":"Object(\"indicator--x\")""#, vec![]),
        ] {
            let text = format!(
                r#"{{"address":"a","at":"2026-01-01T00:00:00.000000Z","collection":"COLLECTION","organisation":"anna",{entry}}}"#
            );
            assert_eq!(seen(&[&text]), expected, "{entry}");
            let elsewhere = text.replace("COLLECTION", "elsewhere");
            assert_eq!(seen(&[&elsewhere]), [], "{entry}");
        }
    }
}
