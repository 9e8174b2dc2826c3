//! Metrics in the OpenMetrics text format.

use super::code::Code;
use super::services::Services;
use crate::spec::tsp::Failure;
use crate::timestamp::ClockState;
use axum::http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabels {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    failure: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KeyLabels {
    key: &'static str,
    state: &'static str,
    fingerprint: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AlarmLabels {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ViewLabels {
    view: &'static str,
}

/// What is counted.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram>,
    refusals: Family<CodeLabels, Counter>,
    deposits: Counter,
    retries: Counter,
    reads: Counter,
    received_bytes: Counter,
    in_flight: Gauge,
    log_size: Gauge,
    log_stopped: Gauge,
    views: Family<ViewLabels, Gauge>,
    stamps: Counter,
    stamp_refusals: Family<FailureLabels, Counter>,
    clock_trusted: Gauge,
    witness_alarms: Family<AlarmLabels, Counter>,
    witness_doubts: Gauge,
    key_expiry: Family<KeyLabels, Gauge>,
    hsm_available: Gauge,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

/// One deposit under way; counted out when dropped.
#[derive(Debug)]
pub(super) struct Begun(Gauge);

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            // 0.5 ms to 16 s.
            durations: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.0005, 2.0, 16))),
            refusals: Family::default(),
            deposits: Counter::default(),
            retries: Counter::default(),
            reads: Counter::default(),
            received_bytes: Counter::default(),
            in_flight: Gauge::default(),
            log_size: Gauge::default(),
            log_stopped: Gauge::default(),
            views: Family::default(),
            stamps: Counter::default(),
            stamp_refusals: Family::default(),
            clock_trusted: Gauge::default(),
            witness_alarms: Family::default(),
            witness_doubts: Gauge::default(),
            key_expiry: Family::default(),
            hsm_available: Gauge::default(),
        };
        let mut registry = Registry::with_prefix("archiland");
        registry.register("http_requests", "Requests answered", metrics.requests.clone());
        registry.register_with_unit(
            "http_request_duration",
            "Time to answer",
            Unit::Seconds,
            metrics.durations.clone(),
        );
        registry.register("deposits_refused", "Deposits refused, by code", metrics.refusals.clone());
        registry.register("deposits", "Deposits archived and acknowledged", metrics.deposits.clone());
        registry.register(
            "deposits_retried",
            "Retries answered with the receipt given before",
            metrics.retries.clone(),
        );
        registry.register("payloads_read", "Documents read", metrics.reads.clone());
        registry.register_with_unit("deposits_received", "Bytes received", Unit::Bytes, metrics.received_bytes.clone());
        registry.register("deposits_in_flight", "Deposits under way", metrics.in_flight.clone());
        registry.register("log_size", "Entries in the published log", metrics.log_size.clone());
        registry.register("log_stopped", "1 when the log cannot be extended", metrics.log_stopped.clone());
        registry.register("view_size", "Entries taken in by a view", metrics.views.clone());
        registry.register("timestamps", "Time-stamp tokens issued to clients", metrics.stamps.clone());
        registry.register(
            "timestamps_refused",
            "Time-stamp requests refused, by PKIFailureInfo",
            metrics.stamp_refusals.clone(),
        );
        registry.register(
            "clock_trusted",
            "1 when the clock may be relied on, 0 when time-stamping is closed",
            metrics.clock_trusted.clone(),
        );
        registry.register(
            "key_expiry_seconds",
            "Time before a certificate ends; negative once it has",
            metrics.key_expiry.clone(),
        );
        registry.register(
            "hsm_available",
            "1 when the PKCS#11 token signs, or there is none; 0 when its keys cannot be used",
            metrics.hsm_available.clone(),
        );
        registry.register(
            "witness_alarms",
            "Checkpoints of other logs that contradict what was cosigned",
            metrics.witness_alarms.clone(),
        );
        registry.register(
            "witness_doubts",
            "Witnesses that know another history of our log",
            metrics.witness_doubts.clone(),
        );
        metrics.registry = registry;
        metrics
    }
}

impl Metrics {
    pub(super) fn request(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let labels = RequestLabels { method: known(method), route: route.to_owned(), status: status.as_u16() };
        self.requests.get_or_create(&labels).inc();
        self.durations.get_or_create(&RouteLabels { route: labels.route }).observe(took.as_secs_f64());
    }

    pub(super) fn deposit_begins(&self) -> Begun {
        self.in_flight.inc();
        Begun(self.in_flight.clone())
    }

    pub(super) fn deposited(&self) {
        self.deposits.inc();
    }

    pub(super) fn retried(&self) {
        self.retries.inc();
    }

    pub(super) fn witness_alarm(&self, alarm: &'static str) {
        self.witness_alarms.get_or_create(&AlarmLabels { kind: alarm }).inc();
    }

    pub(super) fn stamped(&self) {
        self.stamps.inc();
    }

    pub(super) fn stamp_refused(&self, failure: Failure) {
        let failure = match failure {
            Failure::BadAlgorithm => "badAlg",
            Failure::BadRequest => "badRequest",
            Failure::BadDataFormat => "badDataFormat",
            Failure::TimeNotAvailable => "timeNotAvailable",
            Failure::UnacceptedPolicy => "unacceptedPolicy",
            Failure::UnacceptedExtension => "unacceptedExtension",
            Failure::SystemFailure => "systemFailure",
        };
        self.stamp_refusals.get_or_create(&FailureLabels { failure }).inc();
    }

    pub(super) fn read(&self) {
        self.reads.inc();
    }

    pub(super) fn received(&self, bytes: u64) {
        self.received_bytes.inc_by(bytes);
    }

    pub(super) fn refused(&self, code: Code) {
        self.refusals.get_or_create(&CodeLabels { code: code.as_str() }).inc();
    }

    /// The text, with what is read at the moment of asking.
    pub(super) fn render(&self, app: &Services) -> String {
        self.log_size.set(i64::try_from(app.log_size()).unwrap_or(i64::MAX));
        self.hsm_available.set(i64::from(app.keys.hsm_trouble().is_none()));
        let now = app.clock.now();
        self.key_expiry.clear();
        for key in app.keys.inventory() {
            let Some(end) = key.not_after else { continue };
            let fingerprint = key.fingerprint.chars().take(16).collect();
            let labels = KeyLabels { key: key.name, state: key.state, fingerprint };
            self.key_expiry.get_or_create(&labels).set((end - now).whole_seconds());
        }
        let doubts = app.external.as_ref().map_or(0, |external| external.doubts.borrow().len());
        self.witness_doubts.set(i64::try_from(doubts).unwrap_or(i64::MAX));
        self.clock_trusted.set(i64::from(app.timestamps.trust().state() == ClockState::Trusted));
        self.log_stopped.set(i64::from(app.sequencer.trouble().is_some()));
        for (view, size) in &app.views.borrow().views {
            let gauge = self.views.get_or_create(&ViewLabels { view });
            gauge.set(i64::try_from(*size).unwrap_or(i64::MAX));
        }
        let mut text = String::new();
        // Writing into a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// Methods are the client's to invent: only known ones become labels.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
