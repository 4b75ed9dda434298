//! Large pushes: the same becomes of their objects as of those of many small ones.

use crate::support::objects::{envelope, id, indicator, versioned};
use crate::support::server::objects;
use crate::support::{RW, Server};
use entente::stix::finding::Profile;
use serde_json::Value;

const SMALL: usize = 100;

/// Sound ones, broken ones, and ones that refer to what is in the same push, in another small one, and nowhere.
fn mixed(n: usize) -> String {
    let by = |author: usize| {
        indicator(n, 1).replace(",\"name\"", &format!(r#","created_by_ref":"{}","name""#, id("identity", author)))
    };
    let long = format!("\"name\":\"{}", "x".repeat(n % 700));
    match n % 83 {
        7 => indicator(n, 1).replace("\"name\":\"", "\"name\":7,\"x\":\""),
        19 => format!("{{\"n\":{n}}}"),
        23 => by(1_000_000 + n),
        31 => by(n - n % SMALL),
        _ if n.is_multiple_of(SMALL) => versioned("identity", n, 1, r#","identity_class":"group""#),
        _ => indicator(n, 1).replace("\"name\":\"", &long),
    }
}

/// Statuses of pushes one after the other, as if they were one.
fn joined(statuses: &[Value], list: &str) -> Vec<Value> {
    let mut joined = Vec::new();
    for (push, status) in statuses.iter().enumerate() {
        for mut told in status[list].as_array().cloned().unwrap_or_default() {
            for member in ["id", "message"] {
                let Some(text) = told[member].as_str() else { continue };
                let words = text.split_inclusive(' ').map(|word| renumbered(word, push * SMALL));
                told[member] = words.collect::<String>().into();
            }
            joined.push(told);
        }
    }
    joined
}

/// `/objects/7/name:` and `objects/7`, so many places further on.
fn renumbered(word: &str, further: usize) -> String {
    let Some((before, rest)) = word.split_once("objects/").filter(|(before, _)| before.len() < 2) else {
        return word.to_owned();
    };
    let end = rest.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(rest.len());
    let at: usize = rest[..end].parse().unwrap();
    format!("{before}objects/{}{}", at + further, &rest[end..])
}

/// Versions of what has none in its text are times, which differ.
fn without_times(mut told: Vec<Value>) -> Vec<Value> {
    for one in told.iter_mut().filter(|one| one["id"].as_str().is_some_and(|id| id.starts_with("objects/"))) {
        one["version"] = Value::Null;
    }
    told
}

#[test]
fn of_a_large_push_becomes_what_becomes_of_many_small_ones_in_the_same_order() {
    let (at_once, one_by_one) =
        (Server::start().judging_by(Profile::Strict), Server::start().judging_by(Profile::Strict));
    let texts: Vec<String> = (0..2000).map(mixed).collect();
    assert!(texts.iter().map(String::len).sum::<usize>() > 1 << 20, "it is judged in several pieces");
    let large = at_once.actor("writer").post(&objects(RW), &envelope(&texts)).must_be(202).json();
    let writer = one_by_one.actor("writer");
    let small: Vec<Value> =
        texts.chunks(SMALL).map(|some| writer.post(&objects(RW), &envelope(some)).must_be(202).json()).collect();
    assert!(large["failures"].as_array().unwrap().len() > 60 && large["successes"].as_array().unwrap().len() > 1800);
    for list in ["successes", "failures"] {
        let of_large = without_times(large[list].as_array().unwrap().clone());
        assert_eq!(of_large, without_times(joined(&small, list)), "{list}");
    }
    let all = |server: &Server| {
        let reader = server.actor("reader");
        let first = reader.get(&format!("{}?limit=1000", objects(RW))).must_be(200);
        let next = format!("{}?limit=1000&next={}", objects(RW), first.next().unwrap());
        [first.ids(), reader.get(&next).must_be(200).ids()].concat()
    };
    assert_eq!(all(&at_once), all(&one_by_one));
}
