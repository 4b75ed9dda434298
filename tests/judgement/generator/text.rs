//! Strings, by the form that a schema gives them.

use super::schemas::{Place, Schemas, vocabularies};
use super::{Maker, id};
use serde_json::Value;

/// What people write where they may write anything.
const FREE: [&str; 9] = [
    "Nordlicht",
    "무탭 é €",
    "",
    "a\ttab, a \"quote\", a back\\slash, a /",
    "two\nlines",
    "\u{1f40e}\u{2028}\u{7f}",
    "null",
    "<b>&amp;</b>",
    "' OR 1=1 --",
];

impl Maker<'_> {
    /// A string of the property `name`.
    pub(super) fn text(&mut self, name: &str, layers: &[Place]) -> String {
        let find = |keyword: &str| layers.iter().find_map(|layer| layer.get(keyword));
        if let Some(allowed) = find("x-references") {
            let types: Vec<&str> =
                allowed.as_array().unwrap().iter().flat_map(|name| Schemas::group(name.as_str().unwrap())).collect();
            return self.reference(&types);
        }
        if let Some(vocabulary) = find("x-vocabulary") {
            let values = vocabularies()[vocabulary.as_str().unwrap()].as_array().unwrap();
            return self.tape.among(values).as_str().unwrap().to_owned();
        }
        let pattern = layers.iter().find(|layer| layer.get("pattern").is_some() || layer.get("not").is_some());
        let form = pattern.and_then(|layer| layer.get("x-form")).or_else(|| find("x-form")).and_then(Value::as_str);
        match form {
            Some(form) => self.of_form(form),
            None if pattern.is_some() => panic!("the generator knows no pattern of {name}"),
            None if find("format").is_some() => self.of_format(find("format").unwrap().as_str().unwrap()),
            None => match name {
                "kill_chain_name" | "phase_name" => {
                    self.tape.among(&["lighthouse-chain", "keel-laying", "무탭"]).to_owned()
                }
                "name_enc" | "path_enc" => self.tape.among(&["UTF-8", "windows-1252", "ISO_8859-1:1987"]).to_owned(),
                _ => self.free_text(),
            },
        }
    }

    /// Any text.
    pub(super) fn free_text(&mut self) -> String {
        match self.tape.pick(FREE.len() + 1) {
            long if long == FREE.len() => "long ".repeat(100),
            place => FREE[place].to_owned(),
        }
    }

    /// The id of an object of one of these types.
    pub(super) fn reference(&mut self, types: &[&str]) -> String {
        let object_type = self.tape.among(types);
        id(object_type, 1 + self.tape.pick(5))
    }

    fn hex(&mut self, digits: usize) -> String {
        let pair = self.tape.among(&["0a", "7F", "bb"]);
        pair.repeat(digits / 2)
    }

    fn of_format(&mut self, format: &str) -> String {
        match format {
            "uuid" => self.tape.among(&["9c4f0a68-7a5b-4f0e-9a56-7d1f0b7a0c11"]).to_owned(),
            other => panic!("the generator knows no format {other}"),
        }
    }

    fn of_form(&mut self, form: &str) -> String {
        let one_of: &[&str] = match form {
            "an identifier of the form object-type--UUID" => return self.reference(&super::types()),
            "a timestamp such as 2025-02-26T00:00:00.000Z" => return self.time(&["", ".5", ".000", ".123456789"]),
            "a timestamp without a fraction" => return self.time(&[""]),
            "precise to the millisecond, such as 2025-02-26T00:00:00.000Z" => {
                return self.time(&[".000", ".987", ".123456"]);
            }
            "an MD5 hash: 32 hexadecimal digits" => return self.hex(32),
            "a SHA-1 hash: 40 hexadecimal digits" => return self.hex(40),
            "a 256-bit hash: 64 hexadecimal digits" => return self.hex(64),
            "a 512-bit hash: 128 hexadecimal digits" => return self.hex(128),
            "a TLSH hash: 70 hexadecimal digits, with or without T1 before them" => {
                return self.tape.among(&["", "T1"]).to_owned() + &self.hex(70);
            }
            "an SSDEEP hash" => &["3:AXGBicFlgVNhBGcL6wCrFQEv:AXGHsNhxLsr2C", "0::"],
            "base64 (RFC 4648)" => &["", "AAEC", "aGVsbG8=", "ZWg="],
            "hexadecimal of whole octets in lower case" => &["", "00", "0aff"],
            "a language tag such as ko or pt-BR (RFC 5646)" => &["ko", "pt-BR", "zh-Hant-TW", "x-own"],
            "an object type: 3 to 250 of a-z, 0-9 and single hyphens" => &["ipv4-addr", "x-lighthouse"],
            "a URL (RFC 3986)" => &["https://example.com/", "urn:isbn:0451450523", "ftp://[2001:db8::7]/a%20b?c=d#e"],
            "a relationship type: a-z, 0-9 and hyphens" => &["related-to"],
            "a CPE 2.3 name" => &["cpe:2.3:a:keel:nordlicht:1.0:*:*:*:*:*:*:*", "cpe:2.3:o:k\\:l:-:*:*:*:*:*:*:*:*"],
            "a key with its hive in full, such as HKEY_LOCAL_MACHINE" => {
                &["HKEY_LOCAL_MACHINE\\System\\Keel", "hkey_current_user\\keel", "HKEY"]
            }
            "the name of a property: 3 to 250 of a-z, 0-9 and _" => &["rank", "tide_2"],
            "an ISA identifier such as isa:guide.19001.ACS3-…" => &["isa:guide.19001.ACS3-7d1f"],
            "a custodian such as USA.DHS" => &["XXA.KEEL", "XXA.KEEL.SUB-1"],
            "an authority of the form urn:isa:authority:…" => &["urn:isa:authority:keel"],
            "a policy of the form urn:isa:policy:acs:ns:v3.0?privdefault=…&sharedefault=…" => {
                &["urn:isa:policy:acs:ns:v3.0?privdefault=deny&sharedefault=permit"]
            }
            other => panic!("the generator knows no form {other}"),
        };
        self.tape.among(one_of).to_owned()
    }

    fn time(&mut self, fractions: &[&str]) -> String {
        let (year, day) = (2025 - self.tape.pick(30), 1 + self.tape.pick(28));
        let second = self.tape.pick(61);
        // A leap second is the last of a day.
        let hour = if second == 60 { 23 } else { self.tape.pick(24) };
        format!("{year}-03-{day:02}T{hour:02}:59:{second:02}{}Z", self.tape.among(fractions))
    }
}
