//! The bare store: how fast rows that a server has made are committed by one who does nothing else. The
//! tables, their indexes and the settings of the connection are the server's own; nothing is read, judged,
//! looked up, chained or answered.
//!
//! The rows are the very ones that the server made of what was pushed to it, of objects as of statuses and of the
//! trail; and they go to where the server put them, into the store as it was before. So the same pages of the same
//! indexes are touched: in rows of a collection of their own, as of an empty one, they would stand close together.

use clap::Args;
use entente::clock::stopwatch;
use entente::store::sqlite::PRAGMAS;
use rusqlite::types::Value;
use rusqlite::{CachedStatement, Connection};
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct Bare {
    /// The file of a store as it was before the pushes, on which no server runs. It is no use afterwards.
    #[arg(long)]
    store: PathBuf,
    /// The file of the store after them.
    #[arg(long)]
    after: PathBuf,
    /// Objects in an envelope.
    #[arg(long)]
    objects: usize,
    /// Envelopes committed together.
    #[arg(long)]
    together: usize,
}

/// A row as it is stored, all columns.
type Row = Vec<Value>;

/// The tables that pushes fill, each with the column by which new rows are found, and put in their order.
const TABLES: [(&str, &str); 5] =
    [("body", "key"), ("entry", "date_added"), ("lineage", "body"), ("status", "expires"), ("audit", "seq")];

/// The rows of an envelope, by table.
type Rows<'r> = [&'r [Row]; TABLES.len()];

impl Bare {
    pub(super) fn run(&self) {
        let mut connection = Connection::open(&self.store).unwrap();
        connection.execute_batch(PRAGMAS).unwrap();
        let rows = TABLES.map(|(table, by)| self.prepared(&connection, table, by));
        let [bodies, .., statuses, _] = rows.each_ref().map(Vec::len);
        assert_eq!(bodies, statuses * self.objects, "each envelope brought so many objects");
        let envelopes: Vec<Rows<'_>> =
            (0..statuses).map(|at| rows.each_ref().map(|rows| part(rows, at, statuses))).collect();
        let begun = stopwatch();
        for group in envelopes.chunks(self.together) {
            let transaction = connection.transaction().unwrap();
            insert(&transaction, group);
            transaction.commit().unwrap();
        }
        let seconds = begun.elapsed().as_secs_f64();
        println!("{}", json!({"objects": bodies, "envelopes": statuses, "seconds": seconds}));
    }

    /// The rows of a table that are new, in the order in which they came.
    fn prepared(&self, connection: &Connection, table: &str, by: &str) -> Vec<Row> {
        let last: i64 =
            connection.query_row(&format!("SELECT ifnull(max({by}), 0) FROM {table}"), [], |row| row.get(0)).unwrap();
        let after = Connection::open(&self.after).unwrap();
        // What is in the trail beside, as that a server started, belongs to no envelope.
        let condition = if table == "audit" { " AND entry ->> 'action' = 'add'" } else { "" };
        let mut new = after.prepare(&format!("SELECT * FROM {table} WHERE {by} > ?{condition} ORDER BY {by}")).unwrap();
        let columns = new.column_count();
        let read = |row: &rusqlite::Row<'_>| (0..columns).map(|at| row.get(at)).collect();
        new.query_map([last], read).unwrap().map(Result::unwrap).collect()
    }
}

/// One of so many equal parts, as far as there are.
fn part(rows: &[Row], at: usize, parts: usize) -> &[Row] {
    &rows[rows.len() * at / parts..rows.len() * (at + 1) / parts]
}

/// Inserts the rows of some envelopes: object by object, and then what is told of them.
fn insert(connection: &Connection, envelopes: &[Rows<'_>]) {
    let mut statements = TABLES.map(|(table, _)| into(connection, table));
    for [bodies, entries, lineages, told @ ..] in envelopes {
        for (at, body) in bodies.iter().enumerate() {
            let [body_of, entry_of, lineage_of, ..] = &mut statements;
            one(body_of, body);
            one(entry_of, &entries[at]);
            if let Some(lineage) = lineages.get(at) {
                one(lineage_of, lineage);
            }
        }
        for (rows, statement) in told.iter().zip(&mut statements[3..]) {
            rows.iter().for_each(|row| one(statement, row));
        }
    }
}

fn into<'c>(connection: &'c Connection, table: &str) -> CachedStatement<'c> {
    let all = connection.prepare_cached(&format!("SELECT * FROM {table}")).unwrap().column_count();
    let places = vec!["?"; all].join(", ");
    connection.prepare_cached(&format!("INSERT INTO {table} VALUES ({places})")).unwrap()
}

fn one(statement: &mut CachedStatement<'_>, row: &Row) {
    for (at, value) in row.iter().enumerate() {
        statement.raw_bind_parameter(at + 1, value).unwrap();
    }
    statement.raw_execute().unwrap();
}
