//! The signatures of a deposit, validated on its way in: what is required of them is in `policies/signature.toml`.
//!
//! The bytes are those that pass anyway, kept by reference until the deposit is whole; a deposit in which nothing looks
//! like a signature costs a search for a few words. The reports become documents of the deposit, so that the log and the
//! receipt vouch for them.

use super::problem::Problem;
use super::receive::Halt;
use super::services::Services;
use crate::admission::Reason;
use crate::package;
use crate::trust::Fetched;
use crate::validation::facts::{InputKind, Material};
use crate::validation::indication::Indication;
use crate::validation::policy::Requirement;
use crate::validation::verdict::{Context, Verdict, judge};
use crate::validation::{self, Content, Facts, Input, Rules, format, report};
use bytes::Bytes;
use memchr::memmem;
use serde_json::json;
use std::fmt::Write as _;
use std::sync::Arc;
use time::OffsetDateTime;
use tokio::sync::OwnedSemaphorePermit;

/// Documents of one deposit looked at together, in bytes: the largest PES that Hélios takes, and a little. Beyond, they
/// are archived without being validated.
const BYTES_MAX: usize = 129 << 20;
/// What is kept of a file that carries no signature as far as its first bytes tell (it may be what another one signs),
/// or of a container.
const OTHER_BYTES_MAX: usize = 64 << 20;
/// The first bytes by which a file's kind is told.
const HEAD_BYTES: usize = 8 * 1024;
/// What is kept without being counted against the common memory: the deposit's own small payloads are.
const UNCOUNTED_BYTES: usize = 1 << 20;
/// ETSI reports archived with one deposit.
const REPORTS_MAX: usize = 4;

/// The documents of a deposit, as far as signatures are concerned.
pub(super) struct Collected {
    requirement: Requirement,
    files: Vec<Kept>,
    bytes: usize,
    counted_kib: u32,
    held: Option<OwnedSemaphorePermit>,
    /// Why nothing is looked at.
    beyond: Option<Unseen>,
}

/// Why the signatures of a deposit are not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unseen {
    TooLarge,
    Busy,
}

impl Unseen {
    fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "TOO-LARGE",
            Self::Busy => "BUSY",
        }
    }

    fn french(self) -> &'static str {
        match self {
            Self::TooLarge => "non validé : trop volumineux",
            Self::Busy => "non validé : mémoire commune prise par d'autres dépôts",
        }
    }
}

/// The bytes of one file, unless they became too many.
#[derive(Default)]
struct Kept {
    name: String,
    chunks: Vec<Bytes>,
    bytes: usize,
    left_out: bool,
}

/// Revocation data kept in the report, in bytes; beyond, they are only counted.
const REVOCATION_BYTES_MAX: usize = 8 << 20;

/// What became of the signatures.
pub(super) struct Judged {
    pub(super) summary: package::Signatures,
    pub(super) reports: Vec<Report>,
}

/// A report to archive.
pub(super) struct Report {
    pub(super) name: String,
    pub(super) media_type: &'static str,
    pub(super) content: Bytes,
}

impl Collected {
    pub(super) fn new(app: &Services, document_type: &str) -> Self {
        let requirement = app.signatures.current().policy.requirement(document_type);
        Self { requirement, files: Vec::new(), bytes: 0, counted_kib: 0, held: None, beyond: None }
    }

    /// A file begins.
    pub(super) fn begin(&mut self, name: &str) {
        if self.requirement != Requirement::None {
            self.files.push(Kept { name: name.to_owned(), ..Kept::default() });
        }
    }

    /// Bytes of the file begun last.
    pub(super) fn take(&mut self, app: &Services, data: &Bytes) {
        if self.beyond.is_some() || self.requirement == Requirement::None {
            return;
        }
        let Some(file) = self.files.last_mut().filter(|file| !file.left_out) else { return };
        file.bytes = file.bytes.saturating_add(data.len());
        self.bytes = self.bytes.saturating_add(data.len());
        if file.bytes > OTHER_BYTES_MAX && !file.may_be_large() {
            return self.leave_out();
        }
        file.chunks.push(data.clone());
        if self.bytes > BYTES_MAX {
            self.give_up(Unseen::TooLarge);
        } else if !self.count(app) {
            self.give_up(Unseen::Busy);
        }
    }

    /// Does without the file begun last. A container may be signed: the deposit is then not wholly looked at.
    fn leave_out(&mut self) {
        let Some(file) = self.files.last_mut() else { return };
        let container = file.kind() != InputKind::Unknown;
        self.bytes -= file.bytes;
        *file = Kept { name: std::mem::take(&mut file.name), left_out: true, ..Kept::default() };
        let needed_kib = counted_kib(self.bytes);
        if let Some(held) = &mut self.held {
            drop(held.split(self.counted_kib.saturating_sub(needed_kib) as usize));
        }
        self.counted_kib = self.counted_kib.min(needed_kib);
        if container {
            self.give_up(Unseen::TooLarge);
        }
    }

    fn give_up(&mut self, why: Unseen) {
        self.beyond = Some(why);
        self.held = None;
        self.files.clear();
    }

    fn count(&mut self, app: &Services) -> bool {
        let needed_kib = counted_kib(self.bytes);
        let more = needed_kib.saturating_sub(self.counted_kib);
        if more == 0 {
            return true;
        }
        let Ok(permit) = app.buffers.clone().try_acquire_many_owned(more) else { return false };
        self.counted_kib = needed_kib;
        match &mut self.held {
            Some(held) => held.merge(permit),
            None => self.held = Some(permit),
        }
        true
    }

    /// Validates what was collected. `None` when there is no signature; a refusal when the policy requires one.
    pub(super) async fn judge(self, app: &Services) -> Result<Option<Judged>, Halt> {
        let requirement = self.requirement;
        if requirement == Requirement::None {
            return Ok(None);
        }
        let rules = app.signatures.current();
        if let Some(why) = self.beyond {
            return match requirement {
                Requirement::Require => Err(refusal(why.french().into())),
                _ => Ok(Some(Judged::unseen(&rules, why))),
            };
        }
        let left_out: Vec<_> = self.files.iter().filter(|file| file.left_out).map(|file| file.name.clone()).collect();
        let files = self.files.into_iter().filter(|file| !file.left_out);
        let files: Vec<_> = files.map(|file| (file.name, joined(file.chunks, file.bytes))).collect();
        if !files.iter().any(|(_, bytes)| may_be_signed(bytes)) {
            return match requirement {
                Requirement::Require => Err(refusal("aucune signature trouvée".into())),
                _ => Ok(None),
            };
        }
        let judged = validate(app, rules, files, None, app.clock.now()).await?;
        let judged = judged.map(|judged| Validated { left_out, ..judged });
        drop(self.held);
        match (requirement, judged) {
            (Requirement::Require, None) => Err(refusal("aucune signature trouvée".into())),
            (Requirement::Require, Some(judged)) => match judged.refusal() {
                Some(why) => Err(refusal(why)),
                None => Ok(Some(judged.archived())),
            },
            (Requirement::Intact, Some(judged)) if judged.failed() => {
                Err(refusal(judged.refusal().unwrap_or_default()))
            }
            (_, judged) => Ok(judged.map(Validated::archived)),
        }
    }
}

impl Judged {
    /// Nothing could be looked at: said in the record rather than passed over.
    fn unseen(rules: &Rules, why: Unseen) -> Self {
        let summary = package::Signatures {
            indication: package::NOT_VALIDATED.to_owned(),
            sub_indication: Some(why.code().to_owned()),
            detail: Some(why.french().to_owned()),
            policy: rules.policy.id.clone(),
            reports: Vec::new(),
        };
        Self { summary, reports: Vec::new() }
    }
}

/// What a depositor is warned of, where the policy says `warn`: from the record alone, so that a retry says the same.
pub(super) fn warning(app: &Services, deposit: &package::Deposit) -> Option<String> {
    if app.signatures.current().policy.requirement(&deposit.document_type) != Requirement::Warn {
        return None;
    }
    let Some(signatures) = &deposit.signatures else { return Some("aucune signature trouvée".to_owned()) };
    if signatures.indication == Indication::TotalPassed.name() {
        return None;
    }
    let detail = signatures.detail.as_deref().unwrap_or("signature non validée");
    let sub = signatures.sub_indication.as_ref().map_or_else(String::new, |sub| format!(" / {sub}"));
    Some(format!("{detail} ({}{sub})", signatures.indication))
}

/// The verdicts on the files of a deposit.
pub(super) struct Validated {
    judged: Vec<(String, Facts, Verdict)>,
    policy: String,
    fetched: Fetched,
    /// Files too large to be looked at.
    left_out: Vec<String>,
}

/// Validates files that stand together: facts, then what may be fetched for them, then verdicts. `None` when none of them
/// has anything to judge.
pub(super) async fn validate(
    app: &Services,
    rules: Arc<Rules>,
    files: Vec<(String, Bytes)>,
    past: Option<Past>,
    at: OffsetDateTime,
) -> Result<Option<Validated>, Problem> {
    let gathering = rules.clone();
    let gathered = tokio::task::spawn_blocking(move || gather_all(&files, &gathering))
        .await
        .map_err(|error| Problem::internal(&error))?;
    let mut fetched = match &app.fetcher {
        Some(fetcher) => {
            let facts: Vec<_> = gathered.iter().map(|(_, facts)| facts).collect();
            fetcher.material(&facts, &rules.trust, app.clock.now()).await
        }
        None => Fetched::default(),
    };
    let existence = past.as_ref().and_then(|past| past.existence);
    if let Some(past) = past {
        fetched.material.crls.extend(past.material.crls);
        fetched.material.ocsps.extend(past.material.ocsps);
    }
    let judging = move || {
        let beside = Some(&fetched.material);
        let context =
            Context { policy: &rules.policy, trust: &rules.trust, at, existence, beside, integrity_only: false };
        let verdicts = gathered.into_iter().map(|(name, facts)| {
            let verdict = judge(&facts, &context);
            (name, facts, verdict)
        });
        // A document without any signature has nothing to report, unless it was refused on the way.
        let judged: Vec<_> = verdicts.filter(|(_, _, verdict)| verdict.indication.is_some()).collect();
        let policy = rules.policy.id.clone();
        (!judged.is_empty()).then_some(Validated { judged, policy, fetched, left_out: Vec::new() })
    };
    tokio::task::spawn_blocking(judging).await.map_err(|error| Problem::internal(&error))
}

/// What is known of files archived before.
#[derive(Default)]
pub(super) struct Past {
    /// When they provably existed.
    pub(super) existence: Option<OffsetDateTime>,
    /// The revocation data kept with them.
    pub(super) material: Material,
}

impl Validated {
    fn worst(&self) -> Option<&(String, Facts, Verdict)> {
        self.judged.iter().max_by_key(|(_, _, verdict)| verdict.indication)
    }

    /// Why the deposit is not acceptable where a signature is required.
    fn refusal(&self) -> Option<String> {
        let (name, _, verdict) = self.worst()?;
        let mut why = match (verdict.indication?, verdict.sub_indication) {
            (Indication::TotalPassed, _) => return None,
            (other, None) => format!("« {name} » : {}", other.french()),
            (other, Some(sub)) => format!("« {name} » : {}, {} ({sub})", other.french(), sub.french()),
        };
        for name in &self.left_out {
            _ = write!(why, " ; « {name} » non lu : trop volumineux");
        }
        Some(why)
    }

    /// Whether a signature does not hold.
    fn failed(&self) -> bool {
        self.worst().is_some_and(|(_, _, verdict)| verdict.indication == Some(Indication::TotalFailed))
    }

    /// The reports and the summary to archive.
    fn archived(self) -> Judged {
        let reports = reports(&self);
        let worst = self.worst().map(|(_, _, verdict)| verdict);
        let summary = package::Signatures {
            indication: worst.and_then(|verdict| verdict.indication).map_or("", Indication::name).to_owned(),
            sub_indication: worst.and_then(|verdict| verdict.sub_indication).map(|sub| sub.name().to_owned()),
            detail: self.refusal(),
            policy: self.policy,
            reports: reports.iter().map(|report| report.name.clone()).collect(),
        };
        Judged { summary, reports }
    }

    /// Each file's name and verdict.
    pub(super) fn verdicts(&self) -> impl Iterator<Item = (&str, &Verdict)> {
        self.judged.iter().map(|(name, _, verdict)| (name.as_str(), verdict))
    }
}

fn refusal(detail: String) -> Halt {
    Reason::Signature { detail }.into()
}

impl Kept {
    fn kind(&self) -> InputKind {
        let mut head = Vec::with_capacity(HEAD_BYTES);
        for chunk in &self.chunks {
            let room = HEAD_BYTES - head.len();
            head.extend_from_slice(&chunk[..chunk.len().min(room)]);
        }
        format::detect(&head)
    }

    fn may_be_large(&self) -> bool {
        !matches!(self.kind(), InputKind::Unknown | InputKind::Asic)
    }
}

/// What `bytes` count against the common memory.
fn counted_kib(bytes: usize) -> u32 {
    u32::try_from(bytes.saturating_sub(UNCOUNTED_BYTES).div_ceil(1024)).unwrap_or(u32::MAX)
}

/// One piece of memory; each chunk is given back as soon as it is copied.
fn joined(chunks: Vec<Bytes>, bytes: usize) -> Bytes {
    match <[Bytes; 1]>::try_from(chunks) {
        Ok([only]) => only,
        Err(chunks) => {
            let mut whole = Vec::with_capacity(bytes);
            for chunk in chunks {
                whole.extend_from_slice(&chunk);
            }
            whole.into()
        }
    }
}

/// Whether a file can hold a signature: by its kind and a word that every signature of that kind needs.
fn may_be_signed(bytes: &[u8]) -> bool {
    let has = |word: &[u8]| memmem::find(bytes, word).is_some();
    match format::detect(bytes) {
        InputKind::Unknown => false,
        // In UTF-16 the word has zeros between its letters: such files are looked at.
        InputKind::Xml | InputKind::Pes => {
            has(b"Signature") || bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff")
        }
        InputKind::Pdf => has(b"/ByteRange") || has(b"/ObjStm"),
        InputKind::Asic => has(b"META-INF/"),
        _ => true,
    }
}

/// The facts of every file that may be signed.
fn gather_all(files: &[(String, Bytes)], rules: &Rules) -> Vec<(String, Facts)> {
    let certificates = rules.trust.outside_certificates();
    let signed = files.iter().filter(|(_, bytes)| may_be_signed(bytes));
    let facts = signed.map(|(name, bytes)| {
        let contents = contents_of(name, files);
        let input = Input { name: Some(name), bytes, contents: &contents, certificates: &certificates };
        (name.clone(), validation::gather(&input))
    });
    facts.collect()
}

fn reports(validated: &Validated) -> Vec<Report> {
    let judged = &validated.judged;
    let files: Vec<_> = judged
        .iter()
        .map(|(name, facts, verdict)| {
            json!({
                "name": name,
                "simple": report::simple(verdict),
                "verdict": report::json(verdict),
                "detailed": report::detailed(facts, verdict),
                "diagnostic": report::diagnostic(facts),
            })
        })
        .collect();
    let mut whole = json!({ "v": 1, "policy": validated.policy, "files": files });
    let fetched = &validated.fetched;
    let ders = || fetched.material.crls.iter().chain(&fetched.material.ocsps);
    if ders().next().is_some() || !fetched.failures.is_empty() {
        let length: usize = ders().map(|der| der.0.len()).sum();
        whole["fetched"] = if length <= REVOCATION_BYTES_MAX {
            json!({ "material": fetched.material, "failures": fetched.failures })
        } else {
            json!({ "left_out_bytes": length, "failures": fetched.failures })
        };
    }
    let mut reports = vec![Report {
        name: "validation.json".to_owned(),
        media_type: "application/json",
        content: serde_json::to_vec(&whole).unwrap_or_default().into(),
    }];
    reports.extend(judged.iter().take(REPORTS_MAX).enumerate().map(|(n, (_, facts, verdict))| Report {
        name: format!("validation-{}.xml", n + 1),
        media_type: "application/xml",
        content: report::etsi::xml(facts, verdict).into_bytes().into(),
    }));
    reports
}

/// What stands beside a signature: the documents that are no signatures themselves, and among several those whose name
/// begins its own (`acte.pdf`, `acte.pdf.p7s`).
fn contents_of<'a>(signature: &str, files: &'a [(String, Bytes)]) -> Vec<Content<'a>> {
    let detached = |bytes: &Bytes| {
        matches!(format::detect(bytes), InputKind::Cms | InputKind::Timestamp | InputKind::EvidenceRecord)
    };
    let others: Vec<_> = files.iter().filter(|(name, bytes)| name != signature && !detached(bytes)).collect();
    let stem = |name: &str| name.rsplit_once('.').map_or(name.to_owned(), |(stem, _)| stem.to_owned());
    let own = stem(signature);
    let named: Vec<_> = others.iter().copied().filter(|(name, _)| own.starts_with(&stem(name))).collect();
    let chosen = if named.len() == 1 { named } else { others };
    chosen.into_iter().map(|(name, bytes)| Content { name, bytes }).collect()
}
