//! The audit trail, read from the store's file behind the server's back.

use super::server::Server;
use entente::audit::line::Line;
use entente::audit::verify::Verifier;
use entente::clock::stopwatch;
use entente::store::sqlite::Ledger;
use entente::taxii::timestamp::Timestamp;
use rusqlite::Connection;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// How long a condition may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Polls for a condition.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = stopwatch();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        thread::yield_now();
    }
}

pub struct Trail(PathBuf);

impl Trail {
    pub fn of(server: &Server) -> Self {
        Self::in_folder(&server.path().join("data"))
    }

    pub fn in_folder(data: &Path) -> Self {
        Self(data.to_owned())
    }

    fn rows(&self, sql: &str) -> Vec<String> {
        let connection = self.connect();
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    fn connect(&self) -> Connection {
        let connection = Connection::open(self.0.join("entente.db")).unwrap();
        connection.busy_timeout(PATIENCE).unwrap();
        connection
    }

    /// Changes the file as who has it can.
    pub fn execute(&self, sql: &str) {
        self.connect().execute_batch(sql).unwrap();
    }

    /// The texts of all entries, in order.
    pub fn texts(&self) -> Vec<String> {
        self.rows("SELECT entry FROM audit ORDER BY seq")
    }

    /// All entries, in order.
    pub fn entries(&self) -> Vec<Value> {
        self.texts().iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    }

    /// All entries of an action, in order.
    pub fn all(&self, action: &str) -> Vec<Value> {
        self.entries().into_iter().filter(|entry| entry["action"] == action).collect()
    }

    /// The last entry of an action.
    pub fn last(&self, action: &str) -> Value {
        self.all(action).pop().unwrap()
    }

    /// What the checkpoints say, in order.
    pub fn checkpoints(&self) -> Vec<Value> {
        let statements = self.rows("SELECT statement FROM checkpoint ORDER BY seq");
        statements.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    }

    /// Panics unless numbers and links are as they must be.
    pub fn must_be_sound(&self) {
        let mut verifier = Verifier::new(&[], None).unwrap();
        let mut take = |line: Line| verifier.take(&line);
        Ledger::open(&self.0).unwrap().lines(0, &mut take).unwrap();
        assert_eq!(verifier.finish().fault, None);
    }
}

/// The `date_added` of what an entry gave out, in order.
pub fn stamps(entry: &Value) -> Vec<Timestamp> {
    numbers(&entry["given"])
}

/// The times that numbers of an entry stand for.
pub fn numbers(runs: &Value) -> Vec<Timestamp> {
    let numbers: Vec<i64> = runs.as_array().unwrap().iter().map(|n| n.as_i64().unwrap()).collect();
    let (mut stamps, mut last) = (Vec::new(), 0);
    for pair in numbers.chunks(2) {
        stamps.extend((0..pair[1]).map(|n| Timestamp::from_micros(last + pair[0] + n)));
        last += pair[0] + pair[1] - 1;
    }
    stamps
}
