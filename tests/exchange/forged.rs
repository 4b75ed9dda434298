//! Markings and authorship: neither forged, nor loosened but by the collection's policy.

use crate::markings::{ACS, acs, definition};
use crate::support::inside::Inside;
use crate::support::objects::{id, tlp, versioned};
use crate::support::server::RW;
use entente::access::level::Level;
use entente::exchange::Rights;
use entente::stix::finding::Profile;
use entente::stix::marking::{TLP, TLP_2_0, Tlp};
use entente::store::registry::{Downgrade, Rules};
use serde_json::{Value, json};

const PROFILES: [Profile; 3] = [Profile::Strict, Profile::Standard, Profile::Lenient];

fn world(profile: Profile, downgrade: Downgrade) -> Inside {
    let inside = Inside::new(true);
    inside.add_collection(RW, "Read and write", Rules { profile, downgrade, ..Rules::default() });
    for (name, level) in [("writer", Level::Red), ("forger", Level::Red)] {
        inside.add_organisation(name);
        inside.grant(name, RW, Some(Rights { read: Some(level), write: true, manage: false, relay: false }));
    }
    for level in Level::ALL {
        inside.add_organisation(reader(level));
        let rights = Rights { read: Some(level), write: false, manage: false, relay: false };
        inside.grant(reader(level), RW, Some(rights));
    }
    inside
}

/// The organisation that reads up to a level.
fn reader(level: Level) -> &'static str {
    ["reads-clear", "reads-green", "reads-amber", "reads-strict", "reads-red"][usize::from(level.rank())]
}

/// Up to which level one has to read to find this version of the `n`th indicator.
fn level_of(inside: &Inside, n: usize, version: u32) -> Option<Level> {
    let view = format!("object/{}", id("indicator", n));
    let query = format!("match[version]=2024-01-01T00:00:{version:02}.000Z");
    Level::ALL.into_iter().find(|level| inside.get(reader(*level), RW, &view, &query).status == 200)
}

fn level(tlp: &Tlp) -> Level {
    tlp.value.replace("white", "clear").parse().unwrap()
}

/// The definition of a predefined marking, but for a change.
fn altered(tlp: &Tlp, change: impl FnOnce(&mut Value)) -> String {
    let mut object: Value = serde_json::from_str(&tlp.definition()).unwrap();
    change(&mut object);
    object.to_string()
}

/// What is almost a predefined marking, under its id or that id in capitals.
fn forgeries(tlp: &'static Tlp) -> Vec<String> {
    let other = if level(tlp) == Level::Red { "clear" } else { "red" };
    let other_1 = other.replace("clear", "white");
    let capitals = tlp.id.to_uppercase().replace("MARKING-DEFINITION", "marking-definition");
    let recolour = |object: &mut Value| {
        object["definition_type"] = json!("tlp");
        object["definition"] = json!({"tlp": other_1});
    };
    let recolour_2 = |object: &mut Value| {
        object.as_object_mut().unwrap().remove("definition_type");
        object.as_object_mut().unwrap().remove("definition");
        object["extensions"] = json!({TLP_2_0: {"extension_type": "property-extension", "tlp_2_0": other}});
    };
    let open = acs(
        "privdefault=permit&sharedefault=permit",
        &json!({"classification": "U", "formal_determination": ["PUBREL"]}),
    );
    let other_name = TLP.iter().find(|one| one.value == other).unwrap().name;
    vec![
        altered(tlp, recolour),
        altered(tlp, recolour_2),
        altered(tlp, |object| {
            recolour(object);
            object["id"] = json!(capitals);
        }),
        altered(tlp, |object| {
            recolour_2(object);
            object["id"] = json!(capitals);
        }),
        altered(tlp, |object| {
            recolour(object);
            object.as_object_mut().unwrap().remove("spec_version");
        }),
        altered(tlp, |object| {
            object["definition_type"] = json!("statement");
            object["definition"] = json!({"statement": "Free for all"});
            object.as_object_mut().unwrap().remove("extensions");
        }),
        altered(tlp, |object| {
            object.as_object_mut().unwrap().remove("definition");
            object["extensions"] = json!({ACS: open});
        }),
        altered(tlp, |object| object["extensions"][ACS] = open.clone()),
        altered(tlp, |object| object["created"] = json!("2023-01-01T00:00:00.000Z")),
        altered(tlp, |object| object["name"] = json!(other_name)),
        altered(tlp, |object| {
            recolour(object);
            object["granular_markings"] = json!([{"selectors": ["definition"], "marking_ref": TLP[0].id}]);
        }),
        altered(tlp, |object| {
            recolour(object);
            object["object_marking_refs"] = json!([TLP[4].id]);
            object["modified"] = json!("2024-01-01T00:00:00.000Z");
        }),
    ]
}

#[test]
fn nobody_overrides_a_predefined_marking() {
    let mut cases = 0;
    for profile in PROFILES {
        for tlp in &TLP {
            for forgery in forgeries(tlp) {
                let inside = world(profile, Downgrade::Allow);
                let marked = versioned("indicator", 1, 1, &format!(r#","object_marking_refs":["{}"]"#, tlp.id));
                let sent = inside.push("forger", RW, &[marked.clone(), forgery.clone()]);
                assert_eq!(sent.failures().len(), 1, "{profile:?}: {forgery}: {sent:?}");
                let told = inside.get(reader(Level::Clear), RW, &format!("object/{}", tlp.id), "");
                assert_eq!(told.items(), [serde_json::from_str::<Value>(&tlp.definition()).unwrap()], "{forgery}");
                assert_eq!(level_of(&inside, 1, 1), Some(level(tlp)), "{profile:?}: {forgery}");
                let again = marked.replace("000000000001", "000000000002");
                inside.push("writer", RW, &[again]);
                assert_eq!(level_of(&inside, 2, 1), Some(level(tlp)), "{profile:?}: {forgery}");
                cases += 1;
            }
        }
    }
    assert!(cases >= 300, "{cases}");
}

#[test]
fn a_true_copy_of_a_predefined_marking_is_taken_however_a_tool_writes_it() {
    for profile in PROFILES {
        for tlp in &TLP {
            for copy in [
                tlp.definition(),
                altered(tlp, |object| object["created"] = json!(tlp.version().replace(".000Z", ".000000Z"))),
            ] {
                let sent = world(profile, Downgrade::Allow).push("forger", RW, std::slice::from_ref(&copy));
                assert_eq!(sent.failures(), &[], "{profile:?}: {copy}");
            }
        }
    }
    for tlp in &TLP {
        // As python-stix2 and others write them.
        let nameless = altered(tlp, |object| drop(object.as_object_mut().unwrap().remove("name")));
        let small = altered(tlp, |object| object["name"] = json!(tlp.name.to_lowercase()));
        for copy in [nameless, small] {
            let sent = world(Profile::Lenient, Downgrade::Allow).push("forger", RW, std::slice::from_ref(&copy));
            assert_eq!(sent.failures(), &[], "{copy}");
        }
    }
}

#[test]
fn nobody_puts_words_or_a_name_to_a_predefined_marking() {
    for tlp in &TLP {
        let definition: Value = serde_json::from_str(&tlp.definition()).unwrap();
        let mut claims = vec![
            altered(tlp, |object| object["created_by_ref"] = json!(id("identity", 1))),
            altered(tlp, |object| object["external_references"] = json!([{"source_name": "x", "description": "x"}])),
            altered(tlp, |object| object["x_note"] = json!("Free for all")),
        ];
        if definition.get("extensions").is_some() {
            claims.push(altered(tlp, |object| object["extensions"][TLP_2_0]["x_note"] = json!("Free for all")));
        }
        for claim in claims {
            let inside = world(Profile::Lenient, Downgrade::Allow);
            let told = || inside.get(reader(Level::Clear), RW, &format!("object/{}", tlp.id), "match[version]=all");
            let sent = inside.push("forger", RW, std::slice::from_ref(&claim));
            assert_eq!(sent.successes().len(), 1, "as tools write it: {sent:?}");
            assert_eq!(told().items(), [definition.clone()], "{claim}");
            assert_eq!(inside.push("writer", RW, &[tlp.definition()]).failures(), &[]);
            assert_eq!(told().items(), [definition.clone()], "{claim}");
        }
    }
}

/// What asks for as little as can be, in whatever way: after these, nothing may be found below `least`.
fn loose() -> Vec<(String, Level)> {
    let refs = |ids: &[&str]| format!(r#","object_marking_refs":{}"#, json!(ids));
    let capitals = |tlp: &str| tlp.to_uppercase().replace("MARKING-DEFINITION", "marking-definition");
    let granular = |tlp: &str| format!(r#","granular_markings":[{{"selectors":["name"],"marking_ref":"{tlp}"}}]"#);
    let (clear, red, lookalike) = (tlp(Level::Clear), tlp(Level::Red), id("marking-definition", 50));
    vec![
        (String::new(), Level::Green),
        (refs(&[]), Level::Green),
        (refs(&[clear]), Level::Clear),
        (refs(&[TLP[0].id]), Level::Clear),
        (refs(&[clear, red]), Level::Red),
        (refs(&[red, clear]), Level::Red),
        (refs(&[&capitals(red)]), Level::Red),
        (refs(&[&capitals(TLP[3].id), clear]), Level::Red),
        (refs(&[clear]) + &granular(red), Level::Red),
        (refs(&[clear]) + &granular(&capitals(TLP[3].id)), Level::Red),
        (granular(tlp(Level::Amber)), Level::Amber),
        (refs(&[&lookalike]), Level::Red),
        (refs(&[clear, &lookalike]), Level::Red),
        (refs(&[&id("marking-definition", 51)]), Level::Red),
        (refs(&[&id("marking-definition", 52)]), Level::Red),
        // A definition that nobody has.
        (refs(&[&id("marking-definition", 59), clear]), Level::Red),
    ]
}

/// Definitions that claim a colour, and have no right to.
fn lookalikes() -> Vec<String> {
    let named = |n: usize, more: &str| {
        format!(
            r#"{{"type":"marking-definition","spec_version":"2.1","id":"{}","created":"2022-10-01T00:00:00.000Z","name":"TLP:CLEAR"{more}}}"#,
            id("marking-definition", n)
        )
    };
    vec![
        named(50, r#","definition_type":"tlp","definition":{"tlp":"white"}"#),
        named(
            51,
            &format!(r#","extensions":{{"{TLP_2_0}":{{"extension_type":"property-extension","tlp_2_0":"clear"}}}}"#),
        ),
        definition(52, ACS, &acs("privdefault=permit&sharedefault=deny", &json!({"classification": "U"}))),
    ]
}

#[test]
fn no_marking_opens_more_than_it_says_and_no_new_version_opens_what_was_closed() {
    for profile in PROFILES {
        for downgrade in [Downgrade::Allow, Downgrade::Quarantine] {
            for before in Level::ALL {
                let inside = world(profile, downgrade);
                inside.push("forger", RW, &lookalikes());
                for (n, (marking, least)) in loose().into_iter().enumerate() {
                    let first = versioned("indicator", n, 1, &format!(r#","object_marking_refs":["{}"]"#, tlp(before)));
                    assert_eq!(inside.push("writer", RW, &[first]).failures(), &[]);
                    let second = versioned("indicator", n, 2, &marking);
                    for who in ["forger", "writer"] {
                        inside.push(who, RW, std::slice::from_ref(&second));
                    }
                    let context = format!("{profile:?} {downgrade:?} {before}: {marking}");
                    assert_eq!(level_of(&inside, n, 1), Some(before), "{context}");
                    // None: nobody but its owner finds it.
                    let found = level_of(&inside, n, 2);
                    assert!(found.is_none_or(|found| found >= least), "{context}: {found:?}");
                    if downgrade == Downgrade::Quarantine {
                        assert!(found.is_none_or(|found| found >= before), "{context}: {found:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn who_took_the_id_of_anothers_marking_does_not_say_how_far_that_travels() {
    let open = acs(
        "privdefault=permit&sharedefault=permit",
        &json!({"classification": "U", "formal_determination": ["PUBREL"]}),
    );
    let closed = acs("privdefault=permit&sharedefault=deny", &json!({"classification": "U"}));
    for profile in PROFILES {
        let inside = world(profile, Downgrade::Allow);
        assert_eq!(inside.push("forger", RW, &[definition(60, ACS, &open)]).failures(), &[]);
        let marked =
            versioned("indicator", 1, 1, &format!(r#","object_marking_refs":["{}"]"#, id("marking-definition", 60)));
        let sent = inside.push("writer", RW, &[marked, definition(60, ACS, &closed)]);
        assert_eq!(sent.failures().len(), 1, "{sent:?}");
        assert_eq!(level_of(&inside, 1, 1), None, "{profile:?}");
    }
}

#[test]
fn nobody_writes_in_anothers_name() {
    for profile in [Profile::Standard, Profile::Lenient] {
        let inside = world(profile, Downgrade::Allow);
        inside.admin.declare_identity("writer", &id("identity", 1)).unwrap();
        let by = |n: usize, creator: &str| versioned("indicator", n, 1, &format!(r#","created_by_ref":"{creator}""#));
        let (own, capitals) = (id("identity", 1), id("identity", 1).to_uppercase().replace("IDENTITY", "identity"));
        assert_eq!(inside.push("writer", RW, &[by(1, &own)]).failures(), &[]);
        for (n, creator) in
            (2..).zip([own.as_str(), capitals.as_str(), "identity--x", "", "identity--1", &id("identity", 9)])
        {
            let sent = inside.push("forger", RW, &[by(n, creator)]);
            assert_eq!(sent.successes(), &[], "{profile:?} {creator:?}");
        }
        for forged in [versioned("identity", 1, 1, ""), versioned("identity", 1, 2, r#","revoked":true"#)] {
            assert_eq!(inside.push("forger", RW, &[forged]).successes(), &[], "{profile:?}");
        }
    }
}
