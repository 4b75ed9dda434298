//! Settings: the file, over it the environment, over that the flags of a command. An
//! unknown key is refused, and every error says where and what is allowed.
//!
//! Each section is the `Settings` of the room that uses it; [`Server`] is what is left.
//! Nothing here opens a socket or a store.

use crate::exchange;
use crate::http::fallback;
use crate::http::limits::Limits;
use crate::http::tls;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Environment variables that override settings begin with this: `ENTENTE__TAXII__PAGE_SIZE=100`.
const PREFIX: &str = "ENTENTE__";

/// All settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where the server is, and where its files are.
    pub server: Server,
    /// How the exchange answers.
    pub taxii: exchange::Settings,
    /// What is required of a connection before HTTP begins.
    pub tls: tls::Settings,
    /// How long and how much a connection may take.
    pub limits: Limits,
    /// The listener for who has no certificate.
    pub fallback: fallback::Settings,
}

/// The section `[server]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// The names and addresses that the server certificate was made for; the first stands in URLs.
    pub hosts: Vec<String>,
    /// Where TAXII is spoken.
    pub listen: SocketAddr,
    /// Where `/livez`, `/readyz` and `/metrics` answer: a loopback address, or off.
    pub ops: Ops,
    /// What absolute URLs begin with. Absent: `https://`, the first host, and the port listened on.
    pub public_url: Option<String>,
    /// The folder of the store; relative to the settings file.
    pub data: PathBuf,
    /// The folder of keys and certificates; relative to the settings file.
    pub pki: PathBuf,
}

/// Where the operator's listener is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ops {
    /// Nowhere.
    Off,
    /// At this loopback address.
    On(SocketAddr),
}

impl Default for Server {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            listen: SocketAddr::from(([127, 0, 0, 1], 6443)),
            ops: Ops::On(SocketAddr::from(([127, 0, 0, 1], 6480))),
            public_url: None,
            data: PathBuf::from("data"),
            pki: PathBuf::from("pki"),
        }
    }
}

impl std::str::FromStr for Ops {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        match text.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_loopback() => Ok(Self::On(address)),
            Ok(address) => Err(format!("{address} is no loopback address: this listener has no access control")),
            Err(_) => Err(format!("{text:?} is neither \"off\" nor an address such as 127.0.0.1:6480")),
        }
    }
}

impl<'de> Deserialize<'de> for Ops {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{file}: {error}: make a server with `entente init`, or name its settings file with -c")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// The file says something that is not allowed; the text names line and column.
    #[error("{file}: {reason}")]
    Invalid {
        /// The file.
        file: String,
        /// Where and what, and what is allowed.
        reason: String,
    },
    /// An environment variable says something that is not allowed.
    #[error("the environment's {PREFIX}… variables: {0}")]
    Environment(String),
    /// Each setting could be used, but not together.
    #[error("{}", .0.join("\n"))]
    Faults(Vec<String>),
}

/// Reads the settings file, and lets `environment` override it. Relative folders become
/// relative to where the program runs.
pub fn load(file: &Path, environment: impl Iterator<Item = (String, String)>) -> Result<Settings, ConfigError> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| ConfigError::Unreadable { file: name.clone(), error })?;
    let mut settings = parse(&name, &text, environment)?;
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    settings.server.data = folder.join(&settings.server.data);
    settings.server.pki = folder.join(&settings.server.pki);
    Ok(settings)
}

fn parse(file: &str, text: &str, environment: impl Iterator<Item = (String, String)>) -> Result<Settings, ConfigError> {
    let invalid = |error: toml::de::Error| ConfigError::Invalid { file: file.to_owned(), reason: error.to_string() };
    let mut settings: Settings = toml::from_str(text).map_err(invalid)?;
    let overrides = overrides(environment)?;
    if !overrides.is_empty() {
        let mut table: toml::Table = toml::from_str(text).map_err(invalid)?;
        merge(&mut table, overrides);
        settings = Settings::deserialize(table).map_err(|error| ConfigError::Environment(error.to_string()))?;
    }
    let faults: Vec<String> = settings.faults().into_iter().map(|fault| format!("{file}: {fault}")).collect();
    if faults.is_empty() { Ok(settings) } else { Err(ConfigError::Faults(faults)) }
}

impl Settings {
    fn faults(&self) -> Vec<String> {
        let mut faults =
            [self.taxii.faults(), self.tls.faults(), self.limits.faults(), self.fallback.faults()].concat();
        let no_url = self.server.public_url.is_none() && self.server.hosts.is_empty();
        if no_url {
            faults.push(
                "server.hosts is empty: name the host that clients connect to, or set server.public_url".to_owned(),
            );
        }
        let no_fallback_url =
            self.fallback.listen.is_some() && self.fallback.public_url.is_none() && self.server.hosts.is_empty();
        if no_fallback_url {
            faults.push(
                "server.hosts is empty, and fallback.listen is set: name the host that clients connect to, or set \
                 fallback.public_url"
                    .to_owned(),
            );
        }
        let urls = [("server.public_url", &self.server.public_url), ("fallback.public_url", &self.fallback.public_url)];
        for (name, url) in urls {
            if let Some(url) = url.as_deref().filter(|url| !is_base_url(url)) {
                faults.push(format!("{name} is {url:?}: it is https:// and a host, with nothing after the port"));
            }
        }
        let body = self.taxii.max_content_length.max(self.taxii.page_octets as u64);
        let octets = self.limits.octets_in_flight_per_credential;
        if octets > 0 && (octets as u64) < body {
            faults.push(format!(
                "limits.octets_in_flight_per_credential is at least {body}, which one body or page may have, or 0"
            ));
        }
        faults
    }

    /// What absolute URLs begin with, once the port listened on is known.
    pub fn public_url(&self, port: u16) -> String {
        self.server.public_url.clone().unwrap_or_else(|| self.url_at(port))
    }

    /// The same for who comes by the fallback listener.
    pub fn fallback_url(&self, port: u16) -> String {
        self.fallback.public_url.clone().unwrap_or_else(|| self.url_at(port))
    }

    fn url_at(&self, port: u16) -> String {
        let host = self.server.hosts.first().map_or("localhost", String::as_str);
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        format!("https://{host}:{port}")
    }
}

fn is_base_url(url: &str) -> bool {
    let rest = url.strip_prefix("https://").map(|rest| rest.trim_end_matches('/'));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['/', '?', '#', '@', ' ']))
}

/// The variables that override settings, as a table.
fn overrides(environment: impl Iterator<Item = (String, String)>) -> Result<toml::Table, ConfigError> {
    let mut table = toml::Table::new();
    for (name, value) in environment {
        let Some(path) = name.strip_prefix(PREFIX) else { continue };
        let Some((section, key)) = path.split_once("__") else {
            return Err(ConfigError::Environment(format!("{name} names no section and key: {PREFIX}SECTION__KEY")));
        };
        // What reads as a number, a boolean or a list is one; anything else is a text.
        let value = value.parse::<toml::Value>().unwrap_or(toml::Value::String(value));
        let section = table.entry(section.to_lowercase()).or_insert_with(|| toml::Table::new().into());
        if let toml::Value::Table(section) = section {
            section.insert(key.to_lowercase(), value);
        }
    }
    Ok(table)
}

fn merge(base: &mut toml::Table, overrides: toml::Table) {
    for (name, value) in overrides {
        match (base.get_mut(&name), value) {
            (Some(toml::Value::Table(base)), toml::Value::Table(section)) => merge(base, section),
            (_, value) => drop(base.insert(name, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, environment: &[(&str, &str)]) -> Result<Settings, String> {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        parse("entente.toml", text, environment).map_err(|error| error.to_string())
    }

    const HOST: &str = "[server]\nhosts = [\"taxii.example\"]\n";

    #[test]
    fn a_file_with_a_host_is_enough() {
        let settings = load(HOST, &[]).unwrap();
        assert_eq!(settings.taxii, exchange::Settings::default());
        assert_eq!(settings.public_url(6443), "https://taxii.example:6443");
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let error = load(&format!("{HOST}[taxii]\npage_sise = 7\n"), &[]).unwrap_err();
        assert!(error.contains("line 4") && error.contains("page_sise") && error.contains("page_size"), "{error}");
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_can() {
        for (text, expected) in [
            ("[server]\nhosts = 7", "line 2"),
            ("[server]\nhosts = []", "server.hosts is empty"),
            ("[server]\nhosts = [\"a\"]\nops = \"0.0.0.0:6480\"", "no loopback address"),
            ("[server]\nhosts = [\"a\"]\nlisten = \"localhost\"", "line 3"),
            ("[server]\npublic_url = \"http://a\"", "server.public_url"),
            ("[server]\npublic_url = \"https://a/b\"", "server.public_url"),
            ("[server]\nhosts = [\"a\"]\n[taxii]\npage_size = 0", "taxii.page_size is at least 1"),
            ("[server]\nhosts = [\"a\"]\n[taxii]\nkeep_status_hours = 1", "at least 24"),
            ("[server]\nhosts = [\"a\"]\nhosts = [\"b\"]", "line 3"),
            ("[limits]\nbody_seconds = -1", "line 2"),
            ("[limits]\noctets_in_flight_per_credential = 1000", "at least 104857600"),
            ("[server]\npublic_url = \"https://a\"\n[fallback]\nlisten = \"127.0.0.1:1\"", "set fallback.public_url"),
            ("[fallback]\npublic_url = \"a\"", "fallback.public_url"),
            ("[fallback]\nheader = \"Host\"", "fallback.header"),
            ("[fallback]\nheaders = \"X\"", "line 2"),
            ("[tls]\nversions = \"1.1\"", "line 2"),
            ("[server]\nhosts = [\"a\"]\n[tls]\nmax_intermediates = 7", "at most 6"),
        ] {
            let error = load(text, &[]).unwrap_err();
            assert!(error.contains(expected), "{text}\n{error}");
        }
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let settings = load(
            HOST,
            &[
                ("ENTENTE__TAXII__PAGE_SIZE", "7"),
                ("ENTENTE__TAXII__EMPTY_OBJECTS", "true"),
                ("ENTENTE__SERVER__PUBLIC_URL", "https://b"),
                ("PATH", "/bin"),
            ],
        )
        .unwrap();
        assert_eq!((settings.taxii.page_size, settings.taxii.empty_objects), (7, true));
        assert_eq!(settings.public_url(1), "https://b");
        assert_eq!(settings.server.hosts, ["taxii.example"]);
        assert!(load(HOST, &[("ENTENTE__TAXII__PAGE_SISE", "7")]).is_err());
        assert!(load(HOST, &[("ENTENTE__PAGE_SIZE", "7")]).is_err());
    }
}
