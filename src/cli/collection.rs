//! `entente collection`

use super::{Failure, level, say, warn};
use crate::access::level::Level;
use crate::access::permission::CollectionKey;
use crate::exchange::Administering;
use crate::stix::finding::Profile;
use crate::stix::head::Spec;
use crate::store::registry::{self, Downgrade, Rule, Rules};
use crate::taxii::timestamp::Timestamp;
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(super) enum Collection {
    /// Add a collection to an API root, and print its id.
    Add(Add),
    /// Change a collection's rules. What it holds stays as it is.
    Set {
        /// The collection's alias or id.
        collection: String,
        #[command(flatten)]
        rules: RulesToSet,
    },
}

#[derive(Debug, Args)]
pub(super) struct Add {
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
    /// The STIX versions that it holds.
    #[arg(long, value_name = "VERSIONS", default_value = "2.1", value_delimiter = ',', value_parser = spec)]
    stix: Vec<Spec>,
    #[command(flatten)]
    rules: RulesToSet,
}

/// Rules; those that are left out stay as they are.
#[derive(Debug, Args)]
pub(super) struct RulesToSet {
    /// The level of objects without a marking that says one: clear, green, amber, amber+strict or red; a new collection: green.
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    unmarked: Option<Level>,
    /// The highest level that is taken; of a new collection: red.
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    ceiling: Option<Level>,
    /// How strictly it judges what it is sent: strict, standard or lenient; a new collection: standard.
    #[arg(long, value_name = "PROFILE")]
    profile: Option<Profile>,
    /// What becomes of a new version with a lower level than the one before: allow, or quarantine until a manager releases it; a new collection: allow.
    #[arg(long, value_name = "POLICY")]
    downgrade: Option<Downgrade>,
}

impl RulesToSet {
    fn given(self) -> Vec<Rule> {
        let Self { unmarked, ceiling, profile, downgrade } = self;
        let levels = [unmarked.map(Rule::Unmarked), ceiling.map(Rule::Ceiling)];
        let others = [profile.map(Rule::Profile), downgrade.map(Rule::Downgrade)];
        levels.into_iter().chain(others).flatten().collect()
    }
}

fn spec(text: &str) -> Result<Spec, String> {
    Spec::parse(text).ok_or_else(|| format!("{text:?} is neither 2.0 nor 2.1"))
}

impl Collection {
    pub(super) fn run(self, admin: &Administering) -> Result<(), Failure> {
        match self {
            Self::Add(add) => add.run(admin),
            Self::Set { collection, rules } => {
                let now = admin.set_rules(&collection, &rules.given())?;
                say(&format!("{collection}: {}", in_words(now)))
            }
        }
    }
}

/// What rules say.
pub(super) fn in_words(rules: Rules) -> String {
    let Rules { unmarked, ceiling, profile, downgrade } = rules;
    format!("judges by {profile}, unmarked is {unmarked}, takes up to {ceiling}, downgrades: {downgrade}")
}

impl Add {
    fn run(self, admin: &Administering) -> Result<(), Failure> {
        let Self { root, title, description, alias, id, stix: mut specs, rules: given } = self;
        if title.contains('.') {
            warn("some clients choose collections by ROOT.TITLE and cannot use a title with a dot")?;
        }
        specs.sort();
        specs.dedup();
        let rules = Rules::default().with(&given.given());
        // Key and time are the store's to give.
        let (key, created) = (CollectionKey(0), Timestamp::EPOCH);
        say(&admin.add_collection(registry::Collection {
            key,
            id,
            root,
            title,
            description,
            alias,
            specs,
            rules,
            created,
        })?)
    }
}
