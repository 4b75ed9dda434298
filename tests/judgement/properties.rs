//! What holds for every object that the schemas allow, and for everything that is none.

use crate::generator::{alternatives, dependents, identify, make, required, types};
use crate::{Said, judge, members, must_be_clean, said, words};
use entente::stix::finding::{Profile, Severity};
use entente::stix::json::{digest, parse};
use entente::stix::schema::{Category, Schemas};
use proptest::prelude::*;
use proptest::{collection, sample};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// A type, and a tape that an object of it is made by.
fn made() -> impl Strategy<Value = Value> {
    let tape = collection::vec(any::<u16>(), 0..160);
    (sample::select(types()), tape).prop_map(|(object_type, tape)| make(object_type, &tape))
}

/// Values of every kind, good for something or for nothing.
fn values() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(9_007_199_254_740_993_u64),
        json!(""),
        json!("a"),
        json!("Upper Case"),
        json!("2025-03-01T08:00:00Z"),
        json!("tool--1"),
        json!("bundle--11111111-1111-4111-8111-111111111111"),
        json!("tool--11111111-1111-4111-8111-111111111111"),
        json!([]),
        json!(["a"]),
        json!([null, ["b"], 7]),
        json!({}),
        json!({"a": null}),
        json!({"extension_type": "new-sdo", "a_ref": "a"}),
    ]
}

/// The JSON type of a value (RFC 8259 §3).
fn kind(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

/// Takes away what marks a member that is about to change: it is a place that changes too.
fn unmark(object: &mut Value, name: &str) {
    let granular = object["granular_markings"].as_array().into_iter().flatten();
    let mut selectors = granular.flat_map(|granular| granular["selectors"].as_array().into_iter().flatten());
    if name != "granular_markings"
        && selectors.any(|selector| selector.as_str().unwrap().split('.').next() == Some(name))
    {
        members(object).remove("granular_markings");
    }
}

/// The rules broken and where, without what it does.
fn places(said: &[Said]) -> BTreeSet<(&'static str, &str)> {
    said.iter().map(|(rule, pointer, _)| (*rule, pointer.as_str())).collect()
}

/// Some member of the object at whatever depth becomes another value, is taken away, or is joined
/// by another one.
fn spoil(value: &mut Value, steps: &[u16], with: &Value) {
    let Some((step, rest)) = steps.split_first() else {
        *value = with.clone();
        return;
    };
    let at = usize::from(*step);
    match value {
        Value::Object(members) if !members.is_empty() => {
            let name = members.keys().nth(at % members.len()).unwrap().clone();
            match at % 11 {
                0 => drop(members.remove(&name)),
                1 => drop(members.insert("x_spoilt".to_owned(), with.clone())),
                2 => drop(members.insert("Spoilt".to_owned(), with.clone())),
                3 => drop(members.insert("spoilt".to_owned(), with.clone())),
                _ => spoil(members.get_mut(&name).unwrap(), rest, with),
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let length = items.len();
            spoil(&mut items[at % length], rest, with);
        }
        other => *other = with.clone(),
    }
}

fn spoilt() -> impl Strategy<Value = Value> {
    let change = (collection::vec(any::<u16>(), 1..5), sample::select(values()));
    (made(), collection::vec(change, 1..5)).prop_map(|(mut object, changes)| {
        for (steps, with) in changes {
            spoil(&mut object, &steps, &with);
        }
        object
    })
}

/// JSON of any shape.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        sample::select(values()),
        any::<String>().prop_map(Value::String),
        any::<f64>().prop_map(|n| json!(n))
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let name = prop_oneof![
            "[a-z_-]{1,6}",
            sample::select(vec!["", "a/b", "~", "x_ref", "extension_type", "hashes"]).prop_map(str::to_owned)
        ];
        prop_oneof![
            collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            collection::vec((name, inner), 0..4).prop_map(|members| Value::Object(Map::from_iter(members))),
        ]
    })
}

/// Anything that has the type of an object, and under the names of its properties whatever there is.
fn any_object() -> impl Strategy<Value = Value> {
    let filled = collection::vec((any::<u16>(), any_json()), 0..8);
    (made(), filled, any_json()).prop_map(|(mut object, filled, more)| {
        let known = &Schemas::compiled().unwrap().of(object["type"].as_str().unwrap()).unwrap().properties;
        for (at, value) in filled {
            let name = known[usize::from(at) % known.len()];
            if !["type", "id", "spec_version"].contains(&name) {
                members(&mut object).insert(name.to_owned(), value);
            }
        }
        if let Value::Object(more) = more {
            members(&mut object).extend(more.into_iter().filter(|(name, _)| name != "type"));
        }
        object
    })
}

proptest! {
    // Twice as many cases as usual: there are many types.
    #![proptest_config(ProptestConfig { cases: 2 * ProptestConfig::default().cases, ..ProptestConfig::default() })]

    #[test]
    fn an_object_that_the_schemas_and_rules_allow_is_clean_under_every_profile(object in made()) {
        must_be_clean(&object);
    }

    /// What was judged is what was sent: the value is that of the text, however it is spelt.
    #[test]
    fn a_judged_object_is_the_value_of_its_text(object in made()) {
        let spelt = serde_json::to_string_pretty(&object).unwrap();
        let judged = judge(spelt.as_bytes(), Profile::Standard);
        let read = judged.object.unwrap();
        prop_assert_eq!(&read, &object);
        let id = judged.head.unwrap().id.to_string();
        prop_assert_eq!(object["id"].as_str(), Some(id.as_str()));
        let again = parse(&read.to_string()).unwrap();
        prop_assert_eq!(digest(&again), digest(&parse(&spelt).unwrap()));
    }

    /// STIX 2.1 §3.2: it is missing exactly where it should be.
    #[test]
    fn an_object_without_a_required_property_is_refused_at_exactly_that_place(object in made()) {
        let object_type = object["type"].as_str().unwrap().to_owned();
        for name in required(&object_type) {
            let mut broken = object.clone();
            unmark(&mut broken, name);
            members(&mut broken).remove(name);
            identify(&mut broken);
            // Without these a server cannot handle an object at all.
            let is_versioned = object.get("created").is_some();
            let unusable = ["id", "type"].contains(&name)
                || name == "spec_version" && is_versioned
                || name == "created" && object_type == "marking-definition";
            let rule = if unusable { "usable" } else { "missing-property" };
            for (profile, severity) in [(Profile::Strict, Severity::Refuse), (Profile::Standard, Severity::Refuse)] {
                let expected = vec![(rule, format!("/{name}"), severity)];
                prop_assert_eq!(said(&broken, profile), expected, "without {}: {}", name, words(&broken, profile));
            }
        }
    }

    /// STIX 2.1 §3.2: of some properties one is needed, and which is for the producer to say.
    #[test]
    fn an_object_without_any_of_the_properties_of_which_it_needs_one_is_refused_as_a_whole(object in made()) {
        let object_type = object["type"].as_str().unwrap().to_owned();
        let names = alternatives(&object_type);
        if names.is_empty() || object.get("tide").is_some() {
            return Ok(());
        }
        let mut broken = object.clone();
        for name in names.iter().flat_map(|name| dependents(&object_type, name)).chain(names.iter().copied()) {
            unmark(&mut broken, name);
            members(&mut broken).remove(name);
        }
        identify(&mut broken);
        let expected = vec![("property-combination", String::new(), Severity::Refuse)];
        prop_assert_eq!(said(&broken, Profile::Standard), expected, "{}", words(&broken, Profile::Standard));
    }

    /// STIX 2.1 §2: what is wrong with a value is said of that value, and of nothing else.
    #[test]
    fn a_value_of_another_json_type_is_refused_where_it_stands(object in made(), with in sample::select(values())) {
        let known = &Schemas::compiled().unwrap().of(object["type"].as_str().unwrap()).unwrap().properties;
        for (name, value) in object.as_object().unwrap() {
            // What an extension brings has no schema, and without the extension is not allowed either.
            let belongs_to_extension = !known.contains(&name.as_str()) || name == "extensions" && object.get("tide").is_some();
            if kind(value) == kind(&with) || belongs_to_extension {
                continue;
            }
            let mut broken = object.clone();
            unmark(&mut broken, name);
            broken[name] = with.clone();
            identify(&mut broken);
            let found = said(&broken, Profile::Standard);
            let place = format!("/{name}");
            // A copy of a predefined marking that differs is refused as a whole, too.
            let is_predefined = entente::stix::marking::predefined(object["id"].as_str().unwrap()).is_some();
            for (_, pointer, _) in &found {
                let within = *pointer == place || pointer.starts_with(&format!("{place}/")) || is_predefined && pointer.is_empty();
                prop_assert!(within, "{}: {}", name, words(&broken, Profile::Standard));
            }
            let refused = found.iter().any(|(_, pointer, severity)| pointer.starts_with(&place) && *severity == Severity::Refuse);
            prop_assert!(refused, "{}: {}", name, words(&broken, Profile::Standard));
        }
    }

    /// A profile decides what becomes of a finding; a stricter one looks for more, and for nothing less.
    #[test]
    fn a_stricter_profile_finds_all_that_a_more_lenient_one_finds(object in prop_oneof![spoilt(), any_object()]) {
        let [strict, standard, lenient] = Profile::ALL.map(|profile| said(&object, profile));
        let counts = Profile::ALL.map(|profile| judge(object.to_string().as_bytes(), profile).verdict.count());
        // Beyond so many, findings are only counted.
        prop_assume!(counts.iter().all(|count| *count < 20));
        for (rule, pointer) in places(&lenient) {
            prop_assert!(places(&standard).contains(&(rule, pointer)), "{rule} at {pointer:?}\n{}\n{}",
                words(&object, Profile::Lenient), words(&object, Profile::Standard));
        }
        for (rule, pointer) in places(&standard) {
            // Where custom content is refused, nothing is said of its name.
            let rule = match rule {
                "custom-property-prefix" => "custom-property",
                "custom-type-prefix" => "custom-type",
                other => other,
            };
            prop_assert!(places(&strict).contains(&(rule, pointer)), "{rule} at {pointer:?}\n{}\n{}",
                words(&object, Profile::Standard), words(&object, Profile::Strict));
        }
    }

    /// Objects come from strangers: whatever they are, there is a verdict, of a bounded size, and
    /// every finding leads to a place of the object or to where something is missing.
    #[test]
    fn any_object_is_judged_and_every_finding_leads_somewhere(object in prop_oneof![any_object(), spoilt(), any_json()]) {
        for profile in Profile::ALL {
            let text = object.to_string();
            let judged = judge(text.as_bytes(), profile);
            prop_assert!(judged.verdict.findings().len() <= 100);
            prop_assert!(judged.verdict.count() >= judged.verdict.findings().len());
            // U+0000 makes a text unreadable; then the place is that of the text.
            for finding in judged.verdict.findings() {
                prop_assert!(finding.message.chars().count() < 1000, "{}", finding);
                let above = finding.pointer.rsplit_once('/').map_or("", |(above, _)| above);
                prop_assert!(object.pointer(above).is_some(), "{} of {}", finding, object);
                prop_assert_eq!(finding.severity, finding.rule.severity(profile));
            }
        }
    }

    /// No text at all makes the judge fail.
    #[test]
    fn any_octets_are_judged(octets in collection::vec(any::<u8>(), 0..200)) {
        for profile in Profile::ALL {
            prop_assert!(judge(&octets, profile).verdict.findings().len() <= 100);
        }
    }
}

#[test]
fn the_smallest_object_of_every_type_is_clean() {
    assert_eq!(types().len(), 45);
    types().into_iter().for_each(|object_type| must_be_clean(&crate::generator::smallest(object_type)));
}

/// What is never made is never tested: over many tapes every property of every type is.
#[test]
fn every_property_of_every_type_is_made() {
    let mut state = 7_u32;
    let mut number = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        u16::try_from(state >> 16).unwrap()
    };
    for object_type in types() {
        let known = Schemas::compiled().unwrap().of(object_type).unwrap();
        // Known, so as to be refused: only observables are defanged (STIX 2.1 §3.2).
        let is_made = |name: &&str| *name != "defanged" || known.category == Category::Sco;
        let mut missing: BTreeSet<&str> = known.properties.iter().copied().filter(is_made).collect();
        for _ in 0..200 {
            let tape: Vec<u16> = (0..160).map(|_| number()).collect();
            let object = make(object_type, &tape);
            missing.retain(|name| object.get(name).is_none());
        }
        assert!(missing.is_empty(), "{object_type}: {missing:?}");
    }
}
