//! One audit from beginning to end.

use super::bundle::{self, Checked};
use super::cells::{self, CHECKPOINT_KEY};
use super::content;
use super::evidence;
use super::forest::{ExpectedTile, WIDTH};
use super::inventory::{self, Survey};
use super::report::{CheckpointShown, Code, Counts, Finding, Findings, Outcome, Report};
use super::source::Bucket;
use super::state::{State, StateFiles, Subject};
use super::{AuditError, Clock, Context, Meter, Options, Progress, Trust, format_record_time};
use crate::spec::tlog::checkpoint::Checkpoint;
use crate::spec::tlog::tile::TileId;
use crate::spec::tlog::{EMPTY_ROOT, Hash};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

/// Times as many threads when each mostly waits for a network.
const REMOTE_FACTOR: usize = 8;

/// See [`super::run`].
pub(super) fn audit(
    bucket: &Bucket,
    trust: &Trust,
    options: &Options,
    clock: &dyn Clock,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Report, AuditError> {
    let since = options.since.as_deref().map(|note| open_since(note, trust)).transpose()?;
    let cells = cells::read(bucket, trust);
    let mut survey = inventory::survey(bucket).map_err(AuditError::List)?;
    let mut findings = Findings::default();
    findings.extend(cells.findings);
    let known = cells.checkpoint.is_some();
    if !known && survey.has_log && cells.pending.is_none() && findings.is_empty() {
        findings.push(Finding::new(Code::CheckpointMissing, CHECKPOINT_KEY, "objet absent"));
    }
    // A log without a single batch yet is the empty tree.
    let empty = Checkpoint { origin: trust.origin.clone(), size: 0, root: EMPTY_ROOT };
    let current = cells.checkpoint.unwrap_or(empty);
    let files = options.state.as_deref().map(StateFiles::new);
    let (state, checkpoint) = resume(files.as_ref(), &mut survey, options, since.as_ref(), current);

    let remote = bucket.open(CHECKPOINT_KEY).ok().flatten().is_some_and(|object| object.is_remote());
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let context = Context {
        bucket,
        trust,
        now: clock.now(),
        threads: options.threads.unwrap_or(if remote { cores * REMOTE_FACTOR } else { cores }).max(1),
        cancel: &options.cancel,
        workspaces: Mutex::default(),
        meter: Meter {
            entries: AtomicU64::new(state.forest.bundles * WIDTH as u64),
            entries_total: checkpoint.size,
            bytes: AtomicU64::new(0),
            bytes_total: if options.full { survey.payload_bytes } else { 0 },
            progress,
        },
        checkpoint,
    };
    let mut pass = Pass { context: &context, options, since: since.as_ref(), survey, state };
    let finished = pass.log(files.as_ref())?;
    let mut counts = pass.state.counts;
    std::mem::take(&mut pass.state.suspects).conclude(&mut pass.state.findings);
    let faulty: BTreeSet<String> =
        pass.state.findings.faults.iter().chain(&findings.faults).map(|finding| finding.object.clone()).collect();
    merge(&mut findings, pass.state.findings);
    let mut done = finished;
    if finished {
        let listed = inventory::run(&context, &pass.survey, &faulty, cells.pending.as_deref());
        let (found, counted) = listed.map_err(AuditError::List)?;
        findings.extend(found);
        counts.add(&counted);
        done = !context.cancelled();
    }
    if let (true, Some(files)) = (done, &files) {
        files.remove();
    }
    findings.faults.sort();
    findings.notices.sort();
    let outcome = match (done, findings.is_empty()) {
        (false, _) => Outcome::Interrupted,
        (true, true) => Outcome::Intact,
        (true, false) => Outcome::Faults,
    };
    Ok(Report {
        v: 1,
        time: format_record_time(clock.now()),
        outcome,
        full: options.full,
        checkpoint: known.then(|| CheckpointShown::from(&context.checkpoint)),
        since: since.as_ref().map(CheckpointShown::from),
        counts,
        totals: findings.totals,
        findings: findings.faults,
        notices: findings.notices,
    })
}

fn merge(into: &mut Findings, from: Findings) {
    for (code, total) in from.totals {
        *into.totals.entry(code).or_default() += total;
    }
    into.faults.extend(from.faults);
    into.notices.extend(from.notices);
    into.faults.truncate(super::FINDINGS_MAX);
    into.notices.truncate(super::FINDINGS_MAX);
}

fn open_since(note: &str, trust: &Trust) -> Result<Checkpoint, AuditError> {
    Checkpoint::open(note, &trust.origin, &trust.log_keys).map_err(|e| AuditError::Since(e.to_string()))
}

/// Takes up an interrupted audit if there is one of the same kind whose checkpoint the log still covers.
fn resume(
    files: Option<&StateFiles>,
    survey: &mut Survey,
    options: &Options,
    since: Option<&Checkpoint>,
    current: Checkpoint,
) -> (State, Checkpoint) {
    let subject = Subject { checkpoint: current.text(), full: options.full, since: since.map(Checkpoint::text) };
    if let Some((state, named)) = files.and_then(StateFiles::load) {
        let same = state.subject.full == subject.full && state.subject.since == subject.since;
        let earlier = Checkpoint::parse(&state.subject.checkpoint).ok().filter(|earlier| {
            earlier.origin == current.origin
                && (earlier.size < current.size || state.subject.checkpoint == subject.checkpoint)
        });
        if let (true, Some(checkpoint)) = (same, earlier) {
            for digest in named {
                survey.payloads.name_digest(digest);
            }
            return (state, checkpoint);
        }
    }
    (State::new(subject), current)
}

/// The part of an audit that follows the log.
struct Pass<'a> {
    context: &'a Context<'a>,
    options: &'a Options,
    since: Option<&'a Checkpoint>,
    survey: Survey,
    state: State,
}

/// What one window of bundles leaves to check in parallel.
enum Task {
    Tile(ExpectedTile),
    Evidence(u64, Option<Hash>),
    Content(content::Task),
}

impl Pass<'_> {
    /// Checks the log to its end; `false` when interrupted.
    fn log(&mut self, files: Option<&StateFiles>) -> Result<bool, AuditError> {
        let size = self.context.checkpoint.size;
        let bundles = size.div_ceil(WIDTH as u64);
        while self.state.forest.bundles < bundles {
            let first = self.state.forest.bundles;
            let last = first.saturating_add(self.options.window_bundles.max(1)).min(bundles);
            let Some(named) = self.window(first..last) else { return Ok(false) };
            if last == bundles {
                break;
            }
            if let (Some(files), Some(path)) = (files, &self.options.state) {
                let failed = |source| AuditError::State { path: path.clone(), source };
                files.save(&mut self.state, &named).map_err(failed)?;
            }
        }
        let missing = self.due_evidence();
        self.state.findings.extend(missing);
        self.conclude_since();
        Ok(true)
    }

    /// Checks a window; returns the objects its records were the first to name, or nothing when interrupted.
    fn window(&mut self, numbers: std::ops::Range<u64>) -> Option<Vec<String>> {
        let context = self.context;
        let numbers: Vec<u64> = numbers.collect();
        let checked = context.parallel(&numbers, |&number, work| {
            let sizes = self.sizes_in(number);
            let width = width_of(number, context.checkpoint.size);
            let checked = bundle::check(context.bucket, number, width, &sizes, work);
            context.meter.entries(u64::from(width));
            checked
        });
        if checked.len() < numbers.len() {
            return None;
        }
        let mut next = self.state.clone();
        let mut tasks = Vec::new();
        let mut claims = Vec::new();
        for checked in checked {
            let Checked { findings, counts, full_root, sizes, claims: more, eliminated, unknown } = checked;
            next.suspects.eliminated(eliminated);
            next.findings.extend(findings);
            next.counts.add(&counts);
            claims.extend(more);
            next.unknown = next.unknown.or(unknown);
            for (size, peaks) in sizes {
                let known = next.unknown.is_none_or(|unknown| size <= unknown);
                let root = known.then(|| next.forest.peaks.joined(&peaks).root());
                tasks.extend(self.root_known(size, root, &mut next));
            }
            if let Some(root) = full_root {
                let tiles = next.forest.push(root);
                tasks.extend(tiles.into_iter().filter(|_| next.unknown.is_none()).map(Task::Tile));
            }
        }
        if next.forest.bundles == context.checkpoint.size / WIDTH as u64 && self.is_last(&numbers) {
            let tiles = next.forest.partial();
            tasks.extend(tiles.into_iter().filter(|_| next.unknown.is_none()).map(Task::Tile));
        }
        let mut named = Vec::new();
        let payloads = &mut self.survey.payloads;
        let contents = content::tasks(claims, |key| {
            let first = payloads.name(key);
            if first {
                named.push(key.to_owned());
            }
            first
        });
        tasks.extend(contents.into_iter().map(Task::Content));
        let results = context.parallel(&tasks, |task, work| self.perform(task, work));
        if results.len() < tasks.len() {
            return None;
        }
        for (findings, counts) in results {
            let findings = next.suspects.sift(findings);
            next.findings.extend(findings);
            next.counts.add(&counts);
        }
        self.state = next;
        Some(named)
    }

    fn is_last(&self, numbers: &[u64]) -> bool {
        numbers.last().is_some_and(|last| last + 1 == self.context.checkpoint.size.div_ceil(WIDTH as u64))
    }

    /// The sizes within a bundle whose root is of interest: published ones, the audited one and the earlier one.
    fn sizes_in(&self, number: u64) -> Vec<u64> {
        let first = number * WIDTH as u64;
        let end = (first + WIDTH as u64).min(self.context.checkpoint.size);
        let mut sizes: BTreeSet<u64> = self.survey.evidence.range(first + 1..=end).map(|(size, _)| *size).collect();
        let others = [Some(self.context.checkpoint.size), self.since.map(|since| since.size)];
        sizes.extend(others.into_iter().flatten().filter(|size| (first + 1..=end).contains(size)));
        sizes.into_iter().collect()
    }

    /// Compares a root with what was signed for its size; returns the evidence to verify over it.
    fn root_known(&self, size: u64, root: Option<Hash>, state: &mut State) -> Option<Task> {
        let audited = &self.context.checkpoint;
        if size == audited.size && root.is_some_and(|root| root != audited.root) {
            let detail = "les entrées du journal ne donnent pas la racine signée";
            state.findings.push(Finding::new(Code::RootMismatch, CHECKPOINT_KEY, detail));
        }
        if let Some(since) = self.since.filter(|since| since.size == size) {
            state.since_held = root == Some(since.root);
        }
        self.survey.evidence.contains_key(&size).then_some(Task::Evidence(size, root))
    }

    fn perform(&self, task: &Task, work: &mut super::Workspace) -> (Vec<Finding>, Counts) {
        let context = self.context;
        match task {
            Task::Tile(expected) => compare_tile(context.bucket, expected),
            Task::Evidence(size, root) => evidence::check(context.bucket, context.trust, *size, *root, context.now),
            Task::Content(task) if self.options.full => {
                content::check(context.bucket, task, work, &|bytes| context.meter.bytes(bytes))
            }
            Task::Content(task) => {
                (content::glance(task, self.survey.payloads.size_bytes(&task.key)), Counts::default())
            }
        }
    }

    /// The audited checkpoint must have its timestamp and seal.
    fn due_evidence(&self) -> Vec<Finding> {
        let size = self.context.checkpoint.size;
        if size == 0 || self.survey.evidence.contains_key(&size) {
            return Vec::new();
        }
        vec![
            Finding::new(Code::TimestampMissing, evidence::timestamp_key(size), "objet absent"),
            Finding::new(Code::SealMissing, evidence::seal_key(size), "objet absent"),
        ]
    }

    fn conclude_since(&mut self) {
        let Some(since) = self.since else { return };
        let size = self.context.checkpoint.size;
        if since.size > size {
            let detail = format!("le journal a {size} entrées, il en avait {} : il a reculé", since.size);
            self.state.findings.push(Finding::new(Code::SinceAhead, CHECKPOINT_KEY, detail));
        } else if since.size > 0 && !self.state.since_held {
            let detail =
                format!("les {} premières entrées ne donnent pas la racine du point de contrôle antérieur", since.size);
            self.state.findings.push(Finding::new(Code::SinceInconsistent, CHECKPOINT_KEY, detail));
        }
    }
}

fn width_of(number: u64, size: u64) -> u16 {
    TileId::at(0, number, size).map_or(0, |tile| tile.width)
}

/// Compares a tile above the leaves with the one recomputed.
fn compare_tile(bucket: &Bucket, expected: &ExpectedTile) -> (Vec<Finding>, Counts) {
    let counts = Counts { tiles: 1, ..Counts::default() };
    let width = u16::try_from(expected.hashes.len()).unwrap_or(u16::MAX);
    let id = TileId { level: expected.level, index: expected.index, width };
    let keys = [id, TileId { width: 256, ..id }].map(|id| format!("log/{}", id.path()));
    for key in &keys {
        let bytes = match bucket.get(key, WIDTH as u64 * 32) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => continue,
            Err(reason) => return (vec![Finding::new(Code::Unreadable, key, reason)], counts),
        };
        let mut findings = Vec::new();
        let hashes = bundle::tile_hashes(key, &bytes, width, &mut findings);
        let wrong = hashes.and_then(|hashes| hashes.iter().zip(&expected.hashes).position(|(a, b)| a != b));
        if let Some(at) = wrong {
            let detail = "la tuile n'est pas celle que donnent les entrées";
            findings.push(Finding::new(Code::TileDamaged, key, detail).at(at as u64 * 32));
        }
        return (findings, counts);
    }
    (vec![Finding::new(Code::TileMissing, &keys[0], "objet absent")], counts)
}
