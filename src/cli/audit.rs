//! `entente audit`: verifying the trail, taking it along, asking it. All of it only reads.

use super::{Failure, config, environment, pki, say, say_json, warn};
use crate::access::credential::{Credential, Fingerprint};
use crate::access::level::Level;
use crate::access::permission::World;
use crate::audit::line::Line;
use crate::audit::peers::{Peer, Peers};
use crate::audit::seen::{How, Seen, Sought};
use crate::audit::verify::{Report, Verifier};
use crate::audit::{Checkpoint, PublicKey, Signed, plain};
use crate::clock::Clock;
use crate::store::registry::Registry;
use crate::store::sqlite::Ledger;
use crate::taxii::timestamp::Timestamp;
use clap::Subcommand;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Exit code of a trail that was tampered with, and of one that cannot be read.
const TAMPERED: u8 = 1;
const UNREADABLE: u8 = 2;

#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Recompute the whole trail, and name the first entry that was changed, dropped, swapped, inserted or cut off: exit 0 if it is sound, 1 if not, 2 if it cannot be read.
    Verify {
        /// An exported trail. Absent: the store of the settings, also while its server runs.
        file: Option<PathBuf>,
        /// Begin at the last checkpoint before this time (RFC 3339).
        #[arg(long, value_name = "TIME", value_parser = time)]
        since: Option<Timestamp>,
        /// The public key. Absent: audit.pub of the settings' pki folder.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// A checkpoint that was kept elsewhere: it must still be in this history.
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
    },
    /// Write the trail: a line of JSON for each entry and each checkpoint.
    Export {
        /// Begin at the last checkpoint before this time (RFC 3339).
        #[arg(long, value_name = "TIME", value_parser = time)]
        since: Option<Timestamp>,
        /// The file to write. Absent: standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Write the newest checkpoint: kept elsewhere, it finds what is done to the trail later.
    Checkpoint {
        /// The file to write. Absent: standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Show who added an object and who was given it, in which versions, when and how; also what is deleted.
    WhoSaw {
        /// The object's id.
        object: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show for each credential when it polled last, how far it has come, and what went wrong.
    Peers {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "give a time such as 2026-01-31T12:00:00Z".to_owned())
}

impl Audit {
    pub(super) fn run(&self, config: &Path) -> Result<ExitCode, Failure> {
        let done = match self {
            Self::Verify { file, since, key, checkpoint } => {
                let verify = Verify { config, file: file.as_deref(), since: *since };
                return verify.run(key.as_deref(), checkpoint.as_deref());
            }
            Self::Export { since, out } => export(&ledger(config)?, *since, out.as_deref()),
            Self::Checkpoint { out } => checkpoint(&ledger(config)?, out.as_deref()),
            Self::WhoSaw { object, json } => who_saw(&ledger(config)?, object, *json),
            Self::Peers { json } => peers(&ledger(config)?, *json),
        };
        done.map(|()| ExitCode::SUCCESS)
    }
}

fn ledger(config: &Path) -> Result<Ledger, Failure> {
    Ok(Ledger::open(&config::load(config, environment())?.server.data)?)
}

/// What is to be verified.
struct Verify<'a> {
    config: &'a Path,
    file: Option<&'a Path>,
    since: Option<Timestamp>,
}

impl Verify<'_> {
    fn run(&self, key: Option<&Path>, checkpoint: Option<&Path>) -> Result<ExitCode, Failure> {
        match self.report(key, checkpoint) {
            Ok(Report { fault: Some(fault), .. }) => {
                say(&format!("tampered: {fault}"))?;
                Ok(ExitCode::from(TAMPERED))
            }
            Ok(Report { first, last, checkpoints, uncovered, fault: None }) => {
                say(&format!(
                    "sound: entries {first} to {last}, {checkpoints} checkpoints; no checkpoint is about the last {uncovered} entries yet"
                ))?;
                Ok(ExitCode::SUCCESS)
            }
            Err(Failure(reason)) => {
                warn(&format!("entente: {reason}"))?;
                Ok(ExitCode::from(UNREADABLE))
            }
        }
    }

    fn report(&self, key: Option<&Path>, checkpoint: Option<&Path>) -> Result<Report, Failure> {
        let keys = match key {
            Some(file) => pki::audit_keys(file)?,
            None => pki::audit_keys(&config::load(self.config, environment())?.server.pki.join(pki::AUDIT_PUB))?,
        };
        let witness = checkpoint.map(witness).transpose()?;
        match self.file {
            Some(file) => self.exported(file, &keys, witness.as_ref()),
            None => self.stored(&keys, witness.as_ref()),
        }
    }

    fn stored(&self, keys: &[PublicKey], witness: Option<&Signed>) -> Result<Report, Failure> {
        let ledger = ledger(self.config)?;
        let begin = self.since.map(|since| ledger.checkpoint_before(since)).transpose()?.flatten();
        let mut verifier = verifier(keys, begin.as_ref(), witness)?;
        let after = begin.and_then(|begin| begin.read()).map_or(0, |begin| begin.head.seq);
        ledger.lines(after, &mut |line| verifier.take(&line))?;
        Ok(verifier.finish())
    }

    /// An exported file may begin with a checkpoint, if that was meant.
    fn exported(&self, file: &Path, keys: &[PublicKey], witness: Option<&Signed>) -> Result<Report, Failure> {
        let unreadable = |error: std::io::Error| Failure::new(format!("{}: {error}", file.display()));
        let mut lines = BufReader::new(File::open(file).map_err(unreadable)?).split(b'\n').enumerate().peekable();
        let read = |octets: &[u8]| std::str::from_utf8(octets).ok().and_then(Line::read);
        let first = match lines.peek() {
            Some((_, Ok(octets))) => read(octets),
            _ => None,
        };
        let begin = match (first, self.since) {
            (Some(Line::Checkpoint(begin)), Some(since)) if begin.read().is_some_and(|begin| begin.at <= since) => {
                lines.next();
                Some(begin)
            }
            (Some(_), _) => None,
            (None, _) => return Err(Failure::new(format!("{}: is no exported audit trail", file.display()))),
        };
        let mut verifier = verifier(keys, begin.as_ref(), witness)?;
        for (at, octets) in lines {
            match read(&octets.map_err(unreadable)?) {
                Some(line) => verifier.take(&line),
                None => verifier.take_unreadable(at + 1),
            }
        }
        Ok(verifier.finish())
    }
}

fn verifier<'k>(
    keys: &'k [PublicKey],
    begin: Option<&Signed>,
    witness: Option<&Signed>,
) -> Result<Verifier<'k>, Failure> {
    Ok(match begin {
        Some(begin) => Verifier::after(keys, begin, witness)?,
        None => Verifier::new(keys, witness)?,
    })
}

/// The last checkpoint of a file: one that was exported alone, or a whole trail.
fn witness(file: &Path) -> Result<Signed, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
    let last = text.lines().rev().find_map(|line| match Line::read(line) {
        Some(Line::Checkpoint(signed)) => Some(signed),
        _ => None,
    });
    last.ok_or_else(|| Failure::new(format!("{}: has no checkpoint", file.display())))
}

fn export(ledger: &Ledger, since: Option<Timestamp>, out: Option<&Path>) -> Result<(), Failure> {
    let begin = since.map(|since| ledger.checkpoint_before(since)).transpose()?.flatten();
    let after = begin.as_ref().and_then(Signed::read).map_or(0, |begin: Checkpoint| begin.head.seq);
    let mut out = writer(out)?;
    let mut outcome = begin.map_or(Ok(()), |begin| writeln!(out, "{}", Line::Checkpoint(begin).write()));
    ledger.lines(after, &mut |line| {
        if outcome.is_ok() {
            outcome = writeln!(out, "{}", line.write());
        }
    })?;
    outcome?;
    Ok(out.flush()?)
}

fn checkpoint(ledger: &Ledger, out: Option<&Path>) -> Result<(), Failure> {
    let none = || Failure::new("there is no checkpoint yet: the server makes one every minute, and when it stops");
    let newest = ledger.newest_checkpoint()?.ok_or_else(none)?;
    let mut out = writer(out)?;
    writeln!(out, "{}", Line::Checkpoint(newest).write())?;
    Ok(out.flush()?)
}

/// A new file, or standard output.
fn writer(out: Option<&Path>) -> Result<Box<dyn Write>, Failure> {
    let Some(file) = out else { return Ok(Box::new(BufWriter::new(std::io::stdout().lock()))) };
    let made = File::create_new(file).map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
    Ok(Box::new(BufWriter::new(made)))
}

fn who_saw(ledger: &Ledger, object: &str, as_json: bool) -> Result<(), Failure> {
    let mut sought = Sought::new(object, ledger.places(object)?);
    entries(ledger, &mut |text| sought.learn(text))?;
    if sought.versions() == 0 {
        return Err(Failure::new(format!("{object:?} is in no collection, and the trail knows of no deletion of it")));
    }
    entries(ledger, &mut |text| sought.look(text))?;
    let seen = sought.seen();
    if as_json {
        return say_json(&json!({"object": object, "seen": seen}));
    }
    if seen.is_empty() {
        return say("the trail names nobody who added it or was given it");
    }
    seen.iter().try_for_each(|seen| say(&seen_in_words(seen)))
}

fn seen_in_words(seen: &Seen) -> String {
    let Seen { organisation, collection, version, how, first, last, times, .. } = seen;
    let how = match how {
        How::Added => "added the content",
        How::Content => "was given the content",
        How::Name => "was given the name (or saw that it is there)",
        How::Perhaps => "may have been given something (an older program did not say what)",
    };
    format!("{organisation} {how} of version {version} in {collection}: {times} times, first {first}, last {last}")
}

fn peers(ledger: &Ledger, as_json: bool) -> Result<(), Failure> {
    let mut peers = Peers::default();
    entries(ledger, &mut |text| peers.look(text))?;
    let registry = ledger.registry()?;
    let peers: Vec<Value> =
        peers.list().iter().map(|peer| in_json(ledger, &registry, peer)).collect::<Result<_, _>>()?;
    if as_json {
        return say_json(&json!({"peers": peers}));
    }
    if peers.is_empty() {
        return say("nobody has asked for anything yet");
    }
    peers.iter().try_for_each(|peer| say(&peer_in_words(peer)))
}

fn in_json(ledger: &Ledger, registry: &Registry, peer: &Peer) -> Result<Value, Failure> {
    let mut collections = Vec::new();
    // A name's registration is not the key that was proved: what its organisation may, counts.
    let known = Fingerprint::parse(&peer.credential).and_then(|key| registry.credential_by_fingerprint(key));
    for (id, cursor) in &peer.cursors {
        let cursor = Timestamp::from_micros(*cursor);
        let behind = registry.organisation(&peer.organisation).and_then(|organisation| {
            let collection = registry.collections.iter().find(|collection| collection.id == *id)?;
            let grant = registry.grant(organisation.key, collection.key).copied()?;
            let grant = known.map_or(Some(grant), |known| grant.by(known))?;
            let own = known.map_or(Level::Red, Credential::own_level);
            let world = World::new(organisation.key, Some(grant.read?), Clock::system().now().into());
            let world = World { own, ..world };
            Some(ledger.behind(collection.key, world, cursor))
        });
        let cursor = (cursor != Timestamp::EPOCH).then_some(cursor);
        collections.push(json!({"id": id, "cursor": cursor, "behind": behind.transpose()?}));
    }
    let Peer { organisation, credential, last_poll, client, errors, .. } = peer;
    Ok(json!({
        "organisation": organisation, "credential": credential, "last_poll": last_poll, "client": client,
        "collections": collections, "errors": errors,
    }))
}

fn peer_in_words(peer: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| "-".to_owned(), |text| plain(text, 200));
    let number = |value: &Value| value.as_u64().map_or_else(|| "-".to_owned(), |number| number.to_string());
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut lines = vec![format!(
        "{}  {}  last poll {}  {}",
        text(&peer["organisation"]),
        text(&peer["credential"]),
        text(&peer["last_poll"]),
        text(&peer["client"])
    )];
    for collection in list(&peer["collections"]) {
        let behind = number(&collection["behind"]);
        lines.push(format!("  {}  up to {}, {behind} behind", text(&collection["id"]), text(&collection["cursor"])));
    }
    for error in list(&peer["errors"]) {
        let (status, times) = (number(&error["http_status"]), number(&error["times"]));
        let (at, endpoint, reason) = (text(&error["at"]), text(&error["endpoint"]), text(&error["reason"]));
        lines.push(format!("  {at}  {endpoint} {status} {reason}, {times} times"));
    }
    lines.join("\n")
}

/// Shows the text of every entry.
fn entries(ledger: &Ledger, take: &mut dyn FnMut(&str)) -> Result<(), Failure> {
    ledger.lines(0, &mut |line| {
        if let Line::Entry(_, text, _) = line {
            take(&text);
        }
    })?;
    Ok(())
}
