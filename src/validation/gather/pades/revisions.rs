//! Which revision each signature covers, and what came after.

use crate::spec::pdf::change::{self, Changes};
use crate::spec::pdf::object::Object;
use crate::spec::pdf::signature::{Covered, Signature};
use crate::spec::pdf::{Pdf, PdfError};
use crate::validation::facts::{Coverage, CoverageKind, Fault, FaultKind};
use std::collections::BTreeMap;

/// Octets read for all comparisons of a file, per octet of the file, and what is added for small files.
const WORK_PER_BYTE: u64 = 4;
const WORK_BASE: u64 = 256 * 1024 * 1024;
/// Boundaries compared one with the next: beyond, only the first and the last are.
const MAX_STEPS: usize = 128;

/// The revisions of a file that signatures end, and the differences from each to the next.
pub(super) struct Revisions {
    size: usize,
    /// Where each signed revision ends, in order.
    ends: Vec<usize>,
    /// Its number among all revisions, by its end.
    numbers: BTreeMap<usize, usize>,
    count: usize,
    /// What changed from each end to the next; the last one, to the end of the file.
    steps: Vec<Result<Changes, PdfError>>,
    /// Whether an update follows the last signed revision.
    updated: bool,
    /// Octets after the last end that belong to no update.
    junk_bytes: usize,
    certification: BTreeMap<usize, i64>,
}

impl Revisions {
    /// Compares the revisions of a file.
    pub(super) fn of(bytes: &[u8], pdf: Option<&Pdf<'_>>, signatures: &[Signature]) -> Self {
        let mut ends: Vec<usize> =
            signatures.iter().filter_map(|one| one.range.as_ref().ok()).map(Covered::end).collect();
        ends.sort_unstable();
        ends.dedup();
        let sections = pdf.map(Pdf::sections).unwrap_or_default();
        let linearized = sections.len() > 1 && is_linearized(bytes);
        // The first page's section of a linearized file stands before the main one: two sections, one revision.
        let number = |end: usize| {
            let below = sections.iter().filter(|section| **section < end).count();
            below.saturating_sub(usize::from(linearized && below > 1)).max(1)
        };
        let numbers = ends.iter().map(|end| (*end, number(*end))).collect();
        let last = ends.last().copied().unwrap_or(bytes.len());
        let updated = sections.iter().any(|section| *section >= last) || pdf.is_some_and(Pdf::is_rebuilt);
        let mut found = Self {
            size: bytes.len(),
            numbers,
            count: number(usize::MAX),
            steps: Vec::new(),
            updated,
            junk_bytes: junk(bytes, last, updated),
            certification: signatures.iter().filter_map(certification).collect(),
            ends,
        };
        if let Some(pdf) = pdf.filter(|pdf| !pdf.is_encrypted()) {
            found.steps = steps(bytes, pdf, &found.ends, found.updated);
        }
        found
    }

    /// The revision a signature covers, for people.
    pub(super) fn name(&self, signature: &Signature) -> String {
        match signature.range.as_ref().ok().and_then(|covered| self.numbers.get(&covered.end())) {
            Some(number) => format!("révision {number} sur {}", self.count),
            None => "aucune révision".to_owned(),
        }
    }

    /// What a signature covers, and what it leaves out.
    pub(super) fn covers(&self, signature: &Signature) -> Vec<Coverage> {
        let Ok(covered) = &signature.range else {
            let detail = Some("plage d'octets refusée".to_owned());
            return vec![Coverage {
                kind: CoverageKind::PdfRevision,
                name: self.name(signature),
                covered: false,
                detail,
            }];
        };
        let end = covered.end();
        let detail = if end == self.size {
            "le fichier entier, hors la signature elle-même".to_owned()
        } else {
            format!("octets 0 à {end} sur {}", self.size)
        };
        let mut told = vec![revision(self.name(signature), true, Some(detail))];
        if end < self.size {
            let after = self.after(end);
            let detail = match &after {
                Ok(changes) if changes.is_empty() => "aucune modification".to_owned(),
                Ok(changes) => changes.describe(),
                Err(error) => error.to_string(),
            };
            told.push(revision(format!("octets {end} à {}", self.size), false, Some(detail)));
        }
        told
    }

    /// What came after a signature and must be told.
    pub(super) fn faults(&self, signature: &Signature) -> Vec<Fault> {
        let Ok(covered) = &signature.range else { return Vec::new() };
        let end = covered.end();
        let mut faults = Vec::new();
        let mut later = |detail: String| faults.push(Fault::new(FaultKind::LaterChange, detail));
        match self.after(end) {
            Ok(changes) if changes.is_visible() => {
                later(format!("modifié après cette signature : {}", changes.describe()));
            }
            Ok(changes) if changes.signed_fields > 0 && self.certification.get(&end) == Some(&1) => {
                later("la certification interdit toute modification, et une signature a été ajoutée".to_owned());
            }
            Ok(_) => {}
            Err(error) => later(format!("ce qui suit cette signature ne peut être comparé : {error}")),
        }
        // What no later signature vouches for, and is neither validation data nor a field to sign.
        let last = self.steps.last().filter(|_| self.updated).and_then(|step| step.as_ref().ok());
        if last.is_some_and(|changes| !changes.is_visible() && !changes.security_store && changes.signed_fields == 0) {
            later("mise à jour sans effet visible après la dernière signature".to_owned());
        }
        if self.junk_bytes > 0 {
            later(format!("{} octets étrangers après la dernière révision", self.junk_bytes));
        }
        faults
    }

    /// The units of the file.
    pub(super) fn members(&self) -> Vec<Coverage> {
        let mut told: Vec<Coverage> = self
            .ends
            .iter()
            .map(|end| {
                let number = self.numbers.get(end).copied().unwrap_or(1);
                let detail = Some(format!("octets 0 à {end} sur {}", self.size));
                revision(format!("révision {number} sur {}", self.count), true, detail)
            })
            .collect();
        let last = self.ends.last().copied();
        if let Some(last) = last.filter(|last| *last < self.size && (self.updated || self.junk_bytes > 0)) {
            told.push(revision(format!("octets {last} à {}", self.size), false, None));
        }
        told
    }

    /// Everything that changed from `end` to the end of the file.
    fn after(&self, end: usize) -> Result<Changes, PdfError> {
        let mut all = Changes::default();
        let from = self.ends.iter().position(|other| *other == end).unwrap_or(0);
        for step in self.steps.iter().skip(from) {
            all.add(step.as_ref().map_err(Clone::clone)?);
        }
        Ok(all)
    }
}

fn revision(name: String, covered: bool, detail: Option<String>) -> Coverage {
    Coverage { kind: CoverageKind::PdfRevision, name, covered, detail }
}

fn steps(bytes: &[u8], last: &Pdf<'_>, ends: &[usize], updated: bool) -> Vec<Result<Changes, PdfError>> {
    let Some(first) = ends.first() else { return Vec::new() };
    if *first == bytes.len() || (ends.len() == 1 && !updated) {
        return vec![Ok(Changes::default())];
    }
    if ends.len() > MAX_STEPS {
        return vec![Err(PdfError::Limit("nombre de révisions signées")); ends.len()];
    }
    let mut steps = Vec::new();
    let (mut pairs_left, mut spent) = (change::MAX_PAIRS, 0);
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let mut older = last.revision(*first);
    for (at, _) in ends.iter().enumerate() {
        if spent > size.saturating_mul(WORK_PER_BYTE).saturating_add(WORK_BASE) {
            steps.push(Err(PdfError::Limit("comparaison des révisions")));
            continue;
        }
        let newer = ends.get(at + 1).map(|end| last.revision(*end));
        steps.push(match (&older, newer.as_ref()) {
            (Ok(_), None) if !updated => Ok(Changes::default()),
            (Ok(older), None) => change::between(older, last, &mut pairs_left),
            (Ok(older), Some(Ok(newer))) => change::between(older, newer, &mut pairs_left),
            (Err(error), _) | (_, Some(Err(error))) => Err(error.clone()),
        });
        spent += older.as_ref().map_or(0, Pdf::spent);
        if let Some(newer) = newer {
            older = newer;
        }
    }
    steps
}

/// Octets after `last` that are neither blank nor part of an update, which ends with `%%EOF`.
fn junk(bytes: &[u8], last: usize, updated: bool) -> usize {
    let rest = bytes.get(last..).unwrap_or_default();
    let after = match memchr::memmem::rfind(rest, b"%%EOF") {
        Some(end) if updated => &rest[end + 5..],
        _ => rest,
    };
    // The last line break or end mark may stand just outside the range.
    let blank = |octet: &u8| octet.is_ascii_whitespace() || *octet == 0;
    let start = after.iter().position(|octet| !blank(octet)).unwrap_or(after.len());
    let end = after.iter().rposition(|octet| !blank(octet)).map_or(start, |at| at + 1);
    let left = &after[start..end.max(start)];
    if left == b"%%EOF" { 0 } else { left.len() }
}

fn is_linearized(bytes: &[u8]) -> bool {
    memchr::memmem::find(&bytes[..bytes.len().min(1024)], b"/Linearized").is_some()
}

/// The end of a certification signature's revision and what it permits (§ 12.8.2.2): 1 nothing, 2 forms, 3 annotations.
fn certification(signature: &Signature) -> Option<(usize, i64)> {
    let end = signature.range.as_ref().ok()?.end();
    let reference =
        signature.dictionary.get(b"Reference")?.array()?.iter().find_map(|reference| {
            reference.dictionary().filter(|reference| reference.is(b"TransformMethod", b"DocMDP"))
        })?;
    let permitted = reference.get(b"TransformParams").and_then(Object::dictionary);
    Some((end, permitted.and_then(|parameters| parameters.get(b"P")).and_then(Object::integer).unwrap_or(2)))
}
