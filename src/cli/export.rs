//! `entente export`

use super::Failure;
use crate::exchange::Administering;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

pub(super) fn run(admin: &Administering, collection: &str, out: Option<&Path>) -> Result<(), Failure> {
    let Some(file) = out else {
        admin.export(collection, &mut BufWriter::new(std::io::stdout().lock()))?;
        return Ok(());
    };
    // Before the file is made: is there such a collection?
    admin.collection(collection)?;
    let opened = File::create_new(file).map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
    let mut writer = BufWriter::new(opened);
    let written = admin.export(collection, &mut writer)?;
    writer.flush()?;
    super::say(&format!("{}: {written} object versions", file.display()))
}
