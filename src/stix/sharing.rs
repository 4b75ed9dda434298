//! What a marking definition says about how far, and when, what it marks may travel:
//! the Traffic Light Protocol, ACS 3.0, IEP 2.0 and CUI, each by its published extension.
//!
//! What cannot be evaluated fails closed. A definition that speaks of none of this (a
//! statement, say) says nothing.

use super::marking;
use super::timestamp::Timestamp;
use serde_json::Value;

const ACS_3_0: &str = "extension-definition--3a65884d-005a-4290-8335-cb2d778a83ce";
const IEP_2_0: &str = "extension-definition--762e2e97-ee51-43e5-a9ea-165fbb862c4a";
const CUI: &str = "extension-definition--dff17fb3-edcb-4f99-ad1b-4b751c95738a";

/// A colour of the Traffic Light Protocol 2.0, in the order of how far it lets things travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Colour {
    /// No limit.
    Clear,
    /// The community.
    Green,
    /// The organisation and its clients.
    Amber,
    /// The organisation only.
    AmberStrict,
    /// The persons addressed; and whatever cannot be evaluated.
    Red,
}

impl Colour {
    /// By its name in a definition; TLP 1.0's `white` is `clear`.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "white" | "clear" => Some(Self::Clear),
            "green" => Some(Self::Green),
            "amber" => Some(Self::Amber),
            "amber+strict" => Some(Self::AmberStrict),
            "red" => Some(Self::Red),
            _ => None,
        }
    }
}

/// What a marking definition says about sharing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sharing {
    /// The least that it asks for, if it asks for anything.
    pub colour: Option<Colour>,
    /// Before this time, nobody is to have what it marks.
    pub starts: Option<Timestamp>,
    /// From this time on, nobody is to be given what it marks.
    pub ends: Option<Timestamp>,
    /// Whether it marks what is classified: that is kept elsewhere.
    pub classified: bool,
}

impl Sharing {
    /// What a marking definition says; `None` of other objects. A copy of a predefined marking says its
    /// colour; who claims a colour under another id claims the highest.
    pub fn of(object: &Value) -> Option<Self> {
        if object["type"] != "marking-definition" {
            return None;
        }
        let extension = |id: &str| object["extensions"].get(id);
        let predefined = object["id"].as_str().and_then(marking::predefined);
        let iep = extension(IEP_2_0);
        let colours = [
            predefined.and_then(|tlp| Colour::parse(tlp.value)),
            (predefined.is_none() && claims_tlp(object)).then_some(Colour::Red),
            extension(ACS_3_0).and_then(acs),
            extension(CUI).and_then(cui),
            iep.map(|iep| iep["tlp"].as_str().and_then(Colour::parse).unwrap_or(Colour::Red)),
        ];
        // A date that cannot be read closes for good.
        let unreadable = iep.is_some_and(|iep| ["start_date", "end_date"].iter().any(|name| is_odd(iep, name)));
        let colour = colours.into_iter().chain([unreadable.then_some(Colour::Red)]).flatten().max();
        let date = |name: &str| iep.and_then(|iep| date(iep, name));
        let classified = extension(ACS_3_0).is_some_and(|acs| acs["control_set"]["classification"] != "U");
        Some(Self { colour, starts: date("start_date"), ends: date("end_date"), classified })
    }
}

fn claims_tlp(object: &Value) -> bool {
    let type_says = object["definition_type"].as_str().is_some_and(|kind| kind.to_ascii_lowercase().starts_with("tlp"));
    type_says || object["extensions"].get(marking::TLP_2_0).is_some()
}

/// A date of a policy, if there is one that can be read.
fn date(policy: &Value, name: &str) -> Option<Timestamp> {
    policy.get(name)?.as_str().and_then(Timestamp::parse)
}

/// Whether there is a date, and it cannot be read.
fn is_odd(policy: &Value, name: &str) -> bool {
    policy.get(name).is_some() && date(policy, name).is_none()
}

/// Controlled Unclassified Information may go to anybody unless it says to whom it may not.
fn cui(extension: &Value) -> Option<Colour> {
    let limited = extension.get("disseminations").is_some_and(|list| *list != Value::Array(Vec::new()));
    limited.then_some(Colour::Red)
}

/// What an access control specification asks for.
fn acs(extension: &Value) -> Option<Colour> {
    if !acs_is_open(extension) {
        return Some(Colour::Red);
    }
    let determined = |word: &str| items(&extension["control_set"]["formal_determination"]).any(|one| one == word);
    match (determined("FOUO"), determined("PUBREL")) {
        (true, _) => Some(Colour::Amber),
        (false, true) => Some(Colour::Clear),
        (false, false) => None,
    }
}

/// Whether all that it says about access is understood here, and lets everybody have it whom the
/// colour lets.
fn acs_is_open(extension: &Value) -> bool {
    let control = &extension["control_set"];
    let policy = extension["policy_reference"].as_str().unwrap_or_default();
    let Some(("urn:isa:policy:acs:ns:v3.0", defaults)) = policy.split_once('?') else { return false };
    let shared = defaults.split('&').filter(|default| default.starts_with("sharedefault=")).eq(["sharedefault=permit"]);
    let privileged =
        defaults.split('&').filter(|default| default.starts_with("privdefault=")).eq(["privdefault=permit"]);
    let known = ["PUBREL", "FOUO", "AIS", "NO-PII-PRESENT", "INFORMATION-DIRECTLY-RELATED-TO-CYBERSECURITY-THREAT"];
    let understood = ["classification", "formal_determination"];
    shared
        && control["classification"] == "U"
        && items(&control["formal_determination"]).all(|one| known.iter().any(|known| one == known))
        && control.as_object().is_some_and(|control| control.keys().all(|name| understood.contains(&name.as_str())))
        && items(&extension["further_sharing"]).all(|sharing| sharing["rule_effect"] == "permit")
        && items(&extension["access_privilege"])
            .all(|privilege| privilege["rule_effect"] == "permit" || is_moot(privilege))
        && (privileged || items(&extension["access_privilege"]).any(lets_everybody_see))
}

/// A refusal that refuses nothing here: nobody has access without a name.
fn is_moot(privilege: &Value) -> bool {
    privilege["rule_effect"] == "deny" && privilege["privilege_action"] == "ANONYMOUSACCESS"
}

fn lets_everybody_see(privilege: &Value) -> bool {
    let sees = ["DSPLY", "ALL"].iter().any(|action| privilege["privilege_action"] == *action);
    let everybody = privilege["privilege_scope"]
        .as_object()
        .is_some_and(|scope| !scope.is_empty() && scope.values().all(|list| items(list).eq(["ALL"])));
    privilege["rule_effect"] == "permit" && sees && everybody
}

/// The items of a list. What is there and is no list has one item that nothing knows.
fn items(list: &Value) -> impl Iterator<Item = &Value> {
    const UNKNOWN: &Value = &Value::Null;
    let rest = list.as_array().map(Vec::as_slice).unwrap_or_default();
    rest.iter().chain((!list.is_null() && !list.is_array()).then_some(UNKNOWN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sharing(extension: &str, content: &Value) -> Sharing {
        let id = "marking-definition--17d82bb2-eeeb-4898-bda5-3ddbcd2b799d";
        Sharing::of(&json!({"type": "marking-definition", "id": id, "extensions": {extension: content}})).unwrap()
    }

    fn acs_with(change: impl FnOnce(&mut Value)) -> Option<Colour> {
        let mut extension = json!({
            "policy_reference": "urn:isa:policy:acs:ns:v3.0?privdefault=permit&sharedefault=permit",
            "control_set": {"classification": "U", "formal_determination": ["PUBREL"]},
        });
        change(&mut extension);
        sharing(ACS_3_0, &extension).colour
    }

    #[test]
    fn an_access_control_specification_is_open_only_as_far_as_it_is_understood() {
        let all = json!({"permitted_nationalities": ["ALL"], "entity": ["ALL"]});
        let some = json!({"permitted_nationalities": ["USA"]});
        let privilege = |action: &str, effect: &str, scope: &Value| json!([{"privilege_action": action, "rule_effect": effect, "privilege_scope": scope}]);
        let deny = "urn:isa:policy:acs:ns:v3.0?privdefault=deny&sharedefault=permit";
        assert_eq!(acs_with(|_| ()), Some(Colour::Clear));
        assert_eq!(acs_with(|acs| acs["control_set"]["formal_determination"] = json!(["AIS"])), None);
        assert_eq!(acs_with(|acs| acs["control_set"]["formal_determination"] = json!(["FOUO"])), Some(Colour::Amber));
        assert_eq!(
            acs_with(|acs| acs["access_privilege"] = privilege("ANONYMOUSACCESS", "deny", &all)),
            Some(Colour::Clear)
        );
        assert_eq!(
            acs_with(|acs| {
                acs["policy_reference"] = json!(deny);
                acs["access_privilege"] = privilege("DSPLY", "permit", &all);
            }),
            Some(Colour::Clear)
        );
        let closed: [fn(&mut Value); 12] = [
            |acs| acs["policy_reference"] = json!("urn:isa:policy:acs:ns:v3.0?privdefault=permit&sharedefault=deny"),
            |acs| acs["policy_reference"] = json!("urn:isa:policy:acs:ns:v3.0?privdefault=deny&sharedefault=permit"),
            |acs| {
                acs["policy_reference"] =
                    json!("urn:isa:policy:acs:ns:v3.0?privdefault=permit&sharedefault=permit&sharedefault=deny");
            },
            |acs| acs["policy_reference"] = json!("urn:isa:policy:acs:ns:v4.0?privdefault=permit&sharedefault=permit"),
            |acs| acs["policy_reference"] = json!(7),
            |acs| acs["control_set"] = json!({}),
            |acs| acs["control_set"]["classification"] = json!("S"),
            |acs| acs["control_set"]["formal_determination"] = json!(["PUBREL", "NF"]),
            |acs| acs["control_set"]["formal_determination"] = json!("PUBREL"),
            |acs| acs["control_set"]["permitted_nationalities"] = json!(["USA"]),
            |acs| acs["control_set"]["logical_authority_category"] = json!(["X"]),
            |acs| acs["further_sharing"] = json!([{"rule_effect": "deny", "sharing_scope": ["FOREIGNGOV"]}]),
        ];
        closed.into_iter().for_each(|close| assert_eq!(acs_with(close), Some(Colour::Red)));
        for (action, effect, scope) in [("DSPLY", "deny", &all), ("IDSRC", "deny", &some), ("X", "maybe", &all)] {
            let found = acs_with(|acs| acs["access_privilege"] = privilege(action, effect, scope));
            assert_eq!(found, Some(Colour::Red), "{action} {effect}");
        }
        for (action, scope) in [("DSPLY", &some), ("NETDEF", &all), ("DSPLY", &json!({}))] {
            let found = acs_with(|acs| {
                acs["policy_reference"] = json!(deny);
                acs["access_privilege"] = privilege(action, "permit", scope);
            });
            assert_eq!(found, Some(Colour::Red), "{action} {scope}");
        }
    }

    #[test]
    fn an_exchange_policy_has_a_colour_and_times_and_what_cannot_be_read_closes() {
        let time = |text: &str| Timestamp::parse(text);
        let (start, end) = ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
        let both = sharing(IEP_2_0, &json!({"tlp": "amber", "start_date": start, "end_date": end}));
        assert_eq!((both.colour, both.starts, both.ends), (Some(Colour::Amber), time(start), time(end)));
        let open = sharing(IEP_2_0, &json!({"tlp": "white", "start_date": start}));
        assert_eq!((open.colour, open.starts, open.ends), (Some(Colour::Clear), time(start), None));
        for odd in [json!({}), json!({"tlp": "blue"}), json!({"tlp": "green", "end_date": "soon"}), json!([])] {
            assert_eq!(sharing(IEP_2_0, &odd).colour, Some(Colour::Red), "{odd}");
        }
    }

    #[test]
    fn a_definition_of_another_kind_says_nothing_and_a_claimed_colour_is_the_highest() {
        let id = "marking-definition--17d82bb2-eeeb-4898-bda5-3ddbcd2b799d";
        let definition = |content: Value| {
            let mut object = json!({"type": "marking-definition", "id": id});
            object.as_object_mut().unwrap().extend(content.as_object().unwrap().clone());
            Sharing::of(&object).unwrap()
        };
        let statement = json!({"definition_type": "statement", "definition": {"statement": "TLP:RED"}});
        assert_eq!(definition(statement), Sharing::default());
        let clear = json!({"definition_type": "tlp", "definition": {"tlp": "white"}});
        assert_eq!(definition(clear).colour, Some(Colour::Red));
        assert_eq!(
            definition(json!({"extensions": {marking::TLP_2_0: {"tlp_2_0": "clear"}}})).colour,
            Some(Colour::Red)
        );
        assert_eq!(definition(json!({"extensions": {CUI: {"disseminations": ["NOFORN"]}}})).colour, Some(Colour::Red));
        assert_eq!(definition(json!({"extensions": {CUI: {"control": "CUI"}}})).colour, None);
        assert_eq!(Sharing::of(&json!({"type": "identity"})), None);
        let amber = json!({"type": "marking-definition", "id": marking::TLP[2].id});
        assert_eq!(Sharing::of(&amber).unwrap().colour, Some(Colour::Amber));
    }
}
