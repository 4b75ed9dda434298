//! `entente org`

use super::{Failure, say, warn};
use crate::exchange::Administering;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum Org {
    /// Add an organisation.
    Add {
        /// Its short name, in commands, files and logs.
        name: String,
        /// Its name for people.
        #[arg(long)]
        title: String,
    },
    /// Refuse an organisation, whatever it presents, from its next request on.
    Suspend {
        /// The organisation's name.
        name: String,
    },
    /// Let a suspended organisation in again.
    Resume {
        /// The organisation's name.
        name: String,
    },
    /// Declare a STIX identity to be an organisation's own: what it creates may name it in `created_by_ref`.
    Identity {
        /// The organisation's name.
        name: String,
        /// The identity's id.
        #[arg(value_name = "IDENTITY-ID")]
        identity: String,
        /// Withdraw it instead.
        #[arg(long)]
        withdraw: bool,
    },
}

impl Org {
    pub(super) fn run(self, admin: &Administering) -> Result<(), Failure> {
        match self {
            Self::Add { name, title } => {
                admin.add_organisation(&name, &title)?;
                say(&format!("added the organisation {name}: give it a certificate with `cert`, and grants"))
            }
            Self::Suspend { name } => {
                admin.suspend(&name, true)?;
                say(&format!("suspended {name}: it is refused from its next request on"))
            }
            Self::Resume { name } => {
                admin.suspend(&name, false)?;
                say(&format!("{name} is let in again"))
            }
            Self::Identity { name, identity, withdraw: false } => {
                for (collection, other) in admin.declare_identity(&name, &identity)? {
                    warn(&format!(
                        "{other} has sent {identity} to {collection} before. What it sent stays there, as its own: if it is \
                         false, whoever manages the collection can delete it. From now on only {name} adds versions."
                    ))?;
                }
                say(&format!("{identity} is {name}'s"))
            }
            Self::Identity { identity, withdraw: true, .. } => {
                admin.withdraw_identity(&identity)?;
                say(&format!("{identity} is nobody's any more"))
            }
        }
    }
}
