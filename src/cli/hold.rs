//! `entente hold`

use super::{Failure, say, say_json};
use crate::exchange::{Administering, Held, Wanted};
use crate::taxii::timestamp::Timestamp;
use clap::{Args, Subcommand};
use serde_json::json;

#[derive(Debug, Subcommand)]
pub(super) enum Hold {
    /// Keep an object, or all that was added from a time on, from organisations; what is to come included.
    Place(Place),
    /// Show the holds of a collection.
    List {
        /// The collection's alias or id.
        collection: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// End a hold: those it was held from find what it covered as added now.
    Release {
        /// The collection's alias or id.
        collection: String,
        /// The hold's id.
        hold: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Place {
    /// The collection's alias or id.
    collection: String,
    /// The object's id: it need not be there yet.
    #[arg(long, value_name = "ID", required_unless_present = "added_from", conflicts_with = "added_from")]
    object: Option<String>,
    /// All that was added at this time or later.
    #[arg(long, value_name = "TIME", value_parser = time, requires = "from")]
    added_from: Option<Timestamp>,
    /// Organisations; without any, an object is held from everybody but its owner.
    #[arg(long, value_name = "ORG", num_args = 1..)]
    from: Vec<String>,
    /// When it ends by itself.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Timestamp,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| format!("{text:?} is no time: write 2026-01-31T12:00:00Z"))
}

impl Hold {
    pub(super) fn run(self, admin: &Administering) -> Result<(), Failure> {
        match self {
            Self::Place(Place { collection, object, added_from, from, until, reason }) => {
                let wanted = Wanted { object, added_from, withheld_from: from, until, reason };
                say(&in_words(&admin.holding(&collection)?.place(wanted)?))
            }
            Self::List { collection, json } => {
                let holds = admin.holding(&collection)?.list()?.wait()?;
                if json {
                    return say_json(&json!({ "holds": holds }));
                }
                holds.iter().try_for_each(|hold| say(&in_words(hold)))
            }
            Self::Release { collection, hold } => {
                let versions = admin.holding(&collection)?.release(&hold)?.unwrap_or_default();
                say(&format!("released: {versions} versions are seen by more organisations than before"))
            }
        }
    }
}

fn in_words(hold: &Held) -> String {
    let what = match (&hold.object, hold.version_added, hold.added_from) {
        (Some(object), Some(added), _) => format!("the version of {object} added {added}"),
        (Some(object), None, _) => object.clone(),
        (None, _, from) => from.map_or_else(String::new, |from| format!("what was added from {from} on")),
    };
    let from = if hold.withheld_from.is_empty() {
        "everybody but its owner".to_owned()
    } else {
        hold.withheld_from.join(", ")
    };
    let until = match (hold.until, &hold.until_defined[..]) {
        (Some(until), _) => format!("until {until}"),
        (None, []) => "until it is released".to_owned(),
        (None, ids) => format!("until there is {}", ids.join(", ")),
    };
    format!("{}  {what}  from {from}  {until}: {}", hold.id, hold.reason)
}
