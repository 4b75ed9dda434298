//! Who polls, how far it has come, and what went wrong for it: from the trail.

use super::given::runs;
use super::line::Told;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};

/// Errors that are kept of each credential.
const ERRORS: usize = 5;

/// What the trail says of one credential.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// The organisation's name.
    pub organisation: String,
    /// The credential.
    pub credential: String,
    /// When it read last.
    pub last_poll: Option<String>,
    /// What its software says that it is.
    pub client: Option<String>,
    /// By collection id: the newest `date_added` that it was given, in microseconds since the Unix epoch.
    pub cursors: BTreeMap<String, i64>,
    /// Its last refusals, the newest last.
    pub errors: VecDeque<Trouble>,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// When.
    pub at: String,
    /// Where.
    pub endpoint: String,
    /// The HTTP status, if it came to that.
    pub http_status: Option<u16>,
    /// Why, in a word.
    pub reason: String,
    /// How often.
    pub times: u64,
}

/// All credentials that the trail knows of. Entries are shown to it in their order.
#[derive(Debug, Default)]
pub struct Peers(BTreeMap<String, Peer>);

impl Peers {
    /// Takes an entry.
    pub fn look(&mut self, text: &str) {
        if !(Told::may_be(text, "read") || Told::may_be(text, "refusal")) {
            return;
        }
        let told = Told::of(text);
        let Some(credential) = told.credential.clone() else { return };
        match (told.action.as_str(), &told.organisation) {
            // Who looks at holds does not poll.
            ("read", Some(_)) if told.resource == "holds" => {}
            ("read", Some(organisation)) => self.peer(&credential, organisation).read(told),
            ("refusal", Some(organisation)) => self.peer(&credential, organisation).refused(&told),
            // Nobody's now; it may have been somebody's.
            ("refusal", None) => self.0.get_mut(&credential).into_iter().for_each(|peer| peer.refused(&told)),
            _ => {}
        }
    }

    /// By organisation, then by credential.
    pub fn list(self) -> Vec<Peer> {
        let mut peers: Vec<Peer> = self.0.into_values().collect();
        peers.sort_by(|a, b| (&a.organisation, &a.credential).cmp(&(&b.organisation, &b.credential)));
        peers
    }

    fn peer(&mut self, credential: &str, organisation: &str) -> &mut Peer {
        let peer = self.0.entry(credential.to_owned()).or_default();
        credential.clone_into(&mut peer.credential);
        organisation.clone_into(&mut peer.organisation);
        peer
    }
}

impl Peer {
    fn read(&mut self, told: Told) {
        let newest = runs(told.given.as_deref().unwrap_or_default()).last().map(|(_, end)| end);
        let cursor = self.cursors.entry(told.collection).or_default();
        if let Some(newest) = newest.filter(|_| told.resource == "objects" && told.method != "HEAD") {
            *cursor = newest.max(*cursor);
        }
        self.last_poll = Some(told.at);
        self.client = told.client.or(self.client.take());
    }

    fn refused(&mut self, told: &Told) {
        let Told { at, endpoint, http_status, reason, times, .. } = told;
        if self.errors.len() == ERRORS {
            self.errors.pop_front();
        }
        self.errors.push_back(Trouble {
            at: at.clone(),
            endpoint: endpoint.clone(),
            http_status: *http_status,
            reason: reason.clone(),
            times: *times,
        });
    }
}
