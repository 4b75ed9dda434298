//! Ten organisations do to a member's objects whatever a protocol lets them try. Nothing happens to these, and the
//! member is told to the octet what it would be told if nobody had tried.

use crate::support::inside::{Inside, ROOT};
use crate::support::objects::{envelope, id, tlp, versioned};
use crate::support::rounds;
use crate::support::server::RW;
use entente::access::level::Level;
use entente::exchange::{Error, Rights, Wanted};
use entente::stix::finding::Profile;
use entente::stix::marking::TLP;
use entente::store::registry::Rules;
use serde_json::json;

const ATTACKERS: usize = 10;
/// What each tries, in turn.
const TRICKS: usize = 17;
const OBJECTS: usize = 6;

fn attacker(n: usize) -> String {
    format!("attacker-{n}")
}

fn world(in_memory: bool, profile: Profile, clock: crate::support::clock::Still) -> Inside {
    let inside = Inside::at(in_memory, clock);
    inside.add_collection(RW, "Read and write", Rules { profile, ..Rules::default() });
    let rights = |level, manage| Some(Rights { read: Some(level), write: true, manage, relay: false });
    for (name, manage) in [("victim", false), ("manager", true)] {
        inside.add_organisation(name);
        inside.grant(name, RW, rights(Level::Red, manage));
    }
    inside.admin.declare_identity("victim", &id("identity", 1)).unwrap();
    for n in 0..ATTACKERS {
        inside.add_organisation(&attacker(n));
        inside.grant(&attacker(n), RW, rights(Level::ALL[1 + n % 4], false));
        inside.admin.declare_identity(&attacker(n), &id("identity", 100 + n)).unwrap();
    }
    inside
}

fn level(n: usize) -> Level {
    Level::ALL[n % 5]
}

/// A version of one of the member's indicators, of the level that all its versions have.
fn own(n: usize, version: u32, level: Level) -> String {
    let (creator, marking) = (id("identity", 1), tlp(level));
    versioned("indicator", n, version, &format!(r#","created_by_ref":"{creator}","object_marking_refs":["{marking}"]"#))
}

fn statement(words: &str, spec: &str) -> String {
    format!(
        r#"{{"type":"marking-definition"{spec},"id":"{}","created":"2024-01-01T00:00:00.000Z","definition_type":"statement","definition":{{"statement":"{words}"}}}}"#,
        id("marking-definition", 1)
    )
}

fn address(value: u8) -> String {
    format!(r#"{{"type":"ipv4-addr","spec_version":"2.1","id":"{}","value":"192.0.2.{value}"}}"#, id("ipv4-addr", 1))
}

/// What the member does, in order.
fn push_own(inside: &Inside, round: usize) {
    let version = u32::try_from(round).unwrap();
    let mut texts: Vec<String> = (0..OBJECTS).map(|n| own(n, version, level(n))).collect();
    texts.push(versioned("identity", 1, version, ""));
    if round == 0 {
        texts.extend([statement("Ours", r#","spec_version":"2.1""#), address(1)]);
    }
    assert_eq!(inside.push("victim", RW, &texts).failures(), &[]);
    inside.clock.turn_on(60);
}

/// Gives whether it was a push, which the trail has an entry of.
fn attack(inside: &Inside, who: usize, turn: usize) -> bool {
    let name = attacker(who);
    let (n, trick) = ((who + turn / TRICKS) % OBJECTS, turn % TRICKS);
    let object = id("indicator", n);
    let later = 30 + u32::try_from(turn % 29).unwrap();
    let (theirs, mine) = (id("identity", 1), id("identity", 100 + who));
    let by = |n: usize, creator: &str, more: &str| {
        versioned("indicator", n, later, &format!(r#","created_by_ref":"{creator}"{more}"#))
    };
    let text = match trick {
        0 => own(n, later, level(n)),
        1 => by(n, &theirs, r#","revoked":true"#),
        2 => by(n, &mine, ""),
        3 => own(n, 0, level(n)).replace("Invented", "Forged"),
        4 => own(n, later, Level::Clear),
        5 => by(900_000 + turn, &theirs, ""),
        6 => versioned("identity", 1, later, ""),
        7 => statement("Not ours", r#","spec_version":"2.1""#),
        8 => statement("Not ours", ""),
        9 => statement("Ours", r#","spec_version":"2.1""#).replace("2024", "2025"),
        10 => own(n, later, level(n)).replace(r#","spec_version":"2.1""#, ""),
        11 => address(2),
        12 => TLP[turn % 9].definition().replace(&format!("\"{}\"", TLP[turn % 9].value), "\"nothing\""),
        13 => versioned("malware", n, later, "").replace(&id("malware", n), &object),
        14 => return must_fail_to_delete(inside, &name, &object, turn),
        15 => return must_fail_to_hold(inside, &name, &object),
        _ => {
            // The operator's way in for many at once, and a bundle, are ways in like any other.
            let bundle = envelope(&[own(n, later, Level::Clear)]).replacen(
                '{',
                &format!(r#"{{"type":"bundle","id":"{}","#, id("bundle", 1)),
                1,
            );
            let added = inside.session(&name).writing(ROOT, RW).unwrap().add(&bundle.into(), false).unwrap();
            assert_eq!(added.status.successes(), &[], "{name}: a bundle");
            return true;
        }
    };
    let status = inside.push(&name, RW, std::slice::from_ref(&text));
    assert_eq!((status.successes(), status.failures().len()), (&[][..], 1), "{name}: {text}");
    true
}

fn must_fail_to_delete(inside: &Inside, name: &str, object: &str, turn: usize) -> bool {
    let which = ["", "match[version]=all", "match[version]=first", "match[spec_version]=2.1"][turn / TRICKS % 4];
    for object in [object, &id("identity", 1), &id("marking-definition", 1), &id("ipv4-addr", 1)] {
        let status = inside.delete(name, RW, object, which);
        assert!([403, 404].contains(&status), "{name} {object} {which}: {status}");
    }
    false
}

fn must_fail_to_hold(inside: &Inside, name: &str, object: &str) -> bool {
    let wanted = json!({"object": object, "until": "2100-01-01T00:00:00Z", "reason": "x"});
    let wanted: Wanted = serde_json::from_value(wanted).unwrap();
    let held = inside.session(name).holding(ROOT, RW).and_then(|holding| holding.place(wanted));
    assert!(matches!(held, Err(Error::Forbidden)), "{held:?}");
    false
}

/// All that the member is told, times included.
fn crawl(inside: &Inside) -> Vec<String> {
    let ids = (0..OBJECTS).map(|n| id("indicator", n)).chain(
        [id("identity", 1), id("marking-definition", 1), id("ipv4-addr", 1)]
            .into_iter()
            .chain(TLP.iter().map(|tlp| tlp.id.to_owned())),
    );
    let views = ids.flat_map(|id| [format!("object/{id}"), format!("versions/{id}")]);
    let views: Vec<String> = ["objects", "manifest"].into_iter().map(str::to_owned).chain(views).collect();
    let ask = |view: &String| {
        ["", "match[version]=all", "match[version]=first", "match[spec_version]=2.0,2.1&match[version]=all"]
            .map(|query| format!("{view}?{query} {:?}", inside.get("victim", RW, view, query)))
    };
    views.iter().flat_map(ask).collect()
}

fn nothing_happens(in_memory: bool, profile: Profile, turns: usize) {
    let clock = crate::support::clock::Still::default();
    let [attacked, quiet] = [(); 2].map(|()| world(in_memory, profile, clock.twin()));
    let (rounds, mut pushes) = (4, [0; ATTACKERS]);
    for round in 0..rounds {
        for world in [&attacked, &quiet] {
            push_own(world, round);
        }
        for turn in round * turns / rounds..(round + 1) * turns / rounds {
            for (who, pushes) in pushes.iter_mut().enumerate() {
                *pushes += usize::from(attack(&attacked, who, turn));
            }
        }
    }
    let (seen, expected) = (crawl(&attacked), crawl(&quiet));
    seen.iter().zip(&expected).for_each(|(seen, expected)| assert_eq!(seen, expected));
    assert!(expected[0].contains("Invented"));
    let trail = attacked.trail();
    for (who, pushes) in pushes.into_iter().enumerate() {
        let by = format!("\"organisation\":\"{}\"", attacker(who));
        let refused = |entry: &&String| {
            entry.contains(&by) && entry.contains("\"action\":\"add\"") && entry.contains("\"failures\":1")
        };
        assert_eq!(trail.iter().filter(refused).count(), pushes, "{by}: each is in the trail");
    }
}

#[test]
fn what_others_try_on_a_members_objects_has_no_effect_and_is_in_the_trail() {
    let turns = rounds(68).try_into().unwrap();
    nothing_happens(true, Profile::Standard, turns);
    nothing_happens(true, Profile::Lenient, turns);
    nothing_happens(false, Profile::Standard, turns);
}
