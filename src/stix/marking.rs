//! Predefined markings: TLP 1.0 (STIX 2.1 §7.2.1.4) and TLP 2.0 (the published
//! extension `extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d`).
//!
//! They are known here without being sent, and nobody can redefine them.

use super::timestamp::Timestamp;
use serde_json::{Value, json};

/// The extension that carries TLP 2.0 on a marking definition.
pub const TLP_2_0: &str = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d";

/// A predefined Traffic Light Protocol marking.
#[derive(Debug, PartialEq, Eq)]
pub struct Tlp {
    /// Its marking definition's id.
    pub id: &'static str,
    /// Its name, such as `TLP:AMBER+STRICT`.
    pub name: &'static str,
    /// Its value in the definition, such as `amber+strict`.
    pub value: &'static str,
    /// When its marking definition was created: the same for every copy.
    created: &'static str,
}

const TLP_1_CREATED: &str = "2017-01-20T00:00:00";
const TLP_2_CREATED: &str = "2022-10-01T00:00:00";

/// The nine predefined markings. TLP 1.0 and 2.0 are different definitions, also where the colour is the same.
pub const TLP: [Tlp; 9] = [
    tlp_1("marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9", "TLP:WHITE", "white"),
    tlp_1("marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da", "TLP:GREEN", "green"),
    tlp_1("marking-definition--f88d31f6-486f-44da-b317-01333bde0b82", "TLP:AMBER", "amber"),
    tlp_1("marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed", "TLP:RED", "red"),
    tlp_2("marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487", "TLP:CLEAR", "clear"),
    tlp_2("marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb", "TLP:GREEN", "green"),
    tlp_2("marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421", "TLP:AMBER", "amber"),
    tlp_2("marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003", "TLP:AMBER+STRICT", "amber+strict"),
    tlp_2("marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1", "TLP:RED", "red"),
];

const fn tlp_1(id: &'static str, name: &'static str, value: &'static str) -> Tlp {
    Tlp { id, name, value, created: TLP_1_CREATED }
}

const fn tlp_2(id: &'static str, name: &'static str, value: &'static str) -> Tlp {
    Tlp { id, name, value, created: TLP_2_CREATED }
}

/// The predefined marking with this id. A UUID is the same in either case (RFC 9562 §4): RED
/// in capitals is RED.
pub fn predefined(id: &str) -> Option<&'static Tlp> {
    TLP.iter().find(|tlp| tlp.id.eq_ignore_ascii_case(id))
}

impl Tlp {
    /// When its definition was created, in canonical form: also its version, for markings have no other.
    pub fn instant(&self) -> &'static str {
        self.created
    }

    /// The same as it stands in the definition.
    pub fn version(&self) -> String {
        format!("{}.000Z", self.created)
    }

    /// Its definition.
    pub fn definition(&self) -> String {
        let Self { id, name, value, created } = self;
        let says = match *created {
            TLP_1_CREATED => format!(r#""definition_type":"tlp","definition":{{"tlp":"{value}"}}"#),
            _ => {
                format!(r#""extensions":{{"{TLP_2_0}":{{"extension_type":"property-extension","tlp_2_0":"{value}"}}}}"#)
            }
        };
        format!(
            r#"{{"type":"marking-definition","spec_version":"2.1","id":"{id}","created":"{created}.000Z","name":"{name}",{says}}}"#
        )
    }

    /// Whether what a copy of TLP 2.0 says in the manner of TLP 1.0, as tools write it, is nothing else.
    fn repeats(&self, object: &Value) -> bool {
        let kind = object.get("definition_type").is_none_or(|kind| {
            kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("tlp") || kind.eq_ignore_ascii_case(self.name))
        });
        let definition = object.get("definition");
        kind && definition.is_none_or(|said| *said == json!({}) || *said == json!({"tlp": self.value}))
    }

    /// Whether a copy says something beside what the definition says: who created it, or anything else.
    pub fn is_said_more_of(object: &Value) -> bool {
        const OWN: [&str; 8] =
            ["type", "spec_version", "id", "created", "name", "definition_type", "definition", "extensions"];
        const OF_EXTENSION: [&str; 2] = ["extension_type", "tlp_2_0"];
        let beyond = |object: &Value, own: &[&str]| {
            object.as_object().is_some_and(|object| object.keys().any(|name| !own.contains(&name.as_str())))
        };
        beyond(object, &OWN) || beyond(&object["extensions"][TLP_2_0], &OF_EXTENSION)
    }

    /// Whether `object` is a true copy: the same creation instant, colour and name, and no other terms beside
    /// them. Tools write the time, and the letters of the name, differently, or leave the name out.
    pub fn is_copy(&self, object: &Value) -> bool {
        let created = object["created"].as_str().and_then(Timestamp::parse);
        let has = |name: &str| object.get(name).is_some();
        let says = if self.created == TLP_1_CREATED {
            object["definition_type"] == "tlp"
                && object["definition"] == json!({"tlp": self.value})
                && !has("extensions")
        } else {
            let only = object["extensions"].as_object().is_some_and(|extensions| extensions.len() == 1);
            only && object["extensions"][TLP_2_0]["tlp_2_0"] == self.value && self.repeats(object)
        };
        let name = object
            .get("name")
            .is_none_or(|name| name.as_str().is_some_and(|name| name.eq_ignore_ascii_case(self.name)));
        says && name && created.is_some_and(|created| created.instant() == self.created)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stix::finding::Profile;
    use crate::stix::head::Spec;
    use crate::stix::judge::Judge;
    use serde_json::json;

    #[test]
    fn a_copy_with_another_spelling_is_a_copy_and_one_with_another_colour_is_not() {
        let amber = predefined("marking-definition--f88d31f6-486f-44da-b317-01333bde0b82").unwrap();
        let copy = |created: &str, colour: &str| json!({"created": created, "definition_type": "tlp", "definition": {"tlp": colour}});
        assert!(amber.is_copy(&copy("2017-01-20T00:00:00Z", "amber")));
        assert!(amber.is_copy(&copy("2017-01-20T00:00:00.000000Z", "amber")));
        assert!(!amber.is_copy(&copy("2017-01-20T00:00:00.000Z", "white")));
        assert!(!amber.is_copy(&copy("2018-01-20T00:00:00.000Z", "amber")));
        assert!(!amber.is_copy(&json!({})));
    }

    #[test]
    fn every_definition_is_a_copy_of_itself_and_clean_stix() {
        let judge = Judge::new().unwrap();
        for tlp in &TLP {
            let definition = tlp.definition();
            assert!(tlp.is_copy(&serde_json::from_str(&definition).unwrap()), "{definition}");
            let judged = judge.judge(definition.as_bytes(), Profile::Strict, &[Spec::V21]);
            assert!(judged.verdict.findings().is_empty(), "{:?}", judged.verdict);
            assert_eq!(judged.head.unwrap().version.unwrap().as_str(), tlp.version());
        }
    }

    #[test]
    fn a_tlp_2_copy_carries_its_colour_in_the_extension() {
        let strict = predefined("marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003").unwrap();
        let copy = json!({"created": "2022-10-01T00:00:00.000Z", "extensions": {TLP_2_0: {"tlp_2_0": "amber+strict"}}});
        assert!(strict.is_copy(&copy));
    }
}
