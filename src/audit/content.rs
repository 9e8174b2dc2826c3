//! Payload objects: what their records say of them, recomputed from the bytes.
//!
//! A large object is frames of content and a seek table. A pack is a tar whose members' contents are frames of their own;
//! it is read whole once, as a tar, and every member compared with its name and with the records that name it.

use super::bundle::Claim;
use super::frame::{Fault, Frames, Sink, Workspace};
use super::report::{Code, Counts, Finding};
use super::source::{Bucket, Object};
use super::tar::{Member, Tar};
use ring::digest::{Context, SHA256};
use std::collections::BTreeMap;

/// The payloads that records place in one object.
pub(super) struct Task {
    pub(super) key: String,
    pub(super) claims: Vec<Claim>,
    /// No record seen before named the object: check it as a whole too.
    pub(super) first_visit: bool,
}

/// Sorts claims into tasks, the largest objects first so that no thread ends with one alone.
pub(super) fn tasks(claims: Vec<Claim>, mut first_visit: impl FnMut(&str) -> bool) -> Vec<Task> {
    let mut objects: BTreeMap<String, Vec<Claim>> = BTreeMap::new();
    for claim in claims {
        objects.entry(claim.location.object.clone()).or_default().push(claim);
    }
    let mut tasks: Vec<Task> = objects
        .into_iter()
        .map(|(key, mut claims)| {
            claims.sort_by_key(|claim| (claim.location.offset, claim.index));
            Task { first_visit: first_visit(&key), key, claims }
        })
        .collect();
    tasks.sort_by_key(|task| std::cmp::Reverse(task.claims.iter().map(|c| c.size_bytes).sum::<u64>()));
    tasks
}

/// Whether the object is there and long enough, from the listing of the bucket: the check that reads no payload.
pub(super) fn glance(task: &Task, size_bytes: Option<u64>) -> Vec<Finding> {
    let missing = |claim: &Claim| of(claim, Code::PayloadMissing, "objet absent");
    let Some(size_bytes) = size_bytes else { return task.claims.iter().map(missing).collect() };
    task.claims.iter().filter_map(|claim| misplaced(claim, size_bytes)).collect()
}

/// Reads the payloads of a task. `read` is told of bytes as they pass.
pub(super) fn check(bucket: &Bucket, task: &Task, work: &mut Workspace, read: &dyn Fn(u64)) -> (Vec<Finding>, Counts) {
    let object = match bucket.open(&task.key) {
        Ok(Some(object)) => object,
        Ok(None) => return (glance(task, None), Counts::default()),
        Err(reason) => return (vec![Finding::new(Code::Unreadable, &task.key, reason)], Counts::default()),
    };
    let mut checking = Checking { task, object: &object, read, findings: Vec::new(), counts: Counts::default() };
    if task.key.ends_with(".tar.zst") {
        checking.pack(work);
    } else {
        task.claims.iter().for_each(|claim| checking.large(claim, work));
    }
    (checking.findings, checking.counts)
}

fn of(claim: &Claim, code: Code, detail: impl Into<String>) -> Finding {
    Finding::new(code, &claim.location.object, format!("« {} » : {}", claim.name, detail.into())).index(claim.index)
}

/// A claim beyond the end of its object, or one that does not cover an object that is all its own.
fn misplaced(claim: &Claim, size_bytes: u64) -> Option<Finding> {
    let place = &claim.location;
    let end = place.offset.saturating_add(place.length);
    let whole = !place.object.ends_with(".tar.zst");
    let wrong = end > size_bytes || (whole && (place.offset, end) != (0, size_bytes));
    let detail = || format!("objet de {size_bytes} octets, l'enregistrement en attend jusqu'à {end}");
    wrong.then(|| of(claim, Code::PayloadDamaged, detail()).at(size_bytes.min(end)))
}

struct Checking<'a> {
    task: &'a Task,
    object: &'a Object,
    read: &'a dyn Fn(u64),
    findings: Vec<Finding>,
    counts: Counts,
}

impl Checking<'_> {
    fn large(&mut self, claim: &Claim, work: &mut Workspace) {
        if let Some(finding) = misplaced(claim, self.object.size_bytes) {
            self.findings.push(finding);
            return;
        }
        let end = claim.location.offset + claim.location.length;
        let mut frames = work.frames(self.object, claim.location.offset, end);
        let mut hash = Hashing::new(claim.size_bytes);
        let outcome = self.frames_of_large(&mut frames, &mut hash);
        let outcome = outcome.and_then(|()| hash.compare(claim, end));
        self.conclude(claim, outcome);
    }

    fn frames_of_large(&self, frames: &mut Frames<'_>, hash: &mut Hashing) -> Result<(), Fault> {
        let mut table = SeekTable::default();
        while !frames.at_end() {
            let frame = frames.next(hash)?;
            (self.read)(frame.length);
            match frame.skipped {
                None => table.push(frame.length, frame.content_bytes),
                Some(found) if frames.at_end() && table.is(&found) => {}
                Some(_) => {
                    let reason = "la table des trames ne correspond pas aux trames".to_owned();
                    return Err(Fault { offset: frame.offset, reason });
                }
            }
        }
        Ok(())
    }

    fn pack(&mut self, work: &mut Workspace) {
        let mut members = Vec::new();
        if self.task.first_visit {
            let walked = self.walk(&mut work.frames(self.object, 0, u64::MAX), &mut members);
            if let Err(fault) = walked {
                let claimed =
                    |c: &Claim| (c.location.offset..c.location.offset + c.location.length).contains(&fault.offset);
                // Damage inside a document is reported with its index, below.
                if !self.task.claims.iter().any(claimed) {
                    let finding = Finding::new(Code::PackDamaged, &self.task.key, fault.reason).at(fault.offset);
                    self.findings.push(finding);
                }
            }
        }
        let members: BTreeMap<u64, Member> = members.into_iter().map(|member| (member.offset, member)).collect();
        // Claims come by offset: those not met in the walk are read in one sweep.
        let mut sweep = work.frames(self.object, 0, u64::MAX);
        let task = self.task;
        for claim in &task.claims {
            let outcome = match members.get(&claim.location.offset) {
                Some(member) => compare(claim, member.length, member.size_bytes, &member.sha256, claim.location.offset),
                None => match misplaced(claim, self.object.size_bytes) {
                    Some(finding) => {
                        self.findings.push(finding);
                        continue;
                    }
                    None => self.member(claim, &mut sweep),
                },
            };
            self.conclude(claim, outcome);
        }
    }

    /// Reads a pack as a tar.
    fn walk(&self, frames: &mut Frames<'_>, members: &mut Vec<Member>) -> Result<(), Fault> {
        let mut tar = Tar::new();
        while !frames.at_end() {
            tar.frame_begins();
            let frame = frames.next(&mut tar)?;
            (self.read)(frame.length);
            let wrong = |reason| Fault { offset: frame.offset, reason };
            if frame.skipped.is_some() {
                return Err(wrong("trame à sauter dans un paquet".to_owned()));
            }
            members.extend(tar.frame_ends(frame.offset, frame.length).map_err(wrong)?);
        }
        tar.finish().map_err(|reason| Fault { offset: frames.offset(), reason })
    }

    /// Reads one member of a pack by its place.
    fn member(&self, claim: &Claim, frames: &mut Frames<'_>) -> Result<(), Fault> {
        frames.seek(claim.location.offset);
        let mut hash = Hashing::new(claim.size_bytes);
        let frame = frames.next(&mut hash)?;
        (self.read)(frame.length);
        if frame.length != claim.location.length || frame.skipped.is_some() {
            let reason =
                format!("trame de {} octets, l'enregistrement en attend {}", frame.length, claim.location.length);
            return Err(Fault { offset: frame.offset, reason });
        }
        hash.compare(claim, frame.offset)
    }

    fn conclude(&mut self, claim: &Claim, outcome: Result<(), Fault>) {
        self.counts.payloads_hashed += 1;
        self.counts.payload_bytes_hashed += claim.size_bytes;
        if let Err(fault) = outcome {
            self.findings.push(of(claim, Code::PayloadDamaged, fault.reason).at(fault.offset));
        }
    }
}

fn compare(claim: &Claim, length: u64, size_bytes: u64, sha256: &[u8; 32], offset: u64) -> Result<(), Fault> {
    let wrong = |reason: String| Err(Fault { offset, reason });
    if length != claim.location.length {
        return wrong(format!("trame de {length} octets, l'enregistrement en attend {}", claim.location.length));
    }
    if size_bytes != claim.size_bytes {
        return wrong(format!("{size_bytes} octets, l'enregistrement en annonce {}", claim.size_bytes));
    }
    if *sha256 != claim.sha256 {
        return wrong(format!("empreinte SHA-256 {} différente de l'enregistrement", hex::encode(sha256)));
    }
    Ok(())
}

/// Computes SHA-256 and length, up to the length announced.
pub(super) struct Hashing {
    context: Context,
    size_bytes: u64,
    size_bytes_max: u64,
}

impl Hashing {
    pub(super) fn new(size_bytes_max: u64) -> Self {
        Self { context: Context::new(&SHA256), size_bytes: 0, size_bytes_max }
    }

    /// The digest and length of what came.
    pub(super) fn finish(self) -> ([u8; 32], u64) {
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(self.context.finish().as_ref());
        (sha256, self.size_bytes)
    }

    fn compare(self, claim: &Claim, offset: u64) -> Result<(), Fault> {
        let (sha256, size_bytes) = self.finish();
        compare(claim, claim.location.length, size_bytes, &sha256, offset)
    }
}

impl Sink for Hashing {
    fn content(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.size_bytes += bytes.len() as u64;
        if self.size_bytes > self.size_bytes_max {
            return Err(format!("contenu plus long que les {} octets annoncés", self.size_bytes_max));
        }
        self.context.update(bytes);
        Ok(())
    }
}

/// The seek table of the zstd seekable format, as the frames read make it (`contrib/seekable_format` of the project).
#[derive(Default)]
struct SeekTable {
    frames: u32,
    entries: Vec<u8>,
}

impl SeekTable {
    fn push(&mut self, length: u64, content_bytes: u64) {
        self.frames = self.frames.saturating_add(1);
        for number in [length, content_bytes] {
            self.entries.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
        }
    }

    /// Whether a skippable frame's content is this table: entries, their number, no checksums, the format's magic.
    fn is(&self, content: &[u8]) -> bool {
        let foot = [&self.frames.to_le_bytes()[..], &[0], &0x8F92_EAB1u32.to_le_bytes()].concat();
        content.strip_prefix(self.entries.as_slice()) == Some(foot.as_slice())
    }
}
