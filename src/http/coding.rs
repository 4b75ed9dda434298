//! Negotiation of what an answer looks like: content codings (RFC 9110 §12.5.3), and whether the caller has it
//! already (§13.1.2).

use crate::exchange::Coding;

/// What a caller likes best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Liked {
    pub(super) coding: Coding,
    /// Whether it takes no page that has no coding.
    pub(super) nothing_else: bool,
}

/// The coding that a caller with these `Accept-Encoding` lines is answered with: of those that it rates
/// highest, zstd before gzip before none. One that is not named is not used, but gzip for `*`. A caller who
/// takes nothing that there is gets no coding.
pub(super) fn liked<'h>(lines: impl Iterator<Item = &'h str>) -> Liked {
    let (mut zstd, mut gzip, mut identity, mut other) = (None, None, None, None);
    for (name, quality) in lines.flat_map(|line| line.split(',')).filter_map(rated) {
        match name.as_str() {
            "zstd" => zstd = Some(quality),
            "gzip" | "x-gzip" => gzip = Some(quality),
            "identity" => identity = Some(quality),
            "*" => other = Some(quality),
            _ => {}
        }
    }
    let rated = [
        // Whoever does not say how it likes no coding takes it if need be.
        (Coding::Identity, identity.unwrap_or_default()),
        (Coding::Gzip, gzip.or(other).unwrap_or_default()),
        (Coding::Zstd, zstd.unwrap_or_default()),
    ];
    let best = rated.into_iter().max_by_key(|(_, quality)| *quality).filter(|(_, quality)| *quality > 0);
    let coding = best.map_or(Coding::Identity, |(coding, _)| coding);
    Liked { coding, nothing_else: coding != Coding::Identity && identity.or(other) == Some(0) }
}

/// A coding's name, and its quality in thousandths. `None` if it is malformed.
fn rated(element: &str) -> Option<(String, u16)> {
    let (name, parameters) = element.split_once(';').unwrap_or((element, "q=1"));
    let value = parameters.trim().strip_prefix(['q', 'Q'])?.trim_start().strip_prefix('=')?;
    let quality: f32 = value.trim().parse().ok().filter(|quality| (0.0..=1.0).contains(quality))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and 1000")]
    Some((name.trim().to_ascii_lowercase(), (quality * 1000.0) as u16))
}

/// What a caller has, by its `If-None-Match` lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Has {
    /// What the entity tag names.
    It,
    /// It does not say (`*`), and wants nothing if there is anything.
    Any,
    /// Something else, or nothing.
    Another,
}

/// Whether a caller with these `If-None-Match` lines has what this entity tag names.
pub(super) fn has<'h>(lines: impl Iterator<Item = &'h str>, tag: &str) -> Has {
    let mut has = Has::Another;
    for one in lines.flat_map(|line| line.split(',')).map(str::trim) {
        if one.strip_prefix("W/").unwrap_or(one) == tag {
            return Has::It;
        }
        if one == "*" {
            has = Has::Any;
        }
    }
    has
}

#[cfg(test)]
mod tests {
    use super::*;
    use Coding::{Gzip, Identity, Zstd};

    #[test]
    fn the_caller_says_which_coding_it_likes_and_the_server_which_of_those() {
        for (lines, expected) in [
            (&[][..], Identity),
            (&[""], Identity),
            (&["gzip"], Gzip),
            (&["gzip, deflate"], Gzip),
            (&["x-gzip"], Gzip),
            (&["gzip, deflate, br, zstd"], Zstd),
            (&["GZIP;Q=1.0 , ZSTD ; q = 0.999"], Gzip),
            (&["gzip;q=0.5", "zstd;q=0.5"], Zstd),
            (&["zstd;q=0, gzip;q=0.001"], Gzip),
            (&["gzip;q=0.5, identity;q=0.6"], Identity),
            (&["gzip, identity"], Gzip),
            (&["gzip;q=0"], Identity),
            (&["*"], Gzip),
            (&["*;q=0"], Identity),
            (&["gzip;q=0, *"], Identity),
            (&["identity;q=0, *"], Gzip),
            (&["identity;q=0"], Identity),
            (&["br"], Identity),
            (&["gzip;q=2, zstd;q=x, deflate;q"], Identity),
            (&["gzip;level=1"], Identity),
            (&[",,gzip,,"], Gzip),
        ] {
            assert_eq!(liked(lines.iter().copied()).coding, expected, "{lines:?}");
        }
    }

    #[test]
    fn who_takes_nothing_plain_says_so() {
        for (line, expected) in [
            ("gzip, identity;q=0", true),
            ("zstd, *;q=0", true),
            ("gzip, identity;q=0.001, *;q=0", false),
            ("gzip", false),
            ("identity;q=0", false),
        ] {
            assert_eq!(liked([line].into_iter()).nothing_else, expected, "{line}");
        }
    }

    #[test]
    fn a_tag_is_known_in_any_list_and_only_whole() {
        for (lines, expected) in [
            (&["\"a\""][..], Has::It),
            (&["W/\"a\""], Has::It),
            (&["\"b\", \"a\""], Has::It),
            (&["\"b\"", " \"a\" "], Has::It),
            (&["*, \"a\""], Has::It),
            (&["*"], Has::Any),
            (&["a"], Has::Another),
            (&["\"A\""], Has::Another),
            (&["\"a-gzip\""], Has::Another),
            (&["w/\"a\""], Has::Another),
            (&["\"*\""], Has::Another),
            (&[""], Has::Another),
            (&[], Has::Another),
        ] {
            assert_eq!(has(lines.iter().copied(), "\"a\""), expected, "{lines:?}");
        }
    }
}
