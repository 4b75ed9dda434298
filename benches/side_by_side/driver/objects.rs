//! Objects to measure with: made up, and always the same for the same numbers. Their size and mix are those of
//! what is really shared: about 1.2 KB, a third of them indicators, every fifth a new version of an earlier one.

use std::fmt::Write as _;
use std::ops::Range;

/// What all of them name as their creator: the submitter declares it to be its own.
pub(crate) const CREATOR: &str = "identity--0c9a51f1-6f36-4a4e-9d8a-1f0f5f4a2b11";

/// TLP:GREEN (TLP 2.0).
const GREEN: &str = "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb";

/// Malware and intrusion sets that relationships lead to.
const CORNERSTONES: u64 = 16;
const CORNERSTONE_SEED: u64 = u64::MAX;

const WORDS: &str = "the actor used a trojanised installer to gain access and then moved laterally through \
    stolen session tokens before wallets were drained within minutes of approval by a second signer who had been \
    approached as a recruiter over professional networks victims were asked to clone repositories that fetch a \
    loader written in python or javascript which beacons over https every sixty seconds with jitter and accepts \
    commands for file transfer screenshots clipboard capture browser credential theft and persistence by launch \
    agents scheduled tasks registry keys funds were bridged mixed swapped across chains and cashed out through \
    brokers infrastructure overlaps with earlier campaigns reported by partners detection is based on code reuse \
    certificate metadata passive dns and timing analysts assess with moderate confidence";

/// A stream of numbers that looks random (`SplitMix64`).
struct Numbers(u64);

impl Numbers {
    fn of(seed: u64, n: u64) -> Self {
        let mut numbers = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ n.wrapping_mul(0xd134_2543_de82_ef95));
        numbers.next();
        numbers
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }

    /// A version 4 UUID.
    fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | (low >> 50),
            low & 0xffff_ffff_ffff
        )
    }

    /// So many words.
    fn prose(&mut self, words: u64) -> String {
        let all: Vec<&str> = WORDS.split_ascii_whitespace().collect();
        let mut text = String::new();
        for at in 0..words {
            let word = all[usize::try_from(self.next()).unwrap_or(usize::MAX) % all.len()];
            text.push_str(if at == 0 { "" } else { " " });
            text.push_str(word);
        }
        text
    }
}

/// What every collection has before anything else: whom the others name as their creator, and what
/// relationships lead to.
pub(crate) fn cornerstones() -> Vec<String> {
    let identity = format!(
        r#"{{"type":"identity","spec_version":"2.1","id":"{CREATOR}","created":"2024-01-01T00:00:00.000Z","modified":"2024-01-01T00:00:00.000Z","name":"A producer","identity_class":"organization","object_marking_refs":["{GREEN}"]}}"#
    );
    let mut all = vec![identity];
    for n in 0..CORNERSTONES {
        let common = common(kind(n), &cornerstone(n), 0, 0);
        let own = if n % 2 == 0 { r#""is_family":true,"# } else { "" };
        all.push(format!(r#"{{{common},{own}"name":"Cornerstone {n}"}}"#));
    }
    all
}

fn kind(cornerstone: u64) -> &'static str {
    if cornerstone.is_multiple_of(2) { "malware" } else { "intrusion-set" }
}

fn cornerstone(n: u64) -> String {
    format!("{}--{}", kind(n), Numbers::of(CORNERSTONE_SEED, n).uuid())
}

/// The `n`th object of a series.
pub(crate) fn object(seed: u64, n: u64) -> String {
    // Every fifth is the second version of the one three places before.
    let (base, version) = if n % 5 == 4 { (n - 3, 1) } else { (n, 0) };
    let mut numbers = Numbers::of(seed, base);
    let uuid = numbers.uuid();
    let choice = numbers.below(100);
    let object_type = match choice {
        0..35 => "indicator",
        35..60 => "relationship",
        60..75 => "malware",
        75..90 => "attack-pattern",
        _ => "tool",
    };
    let id = format!("{object_type}--{uuid}");
    let common = common(object_type, &id, base, version);
    let own = match object_type {
        "indicator" => indicator(&mut numbers),
        "relationship" => relationship(&mut numbers),
        _ => described(object_type, &mut numbers),
    };
    format!("{{{common},{own}}}")
}

/// A range of a series as an envelope (TAXII 2.1 §3.7).
pub(crate) fn envelope(seed: u64, range: Range<u64>) -> Vec<u8> {
    let objects: Vec<String> = range.map(|n| object(seed, n)).collect();
    format!("{{\"objects\":[{}]}}", objects.join(",")).into_bytes()
}

fn common(object_type: &str, id: &str, n: u64, version: u64) -> String {
    let created = time(n);
    let modified = time(n + version * 86_400);
    format!(
        r#""type":"{object_type}","spec_version":"2.1","id":"{id}","created_by_ref":"{CREATOR}","created":"{created}","modified":"{modified}","object_marking_refs":["{GREEN}"]"#
    )
}

/// So many seconds after some day: within 28 days of one month of one year.
fn time(seconds: u64) -> String {
    let (year, month, day) = (2024 + seconds / 29_030_400, 1 + seconds / 2_419_200 % 12, 1 + seconds / 86_400 % 28);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.000Z")
}

fn indicator(numbers: &mut Numbers) -> String {
    let mut pattern = String::new();
    for at in 0..=numbers.below(4) {
        pattern.push_str(if at == 0 { "[" } else { " OR " });
        // Writing to a string cannot fail.
        let _ = match numbers.below(3) {
            0 => write!(pattern, "domain-name:value = '{}.invalid'", numbers.prose(2).replace(' ', "-")),
            1 => write!(pattern, "ipv4-addr:value = '203.0.{}.{}'", numbers.below(256), numbers.below(256)),
            _ => write!(
                pattern,
                "file:hashes.'SHA-256' = '{:016x}{:016x}{:016x}{:016x}'",
                numbers.next(),
                numbers.next(),
                numbers.next(),
                numbers.next()
            ),
        };
    }
    let (name, words) = (numbers.prose(5), 50 + numbers.below(100));
    let description = numbers.prose(words);
    let valid_from = time(numbers.below(1_000_000));
    format!(
        r#""name":"{name}","description":"{description}","indicator_types":["malicious-activity"],"pattern":"{pattern}]","pattern_type":"stix","valid_from":"{valid_from}","kill_chain_phases":[{{"kill_chain_name":"mitre-attack","phase_name":"command-and-control"}}]"#
    )
}

fn relationship(numbers: &mut Numbers) -> String {
    let source = cornerstone(2 * numbers.below(CORNERSTONES / 2));
    let target = cornerstone(2 * numbers.below(CORNERSTONES / 2) + 1);
    let words = 20 + numbers.below(80);
    let (description, references) = (numbers.prose(words), references(numbers, 1));
    format!(
        r#""relationship_type":"related-to","description":"{description}","source_ref":"{source}","target_ref":"{target}",{references}"#
    )
}

fn described(object_type: &str, numbers: &mut Numbers) -> String {
    let (name, words, count) = (numbers.prose(3), 60 + numbers.below(120), 1 + numbers.below(3));
    let (description, references) = (numbers.prose(words), references(numbers, count));
    let own = if object_type == "malware" { r#""is_family":false,"malware_types":["trojan"],"# } else { "" };
    format!(r#""name":"{name}","description":"{description}",{own}{references}"#)
}

fn references(numbers: &mut Numbers, count: u64) -> String {
    let one = |numbers: &mut Numbers| {
        let (path, id) = (numbers.prose(4).replace(' ', "/"), numbers.below(9000));
        format!(r#"{{"source_name":"a report","external_id":"R-{id}","url":"https://reports.invalid/{path}"}}"#)
    };
    let all: Vec<String> = (0..count).map(|_| one(numbers)).collect();
    format!(r#""external_references":[{}]"#, all.join(","))
}
