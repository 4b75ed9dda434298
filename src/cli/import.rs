//! `entente import`

use super::{Failure, warn};
use crate::exchange::Administering;
use crate::taxii::objects::{BodyError, Envelope};
use bytes::Bytes;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::de::IgnoredAny;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Objects that are committed together.
const BATCH: usize = 1000;

#[derive(Debug, Args)]
pub(super) struct Import {
    /// The collection's alias or id.
    collection: String,
    /// Bundles, envelopes, or one object a line.
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
    pub(super) known: usize,
    pub(super) failed: usize,
}

impl Import {
    pub(super) fn run(self, admin: &Administering) -> Result<ExitCode, Failure> {
        let mut all_well = true;
        for file in &self.files {
            let octets = std::fs::read(file).map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
            let tally = add(admin, &self.org, &self.collection, file, &Bytes::from(octets))?;
            super::say(&format!(
                "{}: {} added, {} there already, {} failed",
                file.display(),
                tally.added,
                tally.known,
                tally.failed
            ))?;
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
    let texts = texts(octets).map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
    let bar = progress(texts.len());
    let mut tally = Tally::default();
    for (batch, chunk) in texts.chunks(BATCH).enumerate() {
        let status = admin.import(org, collection, chunk, batch * BATCH)?;
        let known = status.successes().iter().filter(|details| details.message.is_some()).count();
        tally.known += known;
        tally.added += status.successes().len() - known;
        tally.failed += status.failures().len();
        for failure in status.failures() {
            let message = failure.message.as_deref().unwrap_or_default();
            bar.suspend(|| warn(&format!("{}: {} {}: {message}", file.display(), failure.id, failure.version)))?;
        }
        bar.inc(chunk.len() as u64);
    }
    bar.finish_and_clear();
    Ok(tally)
}

/// Drawn on a terminal only.
fn progress(objects: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} objects, {per_sec}, {eta} left");
    let bar = ProgressBar::new(objects as u64);
    style.map_or(bar.clone(), |style| bar.with_style(style))
}

/// The objects of a file: of an envelope or bundle, or else each line.
fn texts(octets: &Bytes) -> Result<Vec<Bytes>, BodyError> {
    let whole = match Envelope::split(octets, usize::MAX) {
        Ok(envelope) => return Ok(envelope.objects.iter().map(|text| octets.slice_ref(text.as_bytes())).collect()),
        Err(error) => error,
    };
    let lines: Vec<&[u8]> =
        octets.split(|&octet| octet == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()).collect();
    let is_object = |line: &&[u8]| line.starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(line).is_ok();
    // A file whose first line is no object is one broken text: its own error tells more.
    if !lines.first().is_some_and(is_object) {
        return Err(whole);
    }
    Ok(lines.into_iter().map(|line| octets.slice_ref(line)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &'static str) -> Result<Vec<Bytes>, BodyError> {
        texts(&Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn a_file_is_a_bundle_an_envelope_or_one_object_a_line() {
        assert_eq!(split("{\"type\":\"bundle\",\"objects\":[{\"a\":1}, {}]}").unwrap(), ["{\"a\":1}", "{}"]);
        assert_eq!(
            split("{\"type\":\"x\"}\n\n {\"type\":\"y\"}\r\n").unwrap(),
            ["{\"type\":\"x\"}", "{\"type\":\"y\"}"]
        );
        assert_eq!(split("{\"type\":\"x\"}").unwrap(), ["{\"type\":\"x\"}"]);
        assert_eq!(
            split("{\"type\":\"x\"}\n{broken").unwrap(),
            ["{\"type\":\"x\"}", "{broken"],
            "a bad line is that object's failure"
        );
    }

    #[test]
    fn anything_else_is_an_error() {
        for text in ["", "[]", "hello", "{\"objects\":[\n{]}", "{\"objects\":\n{}}"] {
            assert!(split(text).is_err(), "{text}");
        }
    }
}
