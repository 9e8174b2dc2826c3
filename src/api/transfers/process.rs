//! One transfer from the spool to its record. What goes wrong on our side is tried again, for as long as it takes; a stop
//! leaves the job on the spool, and the next start begins it again.

use super::conclude::{self, Conclusion};
use super::job::{Dialect, Job};
use super::operations::{Operation, Stage};
use super::plan::{ATTACHMENT, Plan, stored};
use super::{message_key, messages, pieces, units};
use crate::admission::{Earlier, Refusal};
use crate::api::code::Code;
use crate::api::deposits;
use crate::api::problem::Problem;
use crate::api::services::App;
use crate::package::{Record, RecordError};
use crate::spec::seda::manifest::Manifest;
use crate::spec::seda::{Bounds, Message, fragment};
use crate::store::StoreError;
use crate::transfer::check::{Checked, Options, Seen, Signing, check};
use crate::transfer::clamd::UNREACHABLE;
use crate::transfer::container::{Container, Kind, Limits};
use crate::transfer::event::{Journal, Outcome, Report};
use crate::transfer::peek::peek;
use crate::transfer::referentials::{Referentials, SignatureVerification};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// The first wait after a failure of ours; it doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
/// No wait is longer.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How long the views are waited for.
const FOLLOW_MAX: Duration = Duration::from_secs(30);

/// Why a transfer does not go on.
#[derive(Debug)]
pub(super) enum Stop {
    /// An archive cannot hold what was sent.
    Refused(Refusal),
    /// A failure of ours: to be tried again.
    Failed(Problem),
    /// The daemon stops.
    Stopping,
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<RecordError> for Stop {
    fn from(error: RecordError) -> Self {
        Self::Failed(Problem::internal(&error))
    }
}

/// A transfer that is going to be archived: what was read of it.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) message: Message,
    pub(super) seen: Vec<Seen>,
    pub(super) plan: Plan,
    /// The bordereau as its extents count it.
    pub(super) document: Vec<u8>,
    /// The bordereau as it came, when that is not the same bytes.
    pub(super) bordereau: Option<Vec<u8>>,
    /// Index of the archive that each unit stands for.
    existing: Vec<Option<u64>>,
    container: Container,
    attachments: Option<Container>,
}

impl Work {
    /// `MessageIdentifier`.
    pub(super) fn identifier(&self) -> &str {
        self.message.manifest.header.identifier.as_deref().unwrap_or_default()
    }

    /// What holds the objects that are not in the bordereau.
    pub(super) fn holder(&self) -> Option<&Container> {
        match &self.attachments {
            Some(attachments) => Some(attachments),
            None => Some(&self.container).filter(|container| container.kind != Kind::Bordereau),
        }
    }

    /// The units that are neither in the log nor stand for one that is.
    pub(super) fn new_units<'a>(&'a self, known: &'a [Option<u64>]) -> impl Iterator<Item = usize> + 'a {
        (0..self.plan.units.len()).filter(|unit| known.get(*unit).is_none_or(Option::is_none))
    }

    /// Identifiers of the units that contain a unit.
    pub(super) fn parents(&self, unit: usize) -> Vec<String> {
        let manifest = &self.message.manifest;
        let parents = self.plan.units[unit].parents.iter();
        parents.map(|parent| manifest.text(manifest.units[*parent as usize].id).to_owned()).collect()
    }

    /// The archives of earlier transfers that contain a unit.
    pub(super) fn attached_to(&self, unit: usize) -> impl Iterator<Item = u64> {
        self.plan.units[unit].parents.iter().filter_map(|parent| self.existing[*parent as usize])
    }

    /// How many objects are archived.
    pub(super) fn stored_objects(&self) -> usize {
        let all = 0..u32::try_from(self.message.manifest.objects.len()).unwrap_or(u32::MAX);
        all.filter(|object| stored(&self.message.manifest, &self.seen, *object)).count()
    }
}

/// Goes on with what a stop left on the spool.
pub(in crate::api) fn resume(app: &App) {
    let jobs = match Job::all(&app.operations.spool) {
        Ok(jobs) => jobs,
        Err(error) => {
            tracing::error!(%error, "la file d'attente des transferts est illisible");
            return;
        }
    };
    for job in jobs {
        tracing::info!(operation = %job.operation, "transfert repris");
        if let Some((operation, true)) = app.operations.take(job) {
            start(app, operation);
        }
    }
}

/// Lets an operation go on by itself.
pub(in crate::api) fn start(app: &App, operation: Arc<Operation>) {
    let app = app.clone();
    tokio::spawn(async move {
        let stop = app.operations.stop.clone();
        if stop.run_until_cancelled(run(&app, &operation)).await.is_none() {
            tracing::info!(operation = %operation.job.operation, "transfert laissé pour le prochain démarrage");
        }
    });
}

async fn run(app: &App, operation: &Arc<Operation>) {
    let mut pause = PAUSE_FIRST;
    loop {
        let index = match attempt(app, operation).await {
            Ok(index) => index,
            Err(Stop::Stopping) => return,
            Err(Stop::Refused(refusal)) => {
                // Said before anything is promised; a refusal by the archive's own limits is one of the transfer.
                let mut journal = Journal::default();
                journal.ko("STP_STORAGE", Problem::from(refusal).detail, None);
                match refuse(app, operation, &journal.finish(), None).await {
                    Ok(index) => index,
                    Err(stop) => {
                        let problem = Problem::internal(&format_args!("refus non consigné : {stop:?}"));
                        wait(operation, problem, &mut pause).await;
                        continue;
                    }
                }
            }
            Err(Stop::Failed(problem)) => {
                wait(operation, problem, &mut pause).await;
                continue;
            }
        };
        app.operations.end(operation, index);
        let (app, operation) = (app.clone(), operation.clone());
        let _ = tokio::task::spawn_blocking(move || operation.job.forget(&app.operations.spool)).await;
        return;
    }
}

async fn wait(operation: &Operation, problem: Problem, pause: &mut Duration) {
    tracing::warn!(operation = %operation.job.operation, problem = %problem.detail, "transfert en attente");
    operation.progress.send_modify(|progress| progress.trouble = Some(problem.detail));
    sleep(*pause).await;
    *pause = (*pause * 2).min(PAUSE_MAX);
    operation.progress.send_modify(|progress| progress.trouble = None);
}

/// From the checks to the record; returns its index.
async fn attempt(app: &App, operation: &Arc<Operation>) -> Result<u64, Stop> {
    let _place = app.operations.places.acquire().await.map_err(|_| Stop::Stopping)?;
    operation.untell();
    operation.at(Stage::Checking);
    read_head(app, operation).await?;
    let referentials = app.referentials().await?;
    let (checked, bordereau) = examine(app, operation, &referentials).await?;
    let Checked { report, message, container, seen, .. } = checked;
    if let Some(event) = report.events.iter().find(|event| event.detail.starts_with(UNREACHABLE)) {
        // Nothing is wrong with the transfer: it waits.
        let english = "The antivirus does not answer.";
        return Err(Problem::new(Code::StoreUnavailable, event.detail.clone(), english).into());
    }
    let test = operation.job.test;
    let mut journal = Journal::resume(report);
    if operation.is_cancelled() {
        journal.ko("STP_INGEST_CANCELLED", "transfert abandonné à la demande du service versant", None);
    }
    let (Some(message), Some(container)) = (message, container) else {
        return refuse(app, operation, &journal.finish(), None).await;
    };
    let manifest = &message.manifest;
    let plan = Plan::make(&mut journal, manifest, Some(&*referentials));
    for (object, seen) in manifest.objects.iter().zip(&seen).filter(|(_, seen)| seen.digests.is_some()) {
        if seen.size_bytes == 0 {
            let location = object.uri.as_deref().map(str::to_owned);
            journal.ko("CHECK_OBJECT_SIZE", format!("objet {} : fichier vide", manifest.text(object.id)), location);
        }
    }
    if operation.job.dialect == Dialect::Maarch {
        distrust(&mut journal, manifest);
    }
    let existing = existing(app, operation, &mut journal, &plan).await?;
    let key = manifest.header.identifier.as_deref().map(|message| message_key(&operation.job.agency, message));
    let turn = match key {
        Some(key) => Some((key, app.in_flight.turn(key).await)),
        None => None,
    };
    if let Some((key, turn)) = &turn
        && let Some(earlier) = deposits::earlier(app, &operation.job.agency, *key, turn).await?
    {
        if same(app, operation, earlier.index).await? {
            return Ok(earlier.index);
        }
        let archive = app.ark(earlier.index);
        let detail = format!("un transfert de cet identifiant (MessageIdentifier) a déjà été accepté : {archive}");
        journal.ko("CHECK_HEADER.CHECK_MESSAGE_IDENTIFIER.ALREADY_ACCEPTED", detail, None);
    }
    if key.is_none() {
        journal.ko(
            "CHECK_HEADER.CHECK_MESSAGE_IDENTIFIER.EMPTY_REQUIRED_FIELD",
            "MessageIdentifier absent ou vide",
            None,
        );
    }
    let report = journal.finish();
    if report.outcome == Outcome::Ko || test {
        return refuse(app, operation, &report, Some(manifest)).await;
    }
    let (document, bordereau) = bordereau;
    let attachments = attachments(app, operation)?;
    let work = Work { message, seen, plan, document, bordereau, existing, container, attachments };
    let index = archive(app, operation, Arc::new(work), &report).await?;
    if let Some((_, turn)) = turn {
        turn.answered(Earlier { index, content: [0; 32] });
    }
    Ok(index)
}

/// Maarch dates every appraisal rule of the day of the export: told, for whoever will decide of the elimination.
fn distrust(journal: &mut Journal, manifest: &Manifest) {
    let day = |date: &str| date.get(..10).map(str::to_owned);
    let exported = manifest.header.date.as_deref().and_then(day);
    let appraisal = manifest.rules.iter().filter(|rule| rule.kind == crate::spec::seda::manifest::Kind::Appraisal);
    let same = appraisal.filter(|rule| manifest.optional(rule.start).and_then(day) == exported).count();
    if exported.is_some() && same > 0 {
        let detail = format!(
            "{same} durées d'utilité administrative partent du jour de l'export, et leur sort final n'est pas fiable : le tableau de gestion fait foi"
        );
        journal.remark("UNITS_RULES_COMPUTE", detail, None);
    }
}

/// Units first, the transfer last.
async fn archive(app: &App, operation: &Arc<Operation>, work: Arc<Work>, report: &Report) -> Result<u64, Stop> {
    operation.at(Stage::Storing);
    let known = known(app, operation, &work).await?;
    let pieces = pieces::store(app, operation, &work, &known).await?;
    let indices = units::archive(app, operation, &work, &pieces, &known).await?;
    let accepted = Some((&*work, indices.as_slice()));
    let conclusion = Conclusion { report, manifest: Some(&work.message.manifest), accepted };
    conclude::conclude(app, operation, &conclusion).await
}

/// A record without content, and a word in the agency's journal. Tests end so too.
async fn refuse(app: &App, operation: &Operation, report: &Report, manifest: Option<&Manifest>) -> Result<u64, Stop> {
    let index = conclude::conclude(app, operation, &Conclusion { report, manifest, accepted: None }).await?;
    if !operation.job.test {
        conclude::journal(app, operation, report);
    }
    Ok(index)
}

/// Reads who sends what, once: the acknowledgement can be given from then on.
pub(in crate::api) async fn read_head(app: &App, operation: &Arc<Operation>) -> Result<(), Problem> {
    if operation.head.get().is_none() {
        let (path, flat) = (path(app, &operation.job.package.file), operation.job.flat.clone());
        let peeking =
            tokio::task::spawn_blocking(move || peek(&path, flat.as_deref(), Limits::default(), &Bounds::default()));
        let head = peeking.await.map_err(|e| Problem::internal(&e))?;
        if let Some(message) = head.as_ref().and_then(|head| head.identifier.as_deref()) {
            app.operations.about(operation, message);
        }
        // Whoever read it first read the same.
        let _ = operation.acknowledged.set(crate::clock::format_record_time(app.clock.now()));
        let _ = operation.head.set(head);
    }
    Ok(())
}

/// The acknowledgement of an operation under way.
pub(in crate::api) fn acknowledgement(operation: &Operation) -> Option<String> {
    messages::acknowledgement(operation.head()?, operation.acknowledged.get()?)
}

fn path(app: &App, file: &str) -> PathBuf {
    app.operations.spool.join(file)
}

type Bordereau = (Vec<u8>, Option<Vec<u8>>);

/// Every check; and the bordereau, when it was read.
async fn examine(
    app: &App,
    operation: &Arc<Operation>,
    referentials: &Arc<Referentials>,
) -> Result<(Checked, Bordereau), Problem> {
    let (told, telling) = std::sync::mpsc::channel();
    let listener = operation.clone();
    let listening = tokio::task::spawn_blocking(move || {
        while let Ok(event) = telling.recv() {
            listener.tell(event);
        }
    });
    let (app, operation, referentials) = (app.clone(), operation.clone(), referentials.clone());
    let examining = tokio::task::spawn_blocking(move || {
        let job = &operation.job;
        let package = path(&app, &job.package.file);
        let attachments = job.attachments.as_ref().map(|attachments| path(&app, &attachments.file));
        let rules = app.signatures.current();
        let options = Options {
            referentials: Some(&*referentials),
            clamd: app.clamd.as_ref(),
            attachments: attachments.as_deref(),
            flat: job.flat.as_deref(),
            storing: true,
            signatures: Some(Signing { rules: &rules, at: app.clock.now(), otherwise: SignatureVerification::None }),
            told: Some(&told),
            ..Options::default()
        };
        let checked = check(&package, &options).map_err(|error| Problem::internal(&error))?;
        let bordereau = bordereau(&checked, options.bounds.xml.bytes_max)?;
        Ok((checked, bordereau))
    });
    let examined = examining.await.map_err(|error| Problem::internal(&error))?;
    let _ = listening.await;
    examined
}

/// The bordereau as its extents count it, and as it came when that differs.
fn bordereau(checked: &Checked, bytes_max: u64) -> Result<Bordereau, Problem> {
    let (Some(container), Some(_), true) =
        (&checked.container, &checked.message, checked.report.outcome != Outcome::Ko)
    else {
        return Ok(Bordereau::default());
    };
    let raw = container.read(checked.bordereau, |input| {
        let mut raw = Vec::new();
        std::io::Read::read_to_end(&mut std::io::Read::take(input, bytes_max), &mut raw)?;
        Ok(raw)
    });
    let raw = raw.map_err(|e| Problem::internal(&e))?;
    let document = fragment::decoded(raw.as_slice(), bytes_max).map_err(|e| Problem::internal(&e))?;
    let apart = (document != raw).then_some(raw);
    Ok((document, apart))
}

fn attachments(app: &App, operation: &Operation) -> Result<Option<Container>, Problem> {
    let Some(attachments) = &operation.job.attachments else { return Ok(None) };
    let container = Container::open(&path(app, &attachments.file), Limits::default());
    container.map(Some).map_err(|e| Problem::internal(&e))
}

/// The archives that units stand for: units of this agency, in this archive.
async fn existing(
    app: &App,
    operation: &Operation,
    journal: &mut Journal,
    plan: &Plan,
) -> Result<Vec<Option<u64>>, Problem> {
    let mut found = vec![None; plan.units.len()];
    for (unit, planned) in plan.units.iter().enumerate() {
        let Some(id) = &planned.existing else { continue };
        found[unit] = unit_of(app, &operation.job.agency, id).await?;
        if found[unit].is_none() {
            let detail =
                format!("rattachement à « {id} », qui n'est pas une unité de cet organisme dans cette archive");
            journal.ko(ATTACHMENT, detail, None);
        }
    }
    Ok(found)
}

async fn unit_of(app: &App, agency: &str, id: &str) -> Result<Option<u64>, Problem> {
    let Ok(ark) = id.parse::<crate::package::Ark>() else { return Ok(None) };
    if ark.naan() != app.archive.naan || ark.log() != app.archive.log {
        return Ok(None);
    }
    let Some(bytes) = app.log.record(ark.index(), app.log_size()).await? else { return Ok(None) };
    let record = Record::parse(&bytes).ok();
    let unit = record.filter(|record| record.agency == agency && record.deposit().is_some_and(|d| d.unit.is_some()));
    Ok(unit.map(|_| ark.index()))
}

/// Whether the transfer of this record was made of the same package.
async fn same(app: &App, operation: &Operation, index: u64) -> Result<bool, Problem> {
    let Some(bytes) = app.log.record(index, app.log_size()).await? else { return Ok(false) };
    let Ok(record) = Record::parse(&bytes) else { return Ok(false) };
    let Some(transfer) = record.deposit().and_then(|deposit| deposit.transfer.as_deref()) else { return Ok(false) };
    Ok(transfer.received.iter().map(|r| &r.sha256).eq(operation.job.sent().map(|sent| &sent.sha256)))
}

/// The units that an earlier attempt has put into the log, and those that stand for an archive.
async fn known(app: &App, operation: &Arc<Operation>, work: &Arc<Work>) -> Result<Vec<Option<u64>>, Problem> {
    let size = app.log_size();
    let mut views = app.views.clone();
    let _ = timeout(FOLLOW_MAX, views.wait_for(|progress| progress.applied() >= size)).await;
    let (app, operation, work) = (app.clone(), operation.clone(), work.clone());
    let looking = tokio::task::spawn_blocking(move || {
        let mut known = work.existing.clone();
        for (unit, known) in known.iter_mut().enumerate().filter(|(_, known)| known.is_none()) {
            let prior = app.catalog.prior(&operation.job.agency, &units::unit_key(&operation, unit));
            *known = prior.map_err(|e| Problem::internal(&e))?.map(|prior| prior.index);
        }
        Ok(known)
    });
    looking.await.map_err(|error| Problem::internal(&error))?
}
