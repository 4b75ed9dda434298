//! The registry: API roots, collections, organisations, credentials and grants; and
//! which changes it admits.

pub use super::rules::{Downgrade, Rule, Rules};

use crate::access::credential::{Anchor, Credential, CredentialKey, Fingerprint, Proof};
use crate::access::level::Level;
use crate::access::organisation::{self, Organisation, OrganisationKey};
use crate::access::permission::{CollectionKey, Grant};
use crate::stix::head::Spec;
use crate::stix::id::Id;
use crate::taxii::api_root;
use crate::taxii::collections::alias_fault;
use crate::taxii::timestamp::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::fmt;
use uuid::Uuid;

/// An API root: it answers at `/NAME/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Root {
    /// Its path, without the slashes around it.
    pub name: String,
    /// Its name for people.
    pub title: String,
}

/// A collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Collection {
    /// Its key in the store. 0 until it is stored.
    pub key: CollectionKey,
    /// Its id: a version 4 UUID in lower case (TAXII 2.1 §2).
    pub id: String,
    /// The API root that it is in.
    pub root: String,
    /// Its name for people, unique within the root.
    pub title: String,
    /// What it is for.
    pub description: Option<String>,
    /// A second name for use in URLs, unique within the root.
    pub alias: Option<String>,
    /// The specification versions that it holds, ascending.
    pub specs: Vec<Spec>,
    /// What it does with what it is sent.
    #[serde(flatten)]
    pub rules: Rules,
    /// When it was made.
    pub created: Timestamp,
}

/// All of the registry, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry {
    /// See [`super::Registrar::generation`].
    pub generation: u64,
    /// In the order of their making: the first is discovery's default.
    pub roots: Vec<Root>,
    /// In ascending order of their ids.
    pub collections: Vec<Collection>,
    /// In ascending order of their names.
    pub organisations: Vec<Organisation>,
    /// In ascending order of organisation, then key.
    pub credentials: Vec<Credential>,
    /// In ascending order of their fingerprints.
    pub anchors: Vec<Anchor>,
    /// In ascending order of organisation, then collection.
    pub grants: Vec<Grant>,
}

/// A change of the registry. It says what is to change and nothing else: somebody else may be changing the
/// rest at the same time.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new API root.
    AddRoot(Root),
    /// A new collection; its key is given by the store.
    AddCollection(Collection),
    /// A collection goes by these rules from now on, and by its others as before; what it holds stays.
    SetRules(CollectionKey, Vec<Rule>),
    /// A new organisation, by name and title.
    AddOrganisation {
        /// Its short name.
        name: String,
        /// Its name for people.
        title: String,
    },
    /// None of an organisation's credentials counts, or they do again.
    Suspend(OrganisationKey, bool),
    /// A STIX identity becomes an organisation's own.
    DeclareIdentity(OrganisationKey, String),
    /// A STIX identity is nobody's any more.
    WithdrawIdentity(String),
    /// A credential is registered; its key is given by the store.
    AddCredential(Credential),
    /// Another certificate for a credential's key: this is its subject now, and its end.
    RenewCredential(CredentialKey, String, Timestamp),
    /// A credential counts no longer from this time on.
    EndCredential(CredentialKey, Timestamp),
    /// A credential counts no longer since this time, and never will again.
    RevokeCredential(CredentialKey, Timestamp),
    /// A trust anchor may speak for these organisations, too.
    BindAnchor(Anchor),
    /// A trust anchor may speak for nobody.
    RemoveAnchor(Fingerprint),
    /// An organisation gets these rights in a collection, in place of those it had.
    SetGrant(Grant),
    /// An organisation may no longer know of a collection.
    RevokeGrant(OrganisationKey, CollectionKey),
}

/// A change that would leave the registry without sense. Says what to do instead.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

impl Registry {
    /// The root with this name.
    pub fn root(&self, name: &str) -> Option<&Root> {
        self.roots.iter().find(|root| root.name == name)
    }

    /// The collection of a root with this id or alias.
    pub fn collection(&self, root: &str, id_or_alias: &str) -> Option<&Collection> {
        self.collections.iter().find(|collection| collection.root == root && collection.is_called(id_or_alias))
    }

    /// The collection with this key.
    pub fn collection_by_key(&self, key: CollectionKey) -> Option<&Collection> {
        self.collections.iter().find(|collection| collection.key == key)
    }

    /// The organisation with this name.
    pub fn organisation(&self, name: &str) -> Option<&Organisation> {
        self.organisations.iter().find(|organisation| organisation.name == name)
    }

    /// The organisation with this key.
    pub fn organisation_by_key(&self, key: OrganisationKey) -> Option<&Organisation> {
        self.organisations.iter().find(|organisation| organisation.key == key)
    }

    /// The name of the organisation with this key.
    pub fn name_of(&self, key: OrganisationKey) -> Option<String> {
        self.organisation_by_key(key).map(|organisation| organisation.name.clone())
    }

    /// The credential with this key.
    pub fn credential(&self, key: CredentialKey) -> Option<&Credential> {
        self.credentials.iter().find(|credential| credential.key == key)
    }

    /// The credential with this fingerprint.
    pub fn credential_by_fingerprint(&self, fingerprint: Fingerprint) -> Option<&Credential> {
        self.credentials.iter().find(|credential| credential.fingerprint() == fingerprint)
    }

    /// The trust anchor with this fingerprint.
    pub fn anchor(&self, fingerprint: Fingerprint) -> Option<&Anchor> {
        self.anchors.iter().find(|anchor| anchor.fingerprint == fingerprint)
    }

    /// The organisation that a STIX identity is declared by.
    pub fn identity_of(&self, identity: &str) -> Option<&Organisation> {
        self.organisations.iter().find(|organisation| organisation.identities.iter().any(|own| own == identity))
    }

    /// What an organisation may do in a collection.
    pub fn grant(&self, organisation: OrganisationKey, collection: CollectionKey) -> Option<&Grant> {
        self.grants.iter().find(|grant| grant.organisation == organisation && grant.collection == collection)
    }

    /// Who manages a collection.
    pub fn managers(&self, collection: CollectionKey) -> Vec<OrganisationKey> {
        let manages = |grant: &&Grant| grant.collection == collection && grant.manage;
        self.grants.iter().filter(manages).map(|grant| grant.organisation).collect()
    }

    /// Whether a change leaves the registry with sense.
    pub fn check(&self, change: &Change) -> Result<(), Refused> {
        match change {
            Change::AddRoot(root) => self.check_root(root),
            Change::AddCollection(collection) => self.check_collection(collection),
            Change::AddOrganisation { name, title } => self.check_organisation(name, title),
            Change::AddCredential(credential) => self.check_credential(credential),
            Change::RevokeCredential(key, _) => {
                let revoked = self.credential(*key).is_none_or(|credential| credential.revoked.is_some());
                refuse_if(revoked, || "this credential is revoked already".to_owned())
            }
            Change::DeclareIdentity(organisation, identity) => self.check_identity(*organisation, identity),
            Change::WithdrawIdentity(identity) => refuse_if(self.identity_of(identity).is_none(), || {
                format!("no organisation declares {identity}: see `list`")
            }),
            Change::BindAnchor(anchor) => refuse_if(anchor.organisations.is_empty(), || {
                "a trust anchor speaks for at least one organisation".to_owned()
            }),
            Change::RemoveAnchor(fingerprint) => refuse_if(self.anchor(*fingerprint).is_none(), || {
                format!("no trust anchor has the fingerprint {fingerprint}: see `anchor list`")
            }),
            Change::SetRules(key, changed) => {
                let known = self.collection_by_key(*key).map(|collection| collection.rules);
                check_rules(known.unwrap_or_default().with(changed))
            }
            Change::Suspend(..) | Change::RenewCredential(..) | Change::EndCredential(..) | Change::SetGrant(_) => {
                Ok(())
            }
            Change::RevokeGrant(organisation, collection) => {
                refuse_if(self.grant(*organisation, *collection).is_none(), || {
                    "the organisation has no grant in this collection: there is nothing to revoke".to_owned()
                })
            }
        }
    }

    fn check_root(&self, root: &Root) -> Result<(), Refused> {
        refuse_for(api_root::name_fault(&root.name))?;
        refuse_for(title_fault(&root.title))?;
        refuse_if(self.root(&root.name).is_some(), || format!("there is an API root {:?} already", root.name))
    }

    fn check_collection(&self, collection: &Collection) -> Result<(), Refused> {
        let Collection { id, root, title, alias, .. } = collection;
        refuse_if(self.root(root).is_none(), || format!("there is no API root {root:?}: add it with `root add`"))?;
        refuse_for(title_fault(title))?;
        refuse_if(!is_uuid_4(id), || format!("{id:?} is no version 4 UUID in lower case (TAXII 2.1 §2)"))?;
        let taken =
            |what: &str, name: &str| format!("{what} {name:?} is taken in the API root {root:?}: choose another one");
        for other in &self.collections {
            let same_root = other.root == *root;
            refuse_if(other.id == *id, || format!("the id {id} is taken"))?;
            refuse_if(same_root && other.title == *title, || taken("the title", title))?;
            refuse_if(other.alias.as_ref() == Some(id), || taken("as an alias, the id", id))?;
            if let Some(alias) = alias {
                let clashes = other.id == *alias || same_root && other.alias.as_ref() == Some(alias);
                refuse_if(clashes, || taken("the alias", alias))?;
            }
        }
        refuse_for(alias.as_deref().and_then(alias_fault))?;
        check_rules(collection.rules)?;
        refuse_if(collection.specs.is_empty(), || "a collection holds at least one STIX version".to_owned())
    }

    fn check_organisation(&self, name: &str, title: &str) -> Result<(), Refused> {
        refuse_for(organisation::name_fault(name))?;
        refuse_for(title_fault(title))?;
        refuse_if(self.organisation(name).is_some(), || format!("there is an organisation {name:?} already"))
    }

    /// One proof speaks for one organisation only, also after it was revoked.
    fn check_credential(&self, credential: &Credential) -> Result<(), Refused> {
        if let Proof::Name { anchor: Some(anchor), .. } = &credential.proof {
            self.check_speaks(*anchor, credential.organisation)?;
        }
        if let Proof::Secret(secret) = &credential.proof {
            refuse_if(secret.ceiling == Level::Red, || "what is RED never leaves by a secret".to_owned())?;
            refuse_if(secret.addresses.is_empty(), || "a secret is good at one address at least".to_owned())?;
        }
        let Some(other) = self.credential_by_fingerprint(credential.fingerprint()) else { return Ok(()) };
        let owner =
            self.organisation_by_key(other.organisation).map_or("another one", |organisation| &organisation.name);
        let (what, fingerprint) = (other.proof.kind(), other.fingerprint());
        Err(Refused(match other.revoked {
            Some(revoked) => {
                format!("the {what} {fingerprint} of the organisation {owner} was revoked at {revoked}: make a new key")
            }
            None => format!(
                "the {what} {fingerprint} is registered for the organisation {owner} already, and one {what} speaks for one only"
            ),
        }))
    }

    fn check_speaks(&self, anchor: Fingerprint, organisation: OrganisationKey) -> Result<(), Refused> {
        let speaks = self.anchor(anchor).is_some_and(|anchor| anchor.organisations.contains(&organisation));
        refuse_if(!speaks, || {
            format!("the trust anchor {anchor} may not speak for this organisation: see `anchor add --for`")
        })
    }

    fn check_identity(&self, organisation: OrganisationKey, identity: &str) -> Result<(), Refused> {
        let id = Id::parse(identity).filter(|id| id.object_type() == "identity" && id.as_str() == identity);
        refuse_if(id.is_none(), || format!("{identity:?} is no id of a STIX identity (STIX 2.1 §2.9)"))?;
        let Some(other) = self.identity_of(identity) else { return Ok(()) };
        let whose = if other.key == organisation { "this organisation" } else { &other.name };
        Err(Refused(format!("{identity} is declared by {whose} already")))
    }
}

/// What lies above a collection's ceiling cannot be the level of what says none.
fn check_rules(rules: Rules) -> Result<(), Refused> {
    let Rules { unmarked, ceiling, .. } = rules;
    refuse_if(unmarked > ceiling, || {
        format!(
            "objects without a marking would be {unmarked}, above the ceiling {ceiling}: lower --unmarked or raise --ceiling"
        )
    })
}

impl Collection {
    fn is_called(&self, id_or_alias: &str) -> bool {
        self.id == id_or_alias || self.alias.as_deref() == Some(id_or_alias)
    }
}

fn refuse_if(bad: bool, reason: impl FnOnce() -> String) -> Result<(), Refused> {
    if bad { Err(Refused(reason())) } else { Ok(()) }
}

fn refuse_for(fault: Option<String>) -> Result<(), Refused> {
    fault.map_or(Ok(()), |fault| Err(Refused(fault)))
}

/// Titles are for people: one line, and nothing that changes how its neighbours read.
fn title_fault(title: &str) -> Option<String> {
    let turns_text = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let odd = title.trim().is_empty() || title.chars().any(|c| c.is_control() || turns_text(c));
    odd.then(|| format!("{title:?} is no title: it is empty, or has control or text-direction characters"))
}

fn is_uuid_4(text: &str) -> bool {
    Uuid::try_parse(text).is_ok_and(|id| id.get_version_num() == 4 && id.to_string() == text)
}

impl Change {
    /// The record that the change is about, as it stands in a registry; `None` if it is not there.
    /// Asked before and after the change, for the audit trail. Never holds a secret.
    pub fn record(&self, registry: &Registry) -> Option<Value> {
        let record = match self {
            Self::AddRoot(root) => json(registry.root(&root.name)),
            Self::AddCollection(collection) => json(registry.collection(&collection.root, &collection.id)),
            Self::SetRules(key, _) => json(registry.collection_by_key(*key)),
            Self::AddOrganisation { name, .. } => json(registry.organisation(name)),
            Self::Suspend(key, _) | Self::DeclareIdentity(key, _) => json(registry.organisation_by_key(*key)),
            Self::WithdrawIdentity(identity) => json(registry.identity_of(identity)),
            Self::AddCredential(credential) => json(registry.credential_by_fingerprint(credential.fingerprint())),
            Self::RenewCredential(key, ..) | Self::EndCredential(key, _) | Self::RevokeCredential(key, _) => {
                json(registry.credential(*key))
            }
            Self::BindAnchor(anchor) => json(registry.anchor(anchor.fingerprint)),
            Self::RemoveAnchor(fingerprint) => json(registry.anchor(*fingerprint)),
            Self::SetGrant(grant) => json(registry.grant(grant.organisation, grant.collection)),
            Self::RevokeGrant(organisation, collection) => json(registry.grant(*organisation, *collection)),
        };
        record.map(|record| named(record, registry))
    }
}

fn json(record: Option<&impl Serialize>) -> Option<Value> {
    serde_json::to_value(record?).ok()
}

/// A record whose organisation and collection are called by name and id: keys mean nothing elsewhere.
fn named(mut record: Value, registry: &Registry) -> Value {
    let key = |record: &Value, member: &str| record.get(member).and_then(Value::as_i64);
    if let Some(organisation) = key(&record, "organisation").map(OrganisationKey) {
        let name = registry.organisation_by_key(organisation).map(|organisation| organisation.name.clone());
        record["organisation"] = name.into();
    }
    if let Some(Value::Array(organisations)) = record.get_mut("organisations") {
        for organisation in organisations {
            let found = organisation.as_i64().and_then(|key| registry.organisation_by_key(OrganisationKey(key)));
            *organisation = found.map(|found| found.name.clone()).into();
        }
    }
    if let Some(collection) = key(&record, "collection").map(CollectionKey) {
        record["collection"] = registry.collection_by_key(collection).map(|collection| collection.id.clone()).into();
    }
    record
}

impl fmt::Display for Change {
    /// The change in words, for the audit trail.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddRoot(root) => write!(f, "add API root {}", root.name),
            Self::AddCollection(collection) => {
                write!(f, "add collection {} to API root {}", collection.id, collection.root)
            }
            Self::SetRules(collection, changed) => {
                let changed: Vec<String> = changed.iter().map(Rule::to_string).collect();
                write!(f, "set rules of collection {}: {}", collection.0, changed.join(", "))
            }
            Self::AddOrganisation { name, .. } => write!(f, "add organisation {name}"),
            Self::Suspend(organisation, true) => write!(f, "suspend organisation {}", organisation.0),
            Self::Suspend(organisation, false) => write!(f, "resume organisation {}", organisation.0),
            Self::DeclareIdentity(organisation, identity) => {
                write!(f, "declare {identity} as organisation {}", organisation.0)
            }
            Self::WithdrawIdentity(identity) => write!(f, "withdraw {identity}"),
            Self::AddCredential(credential) => write!(
                f,
                "register {} {} for organisation {}",
                credential.proof.kind(),
                credential.fingerprint(),
                credential.organisation.0
            ),
            Self::RenewCredential(key, _, not_after) => {
                write!(f, "another certificate for credential {}, which ends at {not_after}", key.0)
            }
            Self::EndCredential(key, ends) => write!(f, "end credential {} at {ends}", key.0),
            Self::RevokeCredential(key, _) => write!(f, "revoke credential {}", key.0),
            Self::BindAnchor(anchor) => {
                let organisations: Vec<i64> = anchor.organisations.iter().map(|organisation| organisation.0).collect();
                write!(f, "bind trust anchor {} to organisations {organisations:?}", anchor.fingerprint)
            }
            Self::RemoveAnchor(fingerprint) => write!(f, "remove trust anchor {fingerprint}"),
            Self::SetGrant(grant) => {
                let read = grant.read.map_or("nothing", Level::as_str);
                let Grant { organisation, collection, write, manage, relay, .. } = grant;
                write!(
                    f,
                    "grant organisation {} in collection {}: read {read}, write {write}, manage {manage}, relay {relay}",
                    organisation.0, collection.0
                )
            }
            Self::RevokeGrant(organisation, collection) => {
                write!(f, "revoke the grant of organisation {} in collection {}", organisation.0, collection.0)
            }
        }
    }
}
