//! Negotiation of what an answer looks like: content codings (RFC 9110 §12.5.3), and whether the caller has it
//! already (§13.1.2).

use crate::exchange::Coding;

/// The coding that a caller with these `Accept-Encoding` lines is answered with: of those that it rates
/// highest, zstd before gzip before none. One that is not named is not used, but gzip for `*`. A caller who
/// takes nothing that there is gets no coding.
pub(super) fn wanted<'h>(lines: impl Iterator<Item = &'h str>) -> Coding {
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
    best.map_or(Coding::Identity, |(coding, _)| coding)
}

/// A coding's name, and its quality in thousandths. `None` if it is malformed.
fn rated(element: &str) -> Option<(String, u16)> {
    let (name, parameters) = element.split_once(';').unwrap_or((element, "q=1"));
    let value = parameters.trim().strip_prefix(['q', 'Q'])?.trim_start().strip_prefix('=')?;
    let quality: f32 = value.trim().parse().ok().filter(|quality| (0.0..=1.0).contains(quality))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and 1000")]
    Some((name.trim().to_ascii_lowercase(), (quality * 1000.0) as u16))
}

/// Whether a caller with these `If-None-Match` lines has what this entity tag names.
pub(super) fn has<'h>(mut lines: impl Iterator<Item = &'h str>, tag: &str) -> bool {
    let is_it = |one: &str| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag;
    lines.any(|line| line.split(',').any(|one| is_it(one.trim())))
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
            assert_eq!(wanted(lines.iter().copied()), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_tag_is_known_in_any_list_and_only_whole() {
        for (lines, expected) in [
            (&["\"a\""][..], true),
            (&["W/\"a\""], true),
            (&["\"b\", \"a\""], true),
            (&["\"b\"", " \"a\" "], true),
            (&["*"], true),
            (&["a"], false),
            (&["\"A\""], false),
            (&["\"a-gzip\""], false),
            (&["w/\"a\""], false),
            (&["\"*\""], false),
            (&[""], false),
            (&[], false),
        ] {
            assert_eq!(has(lines.iter().copied(), "\"a\""), expected, "{lines:?}");
        }
    }
}
