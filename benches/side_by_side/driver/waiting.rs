//! A crowd that waits: so many clients at once, each on a connection of its own, that ask what is new and are
//! answered when there is something (`Prefer: wait`).
//!
//! Each line that is written says how far it is; it goes on when a line comes in. Who calls this looks at the
//! server's clocks and memory between the lines, and has something pushed.

use super::client::{Connection, Peer};
use clap::Args;
use entente::clock::stopwatch;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Debug, Args)]
pub(super) struct Wait {
    #[command(flatten)]
    peer: Peer,
    /// Clients at once.
    #[arg(long)]
    connections: usize,
    /// A path with its query, that finds nothing yet.
    #[arg(long)]
    target: String,
    /// How long each of them would wait, in seconds.
    #[arg(long)]
    seconds: u64,
}

impl Wait {
    pub(super) fn run(&self) {
        let config = self.peer.config();
        let asking = |seconds: u64| {
            let target = &self.target;
            let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nPrefer: wait={seconds}\r\n\r\n");
            head.into_bytes()
        };
        let (at_once, patient) = (asking(0), asking(self.seconds));
        let connect = |_| {
            let mut connection = self.peer.connect(&config).unwrap();
            connection.ask(&[&at_once], &mut |_| ()).unwrap();
            connection
        };
        let mut crowd: Vec<Connection> = (0..self.connections).map(connect).collect();
        pause(&json!({"idle": crowd.len()}));
        crowd.iter_mut().for_each(|connection| connection.send(&[&patient]).unwrap());
        pause(&json!({"asked": crowd.len()}));
        // One after the other: the last one says how long it takes until all are told.
        let (begun, mut outcomes) = (stopwatch(), BTreeMap::<String, u64>::new());
        for connection in &mut crowd {
            let answer = connection.receive(&mut |_| ()).unwrap();
            let outcome = format!("{} with {} octets", answer.status, answer.octets);
            *outcomes.entry(outcome).or_default() += 1;
        }
        println!("{}", json!({"seconds": begun.elapsed().as_secs_f64(), "outcomes": outcomes}));
    }
}

fn pause(told: &Value) {
    println!("{told}");
    std::io::stdin().read_line(&mut String::new()).unwrap();
}
