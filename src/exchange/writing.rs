//! Writing: adding objects to a collection (TAXII 2.1 §5.5).

use super::{Error, Exchange};
use crate::access::level::Level;
use crate::access::permission::{Grant, World};
use crate::audit::Actor;
use crate::stix::finding::{Finding, Profile, Report, Severity, Verdict};
use crate::stix::json;
use crate::stix::judge::{Judge, Judged};
use crate::stix::rules::version::Lineage;
use crate::stix::rules::{DANGLING, references};
use crate::store::registry::Collection;
use crate::store::{Candidate, Offer, Push, StoreError};
use crate::taxii::objects::{BodyError, Envelope};
use crate::taxii::status::{self, Details, Status};
use crate::taxii::timestamp::Timestamp;
use bytes::Bytes;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashSet};
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
        Ok(Added { status: self.add_texts(&texts, 0, dry_run)?, bundle: envelope.bundle })
    }

    /// Adds objects by their texts, each one JSON value in UTF-8. `first` is the place of the
    /// first one in the list that they come from.
    pub(super) fn add_texts(&self, texts: &[Bytes], first: usize, dry_run: bool) -> Result<Status, Error> {
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
            profile: self.collection.profile,
            dry_run,
            offers: self.offers(texts, first, requested)?,
        };
        Ok(self.exchange.store.add(push)?)
    }

    /// Judges every text on its own, then looks where their references lead.
    fn offers(&self, texts: &[Bytes], first: usize, requested: Timestamp) -> Result<Vec<Offer>, Error> {
        let judge = Judge::new().map_err(|fault| StoreError::Broken(fault.to_string()))?;
        let mut offers = Vec::with_capacity(texts.len());
        let mut references = References::default();
        for (at, text) in texts.iter().enumerate() {
            let judged = judge.judge(text, self.collection.profile, &self.collection.specs);
            if DANGLING.severity(self.collection.profile) != Severity::Pass {
                references.note(at, &judged);
            }
            offers.push(self.offer(text, first + at, requested, judged));
        }
        let unknown = self.exchange.store.unknown(self.collection.key, self.world, &references.leading_out())?;
        for (at, findings) in references.dangling(&unknown, self.collection.profile) {
            tell(&mut offers[at], first + at, findings);
        }
        Ok(offers)
    }

    fn offer(&self, text: &Bytes, at: usize, requested: Timestamp, judged: Judged) -> Offer {
        let Judged { object, head, verdict } = judged;
        match (object, head) {
            (Some(object), Some(head)) if !verdict.is_refused() => Offer::Sound(Box::new(Candidate {
                level: Level::of(&head.markings, self.collection.unmarked),
                content: json::digest(&object),
                lineage: Lineage::of(&object),
                text: text.clone(),
                head,
                verdict,
            })),
            (object, _) => Offer::Unsound(failure(object.as_ref(), at, requested, &verdict)),
        }
    }
}

/// Puts more findings to an offer that is sound so far; refusals among them make it unsound.
fn tell(offer: &mut Offer, at: usize, findings: Vec<Finding>) {
    let Offer::Sound(candidate) = offer else { return };
    findings.into_iter().for_each(|finding| candidate.verdict.add(finding));
    if candidate.verdict.is_refused() {
        let message = Some(status::message(at, candidate.verdict.findings(), candidate.verdict.count()));
        let version = candidate.head.version.as_ref().map(ToString::to_string).unwrap_or_default();
        *offer = Offer::Unsound(Details { id: candidate.head.id.to_string(), version, message });
    }
}

/// The status entry of an object that cannot be stored, with what can be read of it.
fn failure(object: Option<&Value>, at: usize, requested: Timestamp, verdict: &Verdict) -> Details {
    let text = |name: &str| object.and_then(|object| object.get(name)).and_then(Value::as_str);
    let cut = |text: &str| text.chars().take(300).collect();
    Details {
        id: text("id").map_or_else(|| format!("objects/{at}"), cut),
        version: text("modified").or(text("created")).map_or_else(|| requested.to_string(), cut),
        message: Some(status::message(at, verdict.findings(), verdict.count())),
    }
}

/// The references among the objects of a request, and those that lead out of it.
#[derive(Default)]
struct References {
    /// By the place of the object: where it refers to what.
    from: Vec<(usize, String, String)>,
    /// The ids of the objects that are sent along and sound by themselves.
    sent: HashSet<String>,
}

impl References {
    fn note(&mut self, at: usize, judged: &Judged) {
        if let (Some(object), Some(head), false) = (&judged.object, &judged.head, judged.verdict.is_refused()) {
            self.from.extend(references(object).into_iter().map(|(pointer, id)| (at, pointer, id.to_owned())));
            self.sent.insert(head.id.to_string());
        }
    }

    /// The ids that are referred to and not sent along, each once.
    fn leading_out(&self) -> Vec<&str> {
        let out = self.from.iter().map(|(_, _, id)| id.as_str()).filter(|id| !self.sent.contains(*id));
        out.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The findings by the place of the object, where an id that is referred to is unknown.
    fn dangling(&self, unknown: &[String], profile: Profile) -> BTreeMap<usize, Vec<Finding>> {
        let unknown: HashSet<&str> = unknown.iter().map(String::as_str).collect();
        let mut findings: BTreeMap<usize, Verdict> = BTreeMap::new();
        for (at, pointer, id) in self.from.iter().filter(|(_, _, id)| unknown.contains(id.as_str())) {
            let message = format!("refers to {id}, which is neither sent along nor here where you can see it");
            Report::new(findings.entry(*at).or_default(), profile).find(&DANGLING, pointer, message);
        }
        findings.into_iter().map(|(at, verdict)| (at, verdict.findings().to_vec())).collect()
    }
}
