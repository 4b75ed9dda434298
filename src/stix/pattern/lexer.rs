//! From text to tokens (STIX 2.1 §9.2, §9.3; the lexer rules of the OASIS grammar).
//!
//! A token is a piece of the text. What it means is for the parser to say; only what has no end,
//! and a wrong escape, are faults here.

use super::fault::Fault;

/// What a token is, told by its first characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword, an object type, or a property name.
    Word,
    /// `'…'`
    String,
    /// `h'…'`
    Hex,
    /// `b'…'`
    Binary,
    /// `t'…'`
    Timestamp,
    /// Digits, with a sign or without.
    Integer,
    /// Digits with a decimal point, with a sign or without.
    Float,
    /// An operator, a bracket, or punctuation.
    Symbol,
    /// One character that begins no token.
    Unknown,
    /// The end of the text; its own text is empty.
    End,
}

/// A piece of the pattern.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'p> {
    /// What it is.
    pub(super) kind: Kind,
    /// As it stands in the pattern, quotes and all.
    pub(super) text: &'p str,
    /// Where it begins, in characters, the first being 1.
    pub(super) column: usize,
}

/// The words that are no names. `LAST` has no meaning left, but the OASIS grammar reserves it.
pub(super) const KEYWORDS: [&str; 19] = [
    "AND",
    "OR",
    "NOT",
    "FOLLOWEDBY",
    "LIKE",
    "MATCHES",
    "ISSUPERSET",
    "ISSUBSET",
    "EXISTS",
    "LAST",
    "IN",
    "START",
    "STOP",
    "SECONDS",
    "true",
    "false",
    "WITHIN",
    "REPEATS",
    "TIMES",
];

/// Longer ones first: the longest that fits is the token.
const SYMBOLS: [&str; 16] = ["==", "!=", "<>", "<=", ">=", "=", "<", ">", ":", ".", ",", "(", ")", "[", "]", "*"];

/// The text that is left, and where it begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lexer<'p> {
    rest: &'p str,
    column: usize,
}

impl<'p> Lexer<'p> {
    /// At the beginning of `text`.
    pub(super) fn new(text: &'p str) -> Self {
        Self { rest: text, column: 1 }
    }

    /// The next token; at the end, [`Kind::End`] again and again.
    pub(super) fn next(&mut self) -> Result<Token<'p>, Fault> {
        self.skip()?;
        let (kind, length) = scan(self.rest).map_err(|wrong| self.fault(&wrong))?;
        let column = self.column;
        Ok(Token { kind, text: self.advance(length), column })
    }

    /// White space (Unicode `White_Space`, §9.3) and comments.
    fn skip(&mut self) -> Result<(), Fault> {
        loop {
            let length = if self.rest.starts_with("/*") {
                let end = self.rest.get(2..).and_then(|body| body.find("*/"));
                4 + end.ok_or_else(|| Fault::new(self.column, self.rest, "a comment that ends with */"))?
            } else if self.rest.starts_with("//") {
                self.rest.find(['\r', '\n']).unwrap_or(self.rest.len())
            } else {
                self.rest.len() - self.rest.trim_start().len()
            };
            if length == 0 {
                return Ok(());
            }
            self.advance(length);
        }
    }

    fn advance(&mut self, length: usize) -> &'p str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.column += taken.chars().count();
        self.rest = rest;
        taken
    }

    fn fault(&self, wrong: &Wrong) -> Fault {
        let (before, at) = self.rest.split_at_checked(wrong.at).unwrap_or((self.rest, ""));
        Fault::new(self.column + before.chars().count(), at, wrong.expected)
    }
}

/// What is wrong inside a token, counted in octets from its first.
struct Wrong {
    at: usize,
    expected: &'static str,
}

/// The kind and the length, in octets, of the token that `text` begins with.
fn scan(text: &str) -> Result<(Kind, usize), Wrong> {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return Ok((Kind::End, 0)) };
    let quoted = chars.next() == Some('\'');
    match first {
        '\'' => string(text).map(|length| (Kind::String, length)),
        'h' if quoted => literal(text, "a closing quote: h'ffd8'").map(|length| (Kind::Hex, length)),
        'b' if quoted => literal(text, "a closing quote: b'ABI='").map(|length| (Kind::Binary, length)),
        't' if quoted => {
            literal(text, "a closing quote: t'2025-02-26T00:00:00Z'").map(|length| (Kind::Timestamp, length))
        }
        'a'..='z' | 'A'..='Z' | '_' => {
            Ok((Kind::Word, run(text, |c| c.is_ascii_alphanumeric() || c == '_' || c == '-')))
        }
        _ => Ok(number(text).or_else(|| symbol(text)).unwrap_or((Kind::Unknown, first.len_utf8()))),
    }
}

/// `'…'` where a backslash stands before an apostrophe or another backslash, and before nothing else (§9.2).
fn string(text: &str) -> Result<usize, Wrong> {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, char)) = chars.next() {
        match char {
            '\'' => return Ok(at + 1),
            '\\' if !matches!(chars.next(), Some((_, '\'' | '\\'))) => {
                return Err(Wrong { at, expected: "\\' or \\\\: a backslash in a string is written twice" });
            }
            _ => {}
        }
    }
    Err(Wrong { at: 0, expected: "a closing quote: 'text'" })
}

/// `x'…'`, without escapes.
fn literal(text: &str, expected: &'static str) -> Result<usize, Wrong> {
    let end = text.get(2..).and_then(|body| body.find('\''));
    end.map(|length| length + 3).ok_or(Wrong { at: 0, expected })
}

/// A sign, digits, a point and digits: all but the last digits may be missing.
fn number(text: &str) -> Option<(Kind, usize)> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let sign = text.len() - unsigned.len();
    let whole = run(unsigned, |c| c.is_ascii_digit());
    let fraction = unsigned.get(whole..)?.strip_prefix('.').map_or(0, |rest| run(rest, |c| c.is_ascii_digit()));
    match (whole, fraction) {
        (0, 0) => None,
        (_, 0) => Some((Kind::Integer, sign + whole)),
        _ => Some((Kind::Float, sign + whole + 1 + fraction)),
    }
}

fn symbol(text: &str) -> Option<(Kind, usize)> {
    SYMBOLS.iter().find(|symbol| text.starts_with(**symbol)).map(|symbol| (Kind::Symbol, symbol.len()))
}

fn run(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Result<Vec<(Kind, &str, usize)>, Fault> {
        let mut lexer = Lexer::new(text);
        let mut tokens = Vec::new();
        loop {
            let token = lexer.next()?;
            if token.kind == Kind::End {
                return Ok(tokens);
            }
            tokens.push((token.kind, token.text, token.column));
        }
    }

    fn texts(text: &str) -> Vec<&str> {
        tokens(text).unwrap().into_iter().map(|(_, text, _)| text).collect()
    }

    #[test]
    fn the_longest_token_wins() {
        assert_eq!(texts("a<=b<>c<d==e"), ["a", "<=", "b", "<>", "c", "<", "d", "==", "e"]);
        assert_eq!(texts("AND-x ANDx AND"), ["AND-x", "ANDx", "AND"]);
        assert_eq!(texts("1-2 -.5+3.25 1. 1.5.5 00.5"), ["1", "-2", "-.5", "+3.25", "1", ".", "1.5", ".5", "00.5"]);
        assert_eq!(texts("5TIMES 1e5"), ["5", "TIMES", "1", "e5"]);
        assert_eq!(texts("- + {é"), ["-", "+", "{", "é"]);
    }

    #[test]
    fn a_letter_and_a_quote_begin_a_literal() {
        let kinds: Vec<Kind> = tokens("h'ff' b'AA==' t'x' th'x' 'x'").unwrap().iter().map(|token| token.0).collect();
        assert_eq!(kinds, [Kind::Hex, Kind::Binary, Kind::Timestamp, Kind::Word, Kind::String, Kind::String]);
    }

    #[test]
    fn columns_count_characters_not_octets() {
        assert_eq!(
            tokens("'é😀' ü\u{3000}x").unwrap(),
            [(Kind::String, "'é😀'", 1), (Kind::Unknown, "ü", 6), (Kind::Word, "x", 8)]
        );
    }

    #[test]
    fn white_space_is_what_unicode_says_and_comments_are_white_space() {
        let spaces = "\t\n\u{b}\u{c}\r \u{85}\u{a0}\u{1680}\u{2000}\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}";
        assert_eq!(texts(&format!("{spaces}a{spaces}b{spaces}")), ["a", "b"]);
        assert_eq!(texts("a/* * / */b//c\r// d\nd/**/"), ["a", "b", "d"]);
        assert_eq!(texts("a\u{200b}\u{feff}\u{180e}"), ["a", "\u{200b}", "\u{feff}", "\u{180e}"]);
    }

    #[test]
    fn a_backslash_escapes_a_quote_and_itself_only() {
        assert_eq!(texts(r"'it\'s' 'C:\\' '/*' '//'"), [r"'it\'s'", r"'C:\\'", "'/*'", "'//'"]);
        assert_eq!(tokens(r" 'ü\n'").unwrap_err().column, 4);
    }

    #[test]
    fn what_has_no_end_is_a_fault_where_it_begins() {
        for text in ["a 'b", r"a 'b\'", r"a '\\\'", "a h'00", "a b'", "a t'", "a /* *", "a /*/"] {
            assert_eq!(tokens(text).unwrap_err().column, 3, "{text}");
        }
        assert_eq!(tokens(r"a 'b\").unwrap_err().column, 5);
    }
}
