//! Constants (STIX 2.1 §9.2): from a token to a value, or what the token should have been.

use super::lexer::{Kind, Token};
use super::syntax::Constant;
use crate::stix::timestamp::Timestamp;

/// The greatest integer of STIX, 2^53-1; its negative is the least (§2.10).
pub(super) const MAX_INTEGER: i64 = (1 << 53) - 1;

/// Reads any constant but a set. The fault is what was expected.
pub(super) fn constant(token: Token<'_>) -> Result<Constant, &'static str> {
    match token.kind {
        Kind::String => Ok(Constant::String(unquoted(token.text))),
        Kind::Integer => integer(token.text).map(Constant::Integer),
        Kind::Float => float(token.text).map(Constant::Float),
        Kind::Hex => hex(body(token.text)).map(Constant::Hex),
        Kind::Binary => binary(body(token.text)).map(Constant::Binary),
        Kind::Timestamp => timestamp(body(token.text)).map(Constant::Timestamp),
        Kind::Word if token.text == "true" => Ok(Constant::Boolean(true)),
        Kind::Word if token.text == "false" => Ok(Constant::Boolean(false)),
        _ => Err("a constant such as 'text', 8, 7.5, true, h'ffd8', b'ABI=' or t'2025-02-26T00:00:00Z'"),
    }
}

/// The type of a constant (§9.2).
pub(super) fn kind(constant: &Constant) -> &'static str {
    match constant {
        Constant::Boolean(_) => "boolean",
        Constant::Integer(_) => "integer",
        Constant::Float(_) => "float",
        Constant::String(_) => "string",
        Constant::Binary(_) => "binary",
        Constant::Hex(_) => "hex",
        Constant::Timestamp(_) => "timestamp",
    }
}

/// What a string token means: the quotes go, and the backslash before an apostrophe or another backslash.
pub(super) fn unquoted(token: &str) -> String {
    let body = token.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap_or(token);
    let mut text = String::with_capacity(body.len());
    let mut chars = body.chars();
    while let Some(char) = chars.next() {
        text.push(if char == '\\' { chars.next().unwrap_or(char) } else { char });
    }
    text
}

/// What stands between the quotes of `x'…'`.
fn body(token: &str) -> &str {
    token.get(2..).and_then(|rest| rest.strip_suffix('\'')).unwrap_or_default()
}

/// In the range of STIX integers.
pub(super) fn integer(token: &str) -> Result<i64, &'static str> {
    let value: Option<i64> = whole(token)?.parse().ok();
    value.filter(|value| value.abs() <= MAX_INTEGER).ok_or("an integer from -9007199254740991 to 9007199254740991")
}

/// The token, if its digits begin with no needless zero.
pub(super) fn whole(token: &str) -> Result<&str, &'static str> {
    let digits = token.strip_prefix(['+', '-']).unwrap_or(token);
    if digits.len() > 1 && digits.starts_with('0') { Err("a number without leading zeros") } else { Ok(token) }
}

/// What a double-precision number can hold (§2.6).
pub(super) fn float(token: &str) -> Result<f64, &'static str> {
    let value: Option<f64> = token.parse().ok();
    value.filter(|value| value.is_finite()).ok_or("a number that fits into double precision")
}

/// RFC 3339 in UTC, a day and a time that exist.
fn timestamp(body: &str) -> Result<Timestamp, &'static str> {
    Timestamp::parse(body).ok_or("a timestamp such as t'2025-02-26T00:00:00.000Z', a day that exists, in UTC")
}

fn hex(body: &str) -> Result<String, &'static str> {
    let well_formed = body.len().is_multiple_of(2) && body.bytes().all(|b| b.is_ascii_hexdigit());
    well_formed.then(|| body.to_owned()).ok_or("an even number of hexadecimal digits, as in h'ffd8'")
}

/// Base64 (RFC 4648 §4) in groups of four, the last one padded with `=`. May be empty (§10 there).
fn binary(body: &str) -> Result<String, &'static str> {
    let data = body.strip_suffix("==").or_else(|| body.strip_suffix('=')).unwrap_or(body);
    let alphabet = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
    let well_formed = body.len().is_multiple_of(4) && data.bytes().all(alphabet);
    well_formed.then(|| body.to_owned()).ok_or("base64 in groups of four characters, as in b'ABI='")
}

#[cfg(test)]
mod tests {
    use super::super::lexer::Lexer;
    use super::*;

    fn read(text: &str) -> Result<Constant, &'static str> {
        constant(Lexer::new(text).next().unwrap())
    }

    #[test]
    fn constants_mean_what_they_say() {
        for (text, value) in [
            ("true", Constant::Boolean(true)),
            ("false", Constant::Boolean(false)),
            ("0", Constant::Integer(0)),
            ("-0", Constant::Integer(0)),
            ("+8", Constant::Integer(8)),
            ("-21", Constant::Integer(-21)),
            ("9007199254740991", Constant::Integer(MAX_INTEGER)),
            ("-9007199254740991", Constant::Integer(-MAX_INTEGER)),
            ("8.321", Constant::Float(8.321)),
            ("+00.5", Constant::Float(0.5)),
            ("-.5", Constant::Float(-0.5)),
            ("''", Constant::String(String::new())),
            (r"'it\'s C:\\\\'", Constant::String(r"it's C:\\".into())),
            ("'ü\n'", Constant::String("ü\n".into())),
            ("b''", Constant::Binary(String::new())),
            ("b'ABI='", Constant::Binary("ABI=".into())),
            ("b'+/AB+A=='", Constant::Binary("+/AB+A==".into())),
            ("h''", Constant::Hex(String::new())),
            ("h'FFc3'", Constant::Hex("FFc3".into())),
            ("t'2014-01-13T07:03:17Z'", Constant::Timestamp(Timestamp::parse("2014-01-13T07:03:17Z").unwrap())),
            ("t'2024-02-29T23:59:60.0123456789Z'", {
                Constant::Timestamp(Timestamp::parse("2024-02-29T23:59:60.0123456789Z").unwrap())
            }),
        ] {
            assert_eq!(read(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_is_no_constant_says_what_it_should_be() {
        for (text, expected) in [
            ("True", "a constant"),
            ("TRUE", "a constant"),
            ("]", "a constant"),
            ("", "a constant"),
            ("01", "leading zeros"),
            ("-00", "leading zeros"),
            ("9007199254740992", "an integer from"),
            ("-9007199254740992", "an integer from"),
            ("99999999999999999999999999", "an integer from"),
            ("h'0'", "hexadecimal"),
            ("h'0g'", "hexadecimal"),
            ("h'é'", "hexadecimal"),
            ("b'A'", "base64"),
            ("b'AA'", "base64"),
            ("b'A==='", "base64"),
            ("b'===='", "base64"),
            ("b'AA=A'", "base64"),
            ("b'AB-_'", "base64"),
            ("b'AA== '", "base64"),
            ("t''", "timestamp"),
            ("t'2014-01-13'", "timestamp"),
            ("t'2023-02-29T00:00:00Z'", "timestamp"),
            ("t'2024-01-01T24:00:00Z'", "timestamp"),
            ("t'2024-01-01T00:00:00+00:00'", "timestamp"),
            ("t'2024-01-01T00:00:00.Z'", "timestamp"),
        ] {
            assert!(read(text).is_err_and(|wrong| wrong.contains(expected)), "{text}: {:?}", read(text));
        }
        assert!(read(&format!("{}.0", "9".repeat(400))).is_err());
    }
}
