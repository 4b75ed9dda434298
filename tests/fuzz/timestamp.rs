//! Two timestamps, a line each, as STIX and as TAXII read them.
#![no_main]

use entente::stix::timestamp::{Timestamp as Stix, civil};
use entente::taxii::timestamp::Timestamp as Taxii;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (a, b) = text.split_once('\n').unwrap_or((text, text));
    if let Some(a) = stix(a) {
        if let Some(b) = stix(b) {
            assert_eq!(a.cmp(&b), fields(&a).cmp(&fields(&b)));
        }
        same(&a);
    }
    if let (Some(a), Some(b)) = (taxii(a), taxii(b)) {
        assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
    }
});

fn stix(text: &str) -> Option<Stix> {
    let time = Stix::parse(text)?;
    assert_eq!(time.as_str(), text);
    let again = Stix::parse(&format!("{}Z", time.instant())).unwrap();
    assert_eq!((&again, again.instant()), (&time, time.instant()));
    Some(time)
}

/// What orders as time does, by another way than texts.
fn fields(time: &Stix) -> ([i64; 6], Vec<u8>) {
    let (seconds, fraction) = time.instant().split_at(19);
    let mut digits = fraction.trim_start_matches('.').as_bytes().to_vec();
    digits.resize(64, b'0');
    (civil(seconds).unwrap(), digits)
}

fn taxii(text: &str) -> Option<Taxii> {
    let time = Taxii::parse(text)?;
    let written = time.to_string();
    assert_eq!(written.len(), 27);
    assert_eq!(Taxii::parse(&written), Some(time));
    let body = written.strip_suffix('Z').unwrap();
    for (zone, seconds) in [("+05:30", -19_800), (" 05:30", -19_800), ("-00:45", 2700)] {
        let elsewhere = Taxii::parse(&format!("{body}{zone}"));
        let expected = time.plus_seconds(seconds);
        // An offset can lead out of the years that can be written, and those are refused.
        let text = expected.to_string();
        assert_eq!(elsewhere, (text.len() == 27 && !text.starts_with('-')).then_some(expected));
    }
    Some(time)
}

/// What STIX reads TAXII reads too, to the microsecond; but a leap second is the next one.
fn same(time: &Stix) {
    let (seconds, fraction) = time.instant().split_at(19);
    if !seconds.ends_with("60") {
        let written = Taxii::parse(time.as_str()).unwrap().to_string();
        assert_eq!(written, format!("{seconds}.{:0<6.6}Z", fraction.trim_start_matches('.')));
    }
}
