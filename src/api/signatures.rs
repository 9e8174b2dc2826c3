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
use crate::validation::facts::InputKind;
use crate::validation::indication::Indication;
use crate::validation::policy::Requirement;
use crate::validation::verdict::{Context, Verdict, judge};
use crate::validation::{self, Content, Facts, Input, Rules, format, report};
use bytes::Bytes;
use memchr::memmem;
use serde_json::json;
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
    /// More than can be looked at.
    beyond: bool,
}

/// The bytes of one file, unless they became too many.
#[derive(Default)]
struct Kept {
    name: String,
    chunks: Vec<Bytes>,
    bytes: usize,
    left_out: bool,
}

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
        let requirement = app.signatures.policy.requirement(document_type);
        Self { requirement, files: Vec::new(), bytes: 0, counted_kib: 0, held: None, beyond: false }
    }

    /// A file begins.
    pub(super) fn begin(&mut self, name: &str) {
        if self.requirement != Requirement::None {
            self.files.push(Kept { name: name.to_owned(), ..Kept::default() });
        }
    }

    /// Bytes of the file begun last.
    pub(super) fn take(&mut self, app: &Services, data: &Bytes) {
        if self.beyond || self.requirement == Requirement::None {
            return;
        }
        let Some(file) = self.files.last_mut().filter(|file| !file.left_out) else { return };
        file.bytes = file.bytes.saturating_add(data.len());
        self.bytes = self.bytes.saturating_add(data.len());
        if file.bytes > OTHER_BYTES_MAX && !file.may_be_large() {
            return self.leave_out();
        }
        file.chunks.push(data.clone());
        if self.bytes > BYTES_MAX || !self.count(app) {
            self.give_up();
        }
    }

    /// Does without the file begun last. A container may be signed: the deposit is then not wholly looked at.
    fn leave_out(&mut self) {
        let Some(file) = self.files.last_mut() else { return };
        self.beyond = file.kind() != InputKind::Unknown;
        self.bytes -= file.bytes;
        *file = Kept { name: std::mem::take(&mut file.name), left_out: true, ..Kept::default() };
        let needed_kib = counted_kib(self.bytes);
        if let Some(held) = &mut self.held {
            drop(held.split(self.counted_kib.saturating_sub(needed_kib) as usize));
        }
        self.counted_kib = self.counted_kib.min(needed_kib);
        if self.beyond {
            self.give_up();
        }
    }

    fn give_up(&mut self) {
        self.beyond = true;
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
        if self.beyond {
            return match requirement {
                Requirement::Require => Err(refusal("le dépôt est trop volumineux pour être validé maintenant".into())),
                _ => Ok(None),
            };
        }
        let files = self.files.into_iter().filter(|file| !file.left_out);
        let files: Vec<_> = files.map(|file| (file.name, joined(file.chunks, file.bytes))).collect();
        if !files.iter().any(|(_, bytes)| may_be_signed(bytes)) {
            return match requirement {
                Requirement::Require => Err(refusal("aucune signature trouvée".into())),
                _ => Ok(None),
            };
        }
        let (rules, at) = (app.signatures.clone(), app.clock.now());
        let judged = tokio::task::spawn_blocking(move || judge_all(&files, &rules, at))
            .await
            .map_err(|error| Problem::internal(&error))?;
        drop(self.held);
        match (requirement, judged) {
            (Requirement::Require, None) => Err(refusal("aucune signature trouvée".into())),
            (Requirement::Require, Some((_, Err(why)))) => Err(refusal(why)),
            (_, judged) => Ok(judged.map(|(judged, _)| judged)),
        }
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

/// The reports and the summary, and whether the deposit is acceptable where a signature is required: why not.
fn judge_all(
    files: &[(String, Bytes)],
    rules: &Arc<Rules>,
    at: OffsetDateTime,
) -> Option<(Judged, Result<(), String>)> {
    let context = Context { policy: &rules.policy, trust: &rules.trust, at, existence: None, integrity_only: false };
    let mut judged = Vec::new();
    for (name, bytes) in files.iter().filter(|(_, bytes)| may_be_signed(bytes)) {
        let contents = contents_of(name, files);
        let facts = validation::gather(&Input { name: Some(name), bytes, contents: &contents });
        let verdict = judge(&facts, &context);
        // A document without any signature has nothing to report, unless it was refused on the way.
        if verdict.indication.is_some() {
            judged.push((name, facts, verdict));
        }
    }
    let worst = judged.iter().max_by_key(|(_, _, verdict)| verdict.indication)?;
    let indication = worst.2.indication?;
    let verdict = match (indication, worst.2.sub_indication) {
        (Indication::TotalPassed, _) => Ok(()),
        (other, None) => Err(format!("« {} » : {}", worst.0, other.french())),
        (other, Some(sub)) => Err(format!("« {} » : {}, {} ({sub})", worst.0, other.french(), sub.french())),
    };
    let reports = reports(&judged, &rules.policy.id);
    let summary = package::Signatures {
        indication: indication.name().to_owned(),
        sub_indication: worst.2.sub_indication.map(|sub| sub.name().to_owned()),
        policy: rules.policy.id.clone(),
        reports: reports.iter().map(|report| report.name.clone()).collect(),
    };
    Some((Judged { summary, reports }, verdict))
}

fn reports(judged: &[(&String, Facts, Verdict)], policy: &str) -> Vec<Report> {
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
    let whole = json!({ "v": 1, "policy": policy, "files": files });
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
