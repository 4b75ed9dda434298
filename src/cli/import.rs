//! `entente import`

mod pieces;
mod progress;

use super::{Failure, warn};
use crate::config::Settings;
use crate::exchange::{Administering, Along, Importing};
use crate::taxii::status::{self, Status};
use bytes::Bytes;
use clap::Args;
use pieces::{Piece, Pieces};
use progress::{Interruption, Progress};
use serde::Deserialize;
use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Objects that are judged and committed together, at most ...
const OBJECTS: usize = 1000;
/// ... and octets of them: twice this, with one object more, is what an import holds in memory of a file.
const OCTETS: usize = 8 << 20;
/// What is read of a file at once, in octets.
const BUFFER: usize = 256 << 10;
/// As programs end that SIGINT ends.
const INTERRUPTED: u8 = 130;

/// Adds the objects of files to a collection. Files may be larger than memory; what is added stays added when the
/// command is interrupted, and the same command again adds what is missing. Ctrl-C interrupts it once the objects at
/// hand are in, a second one at once.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// The collection's alias or id.
    collection: String,
    /// Bundles, envelopes, single objects, or one object a line; - is standard input, which is gone over once: what
    /// its objects refer to comes before them.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The organisation that they are added for, and that will own them.
    #[arg(long)]
    org: String,
}

/// What became of the objects of a file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) added: usize,
    /// Of those added, these with warnings.
    warned: usize,
    /// Of those added, these that nobody but their owner sees yet.
    withheld: usize,
    pub(super) known: usize,
    pub(super) failed: usize,
}

impl Tally {
    fn count(&mut self, status: &Status) {
        for success in status.successes() {
            match success.message.as_deref() {
                Some(status::WAS_THERE | status::OCCURS_TWICE) => self.known += 1,
                message => {
                    let message = message.unwrap_or_default();
                    let withheld = message.starts_with(status::WITHHELD);
                    let warned = message.starts_with(status::WARNING)
                        || withheld && message.contains(&format!("; {}", status::WARNING));
                    self.added += 1;
                    self.warned += usize::from(warned);
                    self.withheld += usize::from(withheld);
                }
            }
        }
        self.failed += status.failures().len();
    }

    /// The same, where so many of what is known were added just before; as far as it was met again.
    fn after(self, early: Self) -> Self {
        Self {
            added: self.added + early.added,
            warned: self.warned + early.warned,
            withheld: self.withheld + early.withheld,
            known: self.known.saturating_sub(early.added),
            failed: self.failed,
        }
    }

    fn all(&self) -> usize {
        self.added + self.known + self.failed
    }
}

impl fmt::Display for Tally {
    /// In words, with where to learn more.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { added, warned, withheld, known, failed } = self;
        let of_those = [
            (*warned, "with warnings, which `entente validate` shows"),
            (*withheld, "seen by nobody else yet, as `entente hold list` shows"),
        ];
        let of_those: Vec<String> =
            of_those.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        let of_those = if of_those.is_empty() { String::new() } else { format!(" ({})", of_those.join("; ")) };
        write!(f, "{added} added{of_those}, {known} there already, {failed} failed")
    }
}

/// How the reading of a file ended.
enum End {
    Whole,
    Interrupted,
    Failed(Failure),
}

impl Import {
    pub(super) fn run(self, settings: &Settings, admin: &Administering) -> Result<ExitCode, Failure> {
        let importing = admin.importing(&self.org, &self.collection)?;
        let most = usize::try_from(settings.taxii.max_content_length).unwrap_or(usize::MAX);
        let interruption = Interruption::listen()?;
        let mut all_well = true;
        for file in &self.files {
            let job = Job { importing: &importing, interruption: &interruption, name: file, most };
            let (tally, end) = job.run()?;
            let stopped = if matches!(end, End::Whole) { "" } else { "stopped: " };
            super::say(&format!("{}: {stopped}{tally}", file.display()))?;
            match end {
                End::Whole => all_well &= tally.failed == 0,
                End::Interrupted => {
                    warn("entente: interrupted: what was added is on disk; the same command again adds the rest")?;
                    return Ok(ExitCode::from(INTERRUPTED));
                }
                End::Failed(Failure(reason)) => {
                    warn(&format!("entente: {}: {reason}", file.display()))?;
                    all_well = false;
                }
            }
        }
        Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Adds the objects of a text that is in memory.
pub(super) fn add(admin: &Administering, org: &str, collection: &str, octets: &[u8]) -> Result<Tally, Failure> {
    let importing = admin.importing(org, collection)?;
    let interruption = Interruption::never();
    let name = Path::new(collection);
    let job = Job { importing: &importing, interruption: &interruption, name, most: usize::MAX };
    let (along, definitions) = job.look_over(octets, &Progress::looking_over(name, octets.len() as u64));
    let early = job.define(&definitions, &along).map_err(|(_, failure)| failure)?;
    match job.add(octets, &along, &Progress::new(name, octets.len() as u64)) {
        (tally, End::Whole | End::Interrupted) => Ok(tally.after(early)),
        (_, End::Failed(failure)) => Err(failure),
    }
}

/// A file, and what its objects are added to.
struct Job<'j> {
    importing: &'j Importing,
    interruption: &'j Interruption,
    name: &'j Path,
    /// Octets that one object may have.
    most: usize,
}

/// Objects that are to be added together.
#[derive(Default)]
struct Batch {
    texts: Vec<Bytes>,
    /// Line and octet at which each begins.
    places: Vec<(u64, u64)>,
    octets: usize,
}

impl Batch {
    fn push(&mut self, text: Vec<u8>, place: (u64, u64)) {
        self.octets += text.len();
        self.texts.push(text.into());
        self.places.push(place);
    }

    fn is_full(&self) -> bool {
        self.texts.len() >= OBJECTS || self.octets >= OCTETS
    }
}

impl Job<'_> {
    /// Goes over the file twice: for the ids of its objects and the definitions of markings, and to add them.
    fn run(&self) -> Result<(Tally, End), Failure> {
        if self.name == Path::new("-") {
            let input = BufReader::with_capacity(BUFFER, std::io::stdin());
            return Ok(self.add(input, &Along::default(), &Progress::new(self.name, 0)));
        }
        let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", self.name.display()));
        let file = File::open(self.name).map_err(failed)?;
        let about = file.metadata().map_err(failed)?;
        let input = || BufReader::with_capacity(BUFFER, &file);
        // A pipe cannot be gone over twice.
        if !about.is_file() {
            return Ok(self.add(input(), &Along::default(), &Progress::new(self.name, 0)));
        }
        let (along, definitions) = self.look_over(input(), &Progress::looking_over(self.name, about.len()));
        let early = match self.define(&definitions, &along) {
            Ok(early) => early,
            Err((early, failure)) => return Ok((early, End::Failed(failure))),
        };
        (&file).rewind().map_err(failed)?;
        let (tally, end) = self.add(input(), &along, &Progress::new(self.name, about.len()));
        Ok((tally.after(early), end))
    }

    /// What objects may refer to, and the definitions of markings, as many as may be held in memory.
    fn look_over(&self, input: impl BufRead, progress: &Progress) -> (Along, Vec<Bytes>) {
        let pieces = Pieces::of(input, self.most).map_while(Result::ok).zip(1..);
        let pieces = pieces.take_while(|_| !self.interruption.is_there()).inspect(|(piece, objects)| {
            if objects % OBJECTS == 0 {
                progress.set(*objects, piece.octet);
            }
        });
        let texts = pieces.filter_map(|(piece, _)| piece.text);
        let (mut definitions, mut octets) = (Vec::new(), 0);
        let along = texts
            .inspect(|text| {
                if is_definition(text) && octets + text.len() <= OCTETS {
                    octets += text.len();
                    definitions.push(Bytes::copy_from_slice(text));
                }
            })
            .collect();
        progress.end();
        (along, definitions)
    }

    /// Adds definitions of markings before what they mark: otherwise all that they mark would be held until they
    /// come, and released at once. When their turn comes they are there already, or fail and are told of.
    fn define(&self, definitions: &[Bytes], along: &Along) -> Result<Tally, (Tally, Failure)> {
        let mut tally = Tally::default();
        for some in definitions.chunks(OBJECTS) {
            match self.importing.add(some, 0, along) {
                Ok(status) => tally.count(&status),
                Err(error) => return Err((Tally { failed: 0, ..tally }, error.into())),
            }
        }
        Ok(tally)
    }

    /// Adds the objects, batch by batch; each failure goes to standard error.
    fn add(&self, input: impl BufRead, along: &Along, progress: &Progress) -> (Tally, End) {
        let (mut pieces, mut tally, mut batch) = (Pieces::of(input, self.most), Tally::default(), Batch::default());
        let end = loop {
            if self.interruption.is_there() {
                break Ok(End::Interrupted);
            }
            let piece = pieces.next();
            let is_last = !matches!(piece, Some(Ok(_)));
            let broken = match piece {
                Some(Ok(Piece { text: Some(text), line, octet })) => {
                    batch.push(text, (line, octet));
                    Ok(())
                }
                Some(Ok(Piece { text: None, line, octet })) => self
                    .flush(&mut batch, along, &mut tally, progress)
                    .and_then(|()| self.too_long(&mut tally, (line, octet), progress)),
                Some(Err(broken)) => Err(broken.into()),
                None => Ok(()),
            };
            let mut flushed = Ok(());
            if is_last || batch.is_full() {
                flushed = self.flush(&mut batch, along, &mut tally, progress);
                progress.set(tally.all(), pieces.octets());
            }
            match flushed.and(broken) {
                Ok(()) if is_last => break Ok(End::Whole),
                Ok(()) => {}
                Err(failure) => break Err(failure),
            }
        };
        progress.end();
        (tally, end.unwrap_or_else(End::Failed))
    }

    fn flush(&self, batch: &mut Batch, along: &Along, tally: &mut Tally, progress: &Progress) -> Result<(), Failure> {
        let Batch { texts, places, .. } = std::mem::take(batch);
        if texts.is_empty() {
            return Ok(());
        }
        let first = tally.all();
        let status = self.importing.add(&texts, first, along)?;
        tally.count(&status);
        for failure in status.failures() {
            let message = failure.message.as_deref().unwrap_or_default();
            let place = place(message).and_then(|at| places.get(at.checked_sub(first)?));
            // Ids and versions of bad objects are whatever stands there: a terminal must not obey it.
            let (id, version) = (failure.id.escape_debug(), failure.version.escape_debug());
            self.tell(place, &format!("{id} {version}: {message}"), progress)?;
        }
        Ok(())
    }

    fn too_long(&self, tally: &mut Tally, place: (u64, u64), progress: &Progress) -> Result<(), Failure> {
        let (at, most) = (tally.all(), self.most);
        tally.failed += 1;
        let message = format!("objects/{at}: /objects/{at}: is longer than {most} octets (taxii.max_content_length)");
        self.tell(Some(&place), &message, progress)
    }

    fn tell(&self, place: Option<&(u64, u64)>, message: &str, progress: &Progress) -> Result<(), Failure> {
        let name = self.name.display();
        let place = place.map(|(line, octet)| format!("line {line}, octet {octet}: ")).unwrap_or_default();
        progress.aside(|| warn(&format!("{name}: {place}{message}")))
    }
}

/// Whether a text is one of a marking's definition.
fn is_definition(text: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Typed<'t> {
        #[serde(rename = "type", borrow)]
        name: Cow<'t, str>,
    }
    serde_json::from_slice::<Typed<'_>>(text).is_ok_and(|typed| typed.name == "marking-definition")
}

/// Which object a status speaks of, by its place among all.
fn place(message: &str) -> Option<usize> {
    let digits = message.strip_prefix("/objects/")?;
    let end = digits.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}
