//! Writing: adding objects to a collection (TAXII 2.1 §5.5).

use super::{Error, Exchange};
use crate::access::level::Level;
use crate::access::permission::{Grant, World};
use crate::audit::Actor;
use crate::stix::head::Head;
use crate::stix::json::{self, Fault};
use crate::store::registry::Collection;
use crate::store::{Candidate, Offer, Push};
use crate::taxii::objects::{BodyError, Envelope};
use crate::taxii::status::{Details, Status};
use crate::taxii::timestamp::Timestamp;
use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;
use uuid::Uuid;

/// The right of one caller to add to one collection.
#[derive(Debug)]
pub struct Writing {
    exchange: Arc<Exchange>,
    collection: Collection,
    world: World,
    manage: bool,
    actor: Actor,
}

/// What became of a body.
#[derive(Debug)]
pub struct Added {
    /// What became of its objects.
    pub status: Status,
    /// Whether it came as a STIX bundle.
    pub bundle: bool,
}

impl Writing {
    pub(super) fn new(exchange: Arc<Exchange>, collection: Collection, grant: &Grant, actor: Actor) -> Self {
        let world = World { organisation: grant.organisation, level: grant.read };
        Self { exchange, collection, world, manage: grant.manage, actor }
    }

    /// Adds the objects of an envelope (or of a bundle, if the settings allow): each on its
    /// own, so that a bad one never sinks its neighbours. When this returns, all that
    /// succeeded is on disk and seen by every reader that may.
    pub fn add(&self, body: &Bytes) -> Result<Added, Error> {
        let settings = &self.exchange.settings;
        let envelope = Envelope::split(body, settings.max_objects)?;
        if envelope.bundle && !settings.accept_bundles {
            let reason = "it is a STIX bundle: send {\"objects\":[…]}".to_owned();
            return Err(BodyError::NoEnvelope(reason).into());
        }
        let texts: Vec<Bytes> = envelope.objects.iter().map(|text| body.slice_ref(text.as_bytes())).collect();
        Ok(Added { status: self.add_texts(&texts, 0)?, bundle: envelope.bundle })
    }

    /// Adds objects by their texts, each one JSON value in UTF-8. `first` is the place of the
    /// first one in the list that they come from.
    pub(super) fn add_texts(&self, texts: &[Bytes], first: usize) -> Result<Status, Error> {
        let requested = self.exchange.now();
        let offers = texts.iter().enumerate().map(|(at, text)| self.offer(text, first + at, requested)).collect();
        let push = Push {
            status: Uuid::new_v4(),
            root: self.collection.root.clone(),
            collection: self.collection.key,
            collection_id: self.collection.id.clone(),
            world: self.world,
            manage: self.manage,
            actor: self.actor.clone(),
            requested,
            keep_status: i64::from(self.exchange.settings.keep_status_hours) * 3600,
            first,
            offers,
        };
        Ok(self.exchange.store.add(push)?)
    }

    fn offer(&self, text: &Bytes, at: usize, requested: Timestamp) -> Offer {
        let parsed = std::str::from_utf8(text).map_err(|error| Fault::new("", error.to_string())).and_then(json::parse);
        let judged =
            parsed.as_ref().map_err(Clone::clone).and_then(|object| Ok((self.head(object)?, json::digest(object))));
        match judged {
            Ok((head, content)) => {
                let level = Level::of(&head.markings, self.collection.unmarked);
                Offer::Sound(Candidate { head, level, text: text.clone(), content })
            }
            Err(fault) => Offer::Unsound(failure(parsed.ok().as_ref(), at, requested, &fault)),
        }
    }

    fn head(&self, object: &Value) -> Result<Head, Fault> {
        let head = Head::of(object)?;
        if self.collection.specs.contains(&head.spec) {
            return Ok(head);
        }
        let held: Vec<&str> = self.collection.specs.iter().map(|spec| spec.as_str()).collect();
        let reason = format!("is a STIX {} object, and this collection holds STIX {}", head.spec, held.join(" and "));
        Err(Fault::new("/spec_version", reason))
    }
}

/// The status entry of an object that cannot be stored, with what can be read of it.
fn failure(object: Option<&Value>, at: usize, requested: Timestamp, fault: &Fault) -> Details {
    let text = |name: &str| object.and_then(|object| object.get(name)).and_then(Value::as_str);
    let cut = |text: &str| text.chars().take(300).collect();
    Details {
        id: text("id").map_or_else(|| format!("objects/{at}"), cut),
        version: text("modified").or(text("created")).map_or_else(|| requested.to_string(), cut),
        message: Some(format!("/objects/{at}{}: {}", fault.pointer, fault.reason)),
    }
}
