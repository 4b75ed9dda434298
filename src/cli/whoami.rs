//! `entente whoami`: what a server knows about its caller, asked from the caller's side.

use super::{Failure, say, say_json};
use crate::http::client::{self, Answer, Proof};
use clap::Args;
use serde_json::Value;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(super) struct Whoami {
    /// Where the server is: https://HOST:PORT.
    url: String,
    /// Your certificate in PEM, and the intermediates after it.
    #[arg(long, value_name = "FILE", requires = "key", required_unless_present = "secret")]
    cert: Option<PathBuf>,
    /// Its private key in PEM.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// The CA of the server's certificate in PEM. Absent: the CAs that this system trusts.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// A file with your secret, for the fallback listener; - is standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["cert", "key"])]
    secret: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Whoami {
    pub(super) fn run(self) -> Result<(), Failure> {
        let secret = self.secret.as_deref().map(read_secret).transpose()?;
        let proof = match (&secret, &self.cert, &self.key) {
            (Some(secret), _, _) => Proof::Secret(secret),
            (None, Some(cert), Some(key)) => Proof::Certificate(cert, key),
            _ => return Err(Failure::new("name your certificate with --cert and --key, or your secret with --secret")),
        };
        let Answer { status, body } = client::get(&self.url, "/x-entente/whoami", self.ca.as_deref(), proof)?;
        let body = serde_json::from_slice::<Value>(&body).unwrap_or_default();
        match status {
            200 if !is_whoami(&body) => Err(Failure::new(
                "the server answers 200, and not with what Entente knows about you: does the URL name an Entente \
                 server, with no other one before it?",
            )),
            200 if self.json => say_json(&body),
            200 => say(&in_text(&body)),
            404 => Err(Failure::new("the server has no /x-entente/whoami: it is no Entente, or an old one")),
            _ => {
                let reason = body["description"].as_str().unwrap_or("it does not say why");
                Err(Failure::new(format!("the server answers {status}: {reason}")))
            }
        }
    }
}

fn read_secret(file: &Path) -> Result<String, Failure> {
    let octets = super::files::read(file)?;
    let text = std::str::from_utf8(&octets).map(str::trim).unwrap_or_default();
    if text.is_empty() || !text.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Err(Failure::new(format!(
            "{}: holds no secret: it is one line, as `secret add` printed it",
            file.display()
        )));
    }
    Ok(text.to_owned())
}

/// Whether this is the resource.
fn is_whoami(body: &Value) -> bool {
    body["organisation"]["name"].is_string()
        && body["credential"]["fingerprint"].is_string()
        && body["collections"].is_array()
}

/// The resource for people.
fn in_text(whoami: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let (organisation, credential) = (&whoami["organisation"], &whoami["credential"]);
    let mut lines = vec![
        format!("organisation  {} ({})", text(&organisation["name"]), text(&organisation["title"])),
        format!("credential    {} {}", text(&credential["kind"]), text(&credential["fingerprint"])),
        format!("known by      {}", text(&credential["rule"])),
    ];
    if let Some(subject) = whoami["certificate"]["subject"].as_str() {
        lines.push(format!("certificate   {subject}"));
    }
    lines.push(match whoami["days_left"].as_i64() {
        Some(days) => format!("ends          {} ({days} days left)", text(&whoami["not_after"])),
        None => "ends          never".to_owned(),
    });
    lines.push(format!("listener      {}", text(&whoami["listener"])));
    for (name, count) in whoami["limits"].as_object().into_iter().flatten() {
        let unlimited = count == 0;
        lines.push(format!("limit         {name} {}", if unlimited { "-".to_owned() } else { count.to_string() }));
    }
    for collection in whoami["collections"].as_array().into_iter().flatten() {
        let name = collection["alias"].as_str().unwrap_or_default();
        lines.push(format!(
            "/{}/  {}  {name}  {:?}",
            text(&collection["api_root"]),
            text(&collection["id"]),
            text(&collection["title"])
        ));
        let rights = ["read", "write", "manage", "relay"];
        let has = |right: &&str| collection[format!("can_{right}").as_str()] == true;
        let rights: Vec<&str> = rights.into_iter().filter(has).collect();
        let up_to = collection["level"].as_str().map_or_else(String::new, |level| format!(", up to {level}"));
        let rights = if rights.is_empty() { "nothing".to_owned() } else { rights.join(", ") };
        lines.push(format!("  may {rights}{up_to}: {}", text(&collection["why"])));
    }
    if whoami["collections"].as_array().is_none_or(Vec::is_empty) {
        lines.push("no collection: ask the operator of the server for a grant".to_owned());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_the_resource_is_told_from_it() {
        let whole = json!({"organisation": {"name": "a"}, "credential": {"fingerprint": "0"}, "collections": []});
        assert!(is_whoami(&whole));
        for other in [Value::Null, json!({}), json!([]), json!("x"), json!({"organisation": {"name": "a"}})] {
            assert!(!is_whoami(&other), "{other}");
        }
    }
}
