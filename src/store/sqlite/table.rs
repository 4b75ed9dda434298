//! One collection inside a write transaction: lookups, insertion, deletion, and the
//! upkeep of what each entry carries about its neighbours.

use super::hold::{json, text};
use super::insert::Neighbours;
use super::scan::{self, spec_rank, visible};
use crate::access::level::Level;
use crate::access::organisation::OrganisationKey;
use crate::access::permission::{CollectionKey, World};
use crate::access::terms::Terms;
use crate::audit;
use crate::stix::head::Spec;
use crate::stix::json::Digest;
use crate::stix::rules::version::Lineage;
use crate::store::admission::{Addition, Held, Latest, Table};
use crate::store::hold::{self, Rows as _};
use crate::store::{Deleted, Deletion, Scan, StoreError};
use crate::taxii::filter::Filter;
use crate::taxii::timestamp::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Statement, ToSql, params};
use std::ops::ControlFlow;
use std::sync::LazyLock;

/// A level as it is stored. An unknown rank is from a newer program: as high as can be.
pub(super) fn level(rank: u8) -> Level {
    Level::from_rank(rank).unwrap_or(Level::Red)
}

/// A collection, open for change.
pub(super) struct Shelf<'c> {
    pub(super) connection: &'c Connection,
    pub(super) collection: CollectionKey,
}

// Each lookup of an id names its index: walking the collection instead would be right, and
// far too slow, and the planner knows no better.

fn held(row: &Row<'_>) -> rusqlite::Result<Held> {
    let date_added = Timestamp::from_micros(row.get(1)?);
    let version: Option<String> = row.get(0)?;
    let version = version.unwrap_or_else(|| date_added.to_string());
    Ok(Held { version, content: Digest(row.get(2)?), visible: row.get(3)? })
}

impl Table for Shelf<'_> {
    fn knows(&mut self, id: &str) -> Result<bool, StoreError> {
        const SQL: &str =
            "SELECT EXISTS (SELECT 1 FROM entry INDEXED BY entry_by_version WHERE collection = ?1 AND id = ?2)
            OR EXISTS (SELECT 1 FROM departed WHERE collection = ?1 AND id = ?2)";
        Ok(self.connection.prepare_cached(SQL)?.query_row(params![self.collection.0, id], |row| row.get(0))?)
    }

    fn owner(&mut self, id: &str) -> Result<Option<OrganisationKey>, StoreError> {
        const SQL: &str = "SELECT owner FROM departed WHERE collection = ?1 AND id = ?2
            UNION ALL SELECT owner FROM entry INDEXED BY entry_by_version WHERE collection = ?1 AND id = ?2 AND version IS NOT NULL LIMIT 1";
        let mut statement = self.connection.prepare_cached(SQL)?;
        let owner = statement.query_row(params![self.collection.0, id], |row| row.get(0).map(OrganisationKey));
        Ok(owner.optional()?)
    }

    fn version(&mut self, id: &str, spec: Spec, instant: &str, world: World) -> Result<Option<Held>, StoreError> {
        static SQL: LazyLock<String> = LazyLock::new(|| {
            format!(
                "SELECT version, date_added, content, {} AS seen FROM entry e INDEXED BY entry_by_version
             WHERE collection = :collection AND id = :id AND spec = :spec AND rank = :rank ORDER BY seen DESC LIMIT 1",
                visible("e")
            )
        });
        let spec = spec_rank(spec);
        let own: [(&str, &dyn ToSql); 4] =
            [(":collection", &self.collection.0), (":id", &id), (":spec", &spec), (":rank", &instant)];
        self.in_world(&SQL, world, &own, |statement, values| statement.query_row(values, held).optional())
    }

    fn unversioned(&mut self, id: &str, world: World) -> Result<Vec<Held>, StoreError> {
        static SQL: LazyLock<String> = LazyLock::new(|| {
            format!(
                "SELECT version, date_added, content, 1 FROM entry e INDEXED BY entry_by_version
             WHERE collection = :collection AND id = :id AND version IS NULL AND {} ORDER BY date_added",
                visible("e")
            )
        });
        let own: [(&str, &dyn ToSql); 2] = [(":collection", &self.collection.0), (":id", &id)];
        self.in_world(&SQL, world, &own, |statement, values| statement.query_map(values, held)?.collect())
    }

    fn latest(&mut self, id: &str, spec: Spec, world: World) -> Result<Option<Latest>, StoreError> {
        static SQL: LazyLock<String> = LazyLock::new(|| {
            format!(
                "SELECT e.version, l.created, l.created_by_ref, l.revoked, e.level, e.date_added, e.ends
             FROM entry e INDEXED BY entry_by_version JOIN lineage l ON l.body = e.body
             WHERE e.collection = :collection AND e.id = :id AND e.spec = :spec AND {}
             ORDER BY e.rank DESC LIMIT 1",
                visible("e")
            )
        });
        let spec = spec_rank(spec);
        let own: [(&str, &dyn ToSql); 3] = [(":collection", &self.collection.0), (":id", &id), (":spec", &spec)];
        let read = |row: &Row<'_>| {
            let (version, created, created_by_ref, revoked) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            let lineage = Lineage { version, created, created_by_ref, revoked };
            let (added, ends): (i64, Option<i64>) = (row.get(5)?, row.get(6)?);
            let (added, ends) = (Timestamp::from_micros(added), ends.map(Timestamp::from_micros));
            Ok(Latest { lineage, level: level(row.get(4)?), ends, added })
        };
        self.in_world(&SQL, world, &own, |statement, values| statement.query_row(values, read).optional())
    }

    fn definitions(
        &mut self,
        id: &str,
        world: World,
        speakers: &[OrganisationKey],
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let sql = format!(
            "SELECT b.text FROM entry e INDEXED BY entry_by_version LEFT JOIN body b ON b.key = e.body
             WHERE e.collection = :collection AND e.id = :id AND {}
                AND (e.owner IN (SELECT value FROM json_each(:speakers)) OR EXISTS (SELECT 1 FROM meant m
                    WHERE m.collection = :collection AND m.id = :id AND m.content = e.content
                        AND m.organisation IN (SELECT value FROM json_each(:speakers))))",
            visible("e")
        );
        let speakers: serde_json::Value = speakers.iter().map(|speaker| speaker.0).collect();
        let speakers = speakers.to_string();
        let own: [(&str, &dyn ToSql); 3] =
            [(":collection", &self.collection.0), (":id", &id), (":speakers", &speakers)];
        self.in_world(&sql, world, &own, |statement, values| statement.query_map(values, |row| row.get(0))?.collect())
    }

    fn keep_meant(&mut self, id: &str, content: Digest, by: OrganisationKey) -> Result<(), StoreError> {
        const SQL: &str = "INSERT OR IGNORE INTO meant (collection, id, content, organisation) VALUES (?, ?, ?, ?)";
        self.connection.prepare_cached(SQL)?.execute(params![self.collection.0, id, content.0, by.0])?;
        Ok(())
    }

    fn departed(&mut self, id: &str) -> Result<Option<(String, Terms)>, StoreError> {
        const SQL: &str = "SELECT instant, terms FROM departed WHERE collection = ? AND id = ? AND terms IS NOT NULL";
        let mut statement = self.connection.prepare_cached(SQL)?;
        let departed = |row: &Row<'_>| Ok((row.get(0)?, json(&row.get::<_, String>(1)?)?));
        Ok(statement.query_row(params![self.collection.0, id], departed).optional()?)
    }

    fn newest(&mut self) -> Result<Timestamp, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT newest FROM collection WHERE key = ?")?;
        Ok(Timestamp::from_micros(statement.query_row([self.collection.0], |row| row.get(0))?))
    }

    fn insert(&mut self, additions: &[Addition<'_>]) -> Result<(), StoreError> {
        self.insert_all(additions)
    }
}

impl Shelf<'_> {
    /// Runs a statement whose condition is [`visible`], with parameters of its own.
    fn in_world<T>(
        &self,
        sql: &str,
        world: World,
        own: &[(&str, &dyn ToSql)],
        run: impl FnOnce(&mut Statement<'_>, &[(&str, &dyn ToSql)]) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let world = scan::world(world);
        let mut values: Vec<(&str, &dyn ToSql)> =
            world.iter().map(|(name, value)| (*name, value as &dyn ToSql)).collect();
        values.extend(own);
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(run(&mut statement, &values)?)
    }

    /// Deletes what a deletion means of what its caller may delete, and gives what is gone.
    pub(super) fn delete(&mut self, deletion: &Deletion) -> Result<(Deleted, Vec<audit::Gone>), StoreError> {
        let own = deletion.own_world();
        let mut doomed = Vec::new();
        let selection = deletion.selection();
        let scan = Scan { collection: self.collection, world: own, filter: &selection, after: None, with_text: true };
        scan::run(self.connection, &scan, &mut |row| {
            doomed.push(audit::Gone {
                date_added: row.date_added,
                digest: audit::digest(row.text),
                version: row.version.to_owned(),
            });
            ControlFlow::Continue(())
        })?;
        if doomed.is_empty() {
            let everything = Filter::everything_of(&deletion.id);
            let whole = Scan { world: deletion.world, filter: &everything, ..scan.clone() };
            let seen = self.finds(&whole)?;
            let owned = self.finds(&Scan { world: own, ..whole })?;
            return Ok((if seen && !owned { Deleted::Forbidden } else { Deleted::Absent }, doomed));
        }
        self.remember(&deletion.id, &doomed)?;
        let mut gone = Vec::new();
        for version in &doomed {
            let has_none = version.version == version.date_added.to_string();
            for row in self.remove(version.date_added.micros())? {
                let shown = if has_none { row.to_string() } else { version.version.clone() };
                gone.push(audit::Gone { date_added: row, version: shown, ..version.clone() });
            }
        }
        gone.sort_by_key(|row| row.date_added);
        self.rebuild(&deletion.id)?;
        Ok((Deleted::Versions(doomed.len()), gone))
    }

    fn finds(&self, scan: &Scan<'_>) -> Result<bool, StoreError> {
        let mut found = false;
        scan::run(self.connection, scan, &mut |_| {
            found = true;
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    /// An id keeps its owner when its last version goes, and the terms of the latest that went still count: who
    /// deletes an object and adds it again has not loosened them. Predefined markings have neither.
    fn remember(&mut self, id: &str, doomed: &[audit::Gone]) -> Result<(), StoreError> {
        const LATEST: &str = "SELECT e.rank, e.level, e.ends, e.owner, (SELECT min(f.date_added)
                FROM entry f INDEXED BY entry_by_version
                WHERE f.collection = e.collection AND f.id = e.id AND f.spec = e.spec AND f.rank = e.rank AND f.body = e.body)
            FROM entry e WHERE e.collection = ?1 AND e.version IS NOT NULL
                AND e.date_added IN (SELECT value FROM json_each(?2)) ORDER BY e.rank DESC LIMIT 2";
        // Whose it is already, it stays: who declared it has versions of others under it.
        const KEEP: &str = "INSERT INTO departed (collection, id, owner, instant, terms) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET instant = excluded.instant, terms = excluded.terms";
        if crate::stix::marking::predefined(id).is_some() {
            return Ok(());
        }
        let (rows, holds) = (doomed.iter().map(|gone| gone.date_added.micros()), self.holds_on(id)?);
        let rows = rows.collect::<serde_json::Value>().to_string();
        let read = |row: &Row<'_>| {
            let (ends, first): (Option<i64>, i64) = (row.get(2)?, row.get(4)?);
            let (ends, first) = (ends.map(Timestamp::from_micros), Timestamp::from_micros(first));
            let terms = hold::stored_as(&holds, first, level(row.get(1)?), ends);
            Ok((row.get::<_, String>(0)?, terms, row.get::<_, i64>(3)?))
        };
        let mut statement = self.connection.prepare_cached(LATEST)?;
        // Of two specification versions there may be one each of the same instant.
        let latest: Vec<_> = statement.query_map(params![self.collection.0, rows], read)?.collect::<Result<_, _>>()?;
        let before = self.departed(id)?;
        let Some((instant, _, owner)) = latest.first() else { return Ok(()) };
        if before.as_ref().is_some_and(|(before, _)| before > instant) {
            return Ok(());
        }
        let departed = latest.iter().map(|(instant, terms, _)| (instant, *terms));
        let departed = departed.chain(before.iter().map(|(instant, terms)| (instant, *terms)));
        let terms = departed.filter(|(other, _)| *other == instant).map(|(_, terms)| terms).reduce(Terms::and);
        self.connection.prepare_cached(KEEP)?.execute(params![self.collection.0, id, owner, instant, text(&terms)])?;
        Ok(())
    }

    /// Removes the version that a row is of, with all its rows and holds. Gives when each row was added.
    fn remove(&self, date_added: i64) -> Result<Vec<Timestamp>, StoreError> {
        const FIND: &str = "SELECT body, id, spec, iif(version IS NULL, '', rank), iif(version IS NULL, '~', rank)
            FROM entry WHERE collection = ? AND date_added = ?";
        const ROWS: &str =
            "DELETE FROM entry INDEXED BY entry_by_version WHERE collection = ?1 AND id = ?2 AND spec = ?3
                AND rank BETWEEN ?4 AND ?5 AND body = ?6
            RETURNING date_added";
        let find = params![self.collection.0, date_added];
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
        let (body, id, spec, from, to): (i64, String, u8, String, String) =
            self.connection.prepare_cached(FIND)?.query_row(find, read)?;
        let mut rows = self.connection.prepare_cached(ROWS)?;
        let rows = rows.query_map(params![self.collection.0, id, spec, from, to, body], |row| row.get::<_, i64>(0))?;
        let rows: Vec<Timestamp> = rows.map(|row| row.map(Timestamp::from_micros)).collect::<Result<_, _>>()?;
        for row in &rows {
            self.forget_row(row.micros())?;
            self.forget_holds_of(&id, *row)?;
        }
        self.connection.prepare_cached("DELETE FROM body WHERE key = ?")?.execute([body])?;
        self.connection.prepare_cached("DELETE FROM lineage WHERE body = ?")?.execute([body])?;
        Ok(rows)
    }

    /// Works out anew what the remaining entries of an object carry of each other.
    pub(super) fn rebuild(&self, id: &str) -> Result<(), StoreError> {
        const SET: &str = "UPDATE entry SET newer = ?, older = ?, newer_spec = ?, mixed = ?
            WHERE collection = ? AND date_added = ?";
        let remaining = self.remaining(id)?;
        let mixed = remaining.iter().any(|entry| entry.owner != remaining[0].owner || entry.special);
        let versions: Vec<_> = remaining.iter().map(|entry| (entry.spec, entry.level)).collect();
        let mut set = self.connection.prepare_cached(SET)?;
        for (entry, carries) in remaining.iter().zip(Neighbours::among(&versions)) {
            let Neighbours { newer, older, newer_spec } = carries;
            set.execute(params![newer, older, newer_spec, mixed, self.collection.0, entry.date_added])?;
        }
        Ok(())
    }

    /// All entries of an object, by specification version and then by version.
    fn remaining(&self, id: &str) -> Result<Vec<Remaining>, StoreError> {
        const SQL: &str = "SELECT date_added, spec, level, owner, ends IS NOT NULL OR reach FROM entry
            INDEXED BY entry_by_version WHERE collection = ? AND id = ? ORDER BY spec, rank";
        let mut statement = self.connection.prepare_cached(SQL)?;
        let entries = statement.query_map(params![self.collection.0, id], |row| {
            let (date_added, spec, level, owner) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            let special = row.get(4)?;
            Ok(Remaining { date_added, spec, level, owner, special })
        })?;
        Ok(entries.collect::<Result<_, _>>()?)
    }
}

/// An entry that stays when others of its object go.
struct Remaining {
    date_added: i64,
    spec: u8,
    level: u8,
    owner: i64,
    /// Whether it ends or is held.
    special: bool,
}
