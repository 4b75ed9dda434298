//! Names that the standard, or a registry that it points to, has something to say about.

use super::Subject;
use crate::stix::finding::{RECOMMENDED, REQUIRED, Report, Rule};
use crate::stix::json::shown;

pub(crate) static KILL_CHAIN: Rule = Rule {
    id: "kill-chain-name",
    clause: "STIX 2.1 §2.11",
    severities: RECOMMENDED,
    sentence: "The name of a kill chain or phase is lower case, with hyphens instead of spaces and underscores.",
};
pub(crate) static RESERVED: Rule = Rule {
    id: "reserved-name",
    clause: "STIX 2.1 §3.1",
    severities: REQUIRED,
    sentence: "Names that the standard keeps for later are not used.",
};
pub(crate) static CHARSET: Rule = Rule {
    id: "charset-name",
    clause: "STIX 2.1 §6.3, §6.7",
    severities: REQUIRED,
    sentence: "The name of an encoding could stand in IANA's registry of character sets.",
};

pub(super) fn kill_chain(subject: &Subject<'_>, report: &mut Report<'_>) {
    for (at, phase) in subject.list("kill_chain_phases").iter().enumerate() {
        for property in ["kill_chain_name", "phase_name"] {
            let Some(name) = phase[property].as_str() else { continue };
            if name.chars().any(|c| c.is_uppercase() || c == ' ' || c == '_') {
                let message = format!("{} should be lower case, with hyphens", shown(name));
                report.find(&KILL_CHAIN, format!("/kill_chain_phases/{at}/{property}"), message);
            }
        }
    }
}

/// Whether the standard keeps the name of a property for later.
pub(super) fn is_reserved(object_type: &str, name: &str) -> bool {
    const ANYWHERE: [&str; 3] = ["severity", "username", "phone_number"];
    ANYWHERE.contains(&name) || object_type == "course-of-action" && name == "action"
}

pub(super) fn reserved(subject: &Subject<'_>, report: &mut Report<'_>) {
    for name in subject.object.keys().filter(|name| is_reserved(subject.object_type, name)) {
        report.find(&RESERVED, format!("/{name}"), "is a name that the standard keeps for later");
    }
}

/// Names in the registry are at most 40 printable characters (RFC 2978 §2.3).
pub(super) fn charset(subject: &Subject<'_>, report: &mut Report<'_>) {
    let property = match subject.object_type {
        "file" => "name_enc",
        "directory" => "path_enc",
        _ => return,
    };
    let Some(name) = subject.text(property) else { return };
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'+-^_`{}~.:()".contains(&b);
    if !(1..=40).contains(&name.len()) || !name.bytes().all(allowed) {
        report.find(&CHARSET, format!("/{property}"), format!("{} is not the name of a character set", shown(name)));
    }
}
