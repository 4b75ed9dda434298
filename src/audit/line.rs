//! An exported trail: one line of JSON for each entry and each checkpoint, in their order.

use super::checkpoint::Signed;
use crate::access::credential::Fingerprint;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A line of an exported trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// An entry: its number, its text, its link.
    Entry(i64, String, [u8; 32]),
    /// A checkpoint: it stands after the entry that it is about.
    Checkpoint(Signed),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryLine<'t> {
    #[serde(borrow)]
    entry: &'t RawValue,
    link: &'t str,
    seq: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckpointLine<'t> {
    #[serde(borrow)]
    checkpoint: &'t RawValue,
    signature: &'t str,
}

impl Line {
    /// Reads a line, without its end. `None` for everything but what [`Line::write`] writes, to the octet.
    pub fn read(text: &str) -> Option<Self> {
        let line = if text.starts_with("{\"entry\"") {
            let EntryLine { entry, link, seq } = serde_json::from_str(text).ok()?;
            Self::Entry(seq, entry.get().to_owned(), Fingerprint::parse(link)?.0)
        } else {
            let CheckpointLine { checkpoint, signature } = serde_json::from_str(text).ok()?;
            Self::Checkpoint(Signed { statement: checkpoint.get().to_owned(), signature: signature.to_owned() })
        };
        (line.write() == text).then_some(line)
    }

    /// The line, without its end.
    pub fn write(&self) -> String {
        match self {
            Self::Entry(seq, text, link) => {
                format!("{{\"entry\":{text},\"link\":\"{}\",\"seq\":{seq}}}", Fingerprint(*link))
            }
            Self::Checkpoint(Signed { statement, signature }) => {
                format!("{{\"checkpoint\":{statement},\"signature\":\"{signature}\"}}")
            }
        }
    }
}

/// What can be read of an entry's text, of whatever version of this program.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Told {
    pub(super) seq: Option<i64>,
    pub(super) action: String,
    pub(super) at: String,
    pub(super) organisation: Option<String>,
    pub(super) credential: Option<String>,
    pub(super) address: String,
    #[serde(rename = "for")]
    pub(super) on_behalf: Option<String>,
    pub(super) client: Option<String>,
    pub(super) collection: String,
    pub(super) resource: String,
    pub(super) method: String,
    pub(super) given: Option<Vec<i64>>,
    pub(super) added: Option<Vec<i64>>,
    pub(super) items: u64,
    pub(super) object: String,
    pub(super) deleted: Vec<ToldGone>,
    pub(super) endpoint: String,
    pub(super) http_status: Option<u16>,
    pub(super) reason: String,
    pub(super) times: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct ToldGone {
    pub(super) date_added: String,
    pub(super) version: String,
}

impl Told {
    /// Reads an entry's text; what cannot be read is as if it were not there.
    pub(super) fn of(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// Whether its text can be of this action. Told without reading it as JSON.
    pub(super) fn may_be(text: &str, action: &str) -> bool {
        text.contains(&format!("\"action\":\"{action}\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_is_written_and_in_no_other_way() {
        let entry = Line::Entry(3, r#"{"action":"stop","seq":3}"#.to_owned(), [0xab; 32]);
        let checkpoint = Line::Checkpoint(Signed { statement: r#"{"seq":3}"#.to_owned(), signature: "ab".to_owned() });
        assert_eq!(Line::read(&entry.write().replace("ab", "AB")), None);
        for line in [entry, checkpoint] {
            let text = line.write();
            assert_eq!(Line::read(&text), Some(line));
            for other in [format!("{text} "), text.replacen(':', ": ", 1), text[1..].to_owned()] {
                assert_eq!(Line::read(&other), None, "{other}");
            }
        }
    }
}
