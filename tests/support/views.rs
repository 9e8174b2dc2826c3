//! A log in memory, records to put in it, and both views over it.

use archiland::catalog::{Catalog, CatalogOptions, EmbeddedCatalog, Prior, Token};
use archiland::clock::format_record_time;
use archiland::digest::sha256;
use archiland::package::{Agency, Body, Dates, Deposit, Location, Payload, Record, Scope, TokenIssued, TokenRevoked};
use archiland::search::{Audience, Hit, Page, Query, SearchIndex, SearchOptions};
use archiland::views::{Batch, Cursor, Follower, Pace, RecordSource, Run, SourceError, Tally, View};
use async_trait::async_trait;
use bytes::Bytes;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

// ---------------------------------------------------------------- a log in memory

/// Its "root" is a hash chain: all that matters here is that it tells one history from another.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) records: Mutex<Vec<Bytes>>,
    pub(crate) failures: AtomicU32,
}

impl Log {
    pub(crate) fn with(records: Vec<Bytes>) -> Arc<Self> {
        Arc::new(Self { records: Mutex::new(records), failures: AtomicU32::new(0) })
    }

    pub(crate) fn push(&self, records: impl IntoIterator<Item = Bytes>) {
        self.records.lock().unwrap().extend(records);
    }

    pub(crate) fn len(&self) -> u64 {
        self.records.lock().unwrap().len() as u64
    }

    pub(crate) fn root(&self, size: u64) -> [u8; 32] {
        let records = self.records.lock().unwrap();
        records[..usize::try_from(size).unwrap()].iter().fold(sha256(b""), |root, record| {
            let mut step = root.to_vec();
            step.extend_from_slice(record);
            sha256(&step)
        })
    }

    pub(crate) fn batch(&self, range: Range<u64>) -> Batch {
        let records: Vec<Bytes> =
            self.records.lock().unwrap()[range.start.try_into().unwrap()..range.end.try_into().unwrap()].to_vec();
        Batch::parse(range.start, &records, self.root(range.end), self.len())
    }

    pub(crate) fn stumble(&self) -> Result<(), SourceError> {
        let left = self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        left.map_or(Ok(()), |_| Err(SourceError::Unavailable { what: "essai".into(), cause: "réseau".into() }))
    }
}

#[async_trait]
impl RecordSource for Log {
    async fn head(&self) -> Result<Cursor, SourceError> {
        self.stumble()?;
        Ok(Cursor { size: self.len(), root: self.root(self.len()) })
    }

    async fn root_at(&self, size: u64) -> Result<[u8; 32], SourceError> {
        self.stumble()?;
        Ok(self.root(size))
    }

    async fn records(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<Run>, SourceError> {
        self.stumble()?;
        let records = self.records.lock().unwrap();
        let mut bytes = 0;
        let wanted = &records[range.start.try_into().unwrap()..range.end.try_into().unwrap()];
        let fits = wanted.iter().take_while(|r| {
            let before = bytes;
            bytes += r.len();
            before < bytes_max
        });
        let fits: Vec<Bytes> = fits.cloned().collect();
        drop(records);
        let mut size = range.start;
        let runs = fits.chunks(3).map(|records| {
            size += records.len() as u64;
            Run { records: records.to_vec(), root: self.root(size) }
        });
        Ok(runs.collect())
    }
}

// ---------------------------------------------------------------- records

pub(crate) const DAY_0: i64 = 1_764_000_000;

pub(crate) fn record(day: i64, agency: &str, body: Body) -> Bytes {
    let at = OffsetDateTime::from_unix_timestamp(DAY_0 + day * 86_400).unwrap();
    let record = Record {
        v: 1,
        time: format_record_time(at),
        agency: agency.into(),
        actor: "token:t".into(),
        id: uuid::Uuid::nil(),
        references: vec![],
        salt: "00".repeat(32),
        body,
    };
    record.to_canonical().unwrap().into()
}

pub(crate) fn payload(seed: &str) -> Payload {
    Payload {
        name: "acte.pdf".into(),
        size_bytes: 4,
        sha256: hex::encode(sha256(seed.as_bytes())),
        sha512: "00".repeat(64),
        media_type: "application/pdf".into(),
        puid: None,
        location: Location { object: "payload/x.tar.zst".into(), offset: 0, length: 4 },
    }
}

pub(crate) fn deposit(day: i64, agency: &str, n: u32) -> Bytes {
    record(
        day,
        agency,
        Body::Deposit(Deposit {
            title: format!("Délibération n° {n}"),
            document_type: if n.is_multiple_of(2) { "deliberation" } else { "pes" }.into(),
            rule: "permanent".into(),
            external_id: n.is_multiple_of(3).then(|| format!("ext-{n}")),
            dates: Dates { created: n.is_multiple_of(5).then(|| "2026-02-03".into()), ..Dates::default() },
            idempotency: (!n.is_multiple_of(4)).then(|| hex::encode(idempotency(n))),
            content: hex::encode(sha256(&n.to_be_bytes())),
            payloads: vec![payload(&n.to_string()), payload("commun")],
            ..Deposit::default()
        }),
    )
}

pub(crate) fn idempotency(n: u32) -> [u8; 32] {
    sha256(format!("clé {n}").as_bytes())
}

pub(crate) fn agency(code: &str, name: &str) -> Bytes {
    record(0, "exploitant", Body::AgencyRegistered(Agency { code: code.into(), name: name.into() }))
}

pub(crate) fn issued(agency: &str, name: &str, secret: &str, expires: Option<&str>) -> Bytes {
    let body = TokenIssued {
        token: name.into(),
        hash: hex::encode(sha256(secret.as_bytes())),
        scopes: vec![Scope::Deposit, Scope::Read],
        label: "essai".into(),
        expires: expires.map(str::to_owned),
        certificate: None,
    };
    record(0, agency, Body::TokenIssued(body))
}

pub(crate) fn revoked(name: &str) -> Bytes {
    record(1, "exploitant", Body::TokenRevoked(TokenRevoked { token: name.into() }))
}

pub(crate) fn strange() -> Vec<Bytes> {
    vec![
        Bytes::new(),
        Bytes::from_static(b"\xff\x00 not a record"),
        Bytes::from_static(
            br#"{"agency":"a","body":{"title":1},"time":"2031-01-01T00:00:00.000Z","type":"visa","v":1}"#,
        ),
        Bytes::from_static(
            br#"{"agency":"a","body":{"title":1},"time":"2031-01-01T00:00:00.000Z","type":"deposit","v":2}"#,
        ),
        record(0, "a", Body::Refusal { code: "vide".into(), detail: "fichier vide".into() }),
    ]
}

// ---------------------------------------------------------------- views

pub(crate) struct Views {
    pub(crate) catalog: Arc<EmbeddedCatalog>,
    pub(crate) search: Arc<SearchIndex>,
    pub(crate) set_aside: Vec<String>,
}

impl Views {
    pub(crate) fn open(state: &Path) -> Self {
        let catalog = EmbeddedCatalog::open(state, CatalogOptions::default()).unwrap();
        let search = SearchIndex::open(state, SearchOptions::default()).unwrap();
        let set_aside = catalog.set_aside.into_iter().chain(search.set_aside).collect();
        Self { catalog: Arc::new(catalog.view), search: Arc::new(search.view), set_aside }
    }

    pub(crate) fn all(&self) -> Vec<Arc<dyn View>> {
        vec![self.catalog.clone(), self.search.clone()]
    }

    pub(crate) fn follower(&self, log: &Arc<Log>, read_records_max: u64) -> Follower {
        Follower::new(self.all(), log.clone(), Pace { read_records_max, read_bytes_max: 4_000, ..Pace::default() })
    }

    pub(crate) async fn catch_up(&self, log: &Arc<Log>) -> Tally {
        let follower = self.follower(log, 7);
        follower.catch_up(&CancellationToken::new()).await.unwrap();
        let progress = follower.progress().borrow().clone();
        assert_eq!((progress.applied(), progress.target), (log.len(), log.len()));
        progress.tally
    }

    pub(crate) fn find(&self, query: &Query) -> Page {
        self.search.find(query).unwrap()
    }

    pub(crate) fn answers(&self) -> Answers {
        let mut query = Query::new(Audience::AllAgencies);
        query.limit = 5;
        let mut hits = Vec::new();
        loop {
            let page = self.find(&query);
            hits.extend(page.hits);
            query.after = page.next;
            if page.next.is_none() {
                break;
            }
        }
        let agencies: Vec<Agency> = self.catalog.agencies();
        let tokens = self.catalog.tokens(None);
        let by_hash = tokens.iter().map(|t| self.catalog.token_by_hash(&t.hash)).collect();
        let priors = AGENCIES
            .iter()
            .flat_map(|a| (0..80).map(move |n| (a, n)))
            .map(|(a, n)| self.catalog.prior(a, &idempotency(n)).unwrap())
            .collect();
        Answers { cursors: self.all().iter().map(|v| v.cursor()).collect(), agencies, tokens, by_hash, priors, hits }
    }
}

#[derive(Debug, PartialEq)]
pub(crate) struct Answers {
    pub(crate) cursors: Vec<Cursor>,
    pub(crate) agencies: Vec<Agency>,
    pub(crate) tokens: Vec<Token>,
    pub(crate) by_hash: Vec<Option<Token>>,
    pub(crate) priors: Vec<Option<Prior>>,
    pub(crate) hits: Vec<Hit>,
}

pub(crate) const AGENCIES: [&str; 3] = ["commune-a", "commune-b", "sdis"];

pub(crate) fn rebuilt(log: &Arc<Log>) -> Answers {
    let state = tempfile::tempdir().unwrap();
    let views = Views::open(state.path());
    runtime().block_on(views.catch_up(log));
    views.answers()
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// The files as a killed process leaves them: what was not flushed is not in them.
pub(crate) fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}
