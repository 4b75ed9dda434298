//! Every rule can be broken, and by itself: a table of texts that break exactly one.

mod by_rule;
mod by_schema;
mod by_text;

use crate::{judge, said_of_text};
use entente::stix::finding::{Profile, Rule, Severity};
use entente::stix::rules::ALL;
use std::collections::BTreeSet;

/// A text that breaks one rule, at one place.
pub struct Row {
    rule: &'static str,
    text: Vec<u8>,
    pointer: String,
}

/// A row.
pub fn row(rule: &'static str, pointer: &str, object: impl ToString) -> Row {
    Row { rule, text: object.to_string().into_bytes(), pointer: pointer.to_owned() }
}

/// Rules that one object alone cannot break: those of versions and references are tested among the
/// `others`, and the last one is broken by a fault of the program only.
const ELSEWHERE: [&str; 6] = [
    "dangling-reference",
    "version-created",
    "version-creator",
    "version-after-revocation",
    "version-content",
    "unjudged",
];

fn rows() -> Vec<Row> {
    [by_text::rows(), by_schema::rows(), by_rule::rows()].into_iter().flatten().collect()
}

fn rule(id: &str) -> &'static Rule {
    ALL.into_iter().find(|rule| rule.id == id).unwrap_or_else(|| panic!("there is no rule {id}"))
}

/// Where custom content is refused whatever it is called, nothing is said of its name.
fn rule_under(profile: Profile, id: &'static str) -> &'static Rule {
    match (profile, id) {
        (Profile::Strict, "custom-property-prefix") => rule("custom-property"),
        (Profile::Strict, "custom-type-prefix") => rule("custom-type"),
        _ => rule(id),
    }
}

#[test]
fn an_object_that_breaks_one_rule_is_told_of_that_rule_and_place_and_of_nothing_else() {
    let mut wrong = Vec::new();
    for row in rows() {
        for profile in Profile::ALL {
            let rule = rule_under(profile, row.rule);
            let severity = rule.severity(profile);
            let expected = (severity != Severity::Pass).then(|| (rule.id, row.pointer.clone(), severity));
            if said_of_text(&row.text, profile) != Vec::from_iter(expected) {
                let findings = judge(&row.text, profile).verdict.findings().to_vec();
                let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
                let text = String::from_utf8_lossy(&row.text[..row.text.len().min(600)]).into_owned();
                wrong.push(format!(
                    "{} at {:?}, {profile}: {text}\n  {}",
                    row.rule,
                    row.pointer,
                    findings.join("\n  ")
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_rule_has_an_object_that_breaks_it() {
    let broken: BTreeSet<&str> = rows().iter().map(|row| row.rule).collect();
    let untested: Vec<&str> =
        ALL.iter().map(|rule| rule.id).filter(|id| !broken.contains(id) && !ELSEWHERE.contains(id)).collect();
    assert!(untested.is_empty(), "no row for {}", untested.join(", "));
    assert!(ELSEWHERE.iter().all(|id| ALL.iter().any(|rule| rule.id == *id)));
}

#[test]
fn a_refusal_is_what_makes_an_object_refused() {
    for row in rows() {
        for profile in Profile::ALL {
            let verdict = judge(&row.text, profile).verdict;
            let severity = rule_under(profile, row.rule).severity(profile);
            assert_eq!(verdict.is_refused(), severity == Severity::Refuse, "{} under {profile}", row.rule);
            assert_eq!(verdict.is_clean(), severity == Severity::Pass, "{} under {profile}", row.rule);
        }
    }
}

#[test]
fn a_message_is_a_sentence_that_a_person_can_read() {
    for row in rows() {
        for finding in judge(&row.text, Profile::Strict).verdict.findings() {
            let message = &finding.message;
            assert!((6..400).contains(&message.chars().count()), "{}: {message}", row.rule);
            assert!(!message.chars().any(char::is_control), "{}: {message:?}", row.rule);
            let clause = &finding.clause;
            assert!(clause.starts_with("STIX 2.1 §") || clause.starts_with("RFC "), "{}: {clause}", row.rule);
        }
    }
}
