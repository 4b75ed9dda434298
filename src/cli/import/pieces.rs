//! The objects of a file, one after the other, in memory for one of them however large the file is.
//!
//! A file is a bundle or an envelope, one object, or one object a line. Values are told apart by their brackets and
//! strings alone: whether an object is good JSON is for the judge, so that one that is not costs no other its place.
//! What cannot be told apart any more (a bracket that is never closed, say) ends the file there.

use crate::stix::json;
use serde::Deserialize;
use std::io::{self, BufRead};

/// The text of one object, and where it begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Counted from 1.
    pub(super) line: u64,
    /// Counted from 0.
    pub(super) octet: u64,
    /// `None`: it is longer than one may be.
    pub(super) text: Option<Vec<u8>>,
}

/// Why there are no more objects to be had of a file, with the place.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Broken(String);

/// Reads a file to its end. After an error there is no more.
pub(super) struct Pieces<R> {
    input: R,
    line: u64,
    octet: u64,
    /// Octets that one object may have.
    most: usize,
    state: State,
}

enum State {
    Start,
    /// In the list of an envelope or bundle, of which the rest is kept; `is_first`: an object comes next, and no comma.
    List {
        around: Text,
        is_first: bool,
    },
    Lines,
    End,
}

/// Octets that are kept, as far as there may be so many.
struct Text {
    octets: Vec<u8>,
    most: usize,
    is_too_long: bool,
}

impl Text {
    fn extend(&mut self, octets: &[u8]) {
        self.is_too_long |= octets.len() > self.most - self.octets.len();
        if !self.is_too_long {
            self.octets.extend_from_slice(octets);
        }
    }
}

/// As much of an object as tells whether it is one.
#[derive(Deserialize)]
struct Kind {
    r#type: String,
}

impl<R: BufRead> Iterator for Pieces<R> {
    type Item = Result<Piece, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        match std::mem::replace(&mut self.state, State::End) {
            State::Start => self.start(),
            State::List { around, is_first } => self.list(around, is_first),
            State::Lines => self.one_line(),
            State::End => Ok(None),
        }
        .transpose()
    }
}

impl<R: BufRead> Pieces<R> {
    /// Of a file from its beginning, whose objects may have `most` octets each.
    pub(super) fn of(input: R, most: usize) -> Self {
        Self { input, line: 1, octet: 0, most, state: State::Start }
    }

    /// How many octets were read.
    pub(super) fn octets(&self) -> u64 {
        self.octet
    }

    fn start(&mut self) -> Result<Option<Piece>, Broken> {
        self.skip_space()?;
        match self.peek()? {
            Some(b'{') => {}
            Some(0xef) => {
                return Err(self.broken("it begins with a byte order mark, which JSON must not (RFC 8259 §8.1)"));
            }
            Some(_) => return Err(self.broken("this begins no bundle, no envelope and no object")),
            None => return Err(self.broken("there is nothing in it")),
        }
        let (line, octet, mut text) = (self.line, self.octet, self.text());
        if self.members(&mut text)? {
            self.check(&text, b"[]}")?;
            return self.list(text, true);
        }
        let end = self.line;
        self.skip_space()?;
        let is_last = self.peek()?.is_none();
        if !is_last && (line != end || self.line == end) {
            return Err(self.broken("after the first object there is more: put each on a line of its own"));
        }
        self.state = if is_last { State::End } else { State::Lines };
        let is_bundle = serde_json::from_slice(&text.octets).is_ok_and(|Kind { r#type }| r#type == "bundle");
        Ok(if is_last && is_bundle { None } else { Some(Piece::of(line, octet, text)) })
    }

    /// Reads members up to the end of the object that they are of, or to the list of its objects. Gives
    /// whether there is one.
    fn members(&mut self, text: &mut Text) -> Result<bool, Broken> {
        loop {
            self.space(text)?;
            match self.peek()? {
                Some(b'{' | b',') => self.take(text)?,
                Some(b'}') => {
                    self.take(text)?;
                    return Ok(false);
                }
                Some(b'"') => {
                    let name = text.octets.len();
                    self.value(text)?;
                    let is_list = text.octets.get(name..).is_some_and(is_objects);
                    self.space(text)?;
                    if self.peek()? != Some(b':') {
                        return Err(self.broken("here a colon should be"));
                    }
                    self.take(text)?;
                    self.space(text)?;
                    if is_list && self.peek()? == Some(b'[') {
                        self.consume(1);
                        return Ok(true);
                    }
                    self.value(text)?;
                }
                Some(_) => return Err(self.broken("here the name of a member should be, or the end")),
                None => return Err(self.broken("it ends within an object")),
            }
        }
    }

    /// The next object of the list.
    fn list(&mut self, mut around: Text, is_first: bool) -> Result<Option<Piece>, Broken> {
        self.skip_space()?;
        match self.peek()? {
            Some(b']') => {
                self.consume(1);
                around.extend(b"[]");
                return self.after_list(around).map(|()| None);
            }
            Some(b',') if !is_first => {
                self.consume(1);
                self.skip_space()?;
            }
            None => return Err(self.broken("it ends within the list of objects")),
            Some(_) if !is_first => return Err(self.broken("here the list of objects should go on with a comma")),
            Some(_) => {}
        }
        let (line, octet, mut text) = (self.line, self.octet, self.text());
        let is_whole = self.value(&mut text)?;
        // What broke off took the comma with it.
        self.state = State::List { around, is_first: !is_whole };
        Ok(Some(Piece::of(line, octet, text)))
    }

    fn after_list(&mut self, mut around: Text) -> Result<(), Broken> {
        if self.members(&mut around)? {
            return Err(self.broken("the member name \"objects\" occurs twice"));
        }
        self.check(&around, b"")?;
        self.skip_space()?;
        match self.peek()? {
            None => Ok(()),
            Some(_) => Err(self.broken("after the end of the envelope or bundle there is more")),
        }
    }

    /// Whether what stands around the objects is strict JSON.
    fn check(&self, around: &Text, rest: &[u8]) -> Result<(), Broken> {
        if around.is_too_long {
            return Err(self.broken(&format!("what stands beside the objects is longer than {} octets", self.most)));
        }
        let whole = [&around.octets, rest].concat();
        let read = std::str::from_utf8(&whole).map_err(|error| error.to_string());
        let read = read.and_then(|text| json::parse(text).map_err(|fault| fault.to_string()));
        read.map(drop).map_err(|fault| self.broken(&format!("what stands beside the objects is no JSON: {fault}")))
    }

    fn one_line(&mut self) -> Result<Option<Piece>, Broken> {
        self.skip_space()?;
        if self.peek()?.is_none() {
            return Ok(None);
        }
        let (line, octet, mut text) = (self.line, self.octet, self.text());
        self.run(&mut text, |octet| octet == b'\n')?;
        text.octets.truncate(text.octets.trim_ascii_end().len());
        self.state = State::Lines;
        Ok(Some(Piece::of(line, octet, text)))
    }

    /// Reads one value, or nothing where none begins. A string ends with its line at the latest: JSON has none that
    /// go on. Where one did so that has no end, and an object begins on the next line, the value breaks off before
    /// that, and gives `false`: a quotation mark that is missing costs no more than can be helped.
    fn value(&mut self, text: &mut Text) -> Result<bool, Broken> {
        let begun = (self.line, self.octet);
        let mut depth = 0usize;
        loop {
            let stop =
                self.run(text, |octet| matches!(octet, b'"' | b'{' | b'}' | b'[' | b']') || is_between(octet))?;
            match stop {
                Some(b'"') => {
                    self.take(text)?;
                    if !self.string(text)? {
                        self.space(text)?;
                        if self.peek()? == Some(b'{') {
                            return Ok(false);
                        }
                    }
                }
                Some(b'{' | b'[') => {
                    depth += 1;
                    self.take(text)?;
                    continue;
                }
                Some(b'}' | b']') if depth > 0 => {
                    depth -= 1;
                    self.take(text)?;
                }
                Some(_) if depth > 0 => {
                    self.take(text)?;
                    continue;
                }
                Some(_) => return Ok(true),
                None if depth == 0 => return Ok(true),
                None => return Err(broken_at(begun, "what begins here has no end")),
            }
            if depth == 0 {
                return Ok(true);
            }
        }
    }

    /// Reads a string from behind its first quotation mark. Gives whether it has an end.
    fn string(&mut self, text: &mut Text) -> Result<bool, Broken> {
        loop {
            match self.run(text, |octet| matches!(octet, b'"' | b'\\' | b'\n'))? {
                Some(b'\\') => {
                    self.take(text)?;
                    if self.peek()?.is_some_and(|escaped| escaped != b'\n') {
                        self.take(text)?;
                    }
                }
                Some(b'\n') | None => return Ok(false),
                Some(_) => return self.take(text).map(|()| true),
            }
        }
    }

    /// Takes all that comes before an octet at which to stop, and gives that one.
    fn run(&mut self, text: &mut Text, is_stop: impl Fn(u8) -> bool) -> Result<Option<u8>, Broken> {
        loop {
            let rest = self.rest()?;
            if rest.is_empty() {
                return Ok(None);
            }
            let stop = rest.iter().position(|octet| is_stop(*octet));
            let length = stop.unwrap_or(rest.len());
            text.extend(&rest[..length]);
            let found = stop.map(|at| rest[at]);
            self.consume(length);
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    fn take(&mut self, text: &mut Text) -> Result<(), Broken> {
        if let Some(octet) = self.peek()? {
            text.extend(&[octet]);
            self.line += u64::from(octet == b'\n');
            self.consume(1);
        }
        Ok(())
    }

    fn space(&mut self, text: &mut Text) -> Result<(), Broken> {
        while self.peek()?.is_some_and(|octet| octet.is_ascii_whitespace()) {
            self.take(text)?;
        }
        Ok(())
    }

    fn skip_space(&mut self) -> Result<(), Broken> {
        let mut none = Text { octets: Vec::new(), most: 0, is_too_long: false };
        self.space(&mut none)
    }

    fn peek(&mut self) -> Result<Option<u8>, Broken> {
        Ok(self.rest()?.first().copied())
    }

    /// What is read and not taken yet; nothing at the end of the file only.
    fn rest(&mut self) -> Result<&[u8], Broken> {
        loop {
            match self.input.fill_buf() {
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broken(&error.to_string())),
            }
        }
        let begun = (self.line, self.octet);
        self.input.fill_buf().map_err(|error| broken_at(begun, &error.to_string()))
    }

    fn consume(&mut self, octets: usize) {
        self.input.consume(octets);
        self.octet += octets as u64;
    }

    fn text(&self) -> Text {
        Text { octets: Vec::new(), most: self.most, is_too_long: false }
    }

    fn broken(&self, reason: &str) -> Broken {
        broken_at((self.line, self.octet), reason)
    }
}

impl Piece {
    fn of(line: u64, octet: u64, text: Text) -> Self {
        Self { line, octet, text: (!text.is_too_long).then_some(text.octets) }
    }
}

fn broken_at((line, octet): (u64, u64), reason: &str) -> Broken {
    Broken(format!("line {line}, octet {octet}: {reason}"))
}

/// Whether it stands between values.
fn is_between(octet: u8) -> bool {
    octet == b',' || octet == b':' || octet.is_ascii_whitespace()
}

/// Whether a member name, as it is written, is that of the list.
fn is_objects(name: &[u8]) -> bool {
    serde_json::from_slice::<String>(name).is_ok_and(|name| name == "objects")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    /// The texts of a file, and how it broke off if it did: the same however it is read.
    fn split_of(text: &[u8], most: usize) -> (Vec<String>, Option<String>) {
        let read = |capacity: usize| {
            let mut pieces = Pieces::of(BufReader::with_capacity(capacity, text), most);
            let (mut texts, mut broken) = (Vec::new(), None);
            for piece in pieces.by_ref() {
                match piece {
                    Ok(Piece { text: Some(own), octet, line }) => {
                        let before = &text[..usize::try_from(octet).unwrap()];
                        assert!(text[before.len()..].starts_with(&own));
                        assert_eq!(usize::try_from(line).unwrap(), before.split(|octet| *octet == b'\n').count());
                        texts.push(String::from_utf8(own).unwrap());
                    }
                    Ok(Piece { text: None, .. }) => texts.push("too long".to_owned()),
                    Err(Broken(reason)) => broken = Some(reason),
                }
            }
            assert!(pieces.next().is_none());
            (texts, broken)
        };
        let whole = read(1 << 16);
        assert_eq!(read(1), whole);
        assert_eq!(read(3), whole);
        whole
    }

    fn split(text: &str) -> Vec<String> {
        let (texts, broken) = split_of(text.as_bytes(), 1 << 20);
        assert_eq!(broken, None, "{text}");
        texts
    }

    fn breaks(text: &str) -> (Vec<String>, String) {
        let (texts, broken) = split_of(text.as_bytes(), 1 << 20);
        (texts, broken.unwrap_or_else(|| panic!("{text}")))
    }

    #[test]
    fn a_file_is_a_bundle_an_envelope_an_object_or_one_object_a_line() {
        assert_eq!(split("{\"type\":\"bundle\",\"objects\":[{\"a\":1}, {}]}"), ["{\"a\":1}", "{}"]);
        assert_eq!(
            split(" {\"obj\\u0065cts\" : [ \"]\\\"\" ,[1,{}],7 ] , \"more\" : false}\n"),
            ["\"]\\\"\"", "[1,{}]", "7"]
        );
        assert_eq!(split("{\"type\":\"x\"}\n\n {\"type\":\"y\"}\r\n"), ["{\"type\":\"x\"}", "{\"type\":\"y\"}"]);
        assert_eq!(split("{\"type\":\"x\"}"), ["{\"type\":\"x\"}"]);
        assert_eq!(split(" {\n \"type\":7\n}\n"), ["{\n \"type\":7\n}"]);
        for nothing in ["{\"type\":\"bundle\",\"id\":\"x\"}", "{\"objects\":[ ]}"] {
            assert_eq!(split(nothing), [""; 0]);
        }
        for one in
            ["{}", "{\"id\":1}", "{\"type\":1,\"type\":2}", "{\"type\":\"observed-data\",\"objects\":{\"0\":{}}}"]
        {
            assert_eq!(split(one), [one]);
        }
    }

    #[test]
    fn what_is_wrong_within_an_object_costs_no_other_its_place() {
        assert_eq!(split("{\"type\":\"x\"}\n{broken\n{\"b\":1}"), ["{\"type\":\"x\"}", "{broken", "{\"b\":1}"]);
        assert_eq!(
            split("{\"objects\":[{\"a\":},{\"b\" 1},\n{\"c\":\"no end},\n\"d\":[{]}},{\"e\":1},]}"),
            ["{\"a\":}", "{\"b\" 1}", "{\"c\":\"no end},\n\"d\":[{]}}", "{\"e\":1}", ""]
        );
    }

    #[test]
    fn an_object_that_a_missing_quotation_mark_leaves_open_ends_where_the_next_one_has_a_line_of_its_own() {
        let text = "{\"objects\":[{\"a\":\"b,\"c\":1},\n{\"d\":\"e},\n  {\"f\":2}\n]}";
        assert_eq!(split(text), ["{\"a\":\"b,\"c\":1},\n", "{\"d\":\"e},\n  ", "{\"f\":2}"]);
    }

    #[test]
    fn a_file_that_breaks_off_says_where_after_all_that_came_before() {
        let (texts, reason) = breaks("{\"objects\":[{\"a\":1},\n{\"b\":[1},");
        assert_eq!(
            (texts.as_slice(), reason.as_str()),
            (&["{\"a\":1}".to_owned()][..], "line 2, octet 21: what begins here has no end")
        );
        assert_eq!(breaks("{\"objects\":[{\"a\":1}\n{}]}").0, ["{\"a\":1}"]);
        assert_eq!(breaks("{\"objects\":[{}],\"objects\":[{}]}").0, ["{}"]);
        assert_eq!(breaks("{\"objects\":[{}],\"x_a\":{\"b\":1,\"b\":1}}").0, ["{}"]);
        assert_eq!(breaks("{\"objects\":[{}]} x").0, ["{}"]);
        for text in [
            "",
            "\n",
            "[]",
            "hello",
            "\u{feff}{}",
            "{\"a\":1} {}",
            "{\n}\n{}",
            "{",
            "{\"x\":1,\"x\":1,\"objects\":[{}]}",
        ] {
            assert_eq!(breaks(text).0, [""; 0], "{text}");
        }
    }

    #[test]
    fn an_object_that_is_too_long_is_passed_over() {
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(100));
        let of = |text: String| split_of(text.as_bytes(), 50).0;
        assert_eq!(of(format!("{{\"objects\":[{{}},{long},{{}}]}}")), ["{}", "too long", "{}"]);
        assert_eq!(of(format!("{{}}\n{long}\n{{}}")), ["{}", "too long", "{}"]);
        assert_eq!(of(long), ["too long"]);
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = "[".repeat(200_000) + &"]".repeat(200_000);
        assert_eq!(split(&format!("{{\"objects\":[{deep}]}}")), [deep]);
    }
}
