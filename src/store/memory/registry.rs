//! The registry of the engine in memory.

use crate::access::credential::{Credential, CredentialKey};
use crate::access::organisation::{Organisation, OrganisationKey};
use crate::access::permission::CollectionKey;
use crate::store::registry::{Change, Collection, Registry};

impl Registry {
    /// Makes a change that was checked; what is new gets `key`.
    pub(super) fn apply(&mut self, change: &Change, key: i64) {
        self.generation += 1;
        match change.clone() {
            Change::AddRoot(root) => self.roots.push(root),
            Change::AddCollection(collection) => {
                self.collections.push(Collection { key: CollectionKey(key), ..collection });
                self.collections.sort_by(|a, b| a.id.cmp(&b.id));
            }
            Change::SetRules(key, changed) => {
                let set = |collection: &mut Collection| collection.rules = collection.rules.with(&changed);
                self.collections.iter_mut().filter(|collection| collection.key == key).for_each(set);
            }
            Change::AddOrganisation { name, title } => {
                let key = OrganisationKey(key);
                self.organisations.push(Organisation { key, name, title, suspended: false, identities: Vec::new() });
                self.organisations.sort_by(|a, b| a.name.cmp(&b.name));
            }
            Change::Suspend(key, suspended) => self.with_organisation(key, |found| found.suspended = suspended),
            Change::DeclareIdentity(key, identity) => self.with_organisation(key, |found| {
                found.identities.push(identity.clone());
                found.identities.sort();
            }),
            Change::WithdrawIdentity(identity) => {
                self.organisations.iter_mut().for_each(|found| found.identities.retain(|own| *own != identity));
            }
            Change::AddCredential(credential) => {
                self.credentials.push(Credential { key: CredentialKey(key), ..credential });
                self.credentials.sort_by_key(|credential| (credential.organisation, credential.key));
            }
            Change::RenewCredential(key, label, not_after) => self.with_credential(key, |found| {
                (found.label, found.not_after) = (label.clone(), Some(not_after));
            }),
            Change::EndCredential(key, ends) => self.with_credential(key, |found| found.ends = Some(ends)),
            Change::RevokeCredential(key, at) => self.with_credential(key, |found| found.revoked = Some(at)),
            Change::BindAnchor(mut anchor) => {
                let bound = self.anchor(anchor.fingerprint).map(|known| known.organisations.clone());
                anchor.organisations.extend(bound.unwrap_or_default());
                anchor.organisations.sort();
                anchor.organisations.dedup();
                self.anchors.retain(|other| other.fingerprint != anchor.fingerprint);
                self.anchors.push(anchor);
                self.anchors.sort_by_key(|anchor| anchor.fingerprint);
            }
            Change::RemoveAnchor(fingerprint) => self.anchors.retain(|anchor| anchor.fingerprint != fingerprint),
            Change::SetGrant(grant) => {
                self.revoke(grant.organisation, grant.collection);
                self.grants.push(grant);
                self.grants.sort_by_key(|grant| (grant.organisation, grant.collection));
            }
            Change::RevokeGrant(organisation, collection) => self.revoke(organisation, collection),
        }
    }

    fn with_organisation(&mut self, key: OrganisationKey, change: impl FnMut(&mut Organisation)) {
        self.organisations.iter_mut().filter(|organisation| organisation.key == key).for_each(change);
    }

    fn with_credential(&mut self, key: CredentialKey, change: impl FnMut(&mut Credential)) {
        self.credentials.iter_mut().filter(|credential| credential.key == key).for_each(change);
    }

    fn revoke(&mut self, organisation: OrganisationKey, collection: CollectionKey) {
        self.grants.retain(|grant| (grant.organisation, grant.collection) != (organisation, collection));
    }
}
