//! Writing: adding objects to a collection (TAXII 2.1 §5.5).

use super::administering::Along;
use super::{Error, Exchange};
use crate::access::permission::{Grant, World};
use crate::access::terms::Terms;
use crate::audit::{Actor, digest};
use crate::stix::finding::Report;
use crate::stix::json;
use crate::stix::judge::{Judge, Judged};
use crate::stix::rules::version::Lineage;
use crate::stix::rules::{DANGLING, references};
use crate::stix::sharing::Sharing;
use crate::store::registry::{Collection, Registry};
use crate::store::{Author, Candidate, Declared, Offer, Push, StoreError};
use crate::taxii::objects::{BodyError, Envelope};
use crate::taxii::status::{self, Details, Status};
use crate::taxii::timestamp::Timestamp;
use bytes::Bytes;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;
use uuid::Uuid;

/// Ids that are looked up together.
const LOOKED_UP: usize = 1000;

/// Some objects that were sent one after the other.
struct Piece {
    offers: Vec<Offer>,
    /// The ids of those that are sound by themselves.
    sent: Vec<String>,
    /// What those refer to.
    named: HashSet<String>,
}

/// The right of one caller to add to one collection.
#[derive(Debug)]
pub struct Writing {
    exchange: Arc<Exchange>,
    collection: Collection,
    world: World,
    manage: bool,
    relay: bool,
    registry: Arc<Registry>,
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
    pub(super) fn new(
        exchange: Arc<Exchange>,
        registry: &Arc<Registry>,
        collection: Collection,
        world: World,
        grant: &Grant,
        actor: Actor,
    ) -> Self {
        let Grant { manage, relay, .. } = *grant;
        Self { exchange, collection, world, manage, relay, registry: Arc::clone(registry), actor }
    }

    /// Adds the objects of an envelope (or of a bundle, if the settings allow): each on its
    /// own, so that a bad one never sinks its neighbours. When this returns, all that
    /// succeeded is on disk and seen by every reader that may. In a dry run everything is
    /// decided, and nothing kept.
    pub fn add(&self, body: &Bytes, dry_run: bool) -> Result<Added, Error> {
        let settings = &self.exchange.settings;
        let envelope = Envelope::split(body, settings.max_objects)?;
        if envelope.bundle && !settings.accept_bundles {
            let reason = "it is a STIX bundle: send {\"objects\":[…]}".to_owned();
            return Err(BodyError::NoEnvelope(reason).into());
        }
        let texts: Vec<Bytes> = envelope.objects.iter().map(|text| body.slice_ref(text.as_bytes())).collect();
        Ok(Added { status: self.add_texts(&texts, 0, &Along::default(), dry_run)?, bundle: envelope.bundle })
    }

    /// Adds objects by their texts, each one JSON value in UTF-8. `first` is the place of the
    /// first one in the list that they come from, `along` what is sent with them, before or after.
    pub(super) fn add_texts(
        &self,
        texts: &[Bytes],
        first: usize,
        along: &Along,
        dry_run: bool,
    ) -> Result<Status, Error> {
        let requested = self.exchange.now();
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
            rules: self.collection.rules,
            relay: self.relay,
            managers: self.registry.managers(self.collection.key),
            dry_run,
            offers: self.offers(texts, first, along, requested)?,
        };
        Ok(self.exchange.store.add(push)?)
    }

    /// Judges every text on its own, then looks where their references lead. What is sent along and
    /// sound by itself counts as there, even if it is refused because of a reference of its own.
    fn offers(&self, texts: &[Bytes], first: usize, along: &Along, requested: Timestamp) -> Result<Vec<Offer>, Error> {
        let judge = Judge::new().map_err(|fault| StoreError::Broken(fault.to_string()))?;
        let all_at = |at, texts: &[Bytes]| self.piece(judge, texts, first + at, requested);
        let mut pieces = self.exchange.judging.spread(texts, all_at);
        let sent: HashSet<String> = pieces.iter_mut().flat_map(|piece| std::mem::take(&mut piece.sent)).collect();
        let named: HashSet<&String> = pieces.iter().flat_map(|piece| &piece.named).collect();
        let is_elsewhere = |id: &&String| !sent.contains(*id) && !along.contains(id);
        let unknown = self.unknown(named.into_iter().filter(is_elsewhere))?;
        let mut offers = Vec::with_capacity(texts.len());
        for mut piece in pieces {
            if piece.named.iter().any(|id| unknown.contains(id)) {
                let places = first + offers.len()..;
                for (at, offer) in places.zip(&mut piece.offers) {
                    self.tell_of_dangling(offer, at, requested, &unknown);
                }
            }
            offers.append(&mut piece.offers);
        }
        Ok(offers)
    }

    /// Judges some texts, each on its own. `first` is the place of the first of them.
    fn piece(&self, judge: Judge, texts: &[Bytes], first: usize, requested: Timestamp) -> Piece {
        let mut piece = Piece { offers: Vec::with_capacity(texts.len()), sent: Vec::new(), named: HashSet::new() };
        for (at, text) in texts.iter().enumerate() {
            let judged = judge.judge(text, self.collection.rules.profile, &self.collection.specs);
            if let (Some(object), Some(head), false) = (&judged.object, &judged.head, judged.verdict.is_refused()) {
                references(object, &mut |id, _| {
                    if !piece.named.contains(id) {
                        piece.named.insert(id.to_owned());
                    }
                });
                piece.sent.push(head.id.to_string());
            }
            piece.offers.push(self.offer(text, first + at, requested, judged));
        }
        piece
    }

    /// Which of these ids name nothing that the submitter can see here.
    fn unknown<'i>(&self, ids: impl Iterator<Item = &'i String>) -> Result<HashSet<String>, StoreError> {
        let mut ids = ids.map(String::as_str).peekable();
        let mut unknown = HashSet::new();
        while ids.peek().is_some() {
            let some: Vec<&str> = ids.by_ref().take(LOOKED_UP).collect();
            unknown.extend(self.exchange.store.unknown(self.collection.key, self.world, &some)?);
        }
        Ok(unknown)
    }

    /// Tells of the references of a sound object that lead to what is unknown. Where that is refused,
    /// the object is sound no longer.
    fn tell_of_dangling(&self, offer: &mut Offer, at: usize, requested: Timestamp, unknown: &HashSet<String>) {
        let Offer::Sound(candidate) = offer else { return };
        // Read anew: to keep where every reference stands would take more memory than the objects.
        let object = std::str::from_utf8(&candidate.text).ok().and_then(|text| json::parse(text).ok());
        let mut report = Report::new(&mut candidate.verdict, self.collection.rules.profile);
        let mut tell = |id: &str, pointer: &dyn Fn() -> String| {
            if unknown.contains(id) && !report.has_enough_of(&DANGLING) {
                let message = format!("refers to {id}, which is neither sent along nor here where you can see it");
                report.find(&DANGLING, pointer(), message);
            }
        };
        object.iter().for_each(|object| references(object, &mut tell));
        candidate.verdict = std::mem::take(&mut candidate.verdict).shortened(status::TOLD);
        if candidate.verdict.is_refused() {
            let message = status::message(at, candidate.verdict.findings(), candidate.verdict.count());
            *offer = Offer::Unsound(failure(object.as_ref(), at, requested, message));
        }
    }

    /// Why an object that is good STIX has no place here, with the pointer to what is wrong.
    fn refusal(&self, object: &Value) -> Option<&'static str> {
        if Sharing::of(object).is_some_and(|sharing| sharing.classified) {
            tracing::error!(
                collection = self.collection.id,
                "a marking for classified information was sent, and refused"
            );
            return Some(
                "/extensions: has a control_set/classification that is not U: only unclassified information is kept here",
            );
        }
        None
    }

    /// Whom an object names as its creator.
    fn author(&self, object: &Value) -> Author {
        let own = self.registry.organisation_by_key(self.world.organisation).map(|own| &own.identities);
        match object.get("created_by_ref").and_then(Value::as_str) {
            Some(creator) if !own.is_some_and(|own| own.iter().any(|own| own == creator)) => Author::Another,
            _ => Author::Submitter,
        }
    }

    /// Whose identity an id is declared to be.
    fn declared(&self, id: &str) -> Declared {
        match self.registry.identity_of(id) {
            None => Declared::Nobodys,
            Some(organisation) if organisation.key == self.world.organisation => Declared::Submitters,
            Some(_) => Declared::Anothers,
        }
    }

    fn offer(&self, text: &Bytes, at: usize, requested: Timestamp, judged: Judged) -> Offer {
        let Judged { object, head, verdict } = judged;
        let refused = object.as_ref().and_then(|object| self.refusal(object));
        match (object, head) {
            (Some(object), Some(_))
                if !verdict.is_refused()
                    && let Some(reason) = refused =>
            {
                let message = format!("/objects/{at}{reason}");
                Offer::Unsound(failure(Some(&object), at, requested, message))
            }
            (Some(object), Some(head)) if !verdict.is_refused() => Offer::Sound(Box::new(Candidate {
                digest: digest(text),
                content: json::digest(&object),
                lineage: Lineage::of(&object),
                says: Sharing::of(&object).as_ref().map(Terms::from),
                author: self.author(&object),
                declared: self.declared(head.id.as_str()),
                text: text.clone(),
                head,
                verdict: verdict.shortened(status::TOLD),
            })),
            (object, _) => {
                let message = status::message(at, verdict.findings(), verdict.count());
                Offer::Unsound(failure(object.as_ref(), at, requested, message))
            }
        }
    }
}

/// The status entry of an object that cannot be stored, with what can be read of it.
fn failure(object: Option<&Value>, at: usize, requested: Timestamp, message: String) -> Details {
    let text = |name: &str| object.and_then(|object| object.get(name)).and_then(Value::as_str);
    let cut = |text: &str| text.chars().take(300).collect();
    Details {
        id: text("id").map_or_else(|| format!("objects/{at}"), cut),
        version: text("modified").or(text("created")).map_or_else(|| requested.to_string(), cut),
        message: Some(message),
    }
}
