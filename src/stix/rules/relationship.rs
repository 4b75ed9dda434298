//! Which relationships the standard names.

use super::Subject;
use crate::stix::finding::{ADVICE, Report, Rule};
use crate::stix::json::shown;
use crate::stix::schema::Category;

pub(crate) static TYPE: Rule = Rule {
    id: "relationship-type",
    clause: "STIX 2.1 §5.1, Appendix B",
    // The standard's own tables are not complete and disagree with each other: nothing is refused for them.
    severities: ADVICE,
    sentence: "A relationship is one that the standard names for its source and target.",
};

/// Where a relationship may lead from a type: its name, and the types of the target.
type Row = (&'static str, &'static str, &'static [&'static str]);

/// From the sections of the types (STIX 2.1 §4, §6), in the order of the standard. `analysis-of` is the
/// first edition's name of `av-analysis-of`.
const ROWS: [Row; 64] = [
    ("attack-pattern", "delivers", &["malware"]),
    ("attack-pattern", "targets", &["identity", "location", "vulnerability"]),
    ("attack-pattern", "uses", &["malware", "tool"]),
    ("campaign", "attributed-to", &["intrusion-set", "threat-actor"]),
    ("campaign", "compromises", &["infrastructure"]),
    ("campaign", "originates-from", &["location"]),
    ("campaign", "targets", &["identity", "location", "vulnerability"]),
    ("campaign", "uses", &["attack-pattern", "infrastructure", "malware", "tool"]),
    ("course-of-action", "investigates", &["indicator"]),
    ("course-of-action", "mitigates", &["attack-pattern", "indicator", "malware", "tool", "vulnerability"]),
    ("course-of-action", "remediates", &["malware", "vulnerability"]),
    ("domain-name", "resolves-to", &["domain-name", "ipv4-addr", "ipv6-addr"]),
    ("identity", "located-at", &["location"]),
    (
        "indicator",
        "indicates",
        &["attack-pattern", "campaign", "infrastructure", "intrusion-set", "malware", "threat-actor", "tool"],
    ),
    ("indicator", "based-on", &["observed-data"]),
    ("infrastructure", "communicates-with", &["infrastructure", "ipv4-addr", "ipv6-addr", "domain-name", "url"]),
    ("infrastructure", "consists-of", &["infrastructure", "observed-data", "*sco"]),
    ("infrastructure", "controls", &["infrastructure", "malware"]),
    ("infrastructure", "delivers", &["malware"]),
    ("infrastructure", "has", &["vulnerability"]),
    ("infrastructure", "hosts", &["tool", "malware"]),
    ("infrastructure", "located-at", &["location"]),
    ("infrastructure", "uses", &["infrastructure"]),
    ("intrusion-set", "attributed-to", &["threat-actor"]),
    ("intrusion-set", "compromises", &["infrastructure"]),
    ("intrusion-set", "hosts", &["infrastructure"]),
    ("intrusion-set", "owns", &["infrastructure"]),
    ("intrusion-set", "originates-from", &["location"]),
    ("intrusion-set", "targets", &["identity", "location", "vulnerability"]),
    ("intrusion-set", "uses", &["attack-pattern", "infrastructure", "malware", "tool"]),
    ("ipv4-addr", "belongs-to", &["autonomous-system"]),
    ("ipv4-addr", "resolves-to", &["mac-addr"]),
    ("ipv6-addr", "belongs-to", &["autonomous-system"]),
    ("ipv6-addr", "resolves-to", &["mac-addr"]),
    ("malware", "authored-by", &["threat-actor", "intrusion-set"]),
    ("malware", "beacons-to", &["infrastructure"]),
    ("malware", "exfiltrates-to", &["infrastructure"]),
    ("malware", "communicates-with", &["ipv4-addr", "ipv6-addr", "domain-name", "url"]),
    ("malware", "controls", &["malware"]),
    ("malware", "downloads", &["malware", "tool", "file"]),
    ("malware", "drops", &["malware", "tool", "file"]),
    ("malware", "exploits", &["vulnerability"]),
    ("malware", "originates-from", &["location"]),
    ("malware", "targets", &["identity", "infrastructure", "location", "vulnerability"]),
    ("malware", "uses", &["attack-pattern", "infrastructure", "malware", "tool"]),
    ("malware", "variant-of", &["malware"]),
    ("malware-analysis", "characterizes", &["malware"]),
    ("malware-analysis", "av-analysis-of", &["malware"]),
    ("malware-analysis", "analysis-of", &["malware"]),
    ("malware-analysis", "static-analysis-of", &["malware"]),
    ("malware-analysis", "dynamic-analysis-of", &["malware"]),
    ("threat-actor", "attributed-to", &["identity"]),
    ("threat-actor", "compromises", &["infrastructure"]),
    ("threat-actor", "hosts", &["infrastructure"]),
    ("threat-actor", "owns", &["infrastructure"]),
    ("threat-actor", "impersonates", &["identity"]),
    ("threat-actor", "located-at", &["location"]),
    ("threat-actor", "targets", &["identity", "location", "vulnerability"]),
    ("threat-actor", "uses", &["attack-pattern", "infrastructure", "malware", "tool"]),
    ("tool", "delivers", &["malware"]),
    ("tool", "drops", &["malware"]),
    ("tool", "has", &["vulnerability"]),
    ("tool", "targets", &["identity", "infrastructure", "location", "vulnerability"]),
    ("tool", "uses", &["infrastructure"]),
];

pub(super) fn relationship_type(subject: &Subject<'_>, report: &mut Report<'_>) {
    if subject.object_type != "relationship" || !report.wants(&TYPE) {
        return;
    }
    let ends = |name| subject.text(name).and_then(|id| id.split_once("--")).map(|(object_type, _)| object_type);
    let (Some(name), Some(source), Some(target)) =
        (subject.text("relationship_type"), ends("source_ref"), ends("target_ref"))
    else {
        return;
    };
    // What relates to a type beyond the standard is for its extension to say.
    let is_standard = |name| subject.schemas.of(name).is_some_and(|known| known.is_standard);
    if !is_standard(source) || !is_standard(target) {
        return;
    }
    let is_observable = || subject.schemas.of(target).is_some_and(|known| known.category == Category::Sco);
    let named = match name {
        "related-to" => true,
        "derived-from" | "duplicate-of" => source == target,
        _ => ROWS.iter().any(|(from, row, to)| {
            *from == source && *row == name && (to.contains(&target) || to.contains(&"*sco") && is_observable())
        }),
    };
    if !named {
        let message = format!("the standard names no relationship {} from {source} to {target}", shown(name));
        report.find(&TYPE, "/relationship_type", message);
    }
}
