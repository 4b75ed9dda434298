//! Load: so many clients at once, each of which asks again as soon as it is answered.
//!
//! When everything is ready, a line of JSON says so; the load begins when a line comes in, and ends with
//! a line that says how it went. Who calls this looks at the server's clocks between the lines.

use super::client::{Answer, Connection, Peer};
use super::objects::envelope;
use clap::Args;
use entente::clock::stopwatch;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const MEDIA_TYPE: &str = "application/taxii+json;version=2.1";

/// Times that a push is sent again when the server has too much to do.
const AGAIN: usize = 1000;

#[derive(Debug, Args)]
pub(super) struct Get {
    #[command(flatten)]
    peer: Peer,
    #[command(flatten)]
    bounds: Bounds,
    /// Paths with their queries, one a line, asked for in turn.
    #[arg(long)]
    targets: PathBuf,
    /// Requests on each connection before the load, so that what is made once is there.
    #[arg(long, default_value_t = 3)]
    warm: usize,
    /// Further header fields.
    #[arg(long)]
    header: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Connect {
    #[command(flatten)]
    peer: Peer,
    #[command(flatten)]
    bounds: Bounds,
    /// A path with its query.
    #[arg(long)]
    target: String,
}

#[derive(Debug, Args)]
pub(super) struct Push {
    #[command(flatten)]
    peer: Peer,
    #[command(flatten)]
    bounds: Bounds,
    /// The path of the collection's objects.
    #[arg(long)]
    target: String,
    /// Objects in an envelope.
    #[arg(long)]
    objects: u64,
    /// The series of objects; each push takes the next ones.
    #[arg(long)]
    seed: u64,
}

#[derive(Debug, Args)]
pub(super) struct Bounds {
    /// Clients at once.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// For how long.
    #[arg(long)]
    seconds: f64,
    /// How many requests at most.
    #[arg(long)]
    most: usize,
}

/// How one client fared.
#[derive(Debug, Default)]
struct Tally {
    millis: Vec<f64>,
    octets: u64,
    outcomes: BTreeMap<String, u64>,
}

impl Tally {
    fn count(&mut self, took: Duration, octets: usize, outcome: String) {
        self.millis.push(took.as_secs_f64() * 1000.0);
        self.octets += octets as u64;
        *self.outcomes.entry(outcome).or_default() += 1;
    }
}

/// Runs `client` so many times at once when a line comes in. Each is given its number and asked
/// again until it says that it is done.
fn load(bounds: &Bounds, ready: &Value, clients: Vec<impl FnMut(usize, &mut Tally) + Send>) {
    println!("{ready}");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let (begun, next, over) = (stopwatch(), AtomicUsize::new(0), AtomicBool::new(false));
    let tallies: Vec<Tally> = thread::scope(|scope| {
        let mut running = Vec::new();
        for mut client in clients {
            let (next, over, begun) = (&next, &over, &begun);
            running.push(scope.spawn(move || {
                let mut tally = Tally::default();
                while !over.load(Ordering::Relaxed) {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= bounds.most {
                        break;
                    }
                    client(at, &mut tally);
                    if begun.elapsed().as_secs_f64() > bounds.seconds {
                        over.store(true, Ordering::Relaxed);
                    }
                }
                tally
            }));
        }
        running.into_iter().map(|client| client.join().unwrap()).collect()
    });
    println!("{}", report(begun.elapsed(), tallies));
}

fn report(took: Duration, tallies: Vec<Tally>) -> Value {
    let (mut octets, mut outcomes, mut millis) = (0, BTreeMap::<String, u64>::new(), Vec::new());
    for tally in tallies {
        octets += tally.octets;
        millis.extend(tally.millis);
        tally.outcomes.into_iter().for_each(|(outcome, count)| *outcomes.entry(outcome).or_default() += count);
    }
    millis.sort_by(f64::total_cmp);
    let at = |part: usize| millis.get(millis.len().saturating_sub(1) * part / 100);
    json!({
        "requests": millis.len(), "seconds": took.as_secs_f64(), "octets": octets, "outcomes": outcomes,
        "p50": at(50), "p99": at(99),
    })
}

fn outcome(answer: &Answer) -> String {
    let encoding = answer.encoding.as_deref().map(|encoding| format!(" {encoding}")).unwrap_or_default();
    format!("{}{encoding}", answer.status)
}

impl Get {
    pub(super) fn run(&self) {
        let targets = fs::read_to_string(&self.targets).unwrap();
        let fields = self.header.iter().flat_map(|field| [field, "\r\n"]).collect::<String>();
        let request = |target: &str| {
            format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept: {MEDIA_TYPE}\r\n{fields}\r\n").into_bytes()
        };
        let requests: Vec<Vec<u8>> = targets.lines().map(request).collect();
        let config = self.peer.config();
        let connect = |_| {
            let mut connection = self.peer.connect(&config).unwrap();
            for _ in 0..self.warm {
                connection.ask(&[&requests[0]], &mut |_| ()).unwrap();
            }
            connection
        };
        let connections: Vec<Connection> = (0..self.bounds.connections).map(connect).collect();
        let ready = connections[0].agreed();
        let requests = &requests;
        let client = |mut connection: Connection| {
            move |at: usize, tally: &mut Tally| {
                let begun = stopwatch();
                let answer = connection.ask(&[&requests[at % requests.len()]], &mut |_| ()).unwrap();
                tally.count(begun.elapsed(), answer.octets, outcome(&answer));
            }
        };
        load(&self.bounds, &ready, connections.into_iter().map(client).collect());
    }
}

impl Connect {
    pub(super) fn run(&self) {
        let target = &self.target;
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept: {MEDIA_TYPE}\r\n\r\n").into_bytes();
        let config = self.peer.config();
        let ready = self.peer.connect(&config).unwrap().agreed();
        let client = |_| {
            |_: usize, tally: &mut Tally| {
                let begun = stopwatch();
                let mut connection = self.peer.connect(&config).unwrap();
                let answer = connection.ask(&[&request], &mut |_| ()).unwrap();
                tally.count(begun.elapsed(), answer.octets, outcome(&answer));
            }
        };
        load(&self.bounds, &ready, (0..self.bounds.connections).map(client).collect());
    }
}

impl Push {
    pub(super) fn run(&self) {
        let (size, seed) = (self.objects, self.seed);
        let body = |n: u64| {
            let body = envelope(seed, n * size..(n + 1) * size);
            let head = format!(
                "POST {} HTTP/1.1\r\nHost: localhost\r\nAccept: {MEDIA_TYPE}\r\nContent-Type: {MEDIA_TYPE}\r\n\
                 Content-Length: {}\r\n\r\n",
                self.target,
                body.len()
            );
            (head.into_bytes(), body)
        };
        let requests: Vec<_> = (0..self.bounds.most as u64).map(body).collect();
        let config = self.peer.config();
        let connect = |_| self.peer.connect(&config).unwrap();
        let connections: Vec<Connection> = (0..self.bounds.connections).map(connect).collect();
        let ready = connections[0].agreed();
        // As servers write it.
        let taken = [format!("\"success_count\":{size},"), format!("\"success_count\": {size},")];
        let (requests, taken) = (&requests, &taken);
        let client = |mut connection: Connection| {
            move |at: usize, tally: &mut Tally| {
                let begun = stopwatch();
                let (head, body) = &requests[at];
                for _ in 0..AGAIN {
                    let mut status = Vec::new();
                    let answer = connection.ask(&[head, body], &mut |part| status.extend_from_slice(part)).unwrap();
                    if answer.status == 503 {
                        *tally.outcomes.entry("503, sent again".to_owned()).or_default() += 1;
                        thread::park_timeout(Duration::from_millis(20));
                        continue;
                    }
                    let status = String::from_utf8_lossy(&status);
                    let all = taken.iter().any(|taken| status.contains(taken));
                    let outcome = if all { "all taken" } else { "not all taken" };
                    tally.count(begun.elapsed(), body.len(), format!("{} {outcome}", answer.status));
                    break;
                }
            }
        };
        load(&self.bounds, &ready, connections.into_iter().map(client).collect());
    }
}
