//! Administering: the registry ([`members`]: who is who), and moving objects in and out by
//! hand ([`moving`]). For the operator, whose right is the right to the files.
//!
//! Nothing here asks [`crate::access::decide`]: who can write the store's files can do all of this anyhow.

mod members;
mod moving;

pub use moving::{Along, ExportError, ImportError, Importing};

use super::{Exchange, Holding, Settings};
use crate::access::level::Level;
use crate::access::organisation::Organisation;
use crate::access::permission::Grant;
use crate::audit::Actor;
use crate::clock::Clock;
use crate::store::registry::{Change, Collection, Refused, Registry, Root, Rule, Rules};
use crate::store::{ChangeError, Extent, Store, StoreError};
use crate::taxii::timestamp::Timestamp;
use std::sync::Arc;
use uuid::Uuid;

/// The operator's capability.
#[derive(Debug)]
pub struct Administering {
    exchange: Arc<Exchange>,
    operator: String,
}

/// All that there is to see, for the `list` and `check` commands.
#[derive(Debug)]
pub struct Overview {
    /// The registry.
    pub registry: Registry,
    /// The extent of each collection, in the registry's order.
    pub extents: Vec<Extent>,
}

impl Administering {
    /// The capability of whoever runs this program on the store's own files. `operator` is the account's name.
    pub fn new(store: Arc<dyn Store>, clock: Clock, settings: Settings, operator: &str) -> Result<Self, StoreError> {
        let exchange = Arc::new(Exchange::new(store, clock, settings, "")?);
        Ok(Self { exchange, operator: operator.to_owned() })
    }

    /// Adds an API root.
    pub fn add_root(&self, name: &str, title: &str) -> Result<(), ChangeError> {
        self.change(&Change::AddRoot(Root { name: name.to_owned(), title: title.to_owned() }))
    }

    /// Adds a collection, and gives its id. Its key and creation time are filled in here.
    pub fn add_collection(&self, collection: Collection) -> Result<String, ChangeError> {
        let id = if collection.id.is_empty() { Uuid::new_v4().to_string() } else { collection.id };
        let collection = Collection { id: id.clone(), created: self.exchange.now(), ..collection };
        self.change(&Change::AddCollection(collection))?;
        Ok(id)
    }

    /// Makes a collection go by these rules from now on, and gives all that it has then.
    pub fn set_rules(&self, collection: &str, changed: &[Rule]) -> Result<Rules, ChangeError> {
        self.change(&Change::SetRules(self.collection(collection)?.key, changed.to_vec()))?;
        Ok(self.collection(collection)?.rules)
    }

    /// Gives an organisation exactly these rights in a collection. `None`: it may not even know of it.
    pub fn grant(&self, organisation: &str, collection: &str, rights: Option<Rights>) -> Result<(), ChangeError> {
        let organisation = self.organisation(organisation)?.key;
        let collection = self.collection(collection)?.key;
        self.change(&match rights {
            Some(Rights { read, write, manage, relay }) => {
                Change::SetGrant(Grant { organisation, collection, read, write, manage, relay })
            }
            None => Change::RevokeGrant(organisation, collection),
        })
    }

    /// The right to hold what a collection has.
    pub fn holding(&self, collection: &str) -> Result<Holding, ChangeError> {
        let (collection, registry) = (self.collection(collection)?, self.exchange.registry()?);
        Ok(Holding::new(Arc::clone(&self.exchange), registry, collection, None, self.actor()))
    }

    /// All that there is to see.
    pub fn overview(&self) -> Result<Overview, StoreError> {
        let registry = Registry::clone(&*self.exchange.registry()?);
        let extents = registry.collections.iter().map(|collection| self.exchange.store.extent(collection.key));
        Ok(Overview { extents: extents.collect::<Result<_, _>>()?, registry })
    }

    /// When now is, by this exchange's clock.
    pub fn now(&self) -> Timestamp {
        self.exchange.now()
    }

    /// The organisation with this name.
    pub fn organisation(&self, name: &str) -> Result<Organisation, ChangeError> {
        let registry = self.exchange.registry()?;
        let missing = || refused(format!("there is no organisation {name:?}: add it with `org add`, or see `list`"));
        registry.organisation(name).cloned().ok_or_else(missing)
    }

    /// The collection with this id, or with this alias if no other root has one like it.
    pub fn collection(&self, name: &str) -> Result<Collection, ChangeError> {
        let registry = self.exchange.registry()?;
        let called = |collection: &&Collection| collection.id == name || collection.alias.as_deref() == Some(name);
        let mut found = registry.collections.iter().filter(called);
        match (found.next(), found.next()) {
            (Some(collection), None) => Ok(collection.clone()),
            (None, _) => Err(refused(format!("there is no collection {name:?}: give an id or alias, see `list`"))),
            (Some(_), Some(_)) => {
                Err(refused(format!("several API roots have a collection {name:?}: give its id, see `list`")))
            }
        }
    }

    fn change(&self, change: &Change) -> Result<(), ChangeError> {
        self.exchange.store.change(change, &self.actor())
    }

    fn actor(&self) -> Actor {
        Actor { address: self.operator.clone(), ..Actor::default() }
    }
}

/// What a grant lets an organisation do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Read up to a level.
    pub read: Option<Level>,
    /// Add objects.
    pub write: bool,
    /// Manage the objects of others.
    pub manage: bool,
    /// Add what others created.
    pub relay: bool,
}

impl Rights {
    /// What a grant allows.
    pub fn of(grant: &Grant) -> Self {
        let Grant { read, write, manage, relay, .. } = *grant;
        Self { read, write, manage, relay }
    }
}

fn refused(reason: String) -> ChangeError {
    Refused(reason).into()
}
