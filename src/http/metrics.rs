//! What the server counts, in the text form that Prometheus reads. No label names an
//! organisation, a collection or an object.

use crate::taxii::status::Status;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::Duration;

/// One label's name and value.
type Label = [(&'static str, &'static str); 1];

/// What is told of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    endpoint: &'static str,
    method: &'static str,
    status: u16,
}

/// The server's counters.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    seconds: Family<Label, Histogram>,
    items_out: Counter,
    objects_in: Family<Label, Counter>,
    foreign_bodies: Family<Label, Counter>,
    tls_refusals: Family<Label, Counter>,
    reloads: Family<Label, Counter>,
    tls_material_ok: Gauge,
    seconds_left: Family<Label, Gauge>,
    throttled: Family<Label, Counter>,
    connections: Gauge,
    waiting: Gauge,
    writer_queue: Gauge,
    store_octets: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("entente");
        let metrics = Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new([0.0001, 0.001, 0.01, 0.1, 1.0, 10.0])),
            items_out: Counter::default(),
            objects_in: Family::default(),
            foreign_bodies: Family::default(),
            tls_refusals: Family::default(),
            reloads: Family::default(),
            tls_material_ok: Gauge::default(),
            seconds_left: Family::default(),
            throttled: Family::default(),
            connections: Gauge::default(),
            waiting: Gauge::default(),
            writer_queue: Gauge::default(),
            store_octets: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register("requests", "Requests answered, by endpoint, method and status", metrics.requests.clone());
        registry.register(
            "request_seconds",
            "Time from header to answer, but for waiting, by endpoint",
            metrics.seconds.clone(),
        );
        registry.register("items_out", "Objects, records and versions given out", metrics.items_out.clone());
        registry.register("objects_in", "Objects offered, by outcome", metrics.objects_in.clone());
        registry.register(
            "tls_refusals",
            "Connections that did not get through the handshake, by reason",
            metrics.tls_refusals.clone(),
        );
        registry.register(
            "reloads",
            "Readings of keys, certificates and revocation lists, by outcome",
            metrics.reloads.clone(),
        );
        registry.register(
            "tls_material_ok",
            "Whether keys, certificates and revocation lists could be used when last read",
            metrics.tls_material_ok.clone(),
        );
        registry.register(
            "seconds_left",
            "Until the first of a kind ends: server_certificate, anchor, revocation_list, credential",
            metrics.seconds_left.clone(),
        );
        registry.register(
            "foreign_bodies",
            "Bodies taken as bundles, or under other media types",
            metrics.foreign_bodies.clone(),
        );
        registry.register("throttled", "Requests that met a limit, by its name", metrics.throttled.clone());
        registry.register("connections", "Connections past their handshake", metrics.connections.clone());
        registry.register("waiting", "Requests that wait for something new", metrics.waiting.clone());
        registry.register("writer_queue", "Requests that wait for the store's writer", metrics.writer_queue.clone());
        registry.register("store_octets", "Size of the store on disk", metrics.store_octets.clone());
        Self { registry, ..metrics }
    }

    pub(super) fn answered(&self, endpoint: &'static str, method: &str, status: u16, items: usize, took: Duration) {
        // Methods are the caller's words: those that no endpoint has are counted as one.
        let method = ["GET", "HEAD", "POST", "DELETE"].into_iter().find(|known| *known == method).unwrap_or("other");
        self.requests.get_or_create(&Answered { endpoint, method, status }).inc();
        self.seconds.get_or_create(&[("endpoint", endpoint)]).observe(took.as_secs_f64());
        self.items_out.inc_by(items as u64);
    }

    pub(super) fn added(&self, status: &Status) {
        let count = |outcome: &'static str, objects: usize| {
            self.objects_in.get_or_create(&[("outcome", outcome)]).inc_by(objects as u64);
        };
        count("success", status.successes().len());
        count("failure", status.failures().len());
    }

    /// A body was taken that the standard would not call an envelope.
    pub(super) fn foreign(&self, bundle: bool) {
        let body = if bundle { "bundle" } else { "envelope" };
        self.foreign_bodies.get_or_create(&[("body", body)]).inc();
    }

    pub(super) fn tls_refused(&self, reason: &'static str) {
        self.tls_refusals.get_or_create(&[("reason", reason)]).inc();
    }

    /// Keys, certificates and revocation lists were read.
    pub(super) fn reloaded(&self, is_good: bool) {
        let outcome = if is_good { "ok" } else { "refused" };
        self.reloads.get_or_create(&[("outcome", outcome)]).inc();
    }

    /// Whether they could be used.
    pub(super) fn material(&self, is_good: bool) {
        self.tls_material_ok.set(i64::from(is_good));
    }

    /// The first of a kind ends so many seconds from now; `None`: there is none.
    pub(super) fn ends(&self, kind: &'static str, seconds: Option<i64>) {
        let label = [("kind", kind)];
        match seconds {
            Some(seconds) => drop(self.seconds_left.get_or_create(&label).set(seconds)),
            None => drop(self.seconds_left.remove(&label)),
        }
    }

    pub(super) fn throttled(&self, limit: &'static str) {
        self.throttled.get_or_create(&[("limit", limit)]).inc();
    }

    pub(super) fn connection_began(&self) {
        self.connections.inc();
    }

    pub(super) fn connection_ended(&self) {
        self.connections.dec();
    }

    /// So many requests wait for something new.
    pub(super) fn waiting(&self, requests: usize) {
        self.waiting.set(i64::try_from(requests).unwrap_or(i64::MAX));
    }

    /// All counters as text, with the store's own.
    pub(super) fn text(&self, writer_queue: usize, store_octets: Option<u64>) -> String {
        self.writer_queue.set(i64::try_from(writer_queue).unwrap_or(i64::MAX));
        // A store that does not answer is told of by `/readyz`.
        if let Some(octets) = store_octets {
            self.store_octets.set(i64::try_from(octets).unwrap_or(i64::MAX));
        }
        let mut text = String::new();
        // Writing to memory cannot fail.
        let written = encode(&mut text, &self.registry);
        debug_assert!(written.is_ok());
        text
    }
}
