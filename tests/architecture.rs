//! The rooms, and what each may name: the table of `src/lib.rs`, held against the code.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A room, the rooms that it may name, and the external crates that appear only there.
struct Room {
    name: &'static str,
    may_name: &'static [&'static str],
    owns: &'static [&'static str],
}

// `sha2`, `getrandom` and `base64` are in no list: hashes, random octets and their text are wanted in several rooms
// (cursors in `taxii`, secrets in `access`, Basic credentials in `http`).
const ROOMS: [Room; 10] = [
    Room { name: "clock", may_name: &[], owns: &[] },
    Room {
        name: "stix",
        may_name: &[],
        owns: &["jsonschema", "include_dir", "serde_json_canonicalizer", "oxilangtag"],
    },
    Room { name: "taxii", may_name: &["stix"], owns: &["percent_encoding", "hmac"] },
    Room { name: "access", may_name: &["stix", "taxii", "clock"], owns: &["x509_parser", "ipnet"] },
    Room {
        name: "audit",
        may_name: &["stix", "taxii", "access"],
        // Canonical JSON of what was changed; signatures of checkpoints.
        owns: &["serde_json_canonicalizer", "aws_lc_rs"],
    },
    Room { name: "store", may_name: &["stix", "taxii", "access", "audit", "clock"], owns: &[] },
    Room {
        name: "store/sqlite",
        may_name: &["stix", "taxii", "access", "audit", "clock", "store"],
        owns: &["rusqlite"],
    },
    Room {
        name: "exchange",
        may_name: &["clock", "stix", "taxii", "access", "audit", "store"],
        owns: &["arc_swap", "quick_cache", "flate2", "zstd"],
    },
    Room {
        name: "http",
        may_name: &["taxii", "access", "exchange", "clock"],
        owns: &[
            "actix_http",
            "actix_server",
            "actix_service",
            "rustls",
            // As the provider of rustls.
            "aws_lc_rs",
            "tokio_rustls",
            "webpki",
            // What chains and revocation lists say beyond what `webpki` tells.
            "x509_parser",
            "prometheus_client",
            "futures_core",
            "arc_swap",
        ],
    },
    // Any room's settings.
    Room { name: "config", may_name: &["exchange", "http"], owns: &["toml"] },
];

/// Names everything, and owns what talks to a person at a terminal.
const CLI_OWNS: [&str; 5] = ["clap", "tracing_subscriber", "indicatif", "rcgen", "actix_rt"];

/// Lines that a file may have, its tests included.
const LONGEST: usize = 500;

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// All Rust files below `src`, as paths relative to it, with their texts.
fn files() -> Vec<(String, String)> {
    let mut folders = vec![source()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(source()).unwrap().display().to_string();
                files.push((name, fs::read_to_string(path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

/// The room that a file is in: the longest that fits.
fn room_of(file: &str) -> Option<&'static Room> {
    let within = |room: &&Room| file == format!("{}.rs", room.name) || file.starts_with(&format!("{}/", room.name));
    ROOMS.iter().filter(within).max_by_key(|room| room.name.len())
}

/// The part of a file that is no test.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests").next().unwrap()
}

/// Every name behind `crate::` in code, comments left out.
fn rooms_named(text: &str) -> BTreeSet<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = code.collect::<Vec<_>>().join("\n");
    let mut named = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let grouped = rest.strip_prefix('{').map(|group| group.split('}').next().unwrap());
        let names: Vec<&str> = grouped.map_or_else(|| vec![rest], |group| group.split(',').collect());
        named.extend(names.into_iter().map(|name| first_word(name.trim())));
    }
    named.remove("");
    named
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect()
}

#[test]
fn a_room_names_only_the_rooms_listed_for_it() {
    let mut broken = Vec::new();
    for (file, text) in files() {
        let Some(room) = room_of(&file) else { continue };
        let own = room.name.split('/').next().unwrap();
        for named in rooms_named(without_tests(&text)) {
            if named != own && !room.may_name.contains(&named.as_str()) {
                broken.push(format!("{file} names {named}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn an_external_crate_appears_only_in_its_room() {
    let mut broken = Vec::new();
    let owned: BTreeSet<&str> = ROOMS.iter().flat_map(|room| room.owns).copied().chain(CLI_OWNS).collect();
    for (file, text) in files() {
        let cli = file.starts_with("cli/");
        let tests_of_engines = file == "store/contract.rs";
        let allowed = |name: &str| {
            let in_room = room_of(&file).is_some_and(|room| room.owns.contains(&name));
            // Runtime pieces of the server that `serve` starts.
            let runtime = name == "actix_rt" && file.starts_with("http/");
            in_room || runtime || (cli && CLI_OWNS.contains(&name)) || (tests_of_engines && name == "rusqlite")
        };
        for name in owned.iter().filter(|name| text.contains(&format!("{name}::")) && !allowed(name)) {
            broken.push(format!("{file} uses {name}"));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_file_is_in_a_room() {
    let known =
        |file: &str| ["lib.rs", "main.rs"].contains(&file) || file.starts_with("cli/") || room_of(file).is_some();
    let lost: Vec<String> = files().into_iter().map(|(file, _)| file).filter(|file| !known(file)).collect();
    assert!(lost.is_empty(), "{}", lost.join("\n"));
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    let mute: Vec<String> =
        files().into_iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(file, _)| file).collect();
    assert!(mute.is_empty(), "{}", mute.join("\n"));
}

#[test]
fn a_room_head_says_what_lives_there_and_what_may_not() {
    for (file, text) in files().into_iter().filter(|(file, _)| file.ends_with("/mod.rs") && !file.contains("proof")) {
        let head: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!")).collect();
        assert!(
            head.contains(&"//!") || file.starts_with("store/sqlite") || file.starts_with("cli/"),
            "{file}: two paragraphs"
        );
    }
}

#[test]
fn no_file_grows_beyond_what_one_can_keep_in_mind() {
    let lines = |text: &str| without_tests(text).lines().count();
    let long: Vec<String> = files()
        .into_iter()
        .filter(|(file, text)| lines(text) > LONGEST && file != "store/contract.rs")
        .map(|(file, text)| format!("{file}: {}", lines(&text)))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn an_object_is_never_written_anew() {
    // `body` is insert-only: texts come out as they went in.
    let updates = files().into_iter().filter(|(_, text)| text.to_lowercase().contains("update body"));
    assert_eq!(updates.count(), 0);
}

#[test]
fn no_program_text_of_http_2_is_built_in() {
    let lock = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap();
    let there = |name: &str| lock.contains(&format!("name = \"{name}\"\n"));
    assert!(there("actix-http") && !there("h2"));
}
