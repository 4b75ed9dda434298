//! Media types and their negotiation (TAXII 2.1 §1.6.8, §3.1; RFC 9110 §12.5.1).

use crate::stix::head::Spec;

/// The media type of every response, to the octet: clients compare it token by token.
pub const TAXII: &str = "application/taxii+json;version=2.1";

/// The media type of a STIX object.
pub fn stix(spec: Spec) -> &'static str {
    match spec {
        Spec::V20 => "application/stix+json;version=2.0",
        Spec::V21 => "application/stix+json;version=2.1",
    }
}

/// Whether a caller with these `Accept` header lines can be answered with [`TAXII`].
///
/// No range at all accepts everything. Otherwise the most specific range that matches
/// decides, and its quality must not be 0. A STIX range is served too: the endpoint
/// tables of the standard list it for the manifest (TAXII 2.1 §5.3).
pub fn accepts<'h>(lines: impl Iterator<Item = &'h str>) -> bool {
    let ranges: Vec<MediaType> = lines.flat_map(|line| split_outside_quotes(line, ',')).map(MediaType::parse).collect();
    if ranges.iter().all(MediaType::is_blank) {
        return true;
    }
    let matching = || ranges.iter().filter_map(|range| range.specificity().map(|how| (how, range)));
    let Some(best) = matching().map(|(how, _)| how).max() else { return false };
    matching().any(|(how, range)| how == best && !range.is_excluded())
}

/// What a request body claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// `application/taxii+json`, of version 2.1 or of no version.
    Taxii,
    /// What pushers send that is not what the standard asks for: STIX's own types, plain JSON.
    Stix,
    /// Anything else, and nothing.
    Other,
}

/// Reads a `Content-Type` header.
pub fn content(header: &str) -> Content {
    let media_type = MediaType::parse(header);
    match (media_type.name.as_str(), media_type.version.as_deref()) {
        ("application/taxii+json", None | Some("2.1")) => Content::Taxii,
        ("application/stix+json" | "application/vnd.oasis.stix+json", None | Some("2.0" | "2.1"))
        | ("application/json", _) => Content::Stix,
        _ => Content::Other,
    }
}

/// A media type or range with the parameters that matter; names in lower case.
struct MediaType {
    name: String,
    version: Option<String>,
    quality: Option<String>,
}

impl MediaType {
    fn parse(text: &str) -> Self {
        let mut parts = split_outside_quotes(text, ';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let mut this = Self { name, version: None, quality: None };
        for (parameter, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"').to_owned();
            match parameter.trim().to_ascii_lowercase().as_str() {
                "version" => this.version = Some(value),
                "q" => this.quality = Some(value),
                _ => {}
            }
        }
        this
    }

    fn is_blank(&self) -> bool {
        self.name.is_empty()
    }

    /// How exactly this range names what we send; `None` if it does not.
    fn specificity(&self) -> Option<u8> {
        match (self.name.as_str(), self.version.as_deref()) {
            ("application/taxii+json" | "application/stix+json", Some("2.1")) => Some(3),
            ("application/taxii+json" | "application/stix+json", None) => Some(2),
            ("application/*", _) => Some(1),
            ("*/*", _) => Some(0),
            _ => None,
        }
    }

    fn is_excluded(&self) -> bool {
        let quality = self.quality.as_deref().map(str::parse::<f32>);
        matches!(quality, Some(Ok(quality)) if quality <= 0.0)
    }
}

/// The parts of a header value between separators that are not inside a quoted string.
fn split_outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        c == separator && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(accept: &[&str], expected: bool) {
        assert_eq!(accepts(accept.iter().copied()), expected, "{accept:?}");
    }

    #[test]
    fn what_names_taxii_2_1_or_does_not_mind_is_served() {
        for accept in [
            "",
            "*/*",
            "application/*",
            "application/taxii+json",
            "application/taxii+json;version=2.1",
            "application/taxii+json; version=2.1",
            "text/html;q=0.5, Application/TAXII+JSON ; Version=\"2.1\";q=0.9",
            "application/taxii+json;version=3.0, application/taxii+json;version=2.1",
            "application/taxii+json;version=2.1,application/stix+json;version=2.1",
            "application/stix+json;version=2.1",
            "application/json, text/plain, */*",
            "application/taxii+json;version=2.1;charset=utf-8",
            "application/taxii+json;q=0, application/taxii+json;version=2.1",
        ] {
            check(&[accept], true);
        }
        check(&[], true);
        check(&["text/html", "application/taxii+json"], true);
    }

    #[test]
    fn what_names_only_other_things_is_not() {
        for accept in [
            "application/taxii+json;version=2.0",
            "application/vnd.oasis.taxii+json;version=2.0",
            "application/vnd.oasis.taxii+json",
            "application/xml",
            "text/*",
            "application/taxii+json;q=0",
            "application/taxii+json;q=0.0, */*",
            "*/*;q=0",
            "garbage",
            "\"",
        ] {
            check(&[accept], false);
        }
    }

    #[test]
    fn a_body_is_known_by_its_type_however_it_is_spelt() {
        for (header, expected) in [
            ("application/taxii+json;version=2.1", Content::Taxii),
            ("Application/Taxii+JSON ; version=\"2.1\" ; charset=utf-8", Content::Taxii),
            ("application/taxii+json", Content::Taxii),
            ("application/taxii+json;version=2.0", Content::Other),
            ("application/stix+json; version=2.1", Content::Stix),
            ("application/json", Content::Stix),
            ("text/plain", Content::Other),
            ("", Content::Other),
        ] {
            assert_eq!(content(header), expected, "{header}");
        }
    }
}
