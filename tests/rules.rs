//! The table of rules in `schemas/RULES.md` is the one in the program. `UPDATE=1` writes it anew.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use entente::stix::finding::Profile;
use entente::stix::rules::ALL;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const HEAD: &str = "# Rules\n\n\
What an object is judged by, and what breaking a rule does to it in a collection of each profile: *refuse*, *warn* \
(it is taken, and its sender is told), or nothing. A finding names its rule by the id in the first column.\n\n\
| rule | clause | strict | standard | lenient | what holds |\n|---|---|---|---|---|---|\n";

fn table() -> String {
    let mut text = HEAD.to_owned();
    for rule in ALL {
        let [strict, standard, lenient] = Profile::ALL.map(|profile| match rule.severity(profile).as_str() {
            "pass" => "–",
            severity => severity,
        });
        writeln!(text, "| `{}` | {} | {strict} | {standard} | {lenient} | {} |", rule.id, rule.clause, rule.sentence)
            .unwrap();
    }
    text
}

#[test]
fn the_documented_rules_are_those_of_the_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/RULES.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, table()).unwrap();
    }
    assert_eq!(fs::read_to_string(path).unwrap(), table(), "UPDATE=1 cargo test --test rules writes it anew");
}

#[test]
fn every_rule_has_an_id_of_its_own_and_says_what_holds_in_one_sentence() {
    let ids: BTreeSet<&str> = ALL.iter().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), ALL.len());
    for rule in ALL {
        assert!(rule.id.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", rule.id);
        assert!(rule.sentence.ends_with('.') && !rule.clause.is_empty(), "{}", rule.id);
    }
}

#[test]
fn no_profile_is_stricter_than_the_one_before_it() {
    for rule in ALL {
        let [strict, standard, lenient] = Profile::ALL.map(|profile| rule.severity(profile));
        assert!(strict <= standard && standard <= lenient, "{}", rule.id);
    }
}
