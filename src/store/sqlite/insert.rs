//! Adding entries to a collection, and what each carries of the others of its object.

use super::scan::{spec_rank, unversioned_rank};
use super::schema::{EVERYBODY, NO_LEVEL};
use super::table::Shelf;
use crate::access::organisation::OrganisationKey;
use crate::stix::rules::version::Lineage;
use crate::store::admission::Addition;
use crate::store::hold::{Reach, Rows as _};
use crate::store::{Declared, StoreError};
use crate::taxii::timestamp::Timestamp;
use rusqlite::{OptionalExtension, Statement, params};

/// What a new entry carries of the others of its object.
struct Beside {
    rank: String,
    neighbours: Neighbours,
    mixed: bool,
}

/// Where an entry stands among those of its object.
struct Place<'p> {
    id: &'p str,
    spec: u8,
    rank: String,
    level: u8,
}

/// The lowest levels among the newer and older versions of an entry.
#[derive(Clone, Copy)]
pub(super) struct Neighbours {
    pub(super) newer: u8,
    pub(super) older: u8,
    pub(super) newer_spec: u8,
}

impl Neighbours {
    const NONE: Self = Self { newer: NO_LEVEL, older: NO_LEVEL, newer_spec: NO_LEVEL };

    /// What the entries of one object carry of each other, told by specification version and level, in ascending
    /// order of specification version and then of version: one way down from the newest for `newer` and
    /// `newer_spec`, one way up for `older`.
    pub(super) fn among(entries: &[(u8, u8)]) -> Vec<Self> {
        let mut neighbours = vec![Self::NONE; entries.len()];
        let (mut newer, mut newer_spec, mut current) = (NO_LEVEL, NO_LEVEL, None);
        for (carries, (spec, level)) in neighbours.iter_mut().zip(entries).rev() {
            if current != Some(spec) {
                (newer_spec, newer, current) = (newer_spec.min(newer), NO_LEVEL, Some(spec));
            }
            (carries.newer, carries.newer_spec) = (newer, newer_spec);
            newer = newer.min(*level);
        }
        let (mut older, mut current) = (NO_LEVEL, None);
        for (carries, (spec, level)) in neighbours.iter_mut().zip(entries) {
            if current != Some(spec) {
                (older, current) = (NO_LEVEL, Some(spec));
            }
            carries.older = older;
            older = older.min(*level);
        }
        neighbours
    }
}

impl Beside {
    /// What an entry carries that is the only one of its object.
    fn alone(addition: &Addition<'_>) -> Self {
        Self { rank: rank(addition), neighbours: Neighbours::NONE, mixed: is_special(addition) }
    }

    /// What entries carry of each other, each that is of an object of which nothing is stored.
    fn among(additions: &[Addition<'_>]) -> Vec<Option<Self>> {
        let of = |at: usize| &additions[at].candidate.head;
        let alone = |addition: &Addition<'_>| addition.is_fresh.then(|| Self::alone(addition));
        let mut beside: Vec<Option<Self>> = additions.iter().map(alone).collect();
        let mut fresh: Vec<usize> = (0..additions.len()).filter(|at| additions[*at].is_fresh).collect();
        let rank = |at: usize| beside[at].as_ref().map(|beside| beside.rank.as_str());
        let place = |at: usize| (of(at).id.as_str(), spec_rank(of(at).spec), rank(at));
        fresh.sort_by(|one, other| place(*one).cmp(&place(*other)));
        for object in fresh.chunk_by(|one, other| of(*one).id == of(*other).id).filter(|object| object.len() > 1) {
            let versions = object.iter().map(|at| (spec_rank(of(*at).spec), additions[*at].level.rank()));
            let mixes = |at: &usize| is_special(&additions[*at]) || additions[*at].owner != additions[object[0]].owner;
            let (neighbours, mixed) = (Neighbours::among(&versions.collect::<Vec<_>>()), object.iter().any(mixes));
            for (at, neighbours) in object.iter().zip(neighbours) {
                beside[*at].iter_mut().for_each(|beside| (beside.neighbours, beside.mixed) = (neighbours, mixed));
            }
        }
        beside
    }
}

/// Where an entry stands among the versions of its object.
fn rank(addition: &Addition<'_>) -> String {
    let version = addition.candidate.head.version.as_ref();
    version.map_or_else(|| unversioned_rank(addition.date_added), |version| version.instant().to_owned())
}

/// Whether it is seen by others than its level says.
fn is_special(addition: &Addition<'_>) -> bool {
    addition.ends.is_some() || addition.reach != Reach::everybody()
}

impl Shelf<'_> {
    /// Keeps entries, in ascending order of `date_added`.
    pub(super) fn insert_all(&mut self, additions: &[Addition<'_>]) -> Result<(), StoreError> {
        const BODY: &str = "INSERT INTO body (text) VALUES (?)";
        const ENTRY: &str = "INSERT INTO entry (collection, date_added, id, type, spec, rank, version, level, owner,
            newer, older, newer_spec, mixed, content, body, ends, reach)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        const LINEAGE: &str = "INSERT INTO lineage (body, created, created_by_ref, revoked) VALUES (?, ?, ?, ?)";
        let Some(last) = additions.last() else { return Ok(()) };
        // Looked up once: to find a prepared statement costs more than to run it again.
        let (mut body, mut entry, mut lineage) = (
            self.connection.prepare_cached(BODY)?,
            self.connection.prepare_cached(ENTRY)?,
            self.connection.prepare_cached(LINEAGE)?,
        );
        for (addition, beside) in additions.iter().zip(Beside::among(additions)) {
            let beside = beside.map_or_else(|| self.beside(addition), Ok)?;
            let key = body.insert([addition.candidate.text.as_ref()])?;
            self.insert_entry(&mut entry, addition, &beside, key)?;
            if addition.candidate.head.version.is_some() {
                let Lineage { created, created_by_ref, revoked, version: _ } = &addition.candidate.lineage;
                lineage.execute(params![key, created, created_by_ref, revoked])?;
                if addition.candidate.declared == Declared::Submitters {
                    self.own(addition.candidate.head.id.as_str(), addition.owner)?;
                }
            }
        }
        self.raise_newest(last.date_added)
    }

    fn insert_entry(
        &mut self,
        entry: &mut Statement<'_>,
        addition: &Addition<'_>,
        beside: &Beside,
        body: i64,
    ) -> Result<(), StoreError> {
        let head = &addition.candidate.head;
        entry.execute(params![
            self.collection.0,
            addition.date_added.micros(),
            head.id.as_str(),
            head.id.object_type(),
            spec_rank(head.spec),
            beside.rank,
            head.version.as_ref().map(ToString::to_string),
            addition.level.rank(),
            addition.owner.0,
            beside.neighbours.newer,
            beside.neighbours.older,
            beside.neighbours.newer_spec,
            beside.mixed,
            addition.candidate.content.0,
            body,
            addition.ends.map(Timestamp::micros),
            EVERYBODY,
        ])?;
        if addition.reach == Reach::everybody() {
            return Ok(());
        }
        self.set_reach(addition.date_added, &addition.reach)
    }

    /// What a new entry will carry of the others of its object; and tells them of it.
    fn beside(&self, addition: &Addition<'_>) -> Result<Beside, StoreError> {
        let head = &addition.candidate.head;
        let (id, level) = (head.id.as_str(), addition.level.rank());
        let place = Place { id, spec: spec_rank(head.spec), rank: rank(addition), level };
        let neighbours = self.neighbours(&place)?;
        let mixed = self.mix(id, addition.owner, is_special(addition))?;
        Ok(Beside { rank: place.rank, neighbours, mixed })
    }

    /// What a new entry will carry of its neighbours; and tells them of it.
    ///
    /// Going to older versions, `newer` can only fall (each has all the newer ones of the one
    /// before, and that one). So the nearest neighbour knows the lowest level beyond itself,
    /// and those to be told are the run next to the new entry.
    fn neighbours(&self, place: &Place<'_>) -> Result<Neighbours, StoreError> {
        const NEWER: &str = "SELECT level, newer FROM entry INDEXED BY entry_by_version WHERE collection = ? AND id = ? AND spec = ? AND rank > ? ORDER BY rank LIMIT 1";
        const OLDER: &str = "SELECT level, older FROM entry INDEXED BY entry_by_version WHERE collection = ? AND id = ? AND spec = ? AND rank < ? ORDER BY rank DESC LIMIT 1";
        const HIGHER_SPEC: &str =
            "SELECT min(level) FROM entry INDEXED BY entry_by_version WHERE collection = ? AND id = ? AND spec > ?";
        const TELL_LOWER_SPEC: &str = "UPDATE entry INDEXED BY entry_by_version SET newer_spec = ?4 WHERE collection = ?1 AND id = ?2 AND spec < ?3 AND newer_spec > ?4";
        let nearest = |sql: &str| -> Result<Option<u8>, StoreError> {
            let mut statement = self.connection.prepare_cached(sql)?;
            let lowest = statement.query_row(params![self.collection.0, place.id, place.spec, place.rank], |row| {
                Ok(row.get::<_, u8>(0)?.min(row.get(1)?))
            });
            Ok(lowest.optional()?)
        };
        let (newer, older) = (nearest(NEWER)?, nearest(OLDER)?);
        if older.is_some() {
            self.tell("newer", "rank < ?4 ORDER BY rank DESC", place)?;
        }
        if newer.is_some() {
            self.tell("older", "rank > ?4 ORDER BY rank", place)?;
        }
        let same_object = params![self.collection.0, place.id, place.spec];
        let newer_spec: Option<u8> =
            self.connection.prepare_cached(HIGHER_SPEC)?.query_row(same_object, |row| row.get(0))?;
        let told = params![self.collection.0, place.id, place.spec, place.level];
        self.connection.prepare_cached(TELL_LOWER_SPEC)?.execute(told)?;
        Ok(Neighbours {
            newer: newer.unwrap_or(NO_LEVEL),
            older: older.unwrap_or(NO_LEVEL),
            newer_spec: newer_spec.unwrap_or(NO_LEVEL),
        })
    }

    /// Lowers `column` to the new entry's level along the run of neighbours where it is higher.
    fn tell(&self, column: &str, run: &str, place: &Place<'_>) -> Result<(), StoreError> {
        let select = format!(
            "SELECT date_added, {column} FROM entry INDEXED BY entry_by_version WHERE collection = ?1 AND id = ?2 AND spec = ?3 AND {run}"
        );
        let update = format!("UPDATE entry SET {column} = ? WHERE collection = ? AND date_added = ?");
        let mut statement = self.connection.prepare_cached(&select)?;
        let mut rows = statement.query(params![self.collection.0, place.id, place.spec, place.rank])?;
        let mut told = Vec::new();
        while let Some(row) = rows.next()? {
            if row.get::<_, u8>(1)? <= place.level {
                break;
            }
            told.push(row.get::<_, i64>(0)?);
        }
        let mut update = self.connection.prepare_cached(&update)?;
        for date_added in told {
            update.execute(params![place.level, self.collection.0, date_added])?;
        }
        Ok(())
    }

    /// Tells whether an entry of this owner makes levels not tell any more who sees which entries of an
    /// object, or whether they do not already; if so, marks all of them.
    pub(super) fn mix(&self, id: &str, owner: OrganisationKey, special: bool) -> Result<bool, StoreError> {
        // All entries of an object carry the same mark, and where it is not set, have the same owner.
        const ONE: &str = "SELECT mixed, owner FROM entry INDEXED BY entry_by_version
            WHERE collection = ? AND id = ? LIMIT 1";
        const MARK: &str = "UPDATE entry INDEXED BY entry_by_version SET mixed = 1 WHERE collection = ? AND id = ?";
        let object = params![self.collection.0, id];
        let one: Option<(bool, i64)> =
            self.connection.prepare_cached(ONE)?.query_row(object, |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let was = one.is_some_and(|(mixed, _)| mixed);
        let mixed = special || was || one.is_some_and(|(_, other)| other != owner.0);
        if mixed && !was {
            self.connection.prepare_cached(MARK)?.execute(params![self.collection.0, id])?;
        }
        Ok(mixed)
    }

    /// Makes an id an organisation's, whosever the versions are that are there.
    fn own(&self, id: &str, owner: OrganisationKey) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO departed (collection, id, owner) VALUES (?, ?, ?)
            ON CONFLICT DO UPDATE SET owner = excluded.owner";
        self.connection.prepare_cached(SQL)?.execute(params![self.collection.0, id, owner.0])?;
        Ok(())
    }
}
