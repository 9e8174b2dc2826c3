//! Boot: configuration → keys → bucket → log → views → services. What a crash left is finished here, by the same code that
//! runs every day.

use super::attach::Attaching;
use super::bucket::Bucket;
use super::error::DaemonError;
use super::init::OPERATOR;
use super::keys;
use super::lists;
use super::lock::Lock;
use super::preserve::{LogJournal, Preserving};
use super::producers;
use super::seen;
use super::signer::KeyringSigner;
use crate::admission::Policies;
use crate::api::{App, External, Parts, Services, watch_folders};
use crate::catalog::{CatalogOptions, EmbeddedCatalog};
use crate::clock::{SharedClock, parse_record_time};
use crate::config::{Config, ExternalMode, StoreConfig, WitnessMode};
use crate::evidence::{Maker, Renewal, RenewalPolicy};
use crate::package::Record;
use crate::search::{SearchIndex, SearchOptions};
use crate::sequencer::{LogReader, Published, Sequencer, SequencerOptions, head};
use crate::spec::tlog::policy::Policy;
use crate::spec::tsp::received::{Token, token_bytes};
use crate::store::{Store, StoreOptions};
use crate::timestamp::{
    ClockOptions, ClockTrust, ExternalTsas, Intents, KeyUse, Keyring, KeyringError, RevocationReason, SealOffice,
    TimestampService, watch_clock,
};
use crate::transfer::clamd::{Address, Clamd};
use crate::trust::Fetcher;
use crate::validation::{Rules, SharedRules};
use crate::views::{FollowError, Follower, LogSource, Pace, Progress};
use crate::witness::{Gatherer, Watch};
use object_store::ObjectStore;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How often the largest checkpoint seen is remembered.
const REMEMBER_EVERY: Duration = Duration::from_secs(5);

/// How often a long rebuild says how far it is.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// An archive that has booted: everything but the listener.
pub struct Node {
    pub(super) config: Config,
    pub(super) app: App,
    pub(super) lock: Lock,
    pub(super) tasks: Tasks,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Node({})", self.config.archive.origin)
    }
}

/// What runs beside the requests.
pub(super) struct Tasks {
    /// Ends when every way into the sequencer is gone.
    pub(super) sequencing: Option<JoinHandle<()>>,
    /// Brings the views up to the log, for ever.
    pub(super) following: Option<JoinHandle<Result<(), FollowError>>>,
    pub(super) remembering: JoinHandle<()>,
    /// Makes evidence, and what ends it: it has a way into the sequencer.
    pub(super) preserving: Option<(JoinHandle<()>, CancellationToken)>,
    /// Ends `following` and `remembering`.
    pub(super) cancel: CancellationToken,
}

impl Node {
    /// Boots the archive of a configuration; returns when its views are up to the log.
    pub async fn boot(config: Config, clock: SharedClock) -> Result<Self, DaemonError> {
        let bucket = Bucket::open(&config)?;
        if matches!(config.store, StoreConfig::S3(_)) {
            // A store that does not honour conditional writes would lose records: found out before the first one.
            head::probe(&*bucket.heads).await?;
        }
        Self::boot_over(config, clock, bucket).await
    }

    /// Boots over a bucket at hand.
    pub async fn boot_over(config: Config, clock: SharedClock, bucket: Bucket) -> Result<Self, DaemonError> {
        let policies = Policies::load(&config.policies)?;
        let profiles = producers::profiles(&config, &policies)?;
        let renewal_policy = renewal_policy(&config)?;
        let keyring = open_keys(&config, &bucket).await?;
        keys::refuse_revoked(&keyring)?;
        let signatures = Arc::new(SharedRules::new(signature_rules(&config)?));
        let fetcher = Fetcher::open(&config.trust, &config.state).map_err(DaemonError::Fetching)?;
        let lock = Lock::take(&config.state)?;

        let cancel = CancellationToken::new();
        let trust = watch_clock(clock_options(&config), clock.clone(), cancel.clone());
        // On this machine's disk, unless the archive is in memory and keeps nothing else either.
        let intents = (config.store != StoreConfig::Memory).then(|| Arc::new(Intents::new(&config.state)));
        let signer = checkpoint_signer(&keyring, &clock, trust.clone(), intents.clone());
        // Before the sequencer: it finishes what a crash left, and that is writing.
        let (gatherer, closed) = remembered(&config, &clock, &LogReader::new(bucket.objects.clone())).await?;
        let bucket = if closed.is_some() { bucket.read_only() } else { bucket };
        let writable = closed.is_none();
        let objects = bucket.objects.clone();
        let options = SequencerOptions { closed, ..sequencer_options(&config) };
        let (sequencer, sequencing) = Sequencer::start(objects.clone(), bucket.heads.clone(), signer, options).await?;
        let log = sequencer.reader();
        if writable {
            keys::tell_changes(&keyring, &sequencer, &clock).await?;
        }
        let published = sequencer.published();
        let found = *published.borrow();
        tracing::info!(origin = %config.archive.origin, size = found.size, "journal ouvert");

        let store_options = store_options(&config);
        let small_bytes_max = store_options.small_bytes_max;
        let store = Store::new(objects.clone(), store_options);
        let views = open_views(&config)?;
        let source = Arc::new(LogSource::new(log.clone()));
        let follower = Follower::new(vec![views.catalog.clone(), views.search.clone()], source, Pace::default());
        let progress = follower.progress();
        let following = tokio::spawn({
            let (published, cancel) = (published.clone(), cancel.clone());
            async move { follower.follow(published, &cancel).await }
        });
        let following = caught_up(progress.clone(), found.size, following).await?;
        let external = if writable {
            start_external(&config, gatherer, &clock, &log, &objects, &published, &cancel)?
        } else {
            None
        };
        let remembering = tokio::spawn(remember(writable, config.clone(), published, cancel.clone()));

        let older_keys_since = first_record_time(&log, found.size).await?;
        let stamping = TimestampService::start(keyring.clone(), sequencer.clone(), clock.clone(), trust, OPERATOR);
        let (renewals, asked) = mpsc::channel(1);
        let preserving = preserving(&config, renewal_policy, &keyring, &stamping, &sequencer, &objects, &clock);
        let (follow, rest) = (sequencer.published(), CancellationToken::new());
        let stop = rest.clone();
        let preserving = tokio::spawn(async move {
            stop.run_until_cancelled(preserving.run(follow, asked)).await;
        });
        let app = Services::new(Parts {
            timestamps: stamping,
            timestamps_open: config.timestamp.open,
            external,
            renewals,
            // What our witness remembers went back in time with the rest.
            cosigner: keyring.witness.clone().filter(|_| writable),
            watch: Watch::new(bucket.heads, objects),
            archive: config.archive.clone(),
            helios_mode: config.helios.mode,
            limits: config.limits.clone(),
            policies,
            profiles,
            producers: config.producers.clone(),
            webhooks: producers::webhooks(&config)?,
            signatures,
            fetcher,
            store,
            small_bytes_max,
            sequencer,
            log,
            log_key: keyring.log.vkey().clone(),
            key_warn_days: config.key_warn_days,
            catalog: views.catalog,
            search: views.search,
            views: progress,
            older_keys_since,
            stampers: ExternalTsas::authorities(&config.timestamp.external.tsa)?,
            seals: SealOffice::new(keyring.clone(), clock.clone(), intents),
            clock,
            keys: keyring.clone(),
            spool: config.state.join("transfers"),
            identifier: config.transfers.identifier.clone().unwrap_or_else(|| config.archive.origin.clone()),
            control_authority: config.transfers.control_authority.clone().unwrap_or_else(|| CONTROL.into()),
            clamd: config.transfers.clamd.as_deref().map(antivirus),
        });
        let keeping = tokio::spawn(keeping(app.clone(), &config, writable, rest.clone()));
        // They have ways into the sequencer, and end together.
        let preserving = tokio::spawn(async move {
            let _ = tokio::join!(preserving, keeping);
        });
        let preserving = Some((preserving, rest));
        let tasks = Tasks { sequencing: Some(sequencing), following: Some(following), remembering, preserving, cancel };
        Ok(Self { config, app, lock, tasks })
    }

    /// The services, for what runs in the same process.
    pub fn services(&self) -> &App {
        &self.app
    }
}

/// What goes on beside requests, until it is stopped: trusted lists, watched folders.
fn keeping(app: App, config: &Config, writable: bool, stop: CancellationToken) -> impl Future<Output = ()> + use<> {
    let watched = if writable { config.producers.watch.clone() } else { Vec::new() };
    let (watching, keeping) = (watch_folders(app.clone(), watched), lists::keep(app, config.trust.clone()));
    async move {
        Box::pin(stop.run_until_cancelled(async { tokio::join!(keeping, watching) })).await;
    }
}

/// The keys; where tokens are ordered by their times, those of now come after the last one of the log.
async fn open_keys(config: &Config, bucket: &Bucket) -> Result<Arc<Keyring>, DaemonError> {
    let mut keyring = Keyring::open(config).map_err(|error| match error {
        KeyringError::Origin { key, origin } => DaemonError::Origin { key, origin },
        other => other.into(),
    })?;
    if config.timestamp.ordering {
        let log = LogReader::new(bucket.objects.clone());
        let last = match log.published().await?.size.checked_sub(1) {
            Some(last) => log.evidence_for(last).await?,
            None => None,
        };
        keyring.tsa.set_ordering(last.and_then(|found| stamped_at(&found.evidence.tsr)));
    }
    Ok(Arc::new(keyring))
}

/// The time of a token of ours.
fn stamped_at(response: &[u8]) -> Option<OffsetDateTime> {
    Some(Token::parse(token_bytes(response).ok()?).ok()?.info.time)
}

/// The time-stamping certificates whose key was in somebody else's hands.
fn compromised(keyring: &Keyring) -> BTreeSet<String> {
    let revoked = keyring.generations().list.into_iter().filter(|generation| {
        generation.key_use == KeyUse::Tsa
            && generation.revoked.as_ref().is_some_and(|revoked| revoked.reason == RevocationReason::Compromise)
    });
    revoked.map(|generation| generation.certificate).collect()
}

/// What makes evidence and renews it.
fn preserving(
    config: &Config,
    policy: RenewalPolicy,
    keyring: &Keyring,
    stamping: &TimestampService,
    sequencer: &Sequencer,
    objects: &Arc<dyn ObjectStore>,
    clock: &SharedClock,
) -> Preserving {
    let log = sequencer.reader();
    let renewal = Renewal {
        log: log.clone(),
        objects: objects.clone(),
        stamper: Arc::new(stamping.clone()),
        policy,
        journal: Arc::new(LogJournal { sequencer: sequencer.clone(), clock: clock.clone() }),
        distrusted: compromised(keyring),
    };
    Preserving {
        maker: Maker::new(log, objects.clone(), Arc::new(stamping.clone())),
        renewal,
        clock: clock.clone(),
        until: keyring.tsa.certificate().not_after(),
        every: Duration::from_secs(config.evidence.every_s),
    }
}

/// What signs checkpoints.
fn checkpoint_signer(
    keyring: &Arc<Keyring>,
    clock: &SharedClock,
    trust: ClockTrust,
    intents: Option<Arc<Intents>>,
) -> Arc<KeyringSigner> {
    let signer = KeyringSigner::new(keyring.clone(), clock.clone()).trusting(trust);
    Arc::new(match intents {
        Some(intents) => signer.announcing(intents),
        None => signer,
    })
}

/// How signatures are validated: read at the start; trusted lists may change while the archive runs.
fn signature_rules(config: &Config) -> Result<Rules, DaemonError> {
    let files = &config.policies;
    let rules = Rules::load(files.signature.as_deref(), files.certificates.as_deref())?;
    for refused in &rules.trust.refused {
        tracing::warn!(file = %refused, "élément de confiance laissé de côté");
    }
    Ok(rules)
}

struct Views {
    catalog: Arc<EmbeddedCatalog>,
    search: Arc<SearchIndex>,
}

fn open_views(config: &Config) -> Result<Views, DaemonError> {
    let catalog = EmbeddedCatalog::open(&config.state, CatalogOptions::default())?;
    let search = SearchIndex::open(&config.state, SearchOptions::default())?;
    for (view, set_aside) in [("catalog", &catalog.set_aside), ("search", &search.set_aside)] {
        if let Some(reason) = set_aside {
            tracing::warn!(view, %reason, "vue inutilisable mise de côté ; elle est reconstruite depuis le journal");
        }
    }
    Ok(Views { catalog: Arc::new(catalog.view), search: Arc::new(search.view) })
}

/// Waits until the views know the log: a credential or a retry met before that would be answered wrongly.
async fn caught_up(
    mut progress: watch::Receiver<Progress>,
    size: u64,
    mut following: JoinHandle<Result<(), FollowError>>,
) -> Result<JoinHandle<Result<(), FollowError>>, DaemonError> {
    loop {
        tokio::select! {
            caught_up = progress.wait_for(|progress| progress.applied() >= size) => {
                if caught_up.is_ok() {
                    return Ok(following);
                }
                // The follower is gone: the other branch says why.
                tokio::task::yield_now().await;
            }
            ended = &mut following => {
                ended.map_err(|e| DaemonError::Task(e.to_string()))??;
                return Err(DaemonError::Task("suivi du journal".to_owned()));
            }
            () = tokio::time::sleep(SAY_EVERY) => {}
        }
        let applied = progress.borrow().applied();
        if applied < size {
            tracing::info!(applied, size, "les vues rattrapent le journal");
            super::signals::still_starting(SAY_EVERY * 3);
        }
    }
}

/// Notes the largest log seen, for as long as the log is written: in one that is only read, what was seen before stays
/// remembered.
async fn remember(
    writable: bool,
    config: Config,
    mut published: watch::Receiver<Published>,
    cancel: CancellationToken,
) {
    if !writable {
        return;
    }
    loop {
        let seen = *published.borrow_and_update();
        let state = config.state.clone();
        let kept = tokio::task::spawn_blocking(move || seen::remember(&state, seen)).await;
        if let Ok(Err(error)) = kept {
            tracing::warn!(%error, "le plus grand journal vu n'a pas pu être noté");
        }
        if cancel.is_cancelled() {
            return;
        }
        tokio::select! {
            () = cancel.cancelled() => {}
            () = tokio::time::sleep(REMEMBER_EVERY) => {
                tokio::select! {
                    () = cancel.cancelled() => {}
                    changed = published.changed() => if changed.is_err() { return },
                }
            }
        }
    }
}

async fn first_record_time(log: &LogReader, size: u64) -> Result<Option<OffsetDateTime>, DaemonError> {
    let Some(first) = log.record(0, size).await? else { return Ok(None) };
    Ok(Record::parse(&first).ok().and_then(|record| parse_record_time(&record.time)))
}

fn sequencer_options(config: &Config) -> SequencerOptions {
    SequencerOptions {
        pool_max: config.limits.pool_entries_max,
        batch_max: config.limits.batch_entries_max,
        ..SequencerOptions::default()
    }
}

/// What this machine and the witnesses remember of the log, before anything is written: the witnesses to ask from now on,
/// or why nothing may be written until an operator decides.
async fn remembered(
    config: &Config,
    clock: &SharedClock,
    log: &LogReader,
) -> Result<(Option<Gatherer>, Option<String>), DaemonError> {
    let known = match config.store {
        StoreConfig::Memory => Ok(()),
        _ => seen::check(&config.state, log, log.published().await?).await,
    };
    let doubt = match known {
        Ok(()) => match witnesses(config, clock, log).await {
            Ok(gatherer) => return Ok((gatherer, None)),
            Err(doubt @ DaemonError::Witnessed { .. }) => doubt,
            Err(error) => return Err(error),
        },
        Err(doubt @ DaemonError::Rollback { .. }) => doubt,
        Err(error) => return Err(error),
    };
    tracing::error!(%doubt, "le journal n'est ouvert qu'en lecture");
    Ok((None, Some(doubt.to_string())))
}

/// The witnesses of the policy, where there is one. What they know of our log is asked at once: a bucket that went back
/// in time is noticed even by a machine that never saw it.
async fn witnesses(config: &Config, clock: &SharedClock, log: &LogReader) -> Result<Option<Gatherer>, DaemonError> {
    let Some(path) = &config.witness.policy else { return Ok(None) };
    let text = std::fs::read_to_string(path).map_err(|e| DaemonError::file(path, e))?;
    let policy = Policy::parse(&text).map_err(|source| DaemonError::WitnessPolicy { path: path.clone(), source })?;
    let gatherer = Gatherer::new(policy, log.clone(), clock.clone())?;
    if let Some((note, checkpoint)) = log.checkpoint().await? {
        let gathered = gatherer.gather(&note, &checkpoint).await?;
        if let Some(doubt) = gathered.doubts.into_iter().next() {
            return Err(DaemonError::Witnessed { witness: doubt.witness, seen: doubt.size, found: checkpoint.size });
        }
    }
    Ok(Some(gatherer))
}

/// Starts having checkpoints stamped and cosigned elsewhere, where the configuration says by whom.
fn start_external(
    config: &Config,
    gatherer: Option<Gatherer>,
    clock: &SharedClock,
    log: &LogReader,
    objects: &Arc<dyn ObjectStore>,
    published: &watch::Receiver<Published>,
    cancel: &CancellationToken,
) -> Result<Option<External>, DaemonError> {
    let external = &config.timestamp.external;
    let (stamps, cosigns) = (!external.tsa.is_empty(), gatherer.is_some());
    if !stamps && !cosigns {
        return Ok(None);
    }
    let quorum_required = cosigns && config.witness.mode == WitnessMode::Closed;
    let required = quorum_required || (stamps && external.mode == ExternalMode::Require);
    let every_s = match (stamps, cosigns) {
        _ if required => 0,
        (true, true) => external.every_s.min(config.witness.every_s),
        (true, false) => external.every_s,
        (false, _) => config.witness.every_s,
    };
    let (reached, stamped) = watch::channel(0);
    let (doubts, doubted) = watch::channel(Vec::new());
    let attaching = Attaching {
        tsas: if stamps { Some(ExternalTsas::load(&external.tsa, clock.clone())?) } else { None },
        gatherer,
        quorum_required,
        log: log.clone(),
        objects: objects.clone(),
        every: Duration::from_secs(every_s),
        reached,
        doubts,
    };
    let (published, cancel) = (published.clone(), cancel.clone());
    tokio::spawn(async move { cancel.run_until_cancelled(attaching.run(published)).await });
    Ok(Some(External { required, stamps, stamped, doubts: doubted }))
}

fn renewal_policy(config: &Config) -> Result<RenewalPolicy, DaemonError> {
    let Some(path) = &config.policies.renewal else { return Ok(RenewalPolicy::default()) };
    let text = std::fs::read_to_string(path).map_err(|e| DaemonError::file(path, e))?;
    Ok(RenewalPolicy::parse(&text)?)
}

fn clock_options(config: &Config) -> ClockOptions {
    let clock = &config.timestamp.clock;
    ClockOptions {
        servers: clock.ntp.clone(),
        quorum: clock.quorum(),
        drift_max: clock.drift_max(),
        every: clock.every(),
    }
}

/// The antivirus at an address; a large document may take it a while.
/// The control authority, where the configuration names none.
const CONTROL: &str = "service-de-controle";

fn antivirus(address: &str) -> Clamd {
    Clamd { address: Address::parse(address), timeout: Duration::from_secs(120) }
}

fn store_options(config: &Config) -> StoreOptions {
    StoreOptions { pack_queue_max: config.limits.pool_entries_max, ..StoreOptions::default() }
}
