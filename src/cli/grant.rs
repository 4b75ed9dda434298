//! `entente grant`

use super::{Failure, level, say};
use crate::access::level::Level;
use crate::exchange::{Administering, Rights};
use clap::Args;

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command")]
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
    /// Add what others created: objects whose `created_by_ref` is none of its own identities.
    #[arg(long)]
    relay: bool,
    /// Know that the collection exists, without any right in it.
    #[arg(long, conflicts_with_all = ["read", "write", "manage", "relay"])]
    list: bool,
}

impl Grant {
    pub(super) fn run(self, admin: &Administering) -> Result<(), Failure> {
        let Self { org, collection, read, write, manage, relay, list } = self;
        let any = list || read.is_some() || write || manage;
        if relay && !write && !manage {
            return Err(Failure::new("relaying is a way of writing: add --write or --manage"));
        }
        let rights = any.then_some(Rights { read, write, manage, relay });
        admin.grant(&org, &collection, rights)?;
        say(&match rights {
            None => format!("{org} has no rights in {collection} any more, and is not told that it exists"),
            Some(rights) => format!("{org} in {collection}: {}", in_words(rights)),
        })
    }
}

/// What a grant allows.
pub(super) fn in_words(rights: Rights) -> String {
    let Rights { read, write, manage, relay } = rights;
    let read = read.map(|level| format!("reads up to {level}"));
    let others =
        [write.then(|| "writes".to_owned()), manage.then(|| "manages".to_owned()), relay.then(|| "relays".to_owned())];
    let rights: Vec<String> = std::iter::once(read).chain(others).flatten().collect();
    if rights.is_empty() { "knows that it exists".to_owned() } else { rights.join(", ") }
}
