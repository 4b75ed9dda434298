//! A session: one request of one caller, seen against the registry of that moment.

use super::sign_in::Shown;
use super::{Caller, Deleting, Error, Exchange, Holding, Reading, Writing};
use crate::access::credential::{Credential, Secret};
use crate::access::decide;
use crate::access::level::Level;
use crate::access::permission::{CollectionKey, Grant, World};
use crate::audit::{LONGEST_CLIENT, plain};
use crate::store::registry::{self, Registry};
use crate::taxii::api_root::ApiRoot;
use crate::taxii::collections::{Collection, Collections, media_types};
use crate::taxii::discovery::Discovery;
use std::sync::Arc;
use uuid::Uuid;

/// What a signed-in caller may ask. A root exists for it if it has a grant in one of the
/// root's collections, a collection if it has a grant there.
#[derive(Debug)]
pub struct Session {
    pub(super) exchange: Arc<Exchange>,
    pub(super) registry: Arc<Registry>,
    pub(super) shown: Shown,
    pub(super) credential: Credential,
    pub(super) caller: Caller,
}

impl Session {
    pub(super) fn new(
        exchange: Arc<Exchange>,
        registry: Arc<Registry>,
        shown: Shown,
        credential: Credential,
        caller: Caller,
    ) -> Self {
        Self { exchange, registry, shown, credential, caller }
    }

    /// The registration by which the caller is known.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// The same session, of a caller whose software says that it is this, and that asks for the headers
    /// of an answer only, or for all of it.
    #[must_use]
    pub fn of_client(mut self, client: Option<&str>, head: bool) -> Self {
        self.caller.client = client.map(|client| plain(client, LONGEST_CLIENT));
        self.caller.head = head;
        self
    }

    /// The same session, of a caller that asks as it did in another.
    #[must_use]
    pub fn asking_like(mut self, other: &Self) -> Self {
        self.caller.client.clone_from(&other.caller.client);
        self.caller.head = other.caller.head;
        self
    }

    /// Who is asking.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The server and the API roots that the caller may see (TAXII 2.1 §4.1).
    pub fn discovery(&self) -> Discovery {
        let settings = &self.exchange.settings;
        let visible = self.registry.roots.iter().filter(|root| self.root(&root.name).is_ok());
        let public_url = match self.shown {
            Shown::Certificate(_) => &self.exchange.public_url,
            Shown::Secret => &self.exchange.fallback_url,
        };
        let api_roots: Vec<String> = visible.map(|root| format!("{public_url}/{}/", root.name)).collect();
        Discovery {
            title: settings.title.clone(),
            description: settings.description.clone(),
            contact: settings.contact.clone(),
            default: api_roots.first().cloned(),
            api_roots,
        }
    }

    /// An API root (TAXII 2.1 §4.2).
    pub fn api_root(&self, root: &str) -> Result<ApiRoot, Error> {
        let root = self.root(root)?;
        Ok(ApiRoot::new(root.title.clone(), None, self.exchange.settings.max_content_length))
    }

    /// The collections of an API root (TAXII 2.1 §5.1).
    pub fn collections(&self, root: &str) -> Result<Collections, Error> {
        let root = self.root(root)?;
        let in_root = self.registry.collections.iter().filter(|collection| collection.root == root.name);
        let known =
            in_root.filter_map(|collection| self.grant(collection.key).map(|grant| resource(collection, &grant)));
        Ok(Collections { collections: known.collect() })
    }

    /// One collection, by its id or alias (TAXII 2.1 §5.2).
    pub fn collection(&self, root: &str, id: &str) -> Result<Collection, Error> {
        let (collection, grant) = self.find(root, id)?;
        Ok(resource(collection, decide::know(grant.as_ref())?))
    }

    /// A status, as JSON (TAXII 2.1 §4.3): for its submitter, and for who manages the collection.
    pub fn status(&self, root: &str, id: &str) -> Result<Vec<u8>, Error> {
        self.root(root)?;
        let canonical = Uuid::try_parse(id).ok().filter(|parsed| parsed.to_string() == id).ok_or(Error::Absent)?;
        let kept = self.exchange.store.status(canonical)?.filter(|kept| kept.root == root).ok_or(Error::Absent)?;
        let grant = self.grant(kept.collection);
        // A secret has to do with its own collections only, and with statuses only if it writes.
        if self.secret().is_some() && !grant.is_some_and(|grant| grant.write) {
            return Err(Error::Absent);
        }
        decide::status(grant.as_ref(), self.caller.organisation, kept.organisation)?;
        Ok(kept.resource)
    }

    /// The right to read a collection.
    pub fn reading(&self, root: &str, collection: &str) -> Result<Reading, Error> {
        let (collection, grant) = self.find(root, collection)?;
        let level = decide::read(grant.as_ref())?;
        let world = self.world(Some(level));
        Ok(Reading::new(Arc::clone(&self.exchange), collection.clone(), world, self.caller.clone()))
    }

    /// The right to add to a collection.
    pub fn writing(&self, root: &str, collection: &str) -> Result<Writing, Error> {
        let (collection, grant) = self.find(root, collection)?;
        let grant = decide::write(grant.as_ref())?;
        let (exchange, world) = (Arc::clone(&self.exchange), self.world(grant.read));
        Ok(Writing::new(exchange, &self.registry, collection.clone(), world, grant, self.caller.actor()))
    }

    /// The right to delete from a collection.
    pub fn deleting(&self, root: &str, collection: &str) -> Result<Deleting, Error> {
        let (collection, grant) = self.find(root, collection)?;
        let level = decide::delete(grant.as_ref())?;
        let world = self.world(Some(level));
        let manage = grant.is_some_and(|grant| grant.manage);
        Ok(Deleting::new(Arc::clone(&self.exchange), collection.clone(), world, manage, self.caller.actor()))
    }

    /// The right to hold what a collection has.
    pub fn holding(&self, root: &str, collection: &str) -> Result<Holding, Error> {
        let (collection, grant) = self.find(root, collection)?;
        let world = self.world(decide::manage(grant.as_ref())?.read);
        let (exchange, registry) = (Arc::clone(&self.exchange), Arc::clone(&self.registry));
        Ok(Holding::new(exchange, registry, collection.clone(), Some(world), self.caller.actor()))
    }

    /// What the caller sees where it reads up to a level.
    fn world(&self, level: Option<Level>) -> World {
        World { own: self.credential.own_level(), ..World::new(self.caller.organisation, level, self.exchange.now()) }
    }

    /// The terms of the secret that it showed, if it did.
    pub(super) fn secret(&self) -> Option<&Secret> {
        self.credential.secret()
    }

    fn root(&self, name: &str) -> Result<&registry::Root, Error> {
        let known = |root: &&registry::Root| {
            self.registry
                .collections
                .iter()
                .any(|collection| collection.root == root.name && self.grant(collection.key).is_some())
        };
        self.registry.root(name).filter(known).ok_or(Error::Absent)
    }

    fn find(&self, root: &str, collection: &str) -> Result<(&registry::Collection, Option<Grant>), Error> {
        let collection = self.registry.collection(root, collection).ok_or(Error::Absent)?;
        Ok((collection, self.grant(collection.key)))
    }

    /// What the caller may do in a collection: what its organisation may, as far as its credential goes.
    pub(super) fn grant(&self, collection: CollectionKey) -> Option<Grant> {
        self.registry.grant(self.caller.organisation, collection).copied()?.by(&self.credential)
    }
}

fn resource(collection: &registry::Collection, grant: &Grant) -> Collection {
    Collection {
        id: collection.id.clone(),
        title: collection.title.clone(),
        description: collection.description.clone(),
        alias: collection.alias.clone(),
        can_read: grant.read.is_some(),
        can_write: grant.can_write(),
        media_types: media_types(&collection.specs),
    }
}
