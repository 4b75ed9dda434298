//! Identifiers of observables (STIX 2.1 §2.9, §3.4).

use crate::{said, words};
use entente::stix::finding::{Profile, Severity};
use serde_json::{Value, json};

/// What observables say, and the ids that the rule gives them: computed by other programs.
fn vectors() -> Vec<(Value, String)> {
    [
        ("ipv4-addr", "28bb3599-77cd-5a82-a950-b5bc3caf07c4", json!({"value": "198.51.100.3"})),
        ("domain-name", "bedb4899-d24b-5401-bc86-8f6b4cc18ec7", json!({"value": "example.com"})),
        ("url", "47c3cf9a-5027-5bf0-997a-017c7edc7c55", json!({"value": "https://example.com/research/index.html"})),
        ("file", "949eb97a-da1e-5292-8959-03c4249dc9f3", json!({"hashes": {"SHA-256": "fe90a7e910cb3a4739bed9180e807e93fa70c90f25a8915476f5e4bfbac681db"}, "name": "foo.dll"})),
        // Of two hashes MD5 contributes, wherever it stands.
        ("file", "e2e0e2de-21bb-52fd-a3e0-db74b507ac84", json!({"name": "foo.dll", "hashes": {
            "SHA-256": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "MD5": "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}})),
        ("mutex", "f93fe911-e545-5239-b9b0-597840d0c871", json!({"name": "__CLEANSWEEP__"})),
        // Only the number contributes.
        ("autonomous-system", "3aa27478-50b5-5ab8-9da9-cdc12b657fff", json!({"number": 15139, "name": "Slime Industries", "rir": "ARIN"})),
        ("email-addr", "7165e2a9-671f-585d-b1e1-ca59c671d934", json!({"value": "john@example.com", "display_name": "John Doe"})),
        ("software", "710b0b41-d4d0-5d6c-a400-fc9254554ffc", json!({"name": "Word", "cpe": "cpe:2.3:a:microsoft:word:2000:*:*:*:*:*:*:*",
            "vendor": "Microsoft", "version": "2002"})),
        ("windows-registry-key", "67c068a7-2c94-526b-8e90-d0f8d96c630f", json!({"key": "hkey_local_machine\\system\\bar\\foo"})),
        ("mac-addr", "757b1725-9903-54f5-a855-1240691d7659", json!({"value": "d2:fb:49:24:37:18"})),
        ("user-account", "f94d689e-707d-58c3-b803-c720bb6ed096", json!({"user_id": "1001", "account_login": "jdoe", "account_type": "unix"})),
        ("x509-certificate", "bf86f034-2390-54d7-8426-d08433db3fbe", json!({"serial_number": "36:f7:d4:32:f4:ab:70:ea:d3:ce:98:6e:ea:99:93:49:32:0a:b7:06"})),
        ("directory", "0a58d0c1-59e6-5afd-8252-dcd3f13e5622", json!({"path": "C:\\Windows\\System32"})),
        // The text contributes, not the address: zeros stay.
        ("ipv6-addr", "85a85a8c-ee99-5722-946d-3c3a3270fc6f", json!({"value": "2001:0db8:85a3:0000:0000:8a2e:0370:7334"})),
        ("network-traffic", "6e0cb830-0305-57d4-8536-7be874d42005", json!({"src_ref": "ipv4-addr--4d22aae0-2bf9-5427-8819-e4f6abf20a53",
            "dst_ref": "ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd", "protocols": ["tcp"]})),
        // Canonical JSON is UTF-8 as it is (RFC 8785 §3.2.2.2).
        ("mutex", "80e7975d-c56a-56ff-87e2-ab8c32e3ebd5", json!({"name": "\u{bb34}\u{d0dd}\u{e9}\u{20ac}"})),
    ]
    .into_iter()
    .map(|(object_type, uuid, mut observable)| {
        observable["type"] = json!(object_type);
        (observable, format!("{object_type}--{uuid}"))
    })
    .collect()
}

/// STIX 2.1 §2.9, §3.4.
#[test]
fn an_observable_with_the_id_of_its_content_is_clean() {
    for (mut observable, id) in vectors() {
        observable["id"] = json!(id);
        crate::must_be_clean(&observable);
    }
}

/// STIX 2.1 §2.9, §3.4: the rule is a SHOULD, and the finding says what the id should be.
#[test]
fn an_observable_with_the_id_of_another_content_is_told_its_own() {
    for (mut observable, id) in vectors() {
        let object_type = observable["type"].as_str().unwrap();
        observable["id"] = json!(format!("{object_type}--99999999-9999-5999-8999-999999999999"));
        for (profile, severity) in [
            (Profile::Strict, Severity::Refuse),
            (Profile::Standard, Severity::Warn),
            (Profile::Lenient, Severity::Warn),
        ] {
            let found = said(&observable, profile);
            assert_eq!(found, [("deterministic-id", "/id".to_owned(), severity)], "{}", words(&observable, profile));
            assert!(words(&observable, profile).contains(&id), "{id}: {}", words(&observable, profile));
        }
    }
}

/// STIX 2.1 §2.9: what does not contribute does not change the id.
#[test]
fn what_does_not_contribute_does_not_change_the_id() {
    for (mut observable, id) in vectors() {
        observable["id"] = json!(id);
        observable["defanged"] = json!(false);
        observable["object_marking_refs"] = json!(["marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9"]);
        crate::must_be_clean(&observable);
    }
}

/// STIX 2.1 §2.9: without a hash of the four common algorithms any of the others may contribute,
/// as its producer chose.
#[test]
fn of_uncommon_hashes_any_may_contribute() {
    let (sha3, tlsh) = ("ab".repeat(32), "cd".repeat(35));
    for hashes in [json!({"SHA3-256": sha3.clone()}), json!({"TLSH": tlsh.clone()})] {
        let id = crate::object("file", json!({"hashes": hashes}))["id"].clone();
        let both = json!({"SHA3-256": sha3, "TLSH": tlsh});
        crate::must_be_clean(&crate::object("file", json!({"hashes": both, "id": id})));
    }
    let id = "file--99999999-9999-5999-8999-999999999999";
    let neither = crate::object("file", json!({"hashes": {"SHA3-256": sha3, "TLSH": tlsh}, "id": id}));
    assert_eq!(said(&neither, Profile::Standard).len(), 1);
}

/// STIX 2.1 §3.4: where nothing contributes, the id is random, and any is right.
#[test]
fn where_nothing_contributes_any_id_is_right() {
    for id in ["process--99999999-9999-4999-8999-999999999999", "process--99999999-9999-5999-8999-999999999999"] {
        crate::must_be_clean(&json!({"type": "process", "id": id, "pid": 7}));
    }
}
