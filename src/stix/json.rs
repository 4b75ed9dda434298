//! Strict JSON: what RFC 8259 allows and RFC 7493 (I-JSON) does not is refused too,
//! because two readers could understand it differently.
//!
//! Duplicate member names at any depth, lone surrogates, U+0000 and nesting over
//! [`MAX_DEPTH`] are faults, each with the JSON pointer (RFC 6901) of its place.

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// Arrays and objects may be nested this deep, the outermost counted.
pub const MAX_DEPTH: usize = 64;

/// The longest member name, in octets: four times as long as any that STIX allows (STIX 2.1 §3.1), and short enough
/// that a place can be named by it.
const LONGEST_NAME: usize = 1000;

/// A text may be made of this many values, and of one more for each [`OCTETS_PER_VALUE`] of its octets: a
/// value takes more memory than it takes to write `0,`, and what is read must not outgrow what was sent.
const VALUES: usize = 1 << 18;
const OCTETS_PER_VALUE: usize = 48;
/// A member of an object, with its name and its place in a tree, takes as much as this many values more.
const MEMBER: usize = 2;

/// What is wrong with an object, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// JSON pointer (RFC 6901) into the object; empty for the object itself.
    pub pointer: String,
    /// A sentence fragment that a person understands, such as "the member name "id" occurs twice".
    pub reason: String,
}

impl Fault {
    /// A fault at `pointer`.
    pub fn new(pointer: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), reason: reason.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.pointer.is_empty() { "the object" } else { &self.pointer };
        write!(f, "{place}: {}", self.reason)
    }
}

/// Reads one JSON text strictly. Takes time and memory linear in `text`, and a stack
/// bounded by [`MAX_DEPTH`]. A text of very many small values is refused.
pub fn parse(text: &str) -> Result<Value, Fault> {
    let mut progress = Progress { place: Vec::new(), values: VALUES + text.len() / OCTETS_PER_VALUE };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Strict { progress: &mut progress }.deserialize(&mut deserializer);
    match value.and_then(|value| deserializer.end().map(|()| value)) {
        Ok(value) => Ok(value),
        Err(error) => Err(Fault::new(pointer(&progress.place), sentence(&error))),
    }
}

/// Names a value by its content: equal for texts that are the same JSON value (in whatever
/// order of members, spelling of strings, white space), different for any others. Numbers are
/// the same if they are written the same, but for what reading them normalises.
pub fn digest(value: &Value) -> Digest {
    let mut hash = Sha256::new();
    feed(&mut hash, value);
    Digest(hash.finalize().into())
}

/// See [`digest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

/// Every part begins with its kind and its length, so that no two values feed the same octets.
/// The depth is that of a value that [`parse`] has read.
fn feed(hash: &mut Sha256, value: &Value) {
    let mut part = |kind: u8, length: usize, octets: &[u8]| {
        hash.update([kind]);
        hash.update((length as u64).to_be_bytes());
        hash.update(octets);
    };
    match value {
        Value::Null => part(b'0', 0, &[]),
        Value::Bool(value) => part(b'b', 1, &[u8::from(*value)]),
        Value::Number(number) => {
            let text = number.to_string();
            part(b'n', text.len(), text.as_bytes());
        }
        Value::String(text) => part(b's', text.len(), text.as_bytes()),
        Value::Array(items) => {
            part(b'[', items.len(), &[]);
            items.iter().for_each(|item| feed(hash, item));
        }
        Value::Object(members) => {
            part(b'{', members.len(), &[]);
            let mut names: Vec<&String> = members.keys().collect();
            names.sort();
            for name in names {
                feed(hash, &Value::String(name.clone()));
                feed(hash, &members[name]);
            }
        }
    }
}

/// serde's own "at line 1 column 7" is dropped: the pointer says where.
fn sentence(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// A value in a sentence: quoted, its control characters escaped, cut to a safe length.
pub fn shown(text: &str) -> String {
    let mut length = 0;
    // An escape is longer than its character: what is shown is measured, not what is there.
    let fits = |char: &char| {
        length += char.escape_debug().count();
        length <= 160
    };
    let cut: String = text.chars().take(80).take_while(fits).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("{cut:?}{more}")
}

/// A value in a sentence: a string as [`shown`] shows it, a list or object by what it is.
pub fn shown_value(value: &Value) -> String {
    match value {
        Value::String(text) => shown(text),
        Value::Array(_) | Value::Object(_) => kind(value).to_owned(),
        other => other.to_string(),
    }
}

/// What a value is, in words.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Whether a value is made of more values than this, itself counted. Looks no further than it must.
pub fn has_more_values_than(value: &Value, most: usize) -> bool {
    let mut left = most;
    let mut waiting = vec![value];
    while let Some(value) = waiting.pop() {
        match value {
            Value::Array(items) if items.len() > left => return true,
            Value::Object(members) if members.len() > left => return true,
            Value::Array(items) => waiting.extend(items),
            Value::Object(members) => waiting.extend(members.values()),
            _ => {}
        }
        let Some(fewer) = left.checked_sub(1) else { return true };
        left = fewer;
    }
    false
}

/// As much of a name as a pointer bears, in octets, more or less.
const STEP: usize = 110;

/// One step of a JSON pointer into an object (RFC 6901 §3), with the `/` before it. Long names are
/// cut, and what a terminal would obey is escaped: a pointer is for people.
pub fn step(name: &str) -> String {
    let mut step = String::from("/");
    for char in name.chars().take(64) {
        // One character may be shown as ten.
        if step.len() > STEP {
            break;
        }
        match char {
            '~' => step.push_str("~0"),
            '/' => step.push_str("~1"),
            '\'' | '"' | '\\' => step.push(char),
            _ => step.extend(char.escape_debug()),
        }
    }
    step
}

/// One step on the way into a value.
enum Step {
    Index(usize),
    Name(String),
}

/// The JSON pointer of a place.
fn pointer(place: &[Step]) -> String {
    let step = |place: &Step| match place {
        Step::Index(index) => format!("/{index}"),
        Step::Name(name) => step(name),
    };
    place.iter().map(step).collect()
}

/// How far the reading of a text is.
struct Progress {
    /// The place of the value that is being read; on an error it stays.
    place: Vec<Step>,
    /// How many more values there may be.
    values: usize,
}

impl Progress {
    fn spend<E: serde::de::Error>(&mut self, values: usize) -> Result<(), E> {
        let too_many = || E::custom("the text is made of more values than its length accounts for");
        self.values = self.values.checked_sub(values).ok_or_else(too_many)?;
        Ok(())
    }
}

/// Builds a value.
struct Strict<'p> {
    progress: &'p mut Progress,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.progress.spend(1)?;
        deserializer.deserialize_any(self)
    }
}

impl Strict<'_> {
    fn enter<E: serde::de::Error>(&self) -> Result<(), E> {
        if self.progress.place.len() < MAX_DEPTH {
            return Ok(());
        }
        Err(E::custom(format!("nested more than {MAX_DEPTH} deep")))
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        refuse_nul(value)?;
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        self.enter()?;
        let mut list = Vec::new();
        loop {
            self.progress.place.push(Step::Index(list.len()));
            match items.next_element_seed(Strict { progress: self.progress })? {
                Some(item) => list.push(item),
                None => break,
            }
            self.progress.place.pop();
        }
        self.progress.place.pop();
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        self.enter()?;
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            self.progress.place.push(Step::Name(name.clone()));
            self.progress.spend(MEMBER)?;
            refuse_nul(&name)?;
            if name.len() > LONGEST_NAME {
                return Err(A::Error::custom(format!("a member name is longer than {LONGEST_NAME} octets")));
            }
            if map.contains_key(&name) {
                return Err(A::Error::custom(format!("the member name {} occurs twice", shown(&name))));
            }
            let value = members.next_value_seed(Strict { progress: self.progress })?;
            map.insert(name, value);
            self.progress.place.pop();
        }
        Ok(Value::Object(map))
    }
}

fn refuse_nul<E: serde::de::Error>(text: &str) -> Result<(), E> {
    if text.contains('\0') {
        return Err(E::custom("the character U+0000 is not allowed"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fault(text: &str) -> (String, String) {
        let fault = parse(text).unwrap_err();
        (fault.pointer, fault.reason)
    }

    #[test]
    fn valid_json_is_read_as_serde_reads_it() {
        let text = r#" {"a":[1,-2,3.5,"x\u00e9\ud83d\ude00",null,true,{}],"b":{"c":[]}} "#;
        assert_eq!(parse(text).unwrap(), serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(parse("[[],[]]").unwrap(), json!([[], []]));
    }

    #[test]
    fn a_duplicate_member_name_is_a_fault_at_any_depth_however_it_is_spelt() {
        let (pointer, reason) = fault(r#"{"a":[{"id":1,"\u0069d":2}]}"#);
        assert_eq!(pointer, "/a/0/id");
        assert_eq!(reason, "the member name \"id\" occurs twice");
    }

    #[test]
    fn lone_surrogates_and_nul_are_faults_with_their_place() {
        assert_eq!(fault(r#"{"name":"\ud800"}"#).0, "/name");
        assert_eq!(fault(r#"{"x":[1,"a\u0000b"]}"#), ("/x/1".into(), "the character U+0000 is not allowed".into()));
        assert_eq!(fault(r#"{"a\u0000":1}"#).1, "the character U+0000 is not allowed");
    }

    #[test]
    fn a_number_is_the_nearest_double_so_that_written_anew_it_is_the_same() {
        for text in ["90.33333333333333", "3.0538920411718706", "18449744073709551616775808", "5e-324"] {
            let value = parse(text).unwrap();
            assert_eq!(value.as_f64(), text.parse().ok(), "{text}");
            assert_eq!(digest(&parse(&value.to_string()).unwrap()), digest(&value), "{text}");
        }
    }

    #[test]
    fn depth_64_is_read_and_65_is_not() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse(&nested(64)).is_ok());
        assert_eq!(fault(&nested(65)).1, "nested more than 64 deep");
        let objects = |depth: usize| r#"{"a":"#.repeat(depth) + "1" + &"}".repeat(depth);
        assert!(parse(&objects(64)).is_ok());
        assert_eq!(fault(&objects(65)).1, "nested more than 64 deep");
        assert_eq!(fault(&nested(100_000)).1, "nested more than 64 deep");
    }

    #[test]
    fn a_text_of_very_many_small_values_is_a_fault_and_a_long_list_of_ids_is_not() {
        let zeros = |count: usize| format!("[{}0]", "0,".repeat(count));
        assert!(parse(&zeros(200_000)).is_ok());
        assert_eq!(fault(&zeros(300_000)).1, "the text is made of more values than its length accounts for");
        let id = "\"indicator--252c7c11-daf2-42bd-843b-be65edca9f61\",";
        assert!(parse(&format!("[{}0]", id.repeat(200_000))).is_ok());
    }

    #[test]
    fn what_is_not_rfc_8259_is_a_fault() {
        for text in
            ["", "NaN", "[1,]", "{'a':1}", "[01]", "[1e999]", "[1] 2", "// x\n1", "[+1]", "\u{feff}[]", "\"\t\""]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_fault_quotes_no_more_than_a_sentence_bears() {
        for length in [900, 1 << 20] {
            let name = "n".repeat(length);
            let fault = parse(&format!("{{\"{name}\":1,\"{name}\":1}}")).unwrap_err();
            assert!(fault.to_string().len() < 300, "{}", fault.to_string().len());
        }
    }

    #[test]
    fn a_digest_names_the_value_and_not_its_text() {
        let of = |text| digest(&parse(text).unwrap());
        assert_eq!(of(r#"{"a":[1,"\u00e9"],"b":{}}"#), of(r#" { "b" : {}, "a":[ 1,"é" ]}"#));
        let others =
            [r#"{"a":[1,"e"],"b":{}}"#, r#"{"a":[1],"b":{}}"#, r#"{"a":[1,"é"],"b":[]}"#, r#"{"a":[1.0,"é"],"b":{}}"#];
        assert!(others.iter().all(|other| of(other) != of(r#"{"a":[1,"é"],"b":{}}"#)));
        assert_ne!(of(r#"["a","b"]"#), of(r#"["ab",""]"#));
        assert_ne!(of("[[],[]]"), of("[[[]]]"));
    }

    #[test]
    fn a_place_is_named_without_what_a_terminal_would_obey() {
        assert_eq!(step("\u{1b}[2J\n\u{202e}x\"'\\"), "/\\u{1b}[2J\\n\\u{202e}x\"'\\");
    }

    #[test]
    fn a_pointer_escapes_tilde_and_slash() {
        assert_eq!(fault(r#"{"a/b":{"c~d":"\u0000"}}"#).0, "/a~1b/c~0d");
    }
}
