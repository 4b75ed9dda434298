//! The fallback listener: for clients that cannot present a certificate. Off unless the operator
//! names an address for it. The section `[fallback]` of the configuration.
//!
//! It has a port, threads and rules of TLS of its own; behind them are the same door, routes and
//! handlers. Who comes this way shows a secret with each request: as password (`Basic`, whatever
//! the user; or as user with no password), as `Bearer` or `Token`, or in a header that the operator
//! chose. It may what its organisation may, as far as the secret goes.
//!
//! Whatever is shown, the work is the same: one hash, compared with every registered secret. A
//! good secret is let in also where others have failed too often: addresses of clouds are shared,
//! and nobody guesses 256 bits.

use super::Door;
use super::error::Problem;
use crate::access::proof::secret;
use crate::clock::stopwatch;
use crate::exchange::{NotSignedIn, Session};
use actix_http::RequestHead;
use actix_http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// Where it listens, and what for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Its address. Absent: there is no such listener.
    pub listen: Option<SocketAddr>,
    /// A header that may carry a secret, such as `X-API-Key`. Absent: `Authorization` only.
    pub header: Option<String>,
    /// What absolute URLs begin with for who comes this way. Absent: `https://`, the first host, and its port.
    pub public_url: Option<String>,
}

impl Settings {
    /// What is wrong with them, each with what is allowed.
    pub fn faults(&self) -> Vec<String> {
        let odd = self.header.as_deref().filter(|name| header_name(name).is_none());
        odd.map(|name| format!("fallback.header is {name:?}: name a header of its own, such as X-API-Key"))
            .into_iter()
            .collect()
    }

    pub(super) fn secret_header(&self) -> Option<HeaderName> {
        self.header.as_deref().and_then(header_name)
    }
}

/// Names that mean something else already.
const TAKEN: [&str; 33] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "from",
    "host",
    "keep-alive",
    "origin",
    "pragma",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "referer",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    // The audit trail has it.
    "user-agent",
    "via",
    "warning",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

fn header_name(text: &str) -> Option<HeaderName> {
    HeaderName::from_bytes(text.as_bytes()).ok().filter(|name| !TAKEN.contains(&name.as_str()))
}

/// What a request shows.
#[derive(Debug, PartialEq, Eq)]
enum Shown {
    Nothing,
    One(String),
    /// Different ones: it cannot be told who is meant.
    Several,
}

/// Signs in who shows a secret with this request, and gives its hash.
pub(super) fn sign_in(door: &Door, head: &RequestHead, address: SocketAddr) -> Result<(Session, [u8; 32]), Problem> {
    let shown = shown(&head.headers, door.secret_header.as_ref());
    // No secret is the empty text, so this finds nobody where nothing, or too much, was shown.
    let hash = secret::hash(if let Shown::One(text) = &shown { text } else { "" });
    let (reason, whose) = match (door.exchange.sign_in_with_secret(&hash, address), &shown) {
        (Ok(session), _) => return Ok((session, hash)),
        (Err(NotSignedIn::Store(error)), _) => return Err(error.into()),
        // Clients ask like this to be told how to sign in: no attempt, no failure.
        (Err(_), Shown::Nothing) => return Err(Problem::no_credentials("no_credentials")),
        (Err(_), Shown::Several) => ("several_credentials", None),
        (Err(refusal), Shown::One(_)) => (refusal.reason(), refusal.whose().cloned().map(Box::new)),
    };
    let counted = door.failures.count(address.ip(), &hash, stopwatch());
    let problem = counted.map_or_else(|reached| door.reached(&reached), |()| Problem::no_credentials(reason));
    Err(Problem { close: true, reason: Some(reason), whose, ..problem })
}

fn shown(headers: &HeaderMap, extra: Option<&HeaderName>) -> Shown {
    let text = |value: &actix_http::header::HeaderValue| value.to_str().unwrap_or("?").trim().to_owned();
    let standard = headers.get_all(AUTHORIZATION).map(|value| credentials(&text(value)));
    let others = extra.into_iter().flat_map(|name| headers.get_all(name)).map(text);
    let mut all: BTreeSet<String> = standard.chain(others).filter(|secret| !secret.is_empty()).collect();
    match (all.pop_first(), all.is_empty()) {
        (None, _) => Shown::Nothing,
        (Some(one), true) => Shown::One(one),
        (Some(_), false) => Shown::Several,
    }
}

/// The secret in the value of an `Authorization` header. What cannot be understood is a text that is no secret.
fn credentials(value: &str) -> String {
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    match scheme.to_ascii_lowercase().as_str() {
        "basic" => basic(rest.trim()).unwrap_or_else(|| format!("?{value}")),
        "bearer" | "token" => rest.trim().to_owned(),
        _ if value.is_empty() => String::new(),
        _ => format!("?{value}"),
    }
}

/// The password of RFC 7617, or the user where that is empty.
fn basic(text: &str) -> Option<String> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let pair = String::from_utf8(LENIENT.decode(text).ok()?).ok()?;
    let (user, password) = pair.split_once(':')?;
    Some(if password.is_empty() { user } else { password }.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_http::header::HeaderValue;

    fn of(lines: &[(&str, &str)]) -> Shown {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        shown(&headers, Some(&HeaderName::from_static("x-api-key")))
    }

    fn one(text: &str) -> Shown {
        Shown::One(text.to_owned())
    }

    #[test]
    fn a_secret_is_found_however_clients_send_it() {
        for value in ["Basic dXNlcjpz", "basic OnM=", "BASIC OnM", "Basic czo=", "Bearer s", "bearer  s ", "Token s"] {
            assert_eq!(of(&[("Authorization", value)]), one("s"), "{value}");
        }
        assert_eq!(of(&[("Authorization", "Basic dTphOmI=")]), one("a:b"));
        assert_eq!(of(&[("X-API-Key", " s ")]), one("s"));
        assert_eq!(of(&[("X-API-Key", "s"), ("Authorization", "Token s"), ("Authorization", "Basic OnM=")]), one("s"));
    }

    #[test]
    fn what_carries_nothing_is_nothing_and_what_differs_is_several() {
        for value in ["", "Basic Og==", "Bearer", "Bearer "] {
            assert_eq!(of(&[("Authorization", value)]), Shown::Nothing, "{value:?}");
        }
        assert_eq!(of(&[("Authorization", "Bearer s"), ("X-API-Key", "t")]), Shown::Several);
        assert_eq!(of(&[("Authorization", "Bearer s"), ("Authorization", "Bearer t")]), Shown::Several);
        assert_eq!(of(&[("X-Other", "s")]), Shown::Nothing);
        for value in ["Digest s", "Basic s", "Basic c3M=", "s", "None"] {
            assert_eq!(of(&[("Authorization", value)]), one(&format!("?{value}")));
        }
    }

    #[test]
    fn a_header_with_a_meaning_of_its_own_carries_no_secret() {
        for (name, good) in
            [("X-API-Key", true), ("Authorization", false), ("User-Agent", false), ("host", false), ("a b", false)]
        {
            let settings = Settings { header: Some(name.to_owned()), ..Settings::default() };
            assert_eq!(settings.faults().is_empty(), good, "{name}");
        }
    }
}
