//! Times in their order.

use super::Subject;
use crate::stix::finding::{REQUIRED, Report, Rule};
use crate::stix::json::shown;
use crate::stix::timestamp::Timestamp;

pub(crate) static ORDER: Rule = Rule {
    id: "time-order",
    clause: "STIX 2.1 §3.2",
    severities: REQUIRED,
    sentence: "What comes later is not earlier: modified than created, last than first, end than start.",
};

/// Two times of an object: the clause that orders them, the property of the earlier and of the
/// later, and whether they may be the same.
struct Pair {
    clause: &'static str,
    object_type: &'static str,
    earlier: &'static str,
    later: &'static str,
    may_be_same: bool,
}

const fn pair(clause: &'static str, object_type: &'static str, earlier: &'static str, later: &'static str) -> Pair {
    Pair { clause, object_type, earlier, later, may_be_same: true }
}

const fn strict(clause: &'static str, object_type: &'static str, earlier: &'static str, later: &'static str) -> Pair {
    Pair { clause, object_type, earlier, later, may_be_same: false }
}

const PAIRS: [Pair; 11] = [
    pair("STIX 2.1 §4.2", "campaign", "first_seen", "last_seen"),
    strict("STIX 2.1 §4.7", "indicator", "valid_from", "valid_until"),
    pair("STIX 2.1 §4.8", "infrastructure", "first_seen", "last_seen"),
    pair("STIX 2.1 §4.9", "intrusion-set", "first_seen", "last_seen"),
    pair("STIX 2.1 §4.11", "malware", "first_seen", "last_seen"),
    pair("STIX 2.1 §4.14", "observed-data", "first_observed", "last_observed"),
    pair("STIX 2.1 §4.17", "threat-actor", "first_seen", "last_seen"),
    strict("STIX 2.1 §5.1", "relationship", "start_time", "stop_time"),
    pair("STIX 2.1 §5.2", "sighting", "first_seen", "last_seen"),
    pair("STIX 2.1 §6.12", "network-traffic", "start", "end"),
    // The standard orders these two for every type that has them.
    pair("STIX 2.1 §3.2", "*", "created", "modified"),
];

pub(super) fn order(subject: &Subject<'_>, report: &mut Report<'_>) {
    for pair in PAIRS.iter().filter(|pair| pair.object_type == subject.object_type || pair.object_type == "*") {
        let time = |name| subject.text(name).and_then(Timestamp::parse);
        let (Some(earlier), Some(later)) = (time(pair.earlier), time(pair.later)) else { continue };
        if later > earlier || pair.may_be_same && later == earlier {
            continue;
        }
        let (relation, name) = (if later == earlier { "the same as" } else { "before" }, pair.earlier);
        let message = format!("{} is {relation} {name}, {}", shown(later.as_str()), shown(earlier.as_str()));
        report.find_by(&ORDER, pair.clause.into(), format!("/{}", pair.later), message);
    }
}
