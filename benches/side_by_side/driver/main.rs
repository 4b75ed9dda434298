//! The driver of the side-by-side measurements: makes objects, asks a server as many clients at once, and
//! commits prepared rows to a bare store. `run.py` calls it; see README.md.

#![expect(clippy::unwrap_used, reason = "a measurement that fails ends")]

mod bare;
mod client;
mod load;
mod objects;
mod waiting;

use clap::Parser;
use std::io::Write as _;
use std::path::PathBuf;

#[derive(Debug, Parser)]
enum Command {
    /// Writes objects, one a line, cornerstones first.
    Objects {
        /// How many, beside the cornerstones.
        #[arg(long)]
        count: u64,
        #[arg(long, default_value_t = 1)]
        seed: u64,
        #[arg(long)]
        out: PathBuf,
    },
    /// Asks for targets over connections that are kept.
    Get(load::Get),
    /// Connects anew for each request.
    Connect(load::Connect),
    /// Pushes envelopes.
    Push(load::Push),
    /// Waits for something new over many connections.
    Wait(waiting::Wait),
    /// Commits rows that a server has made to tables that are the same.
    Bare(bare::Bare),
}

fn main() {
    match Command::parse() {
        Command::Objects { count, seed, out } => {
            let mut file = std::io::BufWriter::new(std::fs::File::create(out).unwrap());
            let all = objects::cornerstones().into_iter().chain((0..count).map(|n| objects::object(seed, n)));
            all.for_each(|object| writeln!(file, "{object}").unwrap());
            file.flush().unwrap();
        }
        Command::Get(get) => get.run(),
        Command::Connect(connect) => connect.run(),
        Command::Push(push) => push.run(),
        Command::Wait(wait) => wait.run(),
        Command::Bare(bare) => bare.run(),
    }
}
