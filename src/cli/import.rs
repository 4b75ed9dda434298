//! `entente import`

use super::{Failure, files, warn};
use crate::exchange::Administering;
use crate::taxii::status::{self, Status};
use bytes::Bytes;
use clap::Args;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct Import {
    /// The collection's alias or id.
    collection: String,
    /// Bundles, envelopes, single objects, or one object a line; - is standard input.
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

impl Import {
    pub(super) fn run(self, admin: &Administering) -> Result<ExitCode, Failure> {
        let mut all_well = true;
        for file in &self.files {
            let tally = add(admin, &self.org, &self.collection, file, &files::read(file)?)?;
            super::say(&format!("{}: {tally}", file.display()))?;
            all_well &= tally.failed == 0;
        }
        Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Adds the objects of a file for an organisation, batch by batch; each failure goes to standard error.
pub(super) fn add(
    admin: &Administering,
    org: &str,
    collection: &str,
    file: &Path,
    octets: &Bytes,
) -> Result<Tally, Failure> {
    let texts = files::texts(octets).map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
    let bar = files::progress(texts.len());
    let mut tally = Tally::default();
    let mut told = Ok(());
    admin.import(org, collection, &texts, &mut |status| {
        tally.count(status);
        for failure in status.failures() {
            let message = failure.message.as_deref().unwrap_or_default();
            // Ids and versions of bad objects are whatever stands there: a terminal must not obey it.
            let (id, version) = (failure.id.escape_debug(), failure.version.escape_debug());
            let told_now = bar.suspend(|| warn(&format!("{}: {id} {version}: {message}", file.display())));
            told = std::mem::replace(&mut told, Ok(())).and(told_now);
        }
        bar.inc((status.successes().len() + status.failures().len()) as u64);
    })?;
    told?;
    bar.finish_and_clear();
    Ok(tally)
}
