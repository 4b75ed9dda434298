//! `entente collection`

use super::{Failure, level, say, warn};
use crate::access::level::Level;
use crate::access::permission::CollectionKey;
use crate::exchange::Administering;
use crate::stix::finding::Profile;
use crate::stix::head::Spec;
use crate::store::registry;
use crate::taxii::timestamp::Timestamp;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum Collection {
    /// Add a collection to an API root, and print its id.
    Add {
        /// The API root's name.
        root: String,
        /// Its name for people, unique in the root.
        #[arg(long)]
        title: String,
        /// What it is for.
        #[arg(long)]
        description: Option<String>,
        /// A second name for use in URLs and commands.
        #[arg(long)]
        alias: Option<String>,
        /// A version 4 UUID. Absent: a new one.
        #[arg(long, value_name = "UUID", default_value = "", hide_default_value = true)]
        id: String,
        /// The level of objects without a TLP marking: clear, green, amber, amber+strict or red.
        #[arg(long, value_name = "LEVEL", default_value = "green", value_parser = level)]
        unmarked: Level,
        /// The STIX versions that it holds.
        #[arg(long, value_name = "VERSIONS", default_value = "2.1", value_delimiter = ',', value_parser = spec)]
        stix: Vec<Spec>,
        /// How strictly it judges what it is sent: strict, standard or lenient.
        #[arg(long, value_name = "PROFILE", default_value_t)]
        profile: Profile,
    },
    /// Change a collection. What it holds stays as it is.
    Set {
        /// The collection's alias or id.
        collection: String,
        /// How strictly it judges what it is sent from now on: strict, standard or lenient.
        #[arg(long, value_name = "PROFILE")]
        profile: Profile,
    },
}

fn spec(text: &str) -> Result<Spec, String> {
    Spec::parse(text).ok_or_else(|| format!("{text:?} is neither 2.0 nor 2.1"))
}

impl Collection {
    pub(super) fn run(self, admin: &Administering) -> Result<(), Failure> {
        let (root, title, description, alias, id, unmarked, mut specs, profile) = match self {
            Self::Add { root, title, description, alias, id, unmarked, stix, profile } => {
                (root, title, description, alias, id, unmarked, stix, profile)
            }
            Self::Set { collection, profile } => {
                admin.set_profile(&collection, profile)?;
                return say(&format!("{collection} judges by the profile {profile}"));
            }
        };
        if title.contains('.') {
            warn("some clients choose collections by ROOT.TITLE and cannot use a title with a dot")?;
        }
        specs.sort();
        specs.dedup();
        // Key and time are the store's to give.
        let (key, created) = (CollectionKey(0), Timestamp::EPOCH);
        say(&admin.add_collection(registry::Collection {
            key,
            id,
            root,
            title,
            description,
            alias,
            unmarked,
            specs,
            profile,
            created,
        })?)
    }
}
