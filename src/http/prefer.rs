//! What a caller would like (RFC 7240): of all preferences, for how long it would wait.

/// Nobody waits longer, in seconds: proxies and clients give up on answers that take a minute or two.
const MOST: u64 = 60;

/// For how many seconds a caller with these `Prefer` lines would wait, as far as that counts. If it says so
/// more than once, the first counts (§2); what is malformed is passed over, as a preference is never an error.
pub(super) fn wait<'h>(lines: impl Iterator<Item = &'h str>) -> Option<u64> {
    let mut preferences = lines.flat_map(|line| parts(line, ',')).map(named);
    let (_, value) = preferences.find(|(name, _)| name.eq_ignore_ascii_case("wait"))?;
    let digits = word(value)?;
    let is_number = !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit());
    // A number that is too long for this is larger than any that counts.
    is_number.then(|| digits.parse().unwrap_or(MOST).min(MOST))
}

/// Name and value of a preference, whatever parameters it has.
fn named(preference: &str) -> (&str, &str) {
    let own = parts(preference, ';').next().unwrap_or_default();
    let (name, value) = own.split_once('=').unwrap_or((own, ""));
    (trimmed(name), trimmed(value))
}

/// The parts of a text between separators that are in no quoted string.
fn parts(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => return c == separator && !quoted,
        }
        false
    })
}

/// A token, or what a quoted string says (RFC 9110 §5.6.4); `None` if that does not end.
fn word(value: &str) -> Option<String> {
    let Some(rest) = value.strip_prefix('"') else { return Some(value.to_owned()) };
    let mut said = String::new();
    let mut rest = rest.chars();
    while let Some(c) = rest.next() {
        match c {
            '"' => return rest.as_str().is_empty().then_some(said),
            '\\' => said.push(rest.next()?),
            _ => said.push(c),
        }
    }
    None
}

fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_well_formed_wait_counts_and_nothing_is_an_error() {
        for (lines, expected) in [
            (&[][..], None),
            (&[""], None),
            (&["wait=10"], Some(10)),
            (&["WAIT=10"], Some(10)),
            (&["wait=0"], Some(0)),
            (&["wait=60"], Some(60)),
            (&["wait=61"], Some(60)),
            (&["wait=99999999999999999999999999"], Some(60)),
            (&["wait=007"], Some(7)),
            // BWS, and quoted strings.
            (&["wait = 10"], Some(10)),
            (&["\twait\t=\t10\t"], Some(10)),
            (&["wait=\"10\""], Some(10)),
            (&["wait = \"1\\0\""], Some(10)),
            // Parameters say nothing here.
            (&["wait=10; foo=1"], Some(10)),
            (&["wait=10;wait=20"], Some(10)),
            (&["foo;wait=20"], None),
            (&["foo; bar=\";\" , wait=5"], Some(5)),
            // Lists, and lines.
            (&["respond-async, wait=10"], Some(10)),
            (&["respond-async", "return=minimal", "wait=10"], Some(10)),
            (&["wait=10, wait=20"], Some(10)),
            (&["wait=10", "wait=20"], Some(10)),
            (&[",, ,wait=3,"], Some(3)),
            (&["foo=\"a, wait=20\", wait=5"], Some(5)),
            (&["foo=\"\\\", wait=20\", wait=5"], Some(5)),
            // The first is malformed, and still the first.
            (&["wait=x, wait=10"], None),
            (&["wait", "wait=10"], None),
            // Malformed.
            (&["wait"], None),
            (&["wait="], None),
            (&["wait=\"\""], None),
            (&["wait=-1"], None),
            (&["wait=+1"], None),
            (&["wait=1.5"], None),
            (&["wait=10s"], None),
            (&["wait=1 0"], None),
            (&["wait=\"10"], None),
            (&["wait=\"10\"x"], None),
            (&["wait=\"10\\"], None),
            (&["wait=\u{0661}"], None),
            (&["foo=\", wait=5"], None),
            (&["waits=10", "wait10", "x-wait=5", "=5"], None),
            (&["?"], None),
        ] {
            assert_eq!(wait(lines.iter().copied()), expected, "{lines:?}");
        }
    }
}
