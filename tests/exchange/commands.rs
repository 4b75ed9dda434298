//! The command line: what it prints, what it refuses, and what a running server sees of it.

use crate::support::actor::TAXII;
use crate::support::objects::{envelope, id, indicator, marked, versioned};
use crate::support::pki::Ca;
use crate::support::process::{Installation, PROGRAM, Process, open_to_all, program};
use crate::support::trail::Trail;
use entente::access::level::Level;
use entente::access::proof::certificate::Certificate;
use entente::clock::Clock;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer};
use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

const OBJECTS: &str = "/api1/collections/all/objects/";

#[test]
fn a_server_is_made_and_furnished_from_the_command_line() {
    let installation = Installation::new();
    let run = |arguments: &[&str]| installation.run(arguments);
    run(&["root", "add", "api1", "--title", "First"]);
    let id = "378e5de7-84a4-45e4-8a34-c02a43d0b657";
    assert_eq!(run(&["collection", "add", "api1", "--title", "All", "--alias", "all", "--id", id]), id, "the id alone");
    assert_eq!(run(&["collection", "add", "api1", "--title", "More", "--stix", "2.0,2.1"]).len(), 36);
    run(&["org", "add", "firm", "--title", "A firm"]);
    run(&["cert", "issue", "firm", "--out", installation.path("certs").to_str().unwrap(), "--days", "30"]);
    run(&["grant", "firm", "all", "--read", "amber+strict", "--manage"]);
    let listed: Value = serde_json::from_str(&run(&["list", "--json"])).unwrap();
    assert_eq!(listed["roots"], json!([{"name": "api1", "title": "First"}]));
    assert_eq!(
        listed["grants"],
        json!([{"organisation": "firm", "collection": id, "read": "amber+strict", "write": false, "manage": true, "relay": false}])
    );
    let certificates: Value = serde_json::from_str(&run(&["cert", "list", "firm", "--json"])).unwrap();
    assert_eq!(certificates["certificates"][0]["days_left"], 29);
    let fingerprint = certificates["certificates"][0]["fingerprint"].as_str().unwrap();
    assert!(run(&["cert", "list"]).starts_with(&format!("{fingerprint}  firm  CN=firm  29 days left")));
    run(&["cert", "revoke", "firm", &fingerprint[..6]]);
    assert!(run(&["cert", "list"]).contains("  CN=firm  revoked 20"));
}

#[test]
fn keys_are_private_from_the_first_moment() {
    use std::os::unix::fs::PermissionsExt as _;
    let installation = Installation::furnished();
    for key in ["pki/ca.key", "pki/server.key", "certs/org.key"] {
        assert_eq!(fs::metadata(installation.path(key)).unwrap().permissions().mode() & 0o777, 0o600, "{key}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_what_to_do() {
    let installation = Installation::furnished();
    let fail = |arguments: &[&str], expected: &str| {
        let error = installation.fail(arguments);
        assert!(error.contains(expected), "{arguments:?}: {error}");
    };
    fail(&["root", "add", "api1", "--title", "Again"], "there is an API root \"api1\" already");
    fail(&["root", "add", "taxii2", "--title", "Discovery"], "choose another name");
    fail(&["collection", "add", "none", "--title", "T"], "add it with `root add`");
    fail(&["collection", "add", "api1", "--title", "Other", "--alias", "all"], "the alias \"all\" is taken");
    fail(&["collection", "add", "api1", "--title", "All"], "the title \"All\" is taken");
    fail(&["collection", "add", "api1", "--title", "T", "--id", "1234"], "no version 4 UUID");
    fail(&["org", "add", "org", "--title", "Again"], "there is an organisation \"org\" already");
    fail(&["grant", "nobody", "all", "--write"], "add it with `org add`");
    fail(&["grant", "org", "nothing", "--write"], "see `list`");
    fail(&["cert", "issue", "nobody", "--out", "/nonexistent"], "add it with `org add`");
    fail(&["cert", "revoke", "org", "ffff"], "see `cert list`");
    fail(&["cert", "revoke", "org", ""], "give more digits");
    fail(&["cert", "add", "org", installation.path("pki/server.pem").to_str().unwrap()], "clientAuth");
    fail(&["cert", "add", "org", &installation.config()], "no certificate in PEM");
    fail(&["import", "all", "/nonexistent", "--org", "org"], "/nonexistent");
    let usage = installation.try_run(&["grant", "org", "all", "--read", "white"]);
    assert_eq!(usage.status.code(), Some(2));
    assert!(String::from_utf8(usage.stderr).unwrap().contains("use clear, green, amber, amber+strict or red"));
    let there = program(&["init", installation.root.to_str().unwrap(), "--host", "localhost"]);
    assert!(String::from_utf8(there.stderr).unwrap().contains("is not empty"));
}

#[test]
fn a_key_speaks_for_one_organisation_only() {
    let installation = Installation::furnished();
    installation.run(&["org", "add", "other", "--title", "Other"]);
    let pem = installation.path("certs/org.pem");
    let error = installation.fail(&["cert", "add", "other", pem.to_str().unwrap()]);
    assert!(error.contains("registered for the organisation org already"), "{error}");
}

#[test]
fn a_certificate_made_elsewhere_is_registered_and_its_issuer_asked_for() {
    let installation = Installation::furnished();
    let (ca, pem) = (Ca::new("Somebody's CA"), installation.path("theirs.pem"));
    fs::write(&pem, ca.client("theirs").pem).unwrap();
    let said = installation.run(&["cert", "add", "org", pem.to_str().unwrap()]);
    assert!(said.starts_with("registered ") && said.contains("anchor add FILE --for org"), "{said}");
    let anchor = installation.path("somebody.pem");
    fs::write(&anchor, &ca.pem).unwrap();
    installation.run(&["org", "add", "other", "--title", "Other"]);
    installation.run(&["anchor", "add", anchor.to_str().unwrap(), "--for", "other"]);
    fs::write(&pem, ca.client("theirs").pem).unwrap();
    let said = installation.run(&["cert", "add", "org", pem.to_str().unwrap()]);
    assert!(said.contains("may not speak for org yet"), "{said}");
    installation.run(&["anchor", "add", anchor.to_str().unwrap(), "--for", "org"]);
    fs::write(&pem, ca.client("theirs").pem).unwrap();
    let said = installation.run(&["cert", "add", "org", pem.to_str().unwrap()]);
    assert!(said.starts_with("registered ") && !said.contains("but "), "{said}");
}

#[test]
fn what_a_command_changes_holds_on_the_next_request_of_a_live_connection() {
    let installation = Installation::furnished();
    let server = installation.serve();
    let actor = installation.actor("org", server.address);
    let mut connection = actor.connect().unwrap();
    let mut ask = || {
        let octets = crate::support::actor::request("GET", OBJECTS, &[("Accept", TAXII)], None);
        connection.write_all(&octets).unwrap();
        crate::support::actor::read_answer(&mut connection, false).unwrap().status
    };
    assert_eq!(ask(), 200);
    installation.run(&["grant", "org", "all", "--write"]);
    assert_eq!(ask(), 403);
    installation.run(&["grant", "org", "all"]);
    assert_eq!(ask(), 404);
    installation.run(&["grant", "org", "all", "--read", "green"]);
    assert_eq!(ask(), 200);
    let certificates: Value = serde_json::from_str(&installation.run(&["cert", "list", "--json"])).unwrap();
    installation.run(&["cert", "revoke", "org", certificates["certificates"][0]["fingerprint"].as_str().unwrap()]);
    assert_eq!(ask(), 401);
}

#[test]
fn objects_go_in_and_come_out_to_the_octet() {
    let installation = Installation::furnished();
    let odd = indicator(1, 1).replace(',', " ,\t").replace("Invented", "\\u0049nvented \u{1f600}");
    let texts = [odd, indicator(2, 1), indicator(2, 2), marked(3, 1, Level::Red)];
    let file = installation.path("in.json");
    fs::write(&file, format!("{{\"type\":\"bundle\",\"id\":\"bundle--1\",\"objects\":[{}]}}", texts.join(",\n")))
        .unwrap();
    let import = ["import", "all", file.to_str().unwrap(), "--org", "org"];
    assert!(installation.run(&import).ends_with(": 4 added, 0 there already, 0 failed"));
    assert!(installation.run(&import).ends_with(": 0 added, 4 there already, 0 failed"));
    let out = installation.path("out.json");
    installation.run(&["export", "all", "--out", out.to_str().unwrap()]);
    let exported = fs::read_to_string(&out).unwrap();
    let lines: Vec<&str> = exported.lines().collect();
    assert_eq!(lines[1..lines.len() - 1].join("\n"), texts.join(",\n"));
    assert_eq!(installation.run(&["export", "all"]).lines().count(), lines.len());
    assert!(installation.fail(&["export", "all", "--out", out.to_str().unwrap()]).contains("exists"));
}

#[test]
fn the_objects_of_an_import_may_refer_to_each_other_however_many_there_are() {
    let installation = Installation::furnished();
    installation.run(&["collection", "set", "all", "--profile", "strict"]);
    let file = installation.path("in.ndjson");
    // Their authors come last; one is nowhere.
    let by = |n: usize, author: &str| {
        indicator(n, 1).replace(",\"name\"", &format!(r#","created_by_ref":"{author}","name""#))
    };
    let mut lines: Vec<String> = (0..2500).map(|n| by(n, &id("identity", n / 1000))).collect();
    lines.push(by(2500, &id("identity", 9)));
    lines.extend((0..3).map(|n| versioned("identity", n, 1, r#","identity_class":"group""#)));
    fs::write(&file, lines.join("\n")).unwrap();
    let output = installation.try_run(&["import", "all", file.to_str().unwrap(), "--org", "org"]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("/objects/2500/created_by_ref: refers to identity--"), "{errors}");
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains(": 2503 added, 0 there already") && told.ends_with(" 1 failed\n"), "{told}");
}

#[test]
fn an_import_names_each_object_that_failed_and_takes_the_others() {
    let installation = Installation::furnished();
    let file = installation.path("in.ndjson");
    let lines = [
        indicator(1, 1),
        "{broken".to_owned(),
        indicator(2, 1).replace("\"type\":\"indicator\"", "\"type\":\"malware\""),
    ];
    fs::write(&file, lines.join("\n")).unwrap();
    let output = installation.try_run(&["import", "all", file.to_str().unwrap(), "--org", "org"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stdout).unwrap().ends_with(": 1 added, 0 there already, 2 failed\n"));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("objects/1 ") && errors.contains("/objects/1: "), "{errors}");
    assert!(errors.contains("/objects/2/type: \"malware\" does not agree with the id"), "{errors}");
}

#[test]
fn an_import_tells_apart_what_has_warnings_and_what_nobody_else_sees_yet() {
    let installation = Installation::furnished();
    let file = installation.path("in.ndjson");
    installation.run(&["collection", "set", "all", "--downgrade", "quarantine"]);
    // A reference that leads nowhere is warned of; one to a marking withholds besides.
    let unknown = format!(r#","object_marking_refs":["{}"]"#, id("marking-definition", 9));
    let warned = versioned("indicator", 4, 1, &format!(r#","created_by_ref":"{}""#, id("identity", 9)));
    let both = [2, 3].map(|n| versioned("indicator", n, 1, &unknown));
    let lines = [indicator(1, 1), both[0].clone(), both[1].clone(), warned, marked(5, 1, Level::Amber)];
    let import = |lines: &[String]| {
        fs::write(&file, lines.join("\n")).unwrap();
        let said = installation.run(&["import", "all", file.to_str().unwrap(), "--org", "org"]);
        said.rsplit_once(": ").unwrap().1.to_owned()
    };
    assert_eq!(
        import(&lines),
        "5 added (3 with warnings, which `entente validate` shows; 2 seen by nobody else yet, as `entente hold list` shows), 0 there already, 0 failed"
    );
    assert_eq!(installation.run(&["hold", "list", "all"]).lines().count(), 2);
    assert_eq!(
        import(&[marked(5, 2, Level::Green)]),
        "1 added (1 seen by nobody else yet, as `entente hold list` shows), 0 there already, 0 failed"
    );
}

#[test]
fn an_import_while_the_server_runs_is_seen_at_once() {
    let installation = Installation::furnished();
    let server = installation.serve();
    let actor = installation.actor("org", server.address);
    actor.post(OBJECTS, &envelope(&[indicator(1, 1)])).must_be(202);
    let file = installation.path("in.json");
    fs::write(&file, envelope(&[indicator(2, 1)])).unwrap();
    installation.run(&["import", "all", file.to_str().unwrap(), "--org", "org"]);
    actor.post(OBJECTS, &envelope(&[indicator(3, 1)])).must_be(202);
    assert_eq!(actor.get(OBJECTS).ids(), [1, 2, 3].map(|n| crate::support::objects::id("indicator", n)));
}

#[test]
fn the_store_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let installation = Installation::new();
    assert_eq!(fs::metadata(installation.path("data")).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_failed_export_leaves_no_file_behind() {
    let installation = Installation::furnished();
    let out = installation.path("out.json");
    assert!(installation.fail(&["export", "typo", "--out", out.to_str().unwrap()]).contains("see `list`"));
    assert!(!out.exists());
}

#[test]
fn a_demo_removes_nothing_that_it_did_not_make() {
    let installation = Installation::nothing();
    fs::create_dir_all(installation.path("")).unwrap();
    fs::write(installation.path("mine"), "mine").unwrap();
    let output = program(&["demo", "--dir", installation.root.to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    assert!(String::from_utf8(output.stderr).unwrap().contains("is not empty"));
    assert_eq!(fs::read_to_string(installation.path("mine")).unwrap(), "mine");
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let installation = Installation::furnished();
    let server = installation.serve();
    let error = installation.fail(&["serve", "--listen", "127.0.0.1:0", "--ops", "off"]);
    assert!(error.contains("another server runs"), "{error}");
    assert!(server.terminate(), "SIGTERM ends it well");
    assert!(installation.serve().terminate(), "and then another one may run");
}

#[test]
fn a_port_in_use_is_named() {
    let installation = Installation::furnished();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = installation.fail(&["serve", "--listen", &address, "--ops", "off"]);
    assert!(error.contains(&format!("cannot listen on {address}")) && error.contains("choose another"), "{error}");
}

#[test]
fn keys_and_certificates_that_are_not_fit_are_named() {
    let installation = Installation::furnished();
    let (pem, key) = (installation.path("pki/server.pem"), installation.path("pki/server.key"));
    let fail = |expected: &str| {
        for command in [&["serve", "--listen", "127.0.0.1:0", "--ops", "off"][..], &["check"]] {
            let output = installation.try_run(command);
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert!(said.contains(expected), "{command:?}: {said}");
        }
    };
    let good = fs::read_to_string(&key).unwrap();
    open_to_all(&key);
    fail("server.key: can be read by others (mode 644): run `chmod 600");
    fs::remove_file(&key).unwrap();
    fail("server.key: No such file");
    fs::copy(installation.path("pki/ca.key"), &key).unwrap();
    fail("server.key: does not belong to");
    let ca_key = installation.path("pki/ca.key");
    open_to_all(&ca_key);
    fs::write(&key, good).unwrap();
    let issue = ["cert", "issue", "org", "--out", &installation.path("more").display().to_string()];
    assert!(installation.fail(&issue).contains("ca.key: can be read by others"));
    assert!(
        String::from_utf8(installation.try_run(&["check"]).stdout).unwrap().contains("ca.key: can be read by others")
    );
    let past = Clock::system().now() - Duration::from_hours(48);
    let expired = Ca::new("Test").issue("localhost", |parameters| parameters.not_after = past.into());
    fs::write(&pem, expired.pem).unwrap();
    fs::write(&key, expired.key.serialize_pem()).unwrap();
    fail("server.pem: is valid from ");
    fs::write(&pem, "nothing").unwrap();
    fail("server.pem: has no certificate");
}

#[test]
fn a_bad_setting_is_named_with_its_line() {
    let installation = Installation::furnished();
    let text = fs::read_to_string(installation.config()).unwrap();
    fs::write(installation.config(), text.replace("# page_size = 1000 ", "page_sise = 1000 ")).unwrap();
    let error = installation.fail(&["list"]);
    assert!(error.contains("entente.toml") && error.contains("line ") && error.contains("page_sise"), "{error}");
    let nowhere = program(&["-c", "/nonexistent/entente.toml", "serve"]);
    assert!(String::from_utf8(nowhere.stderr).unwrap().contains("entente init"));
}

#[test]
fn check_finds_what_is_missing() {
    let installation = Installation::new();
    assert!(installation.run(&["check"]).contains("there is no API root"));
    installation.run(&["root", "add", "api1", "--title", "First"]);
    installation.run(&["org", "add", "org", "--title", "An organisation"]);
    let found: Value = serde_json::from_str(&installation.run(&["check", "--json"])).unwrap();
    assert_eq!(found["errors"], json!([]));
    assert_eq!(found["warnings"].as_array().unwrap().len(), 2, "{found}");
    assert_eq!(Installation::furnished().run(&["check"]), "all is well");
}

/// The disk's end is played by a limit on the size of files.
#[test]
fn a_disk_that_takes_no_more_stops_writes_and_not_reads() {
    let installation = Installation::furnished();
    let serve = format!(
        "trap '' XFSZ; ulimit -f 512; exec {PROGRAM} -c {} serve --listen 127.0.0.1:0 --ops off",
        installation.config()
    );
    let (server, _) = Process::start(Command::new("bash").args(["-c", &serve]));
    let actor = installation.actor("org", server.address);
    let mut kept = 0;
    let refused = loop {
        let objects: Vec<String> = (kept..kept + 100).map(|n| indicator(n, 1)).collect();
        let answer = actor.post(OBJECTS, &envelope(&objects));
        if answer.status != 202 {
            break answer;
        }
        kept += 100;
        assert!(kept < 100_000);
    };
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("10")));
    assert_eq!(actor.get(&format!("{OBJECTS}?limit=1000")).must_be(200).ids().len(), kept.min(1000));
    drop(server);
    let server = installation.serve();
    let actor = actor.at(server.address);
    let (mut found, mut path) = (0, OBJECTS.to_owned());
    loop {
        let page = actor.get(&path).must_be(200);
        found += page.ids().len();
        let Some(next) = page.next() else { break };
        path = format!("{OBJECTS}?next={next}");
    }
    assert_eq!(found, kept, "all that was acknowledged, and nothing else");
    actor.post(OBJECTS, &envelope(&[indicator(kept, 1)])).must_be(202);
}

#[test]
fn the_demo_serves_what_it_says_and_keeps_what_is_there() {
    let installation = Installation::nothing();
    let mut entries = Vec::new();
    for _ in 0..2 {
        let command = ["demo", "--dir", installation.root.to_str().unwrap(), "--listen", "127.0.0.1:0"];
        let (server, said) = Process::start(Command::new(PROGRAM).env("ENTENTE__SERVER__OPS", "off").args(command));
        assert!(said.contains("curl -g --cacert") && said.contains("/api1/collections/indicators/objects/"), "{said}");
        let count = |who: &str| {
            let actor = installation.actor(who, server.address);
            let count =
                |alias: &str| actor.get(&format!("/api1/collections/{alias}/objects/")).must_be(200).ids().len();
            ["lazarus-campaigns", "indicators", "joint-advisories"].map(count)
        };
        entries.push((count("national-cert"), count("siem")));
    }
    assert_eq!(entries[0], entries[1]);
    let (cert, siem) = entries[0];
    assert_eq!(cert, [83, 151, 46], "the corrected indicator has two versions");
    assert_eq!(siem[1], cert[1] - 2, "the AMBER+STRICT and the RED object");
}

/// What a certificate says, as text: subject, then names.
fn said(pem: &std::path::Path) -> (String, usize) {
    let der = CertificateDer::from_pem_file(pem).unwrap();
    let certificate = Certificate::read(&der).unwrap();
    (certificate.subject, certificate.names.len())
}

/// A request for a certificate that asks for more than it is due.
fn request(key: &KeyPair) -> String {
    let mut wish = CertificateParams::new(vec!["another.example".to_owned()]).unwrap();
    wish.distinguished_name.push(rcgen::DnType::CommonName, "another");
    wish.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    wish.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    wish.serialize_request(key).unwrap().pem().unwrap()
}

#[test]
fn of_a_request_for_a_certificate_only_the_key_counts() {
    let installation = Installation::furnished();
    let (csr, out) = (installation.path("org.csr"), installation.path("more"));
    let key = KeyPair::generate().unwrap();
    fs::write(&csr, request(&key)).unwrap();
    let issue = ["cert", "issue", "org", "--csr", csr.to_str().unwrap(), "--out", out.to_str().unwrap(), "--days", "9"];
    let printed = installation.run(&issue);
    assert!(!printed.contains("org.key") && !out.join("org.key").exists(), "{printed}");
    assert_eq!(said(&out.join("org.pem")), ("CN=org".to_owned(), 0));
    // The holder of the key gets in with it.
    fs::write(out.join("org.key"), key.serialize_pem()).unwrap();
    fs::rename(&out, installation.path("certs-requested")).unwrap();
    fs::rename(installation.path("certs"), installation.path("certs-first")).unwrap();
    fs::rename(installation.path("certs-requested"), installation.path("certs")).unwrap();
    let server = installation.serve();
    installation.actor("org", server.address).get(OBJECTS).must_be(200);
}

#[test]
fn a_request_that_does_not_prove_its_key_gets_nothing() {
    let installation = Installation::furnished();
    let csr = installation.path("org.csr");
    let mut der = CertificateSigningRequestDer::from_pem_slice(request(&KeyPair::generate().unwrap()).as_bytes())
        .unwrap()
        .to_vec();
    let last = der.len() - 1;
    der[last] ^= 1;
    let of_another = pem("CERTIFICATE REQUEST", &der);
    let out = installation.path("more");
    let issue = ["cert", "issue", "org", "--csr", csr.to_str().unwrap(), "--out", out.to_str().unwrap()];
    for (text, expected) in [
        (of_another.as_str(), "org.csr: is not signed with the key"),
        ("nothing", "org.csr: is no request"),
        (&pem("CERTIFICATE REQUEST", b"0"), "org.csr: is no request"),
    ] {
        fs::write(&csr, text).unwrap();
        let error = installation.fail(&issue);
        assert!(error.contains(expected), "{error}");
        assert!(!out.join("org.pem").exists());
    }
}

#[test]
fn a_request_whose_key_is_known_gets_a_certificate_only_if_it_can_be_used() {
    let installation = Installation::furnished();
    let csr = installation.path("org.csr");
    fs::write(&csr, request(&KeyPair::generate().unwrap())).unwrap();
    let issue = |verb: &[&str], out: &str| {
        let out = installation.path(out).display().to_string();
        [verb, &["--csr", csr.to_str().unwrap(), "--out", &out]]
            .concat()
            .iter()
            .map(|text| (*text).to_owned())
            .collect()
    };
    let run = |arguments: Vec<String>| installation.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let fail = |arguments: Vec<String>| installation.fail(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let printed = run(issue(&["cert", "issue", "org"], "first"));
    let key = printed.trim().rsplit(' ').next().unwrap().to_owned();
    // The same key again: nothing is left to register.
    for verb in [&["cert", "issue", "org"][..], &["cert", "renew", "org", &key]] {
        let printed = run(issue(verb, verb[1]));
        assert!(printed.contains("is registered already") && printed.contains(&key), "{printed}");
        assert!(!printed.contains("counts until 2"), "{printed}");
        assert!(installation.path(verb[1]).join("org.pem").exists());
    }
    installation.run(&["org", "add", "other", "--title", "Other"]);
    assert!(fail(issue(&["cert", "issue", "other"], "others")).contains("registered for the organisation org"));
    installation.run(&["cert", "revoke", "org", &key]);
    assert!(fail(issue(&["cert", "issue", "org"], "others")).contains("was revoked"));
    assert!(!installation.path("others").exists());
}

#[test]
fn of_a_key_with_several_certificates_the_end_of_the_last_is_shown() {
    let installation = Installation::furnished();
    let csr = installation.path("org.csr");
    fs::write(&csr, request(&KeyPair::generate().unwrap())).unwrap();
    let issue = |days: &str| {
        let out = installation.path(days).display().to_string();
        installation.run(&["cert", "issue", "org", "--csr", csr.to_str().unwrap(), "--out", &out, "--days", days])
    };
    let days_left = || {
        let list: Value = serde_json::from_str(&installation.run(&["cert", "list", "--json"])).unwrap();
        list["certificates"][1]["days_left"].as_i64().unwrap() + 1
    };
    issue("9");
    assert_eq!(days_left(), 9);
    let said = issue("400");
    assert_eq!(days_left(), 400, "{said}");
    let said = issue("30");
    assert_eq!(days_left(), 400, "the one before is as good: {said}");
    let renewed = Trail::in_folder(&installation.path("data")).last("administer");
    assert!(renewed["change"].as_str().unwrap().starts_with("another certificate for credential "), "{renewed}");
    assert!(renewed["before"]["not_after"].as_str().unwrap() < renewed["after"]["not_after"].as_str().unwrap());
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

#[test]
fn a_renewed_certificate_counts_beside_the_old_one_until_the_overlap_is_over() {
    let installation = Installation::furnished();
    let list = || -> Vec<Value> {
        let listed: Value = serde_json::from_str(&installation.run(&["cert", "list", "org", "--json"])).unwrap();
        listed["certificates"].as_array().unwrap().clone()
    };
    let old = list()[0]["fingerprint"].as_str().unwrap().to_owned();
    let out = installation.path("more");
    let renew = |overlap: &str| {
        installation.run(&["cert", "renew", "org", &old[..9], "--out", out.to_str().unwrap(), "--overlap", overlap])
    };
    assert!(renew("10").contains(&format!("the old one, {old}, counts until ")));
    let (left, all) = (|row: &Value| row["days_left"].as_i64().unwrap(), list());
    assert_eq!(all.len(), 2);
    for row in &all {
        assert_eq!(left(row), if row["fingerprint"] == *old { 9 } else { 364 }, "{row}");
    }
    let server = installation.serve();
    installation.actor("org", server.address).get(OBJECTS).must_be(200);
    fs::remove_dir_all(&out).unwrap();
    assert!(renew("500").contains(&format!("the old one, {old}, ends by itself at ")));
    let check = String::from_utf8(installation.try_run(&["check"]).stdout).unwrap();
    assert!(check.contains(&format!("the key {old} of org: 9 days left, less than 30")), "{check}");
}

/// Turns the fallback listener of an installation on, at a free port.
fn with_fallback(installation: &Installation) {
    let settings = fs::read_to_string(installation.config()).unwrap();
    let listen = settings.replace("\n[fallback] ", "\n[fallback]\nlisten = \"127.0.0.1:0\" ");
    assert_ne!(listen, settings);
    fs::write(installation.config(), listen).unwrap();
}

#[test]
fn a_secret_is_made_shown_once_used_and_revoked() {
    let installation = Installation::furnished();
    with_fallback(&installation);
    let add =
        ["secret", "add", "org", "--collection", "all", "--from", "127.0.0.0/8", "192.0.2.7", "--label", "a SIEM"];
    let output = installation.try_run(&add);
    let (secret, told) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let secret = secret.trim_end();
    assert!(secret.starts_with("entente_") && secret.len() == 51, "the secret alone: {secret}");
    assert!(told.contains("the only time") && told.contains("Bearer") && !told.contains(secret), "{told}");

    let listed = installation.run(&["secret", "list"]);
    assert!(!listed.contains(secret) && listed.contains("\"a SIEM\"  89 days left; reads up to green in "), "{listed}");
    let rows: Value = serde_json::from_str(&installation.run(&["secret", "list", "--json"])).unwrap();
    let row = &rows["secrets"][0];
    assert_eq!(
        ["organisation", "kind", "label", "ceiling", "write", "addresses"].map(|name| row[name].clone()),
        [
            json!("org"),
            json!("secret"),
            json!("a SIEM"),
            json!("green"),
            json!(false),
            json!(["127.0.0.0/8", "192.0.2.7/32"])
        ]
    );
    let fingerprint = row["fingerprint"].as_str().unwrap();
    assert!(told.contains(fingerprint) && !rows.to_string().contains("hash"), "{rows}");

    let mut command = Command::new(PROGRAM);
    command.args(["-c", &installation.config(), "serve", "--listen", "127.0.0.1:0", "--ops", "off"]);
    let (server, said) = Process::start(&mut command);
    let address = said.trim_end().strip_prefix("fallback listener on https://").unwrap().parse().unwrap();
    let nobody = installation.actor("org", server.address).at(address);
    nobody.bearing(secret).get(OBJECTS).must_be(200);
    installation.run(&["secret", "revoke", "org", &fingerprint[..9]]);
    nobody.bearing(secret).get(OBJECTS).must_be(401);
    assert!(server.terminate());
    assert!(installation.run(&["secret", "list"]).contains("revoked"));
}

#[test]
fn a_secret_that_makes_no_sense_is_refused_with_what_to_do() {
    let installation = Installation::furnished();
    let all = ["secret", "add", "org", "--collection", "all"];
    let fail = |more: &[&str], expected: &str| {
        let output = installation.try_run(&[&all[..], more].concat());
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && output.stdout.is_empty() && error.contains(expected), "{error}");
    };
    fail(&[], "--from");
    fail(&["--from", "everywhere"], "write 192.0.2.7 or 192.0.2.0/24");
    fail(&["--from", "127.0.0.1", "--ceiling", "red"], "RED never leaves by a secret");
    fail(&["--from", "127.0.0.1", "--days", "1000"], "366");
    fail(&["--from", "127.0.0.1", "--collection", "none"], "there is no collection");
    installation.run(&["collection", "add", "api1", "--title", "Another", "--alias", "another"]);
    fail(&["--from", "127.0.0.1", "--collection", "another"], "has no grant in another");
    let key: Value = serde_json::from_str(&installation.run(&["cert", "list", "--json"])).unwrap();
    let key = key["certificates"][0]["fingerprint"].as_str().unwrap();
    assert!(installation.fail(&["secret", "revoke", "org", key]).contains("use `cert revoke`"));
    assert_eq!(installation.run(&["secret", "list"]), "");
}

#[test]
fn check_finds_what_is_odd_about_secrets_and_their_listener() {
    let installation = Installation::furnished();
    let check = || String::from_utf8(installation.try_run(&["check"]).stdout).unwrap();
    assert!(!check().contains("secret"), "{}", check());
    let add = |from: &str, days: &str| {
        installation.run(&["secret", "add", "org", "--collection", "all", "--from", from, "--days", days])
    };
    add("192.0.2.0/24", "90");
    assert!(check().contains("no listener that takes them"), "{}", check());
    with_fallback(&installation);
    assert!(!check().contains("secret"), "{}", check());
    add("0.0.0.0/0", "20");
    assert!(check().contains("is good at every address"), "{}", check());
    assert!(check().contains("of org: 19 days left"), "{}", check());
    let rows: Value = serde_json::from_str(&installation.run(&["secret", "list", "--json"])).unwrap();
    for row in rows["secrets"].as_array().unwrap() {
        installation.run(&["secret", "revoke", "org", row["fingerprint"].as_str().unwrap()]);
    }
    assert!(check().contains("a fallback listener and no secret"), "{}", check());
}

#[test]
fn who_declares_an_identity_is_told_who_has_sent_it_before() {
    let installation = Installation::furnished();
    installation.run(&["org", "add", "other", "--title", "Another"]);
    let file = installation.path("objects.ndjson");
    fs::write(&file, versioned("identity", 1, 1, r#","identity_class":"group""#)).unwrap();
    installation.run(&["import", "all", file.to_str().unwrap(), "--org", "other"]);
    for (n, expected) in [(1, true), (2, false)] {
        let output = installation.try_run(&["org", "identity", "org", &id("identity", n)]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && said.contains("other has sent identity--") == expected, "{said}");
    }
}
