//! `entente import`: of files larger than memory, that break off, and of an import that is interrupted.

use crate::support::objects::{envelope, id, indicator, versioned};
use crate::support::process::{Installation, PROGRAM};
use entente::clock::stopwatch;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

fn import(installation: &Installation, file: &Path) -> Command {
    let mut import = Command::new(PROGRAM);
    import.args(["-c", &installation.config(), "import", "all"]).arg(file).args(["--org", "org"]);
    import
}

fn told(output: &Output) -> (String, String) {
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

fn entries(installation: &Installation) -> u64 {
    let listed: Value = serde_json::from_str(&installation.run(&["list", "--json"])).unwrap();
    listed["collections"][0]["entries"].as_u64().unwrap()
}

/// A bundle of so many objects that each refer to the last one, with so much text each.
fn bundle(installation: &Installation, count: usize, octets: usize) -> PathBuf {
    let path = installation.path("in.json");
    let mut file = BufWriter::new(File::create(&path).unwrap());
    write!(file, "{{\"type\":\"bundle\",\"id\":\"bundle--252c7c11-daf2-42bd-843b-be65edca9f61\",\"objects\":[")
        .unwrap();
    let author = id("identity", 1);
    let more = format!(r#","created_by_ref":"{author}","description":"{}""#, "x".repeat(octets));
    (0..count).for_each(|n| writeln!(file, "{},", versioned("indicator", n, 1, &more)).unwrap());
    writeln!(file, "{}]}}", versioned("identity", 1, 1, r#","identity_class":"group""#)).unwrap();
    file.flush().unwrap();
    path
}

/// Data and heap of the process are limited, not what it maps of files.
#[test]
fn a_file_larger_than_memory_is_imported_and_its_objects_may_refer_to_its_end() {
    const MEMORY: u64 = 100 << 20;
    let installation = Installation::furnished();
    installation.run(&["collection", "set", "all", "--profile", "strict"]);
    let file = bundle(&installation, 12_000, 20_000);
    assert!(fs::metadata(&file).unwrap().len() > 2 * MEMORY);
    let import = import(&installation, &file);
    let mut limited = Command::new("prlimit");
    limited.arg(format!("--data={MEMORY}")).arg(import.get_program()).args(import.get_args());
    let (out, errors) = told(&limited.output().unwrap());
    assert!(out.ends_with(": 12001 added, 0 there already, 0 failed\n"), "{out}{errors}");
    assert_eq!(entries(&installation), 12_001);
}

#[test]
fn an_import_that_was_interrupted_says_what_is_in_and_adds_the_rest_when_it_is_run_again() {
    let installation = Installation::furnished();
    let mut piped = import(&installation, Path::new("-"));
    let mut running = piped.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut pipe = running.stdin.take().unwrap();
    let lines: Vec<String> = (0..2500).map(|n| indicator(n, 1)).collect();
    writeln!(pipe, "{}", lines.join("\n")).unwrap();
    let begun = stopwatch();
    while entries(&installation) < 1000 {
        assert!(begun.elapsed() < Duration::from_mins(2));
    }
    let pid = running.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    // It looks up whenever there is something to read.
    while running.try_wait().unwrap().is_none() && writeln!(pipe, "{}", lines[0]).is_ok() {}
    let output = running.wait_with_output().unwrap();
    let (out, errors) = told(&output);
    let there = entries(&installation);
    assert_eq!(output.status.code(), Some(130), "{out}{errors}");
    assert!((1000..=2500).contains(&there) && out.contains(&format!(": stopped: {there} added, ")), "{there}: {out}");
    assert!(
        errors.contains("interrupted: what was added is on disk; the same command again adds the rest"),
        "{errors}"
    );
    let file = installation.path("in.ndjson");
    fs::write(&file, lines.join("\n")).unwrap();
    let (out, _) = told(&import(&installation, &file).output().unwrap());
    assert!(out.ends_with(&format!(": {} added, {there} there already, 0 failed\n", 2500 - there)), "{there}: {out}");
    assert_eq!(entries(&installation), 2500);
}

#[test]
fn a_broken_object_is_named_with_its_line_and_sinks_no_other() {
    let installation = Installation::furnished();
    let file = installation.path("in.json");
    let texts = [
        indicator(1, 1),
        indicator(2, 1).replace("\"name\":\"", "\"name\":"),
        indicator(3, 1),
        "{\"type\":\"x\",}".to_owned(),
        indicator(4, 1),
    ];
    fs::write(&file, envelope(&texts).replace("},{", "},\n{")).unwrap();
    let output = import(&installation, &file).output().unwrap();
    let (out, errors) = told(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(out.contains(": 3 added, ") && out.ends_with(", 2 failed\n"), "{out}");
    let place = |line: usize| {
        let before: usize = texts[..line - 1].iter().map(|text| text.len() + 2).sum();
        format!("in.json: line {line}, octet {}: objects/{at} ", before + "{\"objects\":[".len(), at = line - 1)
    };
    assert!(errors.contains(&place(2)) && errors.contains(&place(4)), "{errors}");
}

#[test]
fn a_file_that_breaks_off_is_taken_up_to_there_and_says_where() {
    let installation = Installation::furnished();
    let file = installation.path("in.json");
    let whole = envelope(&[indicator(1, 1), indicator(2, 1)]).replace("},{", "},\n{");
    fs::write(&file, &whole[..whole.len() - 20]).unwrap();
    let output = import(&installation, &file).output().unwrap();
    let (out, errors) = told(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(out.contains(": stopped: 1 added, "), "{out}");
    assert!(errors.contains("in.json: line 2, octet ") && errors.contains("has no end"), "{errors}");
}

#[test]
fn an_object_that_is_longer_than_one_may_be_fails_alone() {
    let installation = Installation::furnished();
    let settings = fs::read_to_string(installation.config()).unwrap();
    assert!(settings.contains("# max_content_length = "), "{settings}");
    let set = |line: &str| {
        if line.starts_with("# max_content_length = ") { "max_content_length = 2000" } else { line }.to_owned() + "\n"
    };
    fs::write(installation.config(), settings.lines().map(set).collect::<String>()).unwrap();
    let file = installation.path("in.ndjson");
    let long = indicator(2, 1).replace("Invented", &"x".repeat(3000));
    fs::write(&file, [indicator(1, 1), long, indicator(3, 1), "7".to_owned()].join("\n")).unwrap();
    let output = import(&installation, &file).output().unwrap();
    let (out, errors) = told(&output);
    assert!(out.contains(": 2 added, ") && out.ends_with(", 2 failed\n"), "{out}");
    assert!(errors.contains("line 2, octet ") && errors.contains("/objects/1: is longer than 2000 octets"), "{errors}");
    assert!(errors.contains("line 4, octet ") && errors.contains("/objects/3: "), "{errors}");
}

#[test]
fn what_a_later_object_defines_is_held_by_nobody_and_counts_once() {
    let installation = Installation::furnished();
    let marking = id("marking-definition", 1);
    let marked = |n| versioned("indicator", n, 1, &format!(r#","object_marking_refs":["{marking}"]"#));
    let definition = format!(
        r#"{{"type":"marking-definition","spec_version":"2.1","id":"{marking}","created":"2020-01-01T00:00:00.000Z","definition_type":"statement","definition":{{"statement":"Invented"}}}}"#
    );
    let broken = definition.replace(&marking, &id("marking-definition", 2)).replace("\"created\"", "\"crated\"");
    let texts: Vec<String> = (0..1500).map(marked).chain([definition.clone(), broken, definition]).collect();
    let file = installation.path("in.ndjson");
    fs::write(&file, texts.join("\n")).unwrap();
    let (out, errors) = told(&import(&installation, &file).output().unwrap());
    assert!(out.ends_with(": 1501 added, 1 there already, 1 failed\n"), "{out}");
    assert_eq!(errors.matches("line 1502, ").count(), 1, "{errors}");
    assert_eq!(entries(&installation), 1501, "released ones would be there twice");
    let (out, _) = told(&import(&installation, &file).output().unwrap());
    assert!(out.ends_with(": 0 added, 1502 there already, 1 failed\n"), "{out}");
}

#[test]
fn what_comes_by_a_pipe_is_gone_over_once() {
    let installation = Installation::furnished();
    let mut import = import(&installation, Path::new("-"));
    let mut running = import.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut pipe = running.stdin.take().unwrap();
    for n in 0..1500 {
        writeln!(pipe, "{}", indicator(n, 1)).unwrap();
    }
    drop(pipe);
    let (out, errors) = told(&running.wait_with_output().unwrap());
    assert!(out.starts_with("-: 1500 added, "), "{out}{errors}");
}
