//! `entente grant`

use super::{Failure, level, say};
use crate::access::level::Level;
use crate::exchange::{Administering, Rights};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct Grant {
    /// The organisation's name.
    org: String,
    /// The collection's alias or id.
    collection: String,
    /// Read what is marked up to this level: clear, green, amber, amber+strict or red.
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    read: Option<Level>,
    /// Add objects, and delete its own.
    #[arg(long)]
    write: bool,
    /// Write, and add versions of and delete the objects of others.
    #[arg(long)]
    manage: bool,
    /// Know that the collection exists, without any right in it.
    #[arg(long, conflicts_with_all = ["read", "write", "manage"])]
    list: bool,
}

impl Grant {
    pub(super) fn run(self, admin: &Administering) -> Result<(), Failure> {
        let Self { org, collection, read, write, manage, list } = self;
        let rights = (list || read.is_some() || write || manage).then_some(Rights { read, write, manage });
        admin.grant(&org, &collection, rights)?;
        say(&match rights {
            None => format!("{org} has no rights in {collection} any more, and is not told that it exists"),
            Some(rights) => format!("{org} in {collection}: {}", in_words(rights.read, rights.write, rights.manage)),
        })
    }
}

/// What a grant allows.
pub(super) fn in_words(read: Option<Level>, write: bool, manage: bool) -> String {
    let read = read.map(|level| format!("reads up to {level}"));
    let others = [write.then(|| "writes".to_owned()), manage.then(|| "manages".to_owned())];
    let rights: Vec<String> = std::iter::once(read).chain(others).flatten().collect();
    if rights.is_empty() { "knows that it exists".to_owned() } else { rights.join(", ") }
}
