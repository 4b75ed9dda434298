//! `entente demo`: a whole exchange on one machine, with the sample set beside this file.

use super::cert::Issuing;
use super::serve::{log_to_standard_error, start, until_told_to_stop};
use super::{Failure, cert, import, init, open, say};
use crate::access::level::Level;
use crate::access::permission::CollectionKey;
use crate::clock::Clock;
use crate::exchange::{Administering, Rights};
use crate::stix::head::Spec;
use crate::store::registry::{Collection, Rules};
use crate::taxii::timestamp::Timestamp;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

/// The API root.
const ROOT: &str = "api1";

/// Alias, title, description, objects of each collection.
const COLLECTIONS: [(&str, &str, &str, &str); 3] = [
    (
        "lazarus-campaigns",
        "Lazarus campaigns",
        "North Korean intrusion sets, campaigns and thefts of cryptocurrency",
        include_str!("lazarus-campaigns.ndjson"),
    ),
    (
        "indicators",
        "Indicators",
        "Wallets, domains and packages, as observables and indicators",
        include_str!("indicators.ndjson"),
    ),
    (
        "joint-advisories",
        "Joint advisories",
        "Advisories that several agencies published together, and sanctions",
        include_str!("joint-advisories.ndjson"),
    ),
];

/// Name, title, reads up to, writes which collection, manages.
const ORGANISATIONS: [(&str, &str, Level, Option<&str>, bool); 4] = [
    ("national-cert", "National CERT (sample)", Level::AmberStrict, None, true),
    ("partner-cert", "Partner CERT (sample)", Level::Green, None, false),
    ("crypto-firm", "Crypto firm (sample)", Level::Amber, Some("indicators"), false),
    ("siem", "SIEM (sample)", Level::Green, None, false),
];

/// The organisation that the sample set is added for.
const OWNER: &str = "national-cert";
/// ... and the STIX identity that it is.
const IDENTITY: &str = "identity--b0b0c592-d47f-594d-b335-5b4e5320d44a";

pub(super) fn run(dir: &Path, listen: SocketAddr) -> Result<(), Failure> {
    let config = dir.join("entente.toml");
    if config.exists() {
        say(&format!("{} is there already, and is started as it is", dir.display()))?;
    } else {
        make(dir)?;
    }
    let mut settings = super::settings(&config)?;
    settings.server.listen = listen;
    log_to_standard_error();
    let server = start(&settings, Clock::system())?;
    say(&commands(dir, server.address.port()))?;
    until_told_to_stop(server)
}

/// Makes the demo aside, and puts it in its place when it is whole.
fn make(dir: &Path) -> Result<(), Failure> {
    let name = dir.file_name().ok_or_else(|| Failure::new("name a folder for the demo"))?.to_string_lossy();
    let partial = dir.with_file_name(format!("{name}.partial"));
    if dir.exists() && fs::read_dir(dir)?.next().is_some() {
        return Err(Failure::new(format!("{} is not empty, and no demo: name a new folder", dir.display())));
    }
    // What an earlier attempt left that was cut short: it has our PKI, or it is not ours.
    if partial.join("pki/ca.pem").exists() {
        fs::remove_dir_all(&partial)?;
    }
    init::make(&partial, &["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()])?;
    let (settings, admin) = open(&partial.join("entente.toml"))?;
    admin.add_root(ROOT, "The allies' exchange (sample)")?;
    for (alias, title, description, _) in COLLECTIONS {
        admin.add_collection(collection(alias, title, description))?;
    }
    for (name, title, read, writes, manage) in ORGANISATIONS {
        admin.add_organisation(name, title)?;
        for (alias, ..) in COLLECTIONS {
            let rights = Rights { read: Some(read), write: writes == Some(alias), manage, relay: false };
            admin.grant(name, alias, Some(rights))?;
        }
        cert::issue(&settings, &admin, name, &Issuing::to(&partial.join("certs"), 365))?;
        say(&format!("{name}: {}/certs/{name}.pem, reads up to {read}", dir.display()))?;
    }
    admin.declare_identity(OWNER, IDENTITY)?;
    load(&admin)?;
    drop(admin);
    fs::rename(&partial, dir).map_err(|error| Failure::new(format!("{}: {error}: name a new folder", dir.display())))
}

fn collection(alias: &str, title: &str, description: &str) -> Collection {
    Collection {
        key: CollectionKey(0),
        id: String::new(),
        root: ROOT.to_owned(),
        title: title.to_owned(),
        description: Some(description.to_owned()),
        alias: Some(alias.to_owned()),
        rules: Rules::default(),
        specs: vec![Spec::V21],
        created: Timestamp::EPOCH,
    }
}

/// Adds the sample set. What is there already stays as it is.
fn load(admin: &Administering) -> Result<(), Failure> {
    for (alias, _, _, objects) in COLLECTIONS {
        let tally = import::add(admin, OWNER, alias, objects.as_bytes())?;
        say(&format!("{alias}: {} objects added", tally.added))?;
    }
    Ok(())
}

/// Commands to paste, and what they show.
fn commands(dir: &Path, port: u16) -> String {
    // -g: brackets in a URL are brackets.
    let curl = |who: &str| {
        format!("curl -g --cacert {0}/pki/ca.pem --cert {0}/certs/{who}.pem --key {0}/certs/{who}.key", dir.display())
    };
    let base = format!("https://localhost:{port}");
    let objects = |alias: &str| format!("{base}/{ROOT}/collections/{alias}/objects/");
    format!(
        "\n# who is there\n{siem} {base}/taxii2/\n\
         \n# pull the joint advisories, as a SIEM that reads up to GREEN\n{siem} '{advisories}?match[type]=report'\n\
         \n# poll: what was added since the last answer's X-TAXII-Date-Added-Last\n\
         {siem} -i '{indicators}?added_after=2026-01-01T00:00:00Z&limit=5'\n\
         \n# push an indicator, as a firm; then pull it, as the national CERT\n\
         {firm} -H 'Content-Type: application/taxii+json;version=2.1' --data-binary '{push}' '{indicators}'\n\
         {cert} '{indicators}?match[id]={id}'\n",
        siem = curl("siem"),
        firm = curl("crypto-firm"),
        cert = curl("national-cert"),
        advisories = objects("joint-advisories"),
        indicators = objects("indicators"),
        push = PUSH,
        id = "indicator--6770298f-0fd8-471a-ab8c-1c658a46574e",
    )
}

/// An envelope with one invented indicator.
const PUSH: &str = r#"{"objects":[{"type":"indicator","spec_version":"2.1","id":"indicator--6770298f-0fd8-471a-ab8c-1c658a46574e","created":"2026-11-20T10:00:00.000Z","modified":"2026-11-20T10:00:00.000Z","name":"Invented sample domain","indicator_types":["malicious-activity"],"pattern":"[domain-name:value = '"'"'interview-task.invalid'"'"']","pattern_type":"stix","valid_from":"2026-11-20T10:00:00Z"}]}"#;

/// The sample set has what it promises.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::stix::head::Head;
    use crate::stix::{json, marking};
    use std::collections::{HashMap, HashSet};

    fn objects() -> impl Iterator<Item = (&'static str, serde_json::Value)> {
        COLLECTIONS.into_iter().flat_map(|(.., objects)| objects.lines()).map(|line| (line, json::parse(line).unwrap()))
    }

    #[test]
    fn every_object_can_be_stored_and_has_a_level() {
        for (line, object) in objects() {
            let head = Head::of(&object).unwrap_or_else(|fault| panic!("{fault}: {line}"));
            let open = head.predefined || head.markings.iter().any(|id| marking::predefined(id).is_some());
            assert!(open, "no TLP marking: {line}");
        }
    }

    #[test]
    fn an_id_and_version_always_has_the_same_text() {
        let mut texts = HashMap::new();
        for (line, object) in objects() {
            let version = (object["id"].clone(), object["modified"].clone());
            assert_eq!(*texts.entry((version.0.to_string(), version.1.to_string())).or_insert(line), line);
        }
        assert!((230..=280).contains(&texts.len()), "{}", texts.len());
    }

    #[test]
    fn every_object_with_a_place_for_it_names_a_source() {
        for (line, object) in objects() {
            let has_place = object.get("created").is_some() && object["type"] != "marking-definition";
            assert!(!has_place || object["external_references"].is_array(), "no source: {line}");
        }
    }

    #[test]
    fn each_collection_stands_on_its_own() {
        for (alias, _, _, objects) in COLLECTIONS {
            let parsed: Vec<serde_json::Value> = objects.lines().map(|line| json::parse(line).unwrap()).collect();
            let ids: HashSet<&str> = parsed.iter().filter_map(|object| object["id"].as_str()).collect();
            for object in &parsed {
                for (name, value) in object.as_object().unwrap() {
                    let single = name.ends_with("_ref").then(|| value.as_str()).flatten();
                    let listed = name.ends_with("_refs").then(|| value.as_array()).flatten();
                    for reference in
                        single.into_iter().chain(listed.into_iter().flatten().filter_map(|item| item.as_str()))
                    {
                        assert!(ids.contains(reference), "{alias}: {} refers to {reference}", object["id"]);
                    }
                }
            }
        }
    }

    #[test]
    fn the_pushed_sample_is_an_envelope() {
        // As the shell hands it over.
        let body = PUSH.replace("'\"'\"'", "'");
        let envelope = crate::taxii::objects::Envelope::split(body.as_bytes(), 1).unwrap();
        assert!(Head::of(&json::parse(envelope.objects[0]).unwrap()).is_ok());
    }
}
