//! `entente init`: settings, a CA, a server certificate, a key for the audit trail, an empty store.

use super::{Failure, pki, say};
use crate::clock::Clock;
use crate::store::sqlite::Sqlite;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

pub(super) fn run(dir: &Path, hosts: &[String]) -> Result<(), Failure> {
    make(dir, hosts)?;
    say(&format!(
        "made {0}: next `entente -c {0}/entente.toml root add NAME --title TITLE`, then collections, organisations, certificates and grants",
        dir.display()
    ))
}

/// Makes a server in a folder that is new or empty.
pub(super) fn make(dir: &Path, hosts: &[String]) -> Result<(), Failure> {
    if dir.exists() && fs::read_dir(dir)?.next().is_some() {
        return Err(Failure::new(format!("{} is not empty: name a new folder", dir.display())));
    }
    if let Some(odd) = hosts.iter().find(|host| !is_host(host)) {
        return Err(Failure::new(format!("{odd:?} is no host: give a name such as taxii.example.org, or an address")));
    }
    let data = dir.join("data");
    fs::create_dir_all(dir)?;
    // The store holds what is marked RED, and the key of all cursors.
    DirBuilder::new().mode(0o700).create(&data)?;
    let clock = Clock::system();
    pki::make(&dir.join("pki"), hosts, clock.now())?;
    pki::make_audit_key(&dir.join("pki"))?;
    Sqlite::create(&data, clock)?;
    fs::write(dir.join("entente.toml"), settings(hosts))?;
    Ok(())
}

fn is_host(host: &str) -> bool {
    let label = |c: char| c.is_ascii_alphanumeric() || "-.:_*".contains(c);
    !host.is_empty() && host.len() <= 253 && host.chars().all(label)
}

fn settings(hosts: &[String]) -> String {
    format!(
        "\
# Settings of this server. Every key that is left out has the value shown behind its #.
# Environment variables override them: ENTENTE__TAXII__PAGE_SIZE=100.

[server]
hosts = {hosts:?}               # the first stands in URLs
# data = \"data\"               # the store; relative to this file
# pki = \"pki\"                 # keys and certificates; relative to this file
# listen = \"127.0.0.1:6443\"     # where TAXII is spoken; 0.0.0.0:6443 for the world
# ops = \"127.0.0.1:6480\"        # /livez, /readyz, /metrics: loopback, or \"off\"
# public_url = \"https://…\"      # default: https://, the first host, the port listened on

[taxii]
# title = \"Entente\"
# description = \"…\"
# contact = \"…\"
# page_size = 1000              # objects in a page, at most
# page_octets = 4194304         # octets in a page, at most
# page_milliseconds = 250       # putting a page together, at most
# page_cache_octets = 67108864  # finished pages kept in memory; 0: none
# compression = true            # pages as gzip or zstd for who takes them so; see the README
# max_content_length = 104857600
# max_objects = 100000          # objects in one request, at most
# accept_bundles = true         # also take STIX bundles, application/stix+json, application/json
# empty_objects = false         # send an empty list rather than none
# empty_objects_for = []        # organisations that get empty lists although others do not
# keep_status_hours = 24

[tls]
# versions = \"1.2\"              # 1.2 and 1.3; \"1.3\": only that
# require_crl = false           # certificates of CAs in pki/anchors/ need a revocation list in pki/crls/
# max_intermediates = 4         # a client sends at most so many
# max_chain_octets = 16384      # all certificates that a client sends

[limits]
# handshake_seconds = 10        # a TLS handshake is done
# header_seconds = 10           # a request's header is there
# keep_alive_seconds = 75       # a connection may be idle
# body_stall_seconds = 10       # some part of a body comes at least this often
# body_octets_per_second = 1024 # a body comes at least this fast
# body_seconds = 900            # a whole body is there
# body_octets = 1073741824      # all bodies in memory together
# write_stall_seconds = 30      # a caller takes some part of an answer at least this often
# write_octets_per_second = 1024 # ... and after that at least this fast
# writer_seconds = 1            # the store begins to write what an answer waits for; else 503
# drain_seconds = 30            # answers under way may finish
# connections = 10000           # more wait
# connections_per_address = 256 # more are closed at once
# handshakes = 4096             # more are closed at once
# handshakes_per_minute_per_address = 1200
# requests_per_minute = 12000   # of one credential; 0: no limit, here and in the next three
# objects_per_minute = 12000000 # of one credential, in and out
# connections_per_credential = 100
# octets_in_flight_per_credential = 268435456
# waiting = 5000                # requests that wait for something new (Prefer: wait); more are answered at once
# waiting_per_credential = 50   # of one credential: fewer than its connections; 0: no limit
# workers = 0                   # 0: one for each processor

[fallback]                      # for clients without a certificate: they show a secret, see `entente secret`
# listen = \"…\"                # its address, such as 0.0.0.0:6444; off unless there is one
# header = \"…\"                # a header that may carry a secret, such as X-API-Key
# public_url = \"…\"            # default: https://, the first host, its port
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Settings};

    #[test]
    fn the_values_shown_are_the_defaults_and_none_is_left_out() {
        let text = settings(&["taxii.example".to_owned()]);
        // Settings without a default are shown with an ellipsis.
        let shown = text.lines().filter(|line| !line.contains('…')).map(|line| match line.strip_prefix("# ") {
            Some(setting) if setting.contains(" = ") => setting,
            _ => line,
        });
        let shown: Vec<&str> = shown.collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), shown.join("\n")).unwrap();
        let folder = file.path().parent().unwrap();
        let loaded = config::load(file.path(), std::iter::empty()).unwrap();
        let mut expected = Settings::default();
        expected.server.hosts = vec!["taxii.example".to_owned()];
        expected.server.data = folder.join(&expected.server.data);
        expected.server.pki = folder.join(&expected.server.pki);
        assert_eq!(loaded, expected);
        let debug = format!("{expected:#?}");
        let names = debug.lines().filter_map(|line| line.trim().split_once(": ")).map(|(name, _)| name);
        let lost: Vec<&str> = names
            .filter(|name| !text.contains(&format!("{name} = ")) && !text.contains(&format!("[{name}]")))
            .collect();
        assert!(lost.is_empty(), "not shown: {lost:?}");
    }
}
