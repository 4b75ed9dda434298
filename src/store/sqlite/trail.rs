//! The audit trail inside a write transaction: appending to the chain, signing its end; and
//! the entries that wait for the next transaction.

use crate::audit::{self, Head, Signer};
use crate::store::{Done, StoreError};
use crate::taxii::timestamp::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

/// Octets of entries that may wait in memory while the disk takes none.
const MOST: usize = 64 << 20;

/// Entries that wait for the next transaction.
#[derive(Debug, Default)]
pub(super) struct Notes {
    waiting: Vec<Note>,
    octets: usize,
    lost: u64,
    /// Whether the writer looks again soon, and nobody needs to wake it.
    is_crowded: bool,
}

/// One of them.
#[derive(Debug)]
struct Note {
    entry: audit::Entry,
    /// Who gives nothing out before it is on disk.
    done: Option<Done>,
}

impl Notes {
    /// Takes an entry in, or counts it as lost when there are too many.
    pub(super) fn keep(&mut self, entry: audit::Entry) {
        self.add(Note { entry, done: None });
    }

    /// Takes in an entry that somebody waits for, or says at once that there are too many.
    pub(super) fn keep_for(&mut self, entry: audit::Entry, done: Done) {
        self.add(Note { entry, done: Some(done) });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Gives all that wait.
    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Self { is_crowded: self.is_crowded, ..Self::default() })
    }

    /// Whether the writer looks again soon without being woken.
    pub(super) fn is_crowded(&self) -> bool {
        self.is_crowded
    }

    /// Has the writer look again soon, or not, unless somebody counts on it already. `written`: what was last.
    pub(super) fn expect(&mut self, written: &Self) {
        self.is_crowded = written.awaited().nth(1).is_some() || self.is_awaited();
    }

    /// Whether somebody waits for one of them.
    pub(super) fn is_awaited(&self) -> bool {
        self.awaited().next().is_some()
    }

    fn awaited(&self) -> impl Iterator<Item = &Note> {
        self.waiting.iter().filter(|note| note.done.is_some())
    }

    /// Takes in those that came in since.
    pub(super) fn join(&mut self, since: Self) {
        self.lost += since.lost;
        since.waiting.into_iter().for_each(|note| self.add(note));
    }

    /// Whether one of them says that the server stops: then the trail's end is signed with it.
    pub(super) fn end(&self) -> bool {
        self.waiting.iter().any(|note| note.entry.action == audit::Action::Stop)
    }

    fn add(&mut self, note: Note) {
        let octets = self.octets + note.entry.octets();
        match note.done {
            _ if octets <= MOST => {
                self.octets = octets;
                self.waiting.push(note);
            }
            Some(done) => tell(done, Err(StoreError::Unavailable("too many entries wait to be written".to_owned()))),
            None => self.lost += 1,
        }
    }

    /// Appends them all, but those that nobody waits for any more: what they speak of did not happen.
    pub(super) fn append(&self, trail: &mut Trail<'_>, now: Timestamp) -> Result<(), StoreError> {
        let wanted = |note: &&Note| note.done.as_ref().is_none_or(|done| !done.is_closed());
        self.waiting.iter().filter(wanted).try_for_each(|note| trail.append(&note.entry))?;
        if self.lost > 0 {
            let actor = audit::Actor { address: "store".to_owned(), ..audit::Actor::default() };
            trail.append(&audit::Entry { at: now, actor, action: audit::Action::Gap { lost: self.lost } })?;
        }
        Ok(())
    }

    /// They are on disk.
    pub(super) fn done(self) {
        self.waiting.into_iter().filter_map(|note| note.done).for_each(|done| tell(done, Ok(())));
    }

    /// They could not be written. Those that somebody waits for are given up; the others wait on,
    /// before those that came in since.
    pub(super) fn failed(mut self, error: &StoreError, since: Self) -> Self {
        let (given_up, kept): (Vec<Note>, Vec<Note>) = self.waiting.drain(..).partition(|note| note.done.is_some());
        given_up.into_iter().filter_map(|note| note.done).for_each(|done| tell(done, Err(error.clone())));
        let mut notes = Self { lost: self.lost + since.lost, is_crowded: since.is_crowded, ..Self::default() };
        kept.into_iter().chain(since.waiting).for_each(|note| notes.add(note));
        notes
    }
}

/// Whoever waited may have gone away meanwhile: then nobody is told.
fn tell(done: Done, outcome: Result<(), StoreError>) {
    drop(done.send(outcome));
}

/// The trail's end, inside a write transaction.
pub(super) struct Trail<'c> {
    connection: &'c Connection,
    head: Head,
    /// How many entries this transaction appended.
    pub(super) appended: u64,
}

impl<'c> Trail<'c> {
    pub(super) fn open(connection: &'c Connection) -> Result<Self, StoreError> {
        const LAST: &str = "SELECT seq, link FROM audit ORDER BY seq DESC LIMIT 1";
        let mut statement = connection.prepare_cached(LAST)?;
        let head = statement.query_row([], |row| Ok(Head { seq: row.get(0)?, link: row.get(1)? })).optional()?;
        Ok(Self { connection, head: head.unwrap_or_default(), appended: 0 })
    }

    /// Appends an entry: it gets the next number, and is linked to the one before it.
    pub(super) fn append(&mut self, entry: &audit::Entry) -> Result<(), StoreError> {
        const APPEND: &str = "INSERT INTO audit (seq, entry, link) VALUES (?, ?, ?)";
        let mut head = self.head;
        let text = head.append(entry);
        self.connection.prepare_cached(APPEND)?.execute(params![head.seq, text, head.link])?;
        (self.head, self.appended) = (head, self.appended + 1);
        Ok(())
    }

    /// Where it ends now: for [`Self::go_back`].
    pub(super) fn end(&self) -> (Head, u64) {
        (self.head, self.appended)
    }

    /// Goes on from an earlier end: what was appended since is undone.
    pub(super) fn go_back(&mut self, end: (Head, u64)) {
        (self.head, self.appended) = end;
    }

    /// Signs the trail's end, unless a checkpoint is about it already.
    pub(super) fn sign(&self, signer: &Signer, now: Timestamp) -> Result<(), StoreError> {
        const KEEP: &str = "INSERT INTO checkpoint (seq, statement, signature) VALUES (?, ?, ?)";
        let covered = covered(self.connection)?;
        if covered < self.head.seq {
            let signed = signer.sign(self.head, self.head.seq - covered, now);
            self.connection.prepare_cached(KEEP)?.execute(params![
                self.head.seq,
                signed.statement,
                signed.signature
            ])?;
        }
        Ok(())
    }
}

/// The number of the last entry that a checkpoint is about.
fn covered(connection: &Connection) -> Result<i64, StoreError> {
    const COVERED: &str = "SELECT ifnull(max(seq), 0) FROM checkpoint";
    Ok(connection.prepare_cached(COVERED)?.query_row([], |row| row.get(0))?)
}

/// Whether there are entries that no checkpoint is about, whichever program wrote them.
pub(super) fn is_unsigned(connection: &Connection) -> Result<bool, StoreError> {
    const LAST: &str = "SELECT ifnull(max(seq), 0) FROM audit";
    let last: i64 = connection.prepare_cached(LAST)?.query_row([], |row| row.get(0))?;
    Ok(covered(connection)? < last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot::channel;

    fn entry(query: &str) -> audit::Entry {
        let action = audit::Action::Read {
            collection: String::new(),
            resource: "objects",
            level: None,
            query: query.to_owned(),
            given: audit::Given::default(),
            head: false,
        };
        audit::Entry { at: Timestamp::EPOCH, actor: audit::Actor::default(), action }
    }

    #[test]
    fn what_cannot_wait_any_more_is_counted_and_who_waits_for_it_is_told() {
        let entry = entry(&"q".repeat(1 << 20));
        let mut notes = Notes::default();
        (0..100).for_each(|_| notes.keep(entry.clone()));
        assert_eq!((notes.waiting.len(), notes.lost), (63, 37));
        let (done, mut told) = channel();
        notes.keep_for(entry, done);
        assert!(matches!(told.try_recv(), Ok(Err(StoreError::Unavailable(_)))));
        assert_eq!(notes.lost, 37, "what is not given out is not lost");
    }

    #[test]
    fn where_several_wait_the_writer_looks_again_unasked_until_nobody_does() {
        let waiting = |count: usize| {
            let mut notes = Notes::default();
            notes.keep(entry("nobody waits for this"));
            let told = (0..count).map(|_| channel());
            let told: Vec<_> = told.map(|(done, told)| (notes.keep_for(entry(""), done), told)).collect();
            (notes, told)
        };
        let mut notes = Notes::default();
        for (written, since, is_crowded) in [(1, 0, false), (2, 0, true), (0, 0, false), (0, 1, true), (1, 0, false)] {
            let (written, since) = (waiting(written), waiting(since));
            notes.take();
            notes.join(since.0);
            notes.expect(&written.0);
            assert_eq!(notes.is_crowded(), is_crowded, "{} {}", written.1.len(), since.1.len());
        }
    }

    #[test]
    fn when_writing_fails_who_waits_is_told_and_the_others_wait_on_in_their_order() {
        let (mut notes, mut since) = (Notes::default(), Notes::default());
        let (done, mut told) = channel();
        notes.keep(entry("first"));
        notes.keep_for(entry("second"), done);
        since.keep(entry("third"));
        let notes = notes.failed(&StoreError::Unavailable("full".to_owned()), since);
        assert!(told.try_recv().unwrap().is_err());
        let queries = notes.waiting.iter().map(|note| match &note.entry.action {
            audit::Action::Read { query, .. } => query.as_str(),
            _ => "",
        });
        assert_eq!(queries.collect::<Vec<_>>(), ["first", "third"]);
    }
}
