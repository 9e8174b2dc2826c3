//! What the handlers share.

use super::asalae::Sessions;
use super::evidence::Evidences;
use super::helios::Desk;
use super::metrics::Metrics;
use super::pulse::Pulse;
use super::rate::Rates;
use super::referentials::Registry;
use super::refusals::Refusals;
use super::transfers::{self, Operations};
use crate::admission::{InFlight, Policies};
use crate::catalog::Catalog;
use crate::clock::SharedClock;
use crate::config::{Archive, HeliosMode, Limits, Producers};
use crate::evidence::{EvidenceError, Renewed};
use crate::package::Ark;
use crate::producer::profile::Profiles;
use crate::search::SearchIndex;
use crate::sequencer::{LogReader, Sequencer};
use crate::spec::cms::Certificate;
use crate::spec::tlog::note::{Cosigner, VerifierKey};
use crate::store::Store;
use crate::timestamp::{Keyring, SealOffice, TimestampService};
use crate::transfer::clamd::Clamd;
use crate::trust::Fetcher;
use crate::validation::SharedRules;
use crate::views::Progress;
use crate::witness::{Doubt, Watch};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use time::OffsetDateTime;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

/// Packages made at the same time: each has a thread of its own.
const PACKAGES_MAX: usize = 8;

/// Reports made at the same time: each reads documents again.
const REPORTS_MAX: usize = 2;

/// The services, as handlers pass them around.
pub type App = Arc<Services>;

/// The secrets of webhooks, by profile and agency.
pub type Webhooks = HashMap<(String, String), ring::hmac::Key>;

/// What the daemon brings together for the edge.
pub struct Parts {
    /// Who the archive is.
    pub archive: Archive,
    /// What becomes of files for Hélios.
    pub helios_mode: HeliosMode,
    /// The limits.
    pub limits: Limits,
    /// Document types and retention rules.
    pub policies: Policies,
    /// Producer profiles.
    pub profiles: Profiles,
    /// Who may use them.
    pub producers: Producers,
    /// The secrets of webhooks, by profile and agency.
    pub webhooks: Webhooks,
    /// How signatures are validated, and what is required of them.
    pub signatures: Arc<SharedRules>,
    /// Fetches revocation data, where somebody may be called.
    pub fetcher: Option<Fetcher>,
    /// The payload store.
    pub store: Store,
    /// From this length on a payload streams to an object of its own.
    pub small_bytes_max: usize,
    /// The way into the log.
    pub sequencer: Sequencer,
    /// The way to read it.
    pub log: LogReader,
    /// The log's verifier key: checkpoints are checked when they are read back.
    pub log_key: VerifierKey,
    /// Agencies, credentials, idempotency keys.
    pub catalog: Arc<dyn Catalog>,
    /// Look-ups.
    pub search: Arc<SearchIndex>,
    /// How far the views are.
    pub views: watch::Receiver<Progress>,
    /// When the log's first record was made: a log younger than the catalog's memory of idempotency keys is all in it.
    pub older_keys_since: Option<OffsetDateTime>,
    /// The clock.
    pub clock: SharedClock,
    /// The time-stamping authority.
    pub timestamps: TimestampService,
    /// Whether anyone may ask it for tokens.
    pub timestamps_open: bool,
    /// Tokens of other authorities, where there are some.
    pub external: Option<External>,
    /// Asks for a pass over the evidence.
    pub renewals: mpsc::Sender<RenewalRequest>,
    /// Cosigns the checkpoints of other logs.
    pub cosigner: Option<Arc<Cosigner>>,
    /// What it remembers of them.
    pub watch: Watch,
    /// The archive's keys: their ends and their troubles are told.
    pub keys: Arc<Keyring>,
    /// Where replies, reports and attestations are sealed.
    pub seals: SealOffice,
    /// The authorities of the other time-stamping authorities that stamp for this archive.
    pub stampers: Vec<Certificate>,
    /// Where transfers wait to be checked.
    pub spool: PathBuf,
    /// What the archive calls itself in SEDA messages.
    pub identifier: String,
    /// The authority that gives visas, in SEDA messages.
    pub control_authority: String,
    /// The antivirus that packages go through, where there is one.
    pub clamd: Option<Clamd>,
    /// Days before the end of a certificate from which it is an alarm.
    pub key_warn_days: u32,
}

/// A pass over the evidence asked for, and where to say what it did.
pub type RenewalRequest = oneshot::Sender<Result<Renewed, EvidenceError>>;

/// Checkpoints stamped by other authorities, or cosigned by witnesses.
#[derive(Debug, Clone)]
pub struct External {
    /// No receipt is given without.
    pub required: bool,
    /// They are stamped; otherwise only cosigned.
    pub stamps: bool,
    /// The largest log done since the start.
    pub stamped: watch::Receiver<u64>,
    /// What witnesses know better.
    pub doubts: watch::Receiver<Vec<Doubt>>,
}

/// What the handlers share.
pub struct Services {
    pub(super) parts: Parts,
    pub(super) metrics: Metrics,
    pub(super) in_flight: InFlight,
    pub(super) pulse: Pulse,
    pub(super) rates: Rates,
    pub(super) deposits: Arc<Semaphore>,
    /// In KiB.
    pub(super) buffers: Arc<Semaphore>,
    pub(super) large_uploads: Arc<Semaphore>,
    pub(super) evidences: Evidences,
    pub(super) refusals: Refusals,
    pub(super) registry: Registry,
    /// Packages on their way out.
    pub(super) packages: Arc<Semaphore>,
    /// Reports being made.
    pub(super) reports: Arc<Semaphore>,
    pub(super) operations: Operations,
    pub(super) sessions: Sessions,
    pub(super) helios: Desk,
    /// One change of an archive's standing at a time: what was checked holds until it is recorded.
    pub(super) standing: Arc<tokio::sync::Mutex<()>>,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Services({})", self.parts.archive.origin)
    }
}

impl std::ops::Deref for Services {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl Services {
    /// Puts the services together; starts the task that records refusals, which ends with the services, and
    /// goes on with the transfers that a stop left.
    pub fn new(parts: Parts) -> App {
        let limits = &parts.limits;
        let rates = Rates::new(limits.agency_requests_per_second_max, limits.agency_requests_burst_max);
        let refusals = Refusals::start(parts.sequencer.clone());
        let evidences = Evidences::new(parts.store.objects().clone(), parts.log_key.clone(), &parts.archive.origin);
        let operations = Operations::new(parts.spool.clone());
        let app = Arc::new(Self {
            metrics: Metrics::default(),
            in_flight: InFlight::default(),
            pulse: Pulse::default(),
            rates,
            deposits: Arc::new(Semaphore::new(limits.deposits_in_flight_max)),
            buffers: Arc::new(Semaphore::new(limits.buffered_bytes_max / 1024)),
            large_uploads: Arc::new(Semaphore::new(limits.large_uploads_max)),
            evidences,
            refusals,
            registry: Registry::default(),
            packages: Arc::new(Semaphore::new(PACKAGES_MAX)),
            reports: Arc::new(Semaphore::new(REPORTS_MAX)),
            operations,
            sessions: Sessions::default(),
            helios: Desk::default(),
            standing: Arc::default(),
            parts,
        });
        transfers::resume(&app);
        super::eliminations::resume(&app);
        app
    }

    /// Lets what goes on by itself come to rest: it goes on at the next start.
    pub fn rest(&self) {
        self.operations.stop();
    }

    /// The identifier of the entry at `index`.
    pub(super) fn ark(&self, index: u64) -> Ark {
        Ark::new(&self.archive.naan, &self.archive.log, index)
    }

    /// Entries of the published log.
    pub(super) fn log_size(&self) -> u64 {
        self.sequencer.published().borrow().size
    }
}
