//! The one ordered scan, as one SQL statement that walks an index in the order of
//! `date_added` and never sorts a collection.

use super::schema::{ALL_BUT, ANYBODY, EVERYBODY};
use crate::access::permission::{CollectionKey, World};
use crate::stix::head::Spec;
use crate::store::{Row, Scan, StoreError};
use crate::taxii::filter::{Filter, Versions};
use crate::taxii::timestamp::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, ToSql};
use std::borrow::Cow;
use std::ops::ControlFlow;

/// Hands the scan's rows to `take`, in ascending order of `date_added`, until it breaks.
pub(super) fn run(
    connection: &Connection,
    scan: &Scan<'_>,
    take: &mut dyn FnMut(&Row<'_>) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let query = Query::of(scan);
    rows(connection, &query.sql, query.bound().as_slice(), scan.with_text, take)
}

/// Hands the first row of every version to `take`, in the same order.
pub(super) fn every(
    connection: &Connection,
    collection: CollectionKey,
    take: &mut dyn FnMut(&Row<'_>) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    const SQL: &str = "SELECT e.date_added, e.id, e.version, e.spec, b.text
        FROM entry e LEFT JOIN body b ON b.key = e.body
        WHERE e.collection = :collection AND (e.mixed = 0 OR NOT EXISTS (SELECT 1 FROM entry f INDEXED BY entry_by_version
            WHERE f.collection = e.collection AND f.id = e.id AND f.body = e.body AND f.date_added < e.date_added))
        ORDER BY e.date_added";
    rows(connection, SQL, &[(":collection", &collection.0)], true, take)
}

fn rows(
    connection: &Connection,
    sql: &str,
    values: &[(&str, &dyn ToSql)],
    with_text: bool,
    take: &mut dyn FnMut(&Row<'_>) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    while let Some(row) = rows.next()? {
        let date_added = Timestamp::from_micros(row.get(0)?);
        let received = row.get_ref(2)?.as_str_or_null().map_err(rusqlite::Error::from)?;
        let shown = received.map_or_else(|| Cow::from(date_added.to_string()), Cow::from);
        let row = Row {
            date_added,
            id: row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?,
            version: &shown,
            spec: if row.get::<_, u8>(3)? == spec_rank(Spec::V20) { Spec::V20 } else { Spec::V21 },
            text: if with_text { row.get_ref(4)?.as_blob().map_err(rusqlite::Error::from)? } else { &[] },
        };
        if take(&row).is_break() {
            break;
        }
    }
    Ok(())
}

/// A specification version as it is stored: in ascending order.
pub(super) fn spec_rank(spec: Spec) -> u8 {
    match spec {
        Spec::V20 => 20,
        Spec::V21 => 21,
    }
}

/// The rank of an entry without a version: below every version, the first added highest.
pub(super) fn unversioned_rank(date_added: Timestamp) -> String {
    format!(" {:020}", i64::MAX - date_added.micros())
}

/// A statement in the making. The text depends on the kind of the query only, not on its
/// values, so that it is prepared once.
struct Query {
    sql: String,
    parameters: Vec<(String, Value)>,
}

impl Query {
    fn of(scan: &Scan<'_>) -> Self {
        let mut query = Self { sql: String::new(), parameters: Vec::new() };
        let conditions = query.conditions(scan);
        let text = if scan.with_text { ", b.text" } else { "" };
        // A text that is gone is an error: without it, the page would be one version short and nobody would know.
        let join = if scan.with_text { " LEFT JOIN body b ON b.key = e.body" } else { "" };
        let branches: Vec<String> = query
            .paths(scan.filter)
            .into_iter()
            .map(|(index, path)| {
                format!(
                    "SELECT e.date_added AS date_added, e.id, e.version, e.spec{text} FROM entry e {index}{join} \
                     WHERE e.collection = :collection AND e.date_added > :after{path}{conditions}"
                )
            })
            .collect();
        query.sql = format!("{} ORDER BY 1", branches.join(" UNION ALL "));
        query
    }

    /// The ways into the table: by id, by each type, or all of it in order. Branches are
    /// merged in order by the engine, row by row.
    fn paths(&mut self, filter: &Filter) -> Vec<(&'static str, String)> {
        const BY_ID: &str = "INDEXED BY entry_by_version";
        const BY_TYPE: &str = "INDEXED BY entry_by_type";
        /// More branches than this cost more than walking the collection.
        const MOST_BRANCHES: usize = 40;
        match (&filter.ids, &filter.types) {
            (Some(ids), _) => {
                self.bind_list(":ids", ids);
                let types = self.type_condition(filter);
                vec![(BY_ID, format!(" AND e.id IN (SELECT value FROM json_each(:ids)){types}"))]
            }
            (None, Some(types)) if types.len() <= MOST_BRANCHES => {
                let mut types = types.clone();
                types.sort();
                types.dedup();
                types
                    .into_iter()
                    .enumerate()
                    .map(|(at, name)| {
                        (BY_TYPE, format!(" AND e.type = {}", self.bind(format!(":type{at}"), Value::Text(name))))
                    })
                    .collect()
            }
            _ => vec![("", self.type_condition(filter))],
        }
    }

    fn type_condition(&mut self, filter: &Filter) -> String {
        let Some(types) = &filter.types else { return String::new() };
        self.bind_list(":types", types);
        " AND e.type IN (SELECT value FROM json_each(:types))".to_owned()
    }

    /// The caller's world, and which of its versions.
    fn conditions(&mut self, scan: &Scan<'_>) -> String {
        self.bind(":collection".to_owned(), Value::Integer(scan.collection.0));
        self.bind(":after".to_owned(), Value::Integer(scan.after.map_or(i64::MIN, Timestamp::micros)));
        self.parameters.extend(world(scan.world).map(|(name, value)| (name.to_owned(), Value::Integer(value))));
        let (spec, version) = (self.spec_condition(scan.filter), self.version_condition(scan.filter));
        // The version before the specification version: that is found at once.
        format!(" AND {}{version}{spec}", visible("e"))
    }

    fn spec_condition(&mut self, filter: &Filter) -> String {
        match &filter.specs {
            None => format!(" AND {}", no_other("newer_spec", "f.spec > e.spec", "")),
            Some(specs) => {
                let ranks: Vec<u8> = specs.iter().copied().map(spec_rank).collect();
                self.bind(":specs".to_owned(), Value::Text(format!("{ranks:?}")));
                " AND e.spec IN (SELECT value FROM json_each(:specs))".to_owned()
            }
        }
    }

    fn version_condition(&mut self, filter: &Filter) -> String {
        let Versions::Only { first, last, instants } = &filter.versions else { return String::new() };
        let mut any = Vec::new();
        if *last {
            any.push(no_other("newer", "f.spec = e.spec AND f.rank > e.rank", "ORDER BY f.rank"));
        }
        if *first {
            any.push(no_other("older", "f.spec = e.spec AND f.rank < e.rank", "ORDER BY f.rank DESC"));
        }
        if !instants.is_empty() {
            self.bind_list(":instants", instants);
            any.push("(e.version IS NOT NULL AND e.rank IN (SELECT value FROM json_each(:instants)))".to_owned());
            let micros = instants.iter().filter_map(|instant| Timestamp::parse(&format!("{instant}Z")));
            let micros: Vec<i64> = micros.map(Timestamp::micros).collect();
            self.bind(":micros".to_owned(), Value::Text(format!("{micros:?}")));
            any.push("(e.version IS NULL AND e.date_added IN (SELECT value FROM json_each(:micros)))".to_owned());
        }
        format!(" AND ({})", any.join(" OR "))
    }

    fn bound(&self) -> Vec<(&str, &dyn ToSql)> {
        self.parameters.iter().map(|(name, value)| (name.as_str(), value as &dyn ToSql)).collect()
    }

    fn bind(&mut self, name: String, value: Value) -> String {
        self.parameters.push((name.clone(), value));
        name
    }

    fn bind_list(&mut self, name: &str, values: &[String]) {
        let list = serde_json::Value::from(values).to_string();
        self.bind(name.to_owned(), Value::Text(list));
    }
}

/// What the parameters of [`visible`] are in a world.
pub(super) fn world(world: World) -> [(&'static str, i64); 4] {
    [
        (":organisation", world.organisation.0),
        (":level", world.level.map_or(-1, |level| i64::from(level.rank()))),
        (":own", i64::from(world.own.rank())),
        (":at", world.at.micros()),
    ]
}

/// The condition that a row of `entry`, under this alias, is in a world: [`World::sees`], and
/// within reach of its holds.
pub(super) fn visible(e: &str) -> String {
    let up_to = up_to(e);
    format!(
        "{e}.level <= {up_to} AND ({e}.ends IS NULL OR {e}.ends > :at OR {e}.owner = :organisation) \
         AND ({e}.reach = {EVERYBODY} OR ({e}.reach = {ALL_BUT}) <> EXISTS (SELECT 1 FROM reach r \
         WHERE r.collection = {e}.collection AND r.date_added = {e}.date_added AND r.organisation = :organisation)) \
         AND ({NO_SPAN} OR {e}.owner = :organisation OR NOT EXISTS (SELECT 1 FROM span s \
         WHERE s.collection = :collection AND s.organisation IN ({ANYBODY}, :organisation) \
         AND s.since <= {e}.date_added AND {e}.date_added < s.before))"
    )
}

/// The condition that no part of the order is kept from the caller. The same for all rows, and looked up once.
const NO_SPAN: &str =
    "NOT EXISTS (SELECT 1 FROM span WHERE collection = :collection AND organisation IN (0, :organisation))";

/// The level up to which the caller sees what the owner of a row owns.
fn up_to(e: &str) -> String {
    format!("CASE {e}.owner WHEN :organisation THEN :own ELSE :level END")
}

/// Whether the caller sees no other entry of the same object that stands in `relation` to
/// this one, where `lowest` carries the lowest level among those: that decides, unless some
/// entries of the object, or a part of the order, are kept from some by other means; then they are looked up,
/// the `nearest` first: most often the caller sees that one.
fn no_other(lowest: &str, relation: &str, nearest: &str) -> String {
    let (up_to, visible) = (up_to("e"), visible("f"));
    format!(
        "CASE WHEN e.mixed = 0 AND {NO_SPAN} THEN e.{lowest} > {up_to} \
         ELSE (SELECT 1 FROM entry f INDEXED BY entry_by_version \
         WHERE f.collection = e.collection AND f.id = e.id AND {relation} AND {visible} {nearest} LIMIT 1) IS NULL END"
    )
}

/// How SQLite would run a scan, in its own words.
#[cfg(test)]
pub(crate) fn plan(connection: &Connection, scan: &Scan<'_>) -> String {
    let query = Query::of(scan);
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", query.sql)).unwrap();
    let rows = statement.query_map(query.bound().as_slice(), |row| row.get::<_, String>(3)).unwrap();
    rows.map(Result::unwrap).collect::<Vec<_>>().join("\n")
}
