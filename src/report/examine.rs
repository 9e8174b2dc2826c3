//! The checks of one archive, made again from the bucket.

use super::counted::Counted;
use super::{ArchiveReport, CheckKind, Indication, Line, ObservedLog, Received, ReceivedDocument};
use crate::clock::format_record_time;
use crate::digest::{Digests, Hasher};
use crate::evidence::{EvidenceError, ROOT, SUFFIX, evidence_for};
use crate::package::{Ark, NOT_VALIDATED, Payload, Record, entry_of};
use crate::receipt::{Receipt, french_size, french_time};
use crate::sequencer::{LogError, LogReader};
use crate::spec::cms::SignedData;
use crate::spec::cms::algorithm::Digest;
use crate::spec::ers::DataObject;
use crate::spec::tlog::checkpoint::Checkpoint;
use crate::spec::tlog::proof::{root_from_inclusion, verify_consistency, verify_inclusion};
use crate::spec::tlog::{Hash, leaf_hash};
use crate::spec::tsp;
use crate::store::{Store, StoreError, external_key, seal_key, timestamp_key};
use crate::verify::{self, CheckName, EvidenceRefusal, Outcome, Trust};
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use std::sync::Arc;
use time::OffsetDateTime;

/// The longest token or seal looked at, in bytes.
const PROOF_BYTES_MAX: u64 = 1024 * 1024;

/// Which archive.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Its identifier.
    pub archive: Ark,
    /// The name of its agency, when it is known.
    pub agency_name: Option<String>,
}

/// Makes checks again, over one state of the log.
#[derive(Debug)]
pub struct Examiner {
    objects: Arc<dyn ObjectStore>,
    store: Store,
    trust: Trust,
    observed: ObservedLog,
    /// The log as it is now; why not, when its checkpoint is not to be relied on.
    now: Result<Checkpoint, String>,
}

/// The checks of one archive: its caches and its counts are its own, so that everything said of it was read for it.
struct Visit<'a> {
    counted: Arc<Counted>,
    log: LogReader,
    store: &'a Store,
    trust: &'a Trust,
    observed: &'a ObservedLog,
    now: &'a Result<Checkpoint, String>,
}

/// What one check found: what holds, or why it does not.
type Finding = Result<String, (Indication, String)>;

/// What was published with the batch of an archive.
struct Published {
    size: u64,
    /// The signed note, from the seal.
    note: Result<String, (Indication, String)>,
    seal: Option<Bytes>,
    token: Result<Bytes, (Indication, String)>,
}

impl Examiner {
    /// Reads the log of this bucket as it is published now: what is examined is what the bucket holds.
    pub async fn begin(objects: Arc<dyn ObjectStore>, store: Store, trust: Trust) -> Result<Self, LogError> {
        let published = LogReader::new(objects.clone()).checkpoint().await?;
        let (note, checkpoint) =
            published.ok_or_else(|| LogError::Inconsistent("aucun point de contrôle n'est publié".to_owned()))?;
        let now = Checkpoint::open(&note, &trust.origin, &trust.log_keys).map_err(|error| error.to_string());
        let observed = ObservedLog { origin: trust.origin.clone(), size: checkpoint.size, checkpoint: note };
        Ok(Self { objects, store, trust, observed, now })
    }

    /// The log that is relied on.
    pub fn observed(&self) -> &ObservedLog {
        &self.observed
    }

    /// Makes every check of one archive again, but for those of the signatures in its documents as they are now.
    pub async fn examine(&self, subject: &Subject) -> ArchiveReport {
        let counted = Arc::new(Counted::new(self.objects.clone()));
        let log = LogReader::new(counted.clone());
        let Self { store, trust, observed, now, .. } = self;
        let visit = Visit { counted, log, store, trust, observed, now };
        visit.all(subject).await
    }
}

impl Visit<'_> {
    async fn all(&self, subject: &Subject) -> ArchiveReport {
        let index = subject.archive.index();
        let mut checks = Vec::new();
        let mut received = None;
        match self.record(index).await {
            Err((indication, detail)) => checks.push(Line::new(CheckKind::Record, indication, detail)),
            Ok((bytes, record)) => {
                let existed = self.proofs(subject, &bytes, &mut checks).await;
                received = Some(told(&record, subject, existed));
                let measured = self.documents(&record, &mut checks).await;
                if record.deposit().is_some() {
                    let finding = self.evidence(index, &record, measured.as_deref()).await;
                    checks.push(line(CheckKind::Evidence, finding));
                }
                checks.extend(signatures_at_deposit(&record));
            }
        }
        let mut report = ArchiveReport {
            archive: subject.archive.to_string(),
            index,
            indication: Indication::Indeterminate,
            signatures: None,
            received,
            checks,
            reads: self.counted.reads(),
        };
        report.conclude();
        report
    }

    async fn record(&self, index: u64) -> Result<(Bytes, Record), (Indication, String)> {
        let size = self.observed.size;
        let found = self.log.record(index, size).await.map_err(|error| of_log(&error))?;
        let failed = |why: String| (Indication::Failed, why);
        let bytes = found.ok_or_else(|| failed(format!("le journal n'a que {size} entrées")))?;
        let record = Record::parse(&bytes).map_err(|error| failed(error.to_string()))?;
        Ok((bytes, record))
    }

    /// What the log, the authorities and the seal prove; returns the time that the token proves.
    async fn proofs(&self, subject: &Subject, record: &Bytes, checks: &mut Vec<Line>) -> Option<OffsetDateTime> {
        let index = subject.archive.index();
        let published = match self.published(index).await {
            Ok(published) => published,
            Err((indication, why)) => {
                checks.push(Line::new(CheckKind::Checkpoint, indication, why));
                return None;
            }
        };
        let (leaf, size) = (leaf_hash(&entry_of(record)), published.size);
        let proof = self.log.inclusion(index, size).await.map_err(|error| of_log(&error));
        let root = match (&published.note, &proof) {
            (Ok(note), _) => Checkpoint::open(note, &self.trust.origin, &self.trust.log_keys).ok().map(|c| c.root),
            // The checkpoint went with the seal: what its root must have been.
            (Err(_), Ok(proof)) => root_from_inclusion(index, &leaf, size, proof).ok(),
            (Err(_), Err(_)) => None,
        };
        let existed = match &published.note {
            Ok(note) => self.as_a_receipt(subject, record, &published, note, &proof, checks),
            Err((indication, why)) => {
                checks.push(Line::new(CheckKind::Seal, *indication, why.clone()));
                let lost = "la note signée était dans le cachet, qui manque";
                checks.push(Line::new(CheckKind::Checkpoint, Indication::Indeterminate, lost));
                checks.push(line(CheckKind::Inclusion, self.inclusion_now(index, &leaf).await));
                self.token_alone(size, root, &published, checks)
            }
        };
        checks.push(line(CheckKind::Consistency, self.consistency(size, root).await));
        checks.extend(self.external(subject, record).await);
        existed
    }

    /// The checkpoint that brought an entry into the log, and what was made over it: found by the names of seals and of
    /// tokens, so that one that is missing is noticed.
    async fn published(&self, index: u64) -> Result<Published, (Indication, String)> {
        let seals = self.log.size_above("log/seal", ".p7s", index);
        let tokens = self.log.size_above("log/timestamp", ".tsr", index);
        let (seals, tokens) = futures::try_join!(seals, tokens).map_err(|error| of_log(&error))?;
        let size =
            seals.into_iter().chain(tokens).min().ok_or_else(|| {
                (Indication::Failed, "ni cachet ni jeton d'horodatage ne couvre cette entrée".to_owned())
            })?;
        let (seal, token) = futures::join!(self.get(seal_key(size)), self.get(timestamp_key(size)));
        let note = seal.as_ref().map_err(Clone::clone).and_then(|der| {
            let content = SignedData::parse(der).ok().and_then(|signed| signed.content.map(<[u8]>::to_vec));
            let note = content.and_then(|content| String::from_utf8(content).ok());
            note.ok_or_else(|| (Indication::Failed, format!("« {} » : cachet illisible", seal_key(size))))
        });
        Ok(Published { size, note, seal: seal.ok(), token })
    }

    /// The checks of a receipt, on the receipt that the bucket gives now.
    fn as_a_receipt(
        &self,
        subject: &Subject,
        record: &Bytes,
        published: &Published,
        note: &str,
        proof: &Result<Vec<Hash>, (Indication, String)>,
        checks: &mut Vec<Line>,
    ) -> Option<OffsetDateTime> {
        let receipt = Receipt {
            archive: subject.archive.clone(),
            index: subject.archive.index(),
            record: record.clone(),
            proof: proof.clone().unwrap_or_default(),
            checkpoint: note.to_owned(),
            timestamps: published.token.iter().cloned().collect(),
            seal: published.seal.clone().unwrap_or_default(),
        };
        for check in verify::receipt(&receipt, self.trust).checks {
            let kind = match check.name {
                CheckName::Record => CheckKind::Record,
                CheckName::Checkpoint | CheckName::Witnesses => CheckKind::Checkpoint,
                CheckName::Inclusion => CheckKind::Inclusion,
                CheckName::Timestamp => CheckKind::Timestamp,
                CheckName::Seal => CheckKind::Seal,
                CheckName::Payload => CheckKind::Document,
            };
            let (indication, detail) = match (kind, proof) {
                // Tiles that cannot be read make no proof at all.
                (CheckKind::Inclusion, Err((indication, why))) => (*indication, why.clone()),
                _ => (of_outcome(check.outcome), check.detail),
            };
            checks.push(Line::new(kind, indication, detail));
        }
        let missing = published.token.as_ref().err();
        checks.extend(missing.map(|(indication, why)| Line::new(CheckKind::Timestamp, *indication, why.clone())));
        self.stamped_at(published.token.as_ref().ok()?, &text_of(note))
    }

    /// The token, over the checkpoint that the tiles give.
    fn token_alone(
        &self,
        size: u64,
        root: Option<Hash>,
        published: &Published,
        checks: &mut Vec<Line>,
    ) -> Option<OffsetDateTime> {
        let token = match &published.token {
            Ok(token) => token,
            Err((indication, why)) => {
                checks.push(Line::new(CheckKind::Timestamp, *indication, why.clone()));
                return None;
            }
        };
        let text = root.map(|root| Checkpoint { origin: self.trust.origin.clone(), size, root }.text())?;
        let found = tsp::verify_response(token, text.as_bytes(), &self.trust.anchors);
        let finding = match &found {
            Ok(info) => Ok(format!("{} (jeton n° {})", french_time(info.time), info.serial)),
            Err(error) => Err((Indication::Failed, error.to_string())),
        };
        checks.push(line(CheckKind::Timestamp, finding));
        found.ok().map(|info| info.time)
    }

    fn stamped_at(&self, token: &[u8], text: &str) -> Option<OffsetDateTime> {
        tsp::verify_response(token, text.as_bytes(), &self.trust.anchors).ok().map(|info| info.time)
    }

    async fn inclusion_now(&self, index: u64, leaf: &Hash) -> Finding {
        let now = self.now.as_ref().map_err(|why| (Indication::Failed, why.clone()))?;
        let proof = self.log.inclusion(index, now.size).await.map_err(|error| of_log(&error))?;
        verify_inclusion(index, leaf, now.size, &proof, &now.root)
            .map_err(|error| (Indication::Failed, error.to_string()))?;
        Ok(format!("entrée n° {index} sur {}, {} empreintes", now.size, proof.len()))
    }

    async fn consistency(&self, size: u64, root: Option<Hash>) -> Finding {
        let now = self.now.as_ref().map_err(|why| (Indication::Failed, format!("journal publié : {why}")))?;
        let root = root
            .ok_or_else(|| (Indication::Indeterminate, "la racine du journal au dépôt n'est pas connue".to_owned()))?;
        let proof = self.log.consistency(size, now.size).await.map_err(|error| of_log(&error))?;
        verify_consistency(size, now.size, &proof, &root, &now.root).map_err(|error| {
            (Indication::Failed, format!("le journal publié ne prolonge pas celui du dépôt : {error}"))
        })?;
        Ok(format!("de {size} à {} entrées, {} empreintes", now.size, proof.len()))
    }

    /// The first token of another authority since the deposit, where there is one.
    async fn external(&self, subject: &Subject, record: &Bytes) -> Option<Line> {
        let index = subject.archive.index();
        let size = match self.log.size_above("log/external", ".tsr", index).await {
            Ok(size) => size?,
            Err(error) => {
                let (indication, why) = of_log(&error);
                return Some(Line::new(CheckKind::ExternalTimestamp, indication, why));
            }
        };
        Some(line(CheckKind::ExternalTimestamp, self.external_at(size, index, record).await))
    }

    async fn external_at(&self, size: u64, index: u64, record: &Bytes) -> Finding {
        let token = self.get(external_key(size)).await?;
        let proof = self.log.inclusion(index, size).await.map_err(|error| of_log(&error))?;
        let failed = |why: String| (Indication::Failed, why);
        let leaf = leaf_hash(&entry_of(record));
        let root = root_from_inclusion(index, &leaf, size, &proof).map_err(|error| failed(error.to_string()))?;
        // The token is over the very root that the record and the tiles lead to: no note is needed.
        let text = Checkpoint { origin: self.trust.origin.clone(), size, root }.text();
        let info = tsp::verify_response(&token, text.as_bytes(), &self.trust.anchors)
            .map_err(|error| failed(error.to_string()))?;
        let signer = crate::receipt::printable(info.signer.subject());
        Ok(format!("{} par {signer}, sur le journal de {size} entrées", french_time(info.time)))
    }

    /// Reads every document again; the digests found, unless one could not be read.
    async fn documents(&self, record: &Record, checks: &mut Vec<Line>) -> Option<Vec<Digests>> {
        let mut measured = Some(Vec::new());
        for payload in record.payloads() {
            let found = self.measure(payload).await;
            let finding = match &found {
                Ok((digests, _)) if hex::encode(digests.sha512) != payload.sha512.to_ascii_lowercase() => {
                    Err((Indication::Failed, "SHA-512 différent de celui de l'enregistrement".to_owned()))
                }
                Ok((_, size)) => Ok(format!("{} relus ; SHA-256 {}", french_size(*size), payload.sha256)),
                Err(failure) => Err(failure.clone()),
            };
            checks.push(Line { subject: Some(payload.name.clone()), ..line(CheckKind::Document, finding) });
            match (found, &mut measured) {
                (Ok((digests, _)), Some(all)) => all.push(digests),
                (Err(_), _) => measured = None,
                (Ok(_), None) => {}
            }
        }
        measured
    }

    async fn measure(&self, payload: &Payload) -> Result<(Digests, u64), (Indication, String)> {
        // The store compares length and SHA-256 with the record while it reads.
        let content = self.store.read(payload, 0..payload.size_bytes).await.map_err(|error| of_store(&error))?;
        let measured = content.try_fold((Hasher::new(), 0_u64), async |(mut hasher, size), bytes| {
            let length = bytes.len() as u64;
            let hasher = tokio::task::spawn_blocking(move || {
                hasher.update(&bytes);
                hasher
            });
            Ok((hasher.await.map_err(|_| StoreError::Closed)?, size + length))
        });
        let (hasher, size) = measured.await.map_err(|error| of_store(&error))?;
        Ok((hasher.finish(), size))
    }

    async fn evidence(&self, index: u64, record: &Record, measured: Option<&[Digests]>) -> Finding {
        let objects: &dyn ObjectStore = &*self.counted;
        let Some(evidence) =
            evidence_for(&self.log, objects, index, record).await.map_err(|error| of_evidence(&error))?
        else {
            let later = self.log.size_above(ROOT, SUFFIX, index).await.map_err(|error| of_log(&error))?;
            return Err(match later {
                Some(_) => (Indication::Failed, "le dossier de preuve de ce lot manque".to_owned()),
                None => (Indication::Indeterminate, "le dossier de preuve n'est pas encore fait".to_owned()),
            });
        };
        let Some(measured) = measured else {
            return Err((Indication::Indeterminate, "un document n'a pas pu être relu : voir plus haut".to_owned()));
        };
        let trust = self.trust.clone();
        let documents: Vec<(Vec<u8>, Vec<u8>)> =
            measured.iter().map(|digests| (digests.sha256.to_vec(), digests.sha512.to_vec())).collect();
        let judged = tokio::task::spawn_blocking(move || {
            let known: Vec<[(Digest, &[u8]); 2]> = documents
                .iter()
                .map(|(a, b)| [(Digest::Sha256, a.as_slice()), (Digest::Sha512, b.as_slice())])
                .collect();
            let objects: Vec<DataObject<'_>> = known.iter().map(|known| DataObject::Digests(known)).collect();
            verify::evidence(&evidence, &objects, &trust)
        });
        let proof = judged
            .await
            .map_err(|error| (Indication::Indeterminate, error.to_string()))?
            .map_err(|error: EvidenceRefusal| (Indication::Failed, error.to_string()))?;
        let count = proof.verified.stamps.len() - proof.left_out.len();
        let until = proof.verified.until().map(french_time).unwrap_or_default();
        let mut told =
            format!("{count} horodatage(s) depuis le {} ; à renouveler avant le {until}", french_time(proof.since));
        for left_out in &proof.left_out {
            told = format!("{told} ; ne compte pas : {left_out}");
        }
        Ok(told)
    }

    /// A small object of the log.
    async fn get(&self, key: String) -> Result<Bytes, (Indication, String)> {
        let found = self.counted.get(&Path::from(key.as_str())).await;
        let found = found.map_err(|error| of_store(&StoreError::backend(&key, error)))?;
        if found.meta.size > PROOF_BYTES_MAX {
            return Err((Indication::Failed, format!("« {key} » : objet trop long")));
        }
        found.bytes().await.map_err(|error| of_store(&StoreError::backend(&key, error)))
    }
}

fn line(check: CheckKind, finding: Finding) -> Line {
    match finding {
        Ok(detail) => Line::new(check, Indication::Passed, detail),
        Err((indication, detail)) => Line::new(check, indication, detail),
    }
}

fn text_of(note: &str) -> String {
    crate::spec::tlog::note::Note::parse(note).map(|note| note.text).unwrap_or_default()
}

fn of_outcome(outcome: Outcome) -> Indication {
    match outcome {
        Outcome::Valid => Indication::Passed,
        Outcome::Unusable => Indication::Indeterminate,
        Outcome::Invalid => Indication::Failed,
    }
}

/// A store that does not answer says nothing of what it holds; an object that is not there does.
fn of_store(error: &StoreError) -> (Indication, String) {
    let missing = matches!(error, StoreError::Backend { source, .. }
        if matches!(**source, object_store::Error::NotFound { .. }));
    match error {
        StoreError::Backend { key, .. } if missing => (Indication::Failed, format!("« {key} » : objet absent")),
        StoreError::Corrupt { .. } => (Indication::Failed, error.to_string()),
        _ => (Indication::Indeterminate, error.to_string()),
    }
}

fn of_log(error: &LogError) -> (Indication, String) {
    match error {
        LogError::Store(error) => of_store(error),
        LogError::Inconsistent(why) => (Indication::Failed, why.clone()),
        other @ LogError::Sign(_) => (Indication::Indeterminate, other.to_string()),
    }
}

fn of_evidence(error: &EvidenceError) -> (Indication, String) {
    match error {
        EvidenceError::Log(error) => of_log(error),
        EvidenceError::Store(error) => of_store(error),
        other => (Indication::Failed, other.to_string()),
    }
}

/// What the record says was received.
fn told(record: &Record, subject: &Subject, existed: Option<OffsetDateTime>) -> Received {
    let deposit = record.deposit();
    let text = |of: fn(&crate::package::Deposit) -> &String| deposit.map(|deposit| of(deposit).clone());
    let transfer = deposit.and_then(|deposit| {
        let whole = deposit.transfer.as_ref().map(|transfer| transfer.operation.clone());
        whole.or_else(|| deposit.unit.as_ref().map(|unit| unit.transfer.clone()))
    });
    let documents = record.payloads().iter().map(|payload| ReceivedDocument {
        name: payload.name.clone(),
        size_bytes: payload.size_bytes,
        sha256: payload.sha256.clone(),
        sha512: payload.sha512.clone(),
        media_type: payload.media_type.clone(),
        puid: payload.puid.clone(),
    });
    Received {
        time: record.time.clone(),
        existed: existed.map(format_record_time),
        agency: record.agency.clone(),
        agency_name: subject.agency_name.clone(),
        actor: record.actor.clone(),
        title: text(|deposit| &deposit.title).unwrap_or_default(),
        document_type: text(|deposit| &deposit.document_type).unwrap_or_default(),
        rule: text(|deposit| &deposit.rule).unwrap_or_default(),
        external_id: deposit.and_then(|deposit| deposit.external_id.clone()),
        transfer,
        documents: documents.collect(),
    }
}

/// What was recorded of the signatures, whose reports are among the documents just read.
fn signatures_at_deposit(record: &Record) -> Option<Line> {
    let signatures = record.deposit()?.signatures.as_ref()?;
    let indication = match signatures.indication.as_str() {
        "TOTAL-PASSED" => Indication::Passed,
        "TOTAL-FAILED" => Indication::Failed,
        _ => Indication::Indeterminate,
    };
    let mut detail = signatures.indication.clone();
    for more in [&signatures.sub_indication, &signatures.detail].into_iter().flatten() {
        detail = format!("{detail}, {more}");
    }
    if signatures.indication != NOT_VALIDATED {
        detail = format!("{detail} (politique {})", signatures.policy);
    }
    Some(Line::new(CheckKind::SignaturesAtDeposit, indication, detail))
}
