//! What judging an object costs, step by step, on the sample set or on a file of one's own (a
//! bundle, an envelope, or one object a line): `cargo bench --bench judge -- FILE`.
//!
//! Each step is repeated and its fastest pass counts, so that other work on the machine disturbs
//! little. Later steps contain the earlier ones: what one adds is the difference.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench fails by panicking, and prints what it found")]

use entente::clock::stopwatch;
use entente::stix::finding::{Profile, Report, Verdict};
use entente::stix::head::Spec;
use entente::stix::json;
use entente::stix::judge::Judge;
use entente::stix::pattern::Pattern;
use entente::stix::schema::Schemas;
use entente::taxii::objects::Envelope;
use serde_json::Value;
use std::fs;
use std::hint::black_box;
use std::path::PathBuf;

const PASSES: usize = 15;

fn main() {
    // Cargo hands over a flag of its own.
    let files: Vec<PathBuf> = std::env::args().skip(1).filter(|word| word != "--bench").map(PathBuf::from).collect();
    let files = if files.is_empty() { samples() } else { files };
    let contents: Vec<String> = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let texts: Vec<&str> = contents.iter().flat_map(|text| objects(text)).collect();
    let octets: usize = texts.iter().map(|text| text.len()).sum();
    println!("{} objects of {} octets on average", texts.len(), octets / texts.len());

    let begun = stopwatch();
    let schemas = Schemas::compiled().unwrap();
    println!("{:8.1} ms to compile the schemas", begun.elapsed().as_secs_f64() * 1e3);
    let judge = Judge::new().unwrap();
    let values: Vec<Value> = texts.iter().map(|text| json::parse(text).unwrap()).collect();
    let patterns: Vec<&str> = values.iter().filter_map(|value| value["pattern"].as_str()).collect();

    measure("read strictly", &texts, |text| drop(black_box(json::parse(text))));
    measure("schema alone", &values, |value| {
        let mut verdict = Verdict::default();
        let object_type = value["type"].as_str().unwrap();
        schemas.check(value, object_type, &mut Report::new(&mut verdict, Profile::Strict));
        black_box(verdict);
    });
    measure("digest alone", &values, |value| {
        black_box(json::digest(value));
    });
    measure("a pattern alone", &patterns, |pattern| drop(black_box(Pattern::parse(pattern))));
    for profile in Profile::ALL {
        measure(&format!("all, {profile}"), &texts, |text| {
            drop(black_box(judge.judge(text.as_bytes(), profile, &[Spec::V21])));
        });
    }
}

/// Prints how long `step` takes for one item.
fn measure<T>(name: &str, items: &[T], step: impl Fn(&T)) {
    let pass = || {
        let begun = stopwatch();
        items.iter().for_each(&step);
        begun.elapsed()
    };
    let fastest = (0..PASSES).map(|_| pass()).min().unwrap_or_default();
    let items = u32::try_from(items.len()).unwrap().max(1);
    println!("{:8.2} us  {name}", fastest.as_secs_f64() * 1e6 / f64::from(items));
}

fn objects(text: &str) -> Vec<&str> {
    Envelope::split(text.as_bytes(), usize::MAX).map_or_else(|_| text.lines().collect(), |envelope| envelope.objects)
}

fn samples() -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/demo");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|kind| kind == "ndjson")).collect()
}
