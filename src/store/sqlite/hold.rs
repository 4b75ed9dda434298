//! Holds and the rows that they keep from organisations, inside a write transaction.

use super::scan::unversioned_rank;
use super::schema::{ALL_BUT, ANYBODY, EVERYBODY, ONLY};
use super::table::{Shelf, level};
use crate::access::level::Level;
use crate::access::organisation::OrganisationKey;
use crate::access::permission::CollectionKey;
use crate::store::StoreError;
use crate::store::hold::{From, Held, Hold, Reach, Rows, Span, Subject, Until, Version};
use crate::taxii::timestamp::Timestamp;
use rusqlite::types::FromSqlError;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use uuid::Uuid;

/// The holds in force in a collection, in the order in which they were placed.
pub(super) fn holds(connection: &Connection, collection: CollectionKey) -> Result<Vec<Hold>, StoreError> {
    const SQL: &str = "SELECT id, subject, withheld, until, reason, placed, placed_by FROM hold
        WHERE collection = ? ORDER BY key";
    let mut statement = connection.prepare_cached(SQL)?;
    let holds = statement.query_map([collection.0], hold)?;
    Ok(holds.collect::<Result<_, _>>()?)
}

/// The collections, by key and id, in which a hold's time has come.
pub(super) fn due(connection: &Connection, now: Timestamp) -> Result<Vec<(CollectionKey, String)>, StoreError> {
    const SQL: &str =
        "SELECT DISTINCT c.key, c.id FROM hold h INDEXED BY hold_by_due JOIN collection c ON c.key = h.collection
        WHERE h.due <= ?";
    let mut statement = connection.prepare_cached(SQL)?;
    let due = statement.query_map([now.micros()], |row| Ok((CollectionKey(row.get(0)?), row.get(1)?)))?;
    Ok(due.collect::<Result<_, _>>()?)
}

fn hold(row: &Row<'_>) -> rusqlite::Result<Hold> {
    Ok(Hold {
        id: Uuid::from_bytes(row.get(0)?),
        subject: json(&row.get::<_, String>(1)?)?,
        from: json(&row.get::<_, String>(2)?)?,
        until: json(&row.get::<_, String>(3)?)?,
        reason: row.get(4)?,
        placed: Timestamp::from_micros(row.get(5)?),
        placed_by: row.get::<_, Option<i64>>(6)?.map(OrganisationKey),
    })
}

/// What a column of JSON says.
pub(super) fn json<T: DeserializeOwned>(text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|error| FromSqlError::Other(error.into()).into())
}

/// A record of numbers and strings always has a JSON form.
pub(super) fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

impl Rows for Shelf<'_> {
    fn hold(&mut self, id: Uuid) -> Result<Option<Hold>, StoreError> {
        const SQL: &str = "SELECT id, subject, withheld, until, reason, placed, placed_by FROM hold
            WHERE collection = ? AND id = ?";
        let values = params![self.collection.0, id.as_bytes()];
        Ok(self.connection.prepare_cached(SQL)?.query_row(values, hold).optional()?)
    }

    fn due(&mut self, now: Timestamp, most: usize) -> Result<Vec<Hold>, StoreError> {
        const SQL: &str = "SELECT id, subject, withheld, until, reason, placed, placed_by
            FROM hold INDEXED BY hold_by_due WHERE due <= ?2 AND collection = ?1 ORDER BY due, key LIMIT ?3";
        let mut statement = self.connection.prepare_cached(SQL)?;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let holds = statement.query_map(params![self.collection.0, now.micros(), most], hold)?;
        Ok(holds.collect::<Result<_, _>>()?)
    }

    fn set_due(&mut self, id: Uuid, due: Timestamp) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE hold SET until = ?, due = ? WHERE id = ?";
        self.connection.prepare_cached(SQL)?.execute(params![text(&Until::Time(due)), due.micros(), id.as_bytes()])?;
        Ok(())
    }

    fn is_held(&mut self) -> Result<bool, StoreError> {
        const SQL: &str =
            "SELECT EXISTS (SELECT 1 FROM hold INDEXED BY hold_by_object WHERE collection = ? AND object IS NOT NULL)";
        Ok(self.connection.prepare_cached(SQL)?.query_row([self.collection.0], |row| row.get(0))?)
    }

    fn holds_on(&mut self, object: &str) -> Result<Vec<Hold>, StoreError> {
        const SQL: &str = "SELECT id, subject, withheld, until, reason, placed, placed_by FROM hold
            WHERE collection = ?1 AND object = ?2 ORDER BY key";
        let mut statement = self.connection.prepare_cached(SQL)?;
        let holds = statement.query_map(params![self.collection.0, object], hold)?;
        Ok(holds.collect::<Result<_, _>>()?)
    }

    fn keep_hold(&mut self, hold: &Hold) -> Result<(), StoreError> {
        const SQL: &str =
            "INSERT INTO hold (id, collection, object, subject, withheld, until, due, reason, placed, placed_by)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        const AWAITED: &str = "INSERT OR IGNORE INTO awaited (collection, marking, owner, hold) VALUES (?, ?, ?, ?)";
        self.connection.prepare_cached(SQL)?.execute(params![
            hold.id.as_bytes(),
            self.collection.0,
            hold.object(),
            text(&hold.subject),
            text(&hold.from),
            text(&hold.until),
            hold.due().map(Timestamp::micros),
            hold.reason,
            hold.placed.micros(),
            hold.placed_by.map(|organisation| organisation.0),
        ])?;
        let (Until::Marking { ids, .. }, Subject::Version { added, .. }) = (&hold.until, &hold.subject) else {
            return Ok(());
        };
        let owner = self.owner_of(*added)?;
        let mut awaited = self.connection.prepare_cached(AWAITED)?;
        ids.iter().try_for_each(|id| {
            awaited.execute(params![self.collection.0, id, owner.0, hold.id.as_bytes()]).map(drop)
        })?;
        Ok(())
    }

    fn awaiting(&mut self, definitions: &[&str], of: Option<OrganisationKey>) -> Result<Vec<Hold>, StoreError> {
        const OWN: &str = "SELECT h.id, h.subject, h.withheld, h.until, h.reason, h.placed, h.placed_by FROM hold h
            WHERE h.id IN (SELECT hold FROM awaited WHERE collection = ?1
                AND marking IN (SELECT value FROM json_each(?2)) AND owner = ?3) ORDER BY h.key";
        const ALL: &str = "SELECT h.id, h.subject, h.withheld, h.until, h.reason, h.placed, h.placed_by FROM hold h
            WHERE h.id IN (SELECT hold FROM awaited WHERE collection = ?1
                AND marking IN (SELECT value FROM json_each(?2))) AND ?3 IS NULL ORDER BY h.key";
        let mut statement = self.connection.prepare_cached(if of.is_some() { OWN } else { ALL })?;
        let definitions = serde_json::Value::from(definitions).to_string();
        let holds = statement.query_map(params![self.collection.0, definitions, of.map(|of| of.0)], hold)?;
        Ok(holds.collect::<Result<_, _>>()?)
    }

    fn forget_hold(&mut self, id: Uuid) -> Result<(), StoreError> {
        self.connection.prepare_cached("DELETE FROM hold WHERE id = ?")?.execute([id.as_bytes()])?;
        Ok(())
    }

    fn versions(&mut self, object: &str, first: Option<Timestamp>) -> Result<Vec<Version>, StoreError> {
        const ALL: &str =
            "SELECT id, owner, level, body, date_added, reach, ends FROM entry INDEXED BY entry_by_version
            WHERE collection = ?1 AND id = ?2 ORDER BY body, date_added";
        const ONE: &str = "SELECT e.id, e.owner, e.level, e.body, e.date_added, e.reach, e.ends FROM entry first
            JOIN entry e INDEXED BY entry_by_version ON e.collection = first.collection AND e.id = first.id
                AND e.spec = first.spec AND e.rank >= CASE WHEN first.version IS NULL THEN '' ELSE first.rank END
                AND e.rank <= CASE WHEN first.version IS NULL THEN '~' ELSE first.rank END AND e.body = first.body
            WHERE first.collection = ?1 AND first.date_added = ?2 ORDER BY e.body, e.date_added";
        let collection = self.collection.0;
        let mut found = match first {
            None => self.grouped(ALL, params![collection, object])?,
            Some(first) => self.grouped(ONE, params![collection, first.micros()])?,
        };
        found.sort_by_key(|version| version.first);
        Ok(found)
    }

    fn spans(&mut self) -> Result<Vec<(Hold, Span)>, StoreError> {
        const SQL: &str = "SELECT h.id, h.subject, h.withheld, h.until, h.reason, h.placed, h.placed_by,
                min(s.since), min(s.before)
            FROM span s JOIN hold h ON h.id = s.hold WHERE s.collection = ? GROUP BY s.hold ORDER BY h.key";
        let micros = |row: &Row<'_>, at| row.get(at).map(Timestamp::from_micros);
        let read = |row: &Row<'_>| Ok((hold(row)?, Span { since: micros(row, 7)?, before: micros(row, 8)? }));
        let mut statement = self.connection.prepare_cached(SQL)?;
        let spans = statement.query_map([self.collection.0], read)?;
        Ok(spans.collect::<Result<_, _>>()?)
    }

    fn set_span(&mut self, hold: &Hold, span: Span) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO span (collection, organisation, hold, since, before) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET since = excluded.since, before = excluded.before";
        let from: Vec<i64> = match &hold.from {
            From::Everybody => vec![ANYBODY],
            From::Organisations(from) => from.iter().map(|organisation| organisation.0).collect(),
        };
        let mut set = self.connection.prepare_cached(SQL)?;
        for organisation in from {
            let (since, before) = (span.since.micros(), span.before.micros());
            set.execute(params![self.collection.0, organisation, hold.id.as_bytes(), since, before])?;
        }
        Ok(())
    }

    fn rows(&mut self, span: Span, most: usize) -> Result<Vec<Held>, StoreError> {
        const SQL: &str = "SELECT date_added, owner, level, ends, reach, body FROM entry
            WHERE collection = ? AND date_added >= ? AND date_added < ? ORDER BY date_added LIMIT ?";
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let values = params![self.collection.0, span.since.micros(), span.before.micros(), most];
        let mut statement = self.connection.prepare_cached(SQL)?;
        let (mut rows, mut held) = (statement.query(values)?, Vec::new());
        while let Some(row) = rows.next()? {
            let added = Timestamp::from_micros(row.get(0)?);
            held.push(Held {
                added,
                version: row.get(5)?,
                owner: OrganisationKey(row.get(1)?),
                level: level(row.get(2)?),
                ends: row.get::<_, Option<i64>>(3)?.map(Timestamp::from_micros),
                reach: self.reach(added, row.get(4)?)?,
            });
        }
        Ok(held)
    }

    fn set_reach(&mut self, row: Timestamp, reach: &Reach) -> Result<(), StoreError> {
        const SET: &str = "UPDATE entry SET reach = ? WHERE collection = ? AND date_added = ? RETURNING id, owner";
        const LIST: &str = "INSERT INTO reach (collection, date_added, organisation) VALUES (?, ?, ?)";
        let (kind, listed) = match reach {
            Reach::AllBut(out) if out.is_empty() => (EVERYBODY, out),
            Reach::AllBut(out) => (ALL_BUT, out),
            Reach::Only(within) => (ONLY, within),
        };
        self.forget_row(row.micros())?;
        let mut list = self.connection.prepare_cached(LIST)?;
        for organisation in listed {
            list.execute(params![self.collection.0, row.micros(), organisation.0])?;
        }
        let set = params![kind, self.collection.0, row.micros()];
        let (id, owner): (String, i64) =
            self.connection.prepare_cached(SET)?.query_row(set, |row| Ok((row.get(0)?, row.get(1)?)))?;
        self.mix(&id, OrganisationKey(owner), true)?;
        Ok(())
    }

    fn copy_row(&mut self, row: Timestamp, to: Timestamp, reach: &Reach) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO entry (collection, date_added, id, type, spec, rank, version, level, owner,
                newer, older, newer_spec, mixed, content, body, ends, reach)
            SELECT collection, ?3, id, type, spec, CASE WHEN version IS NULL THEN ?4 ELSE rank END, version, level, owner,
                newer, older, newer_spec, 1, content, body, ends, 0
            FROM entry WHERE collection = ?1 AND date_added = ?2";
        let values = params![self.collection.0, row.micros(), to.micros(), unversioned_rank(to)];
        self.connection.prepare_cached(SQL)?.execute(values)?;
        self.set_reach(to, reach)?;
        self.raise_newest(to)
    }

    fn text(&mut self, first: Timestamp) -> Result<Vec<u8>, StoreError> {
        const SQL: &str = "SELECT b.text FROM entry e JOIN body b ON b.key = e.body
            WHERE e.collection = ? AND e.date_added = ?";
        let values = params![self.collection.0, first.micros()];
        Ok(self.connection.prepare_cached(SQL)?.query_row(values, |row| row.get(0))?)
    }

    fn set_terms(&mut self, object: &str, terms: &[(Timestamp, Level, Option<Timestamp>)]) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE entry SET level = ?, ends = ? WHERE collection = ? AND date_added = ?";
        let mut set = self.connection.prepare_cached(SQL)?;
        for (first, level, ends) in terms {
            set.execute(params![level.rank(), ends.map(Timestamp::micros), self.collection.0, first.micros()])?;
        }
        self.rebuild(object)
    }

    fn raise_newest(&mut self, to: Timestamp) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE collection SET newest = max(newest, ?) WHERE key = ?";
        self.connection.prepare_cached(SQL)?.execute(params![to.micros(), self.collection.0])?;
        Ok(())
    }
}

impl Shelf<'_> {
    fn owner_of(&self, row: Timestamp) -> Result<OrganisationKey, StoreError> {
        const SQL: &str = "SELECT owner FROM entry WHERE collection = ? AND date_added = ?";
        let values = params![self.collection.0, row.micros()];
        Ok(OrganisationKey(self.connection.prepare_cached(SQL)?.query_row(values, |row| row.get(0))?))
    }

    /// Forgets who a row that is gone, or about to change, reaches.
    pub(super) fn forget_row(&self, row: i64) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM reach WHERE collection = ? AND date_added = ?";
        self.connection.prepare_cached(SQL)?.execute(params![self.collection.0, row])?;
        Ok(())
    }

    /// Forgets the holds of a version that is gone.
    pub(super) fn forget_holds_of(&self, object: &str, added: Timestamp) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM hold WHERE collection = ? AND object = ? AND subject = ?";
        let values = params![self.collection.0, object, text(&Subject::Version { object: object.to_owned(), added })];
        self.connection.prepare_cached(SQL)?.execute(values)?;
        Ok(())
    }

    /// Versions by their rows, which the statement gives in the order of their bodies.
    fn grouped(&self, sql: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Vec<Version>, StoreError> {
        let (mut versions, mut last) = (Vec::<Version>::new(), None);
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(values)?;
        while let Some(row) = rows.next()? {
            let (body, date_added): (i64, i64) = (row.get(3)?, row.get(4)?);
            let added = Timestamp::from_micros(date_added);
            let reach = self.reach(added, row.get(5)?)?;
            match versions.last_mut() {
                Some(version) if last == Some(body) => version.rows.push((added, reach)),
                _ => versions.push(Version {
                    id: row.get(0)?,
                    owner: OrganisationKey(row.get(1)?),
                    level: level(row.get(2)?),
                    ends: row.get::<_, Option<i64>>(6)?.map(Timestamp::from_micros),
                    first: added,
                    rows: vec![(added, reach)],
                }),
            }
            last = Some(body);
        }
        Ok(versions)
    }

    fn reach(&self, row: Timestamp, kind: u8) -> Result<Reach, StoreError> {
        const SQL: &str = "SELECT organisation FROM reach WHERE collection = ? AND date_added = ?";
        if kind == EVERYBODY {
            return Ok(Reach::everybody());
        }
        let mut statement = self.connection.prepare_cached(SQL)?;
        let listed =
            statement.query_map(params![self.collection.0, row.micros()], |row| row.get(0).map(OrganisationKey))?;
        let listed: BTreeSet<OrganisationKey> = listed.collect::<Result<_, _>>()?;
        Ok(if kind == ALL_BUT { Reach::AllBut(listed) } else { Reach::Only(listed) })
    }
}
