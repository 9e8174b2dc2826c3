//! Cost of the views: a record in each, a rebuild of both, a start on intact ones, and look-ups.
//!
//! `cargo bench --bench views` measures the parts on small logs. The whole on a large log, with its memory, is one run:
//! `ARCHILAND_BENCH_RECORDS=1000000 cargo bench --bench views -- rebuild-once` (the figures are printed, not sampled).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

use archiland::catalog::{Catalog, CatalogOptions, EmbeddedCatalog};
use archiland::clock::format_record_time;
use archiland::digest::sha256;
use archiland::package::{Agent, Body, Dates, Deposit, Location, Payload, Record, entry_of};
use archiland::search::{Audience, Order, Query, SearchIndex, SearchOptions};
use archiland::spec::tlog::edge::Edge;
use archiland::spec::tlog::leaf_hash;
use archiland::views::{Batch, Cursor, Follower, Pace, RecordSource, Run, SourceError, View};
use async_trait::async_trait;
use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput};
use std::hint::black_box;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

/// A log that exists only while it is read: records made from one template, hashed into a real tree as the node's own
/// source does. It can be of any size without being held in memory.
struct Generated {
    head: Cursor,
    template: Vec<u8>,
    time: usize,
    digests: Vec<usize>,
    numbers: Vec<usize>,
    edge: Mutex<Edge>,
}

const DIGEST_MARK: &str = "5555555555555555555555555555555555555555555555555555555555555555";
const NUMBER_MARK: &str = "77777777";

impl Generated {
    fn new(size: u64) -> Self {
        let record = Record {
            v: 1,
            time: format_record_time(OffsetDateTime::UNIX_EPOCH),
            agency: "200040475".into(),
            actor: "token:0199f7a2-demarches".into(),
            id: uuid::Uuid::nil(),
            references: vec![],
            salt: "ab".repeat(32),
            body: Body::Deposit(Deposit {
                title: format!("Délibération n° {NUMBER_MARK} du conseil municipal"),
                document_type: "deliberation".into(),
                rule: "permanent".into(),
                external_id: Some(format!("ACTES-2026-{NUMBER_MARK}")),
                dates: Dates { created: Some("2026-11-23".into()), ..Dates::default() },
                agents: vec![Agent { role: "author".into(), name: "Commune de Sainte-Foy".into() }],
                idempotency: Some(DIGEST_MARK.into()),
                content: DIGEST_MARK.into(),
                payloads: vec![Payload {
                    name: "deliberation.pdf".into(),
                    size_bytes: 4_096,
                    sha256: DIGEST_MARK.into(),
                    sha512: "cd".repeat(64),
                    media_type: "application/pdf".into(),
                    puid: Some("fmt/276".into()),
                    location: Location {
                        object: "payload/200040475/permanent-0199f7a2-0000-7000-8000-000000000000.tar.zst".into(),
                        offset: 512,
                        length: 3_900,
                    },
                }],
                ..Deposit::default()
            }),
        };
        let template = record.to_canonical().unwrap();
        let find = |mark: &str| -> Vec<usize> {
            String::from_utf8(template.clone()).unwrap().match_indices(mark).map(|(at, _)| at).collect()
        };
        let time = find("1970-01-01T")[0];
        let (digests, numbers) = (find(DIGEST_MARK), find(NUMBER_MARK));
        assert_eq!((digests.len(), numbers.len()), (3, 2));
        let head = Cursor { size, root: [0; 32] };
        Self { head, template, time, digests, numbers, edge: Mutex::new(Edge::empty()) }
    }

    /// Reads everything once to know the root, and begins again.
    fn published(mut self) -> Self {
        let leaves = (0..self.head.size).map(|index| leaf_hash(&entry_of(&self.record(index))));
        let mut edge = Edge::empty();
        for leaf in leaves {
            edge.append(&[leaf]);
        }
        self.head.root = edge.root();
        self
    }

    fn record(&self, index: u64) -> Bytes {
        let mut record = self.template.clone();
        // A deposit every two seconds: a million make three weeks.
        let at = OffsetDateTime::from_unix_timestamp(1_790_000_000 + i64::try_from(index).unwrap() * 2).unwrap();
        record[self.time..self.time + 24].copy_from_slice(format_record_time(at).as_bytes());
        let digest = hex::encode(sha256(&index.to_be_bytes()));
        for at in &self.digests {
            record[*at..at + 64].copy_from_slice(digest.as_bytes());
        }
        for at in &self.numbers {
            record[*at..at + 8].copy_from_slice(format!("{index:08}").as_bytes());
        }
        record.into()
    }

    fn batch(&self, range: Range<u64>) -> Batch {
        let records: Vec<Bytes> = range.clone().map(|index| self.record(index)).collect();
        Batch::parse(range.start, &records, [0; 32], range.end)
    }
}

#[async_trait]
impl RecordSource for Generated {
    async fn head(&self) -> Result<Cursor, SourceError> {
        Ok(self.head)
    }

    async fn root_at(&self, _size: u64) -> Result<[u8; 32], SourceError> {
        Ok(self.edge.lock().unwrap().root())
    }

    async fn records(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<Run>, SourceError> {
        let fitting = u64::try_from(bytes_max / self.template.len()).unwrap();
        let end = range.end.min(range.start + fitting);
        let records: Vec<Bytes> = (range.start..end).map(|index| self.record(index)).collect();
        let mut edge = self.edge.lock().unwrap();
        let runs = records.chunks(256).map(|records| {
            let leaves: Vec<_> = records.iter().map(|record| leaf_hash(&entry_of(record))).collect();
            edge.append(&leaves);
            Run { records: records.to_vec(), root: edge.root() }
        });
        Ok(runs.collect())
    }
}

fn open(state: &Path) -> (Arc<EmbeddedCatalog>, Arc<SearchIndex>) {
    let catalog = EmbeddedCatalog::open(state, CatalogOptions::default()).unwrap();
    let search = SearchIndex::open(state, SearchOptions::default()).unwrap();
    assert!(catalog.set_aside.is_none() && search.set_aside.is_none());
    (Arc::new(catalog.view), Arc::new(search.view))
}

/// Parse, catalog and search, each alone, a bundle at a time.
fn parts(c: &mut Criterion) {
    const BATCH: u64 = 256;
    let log = Generated::new(u64::MAX);
    let mut group = c.benchmark_group("record");
    group.throughput(Throughput::Elements(BATCH)).sample_size(20).measurement_time(Duration::from_secs(4));
    let records: Vec<Bytes> = (0..BATCH).map(|index| log.record(index)).collect();
    group.bench_function("parse", |b| b.iter(|| Batch::parse(0, black_box(&records), [0; 32], BATCH)));
    group.bench_function("hash", |b| {
        b.iter(|| black_box(&records).iter().map(|r| leaf_hash(&entry_of(r))).collect::<Vec<_>>());
    });
    let state = tempfile::tempdir().unwrap();
    let (catalog, search) = open(state.path());
    for view in [catalog as Arc<dyn View>, search] {
        group.bench_function(view.name(), |b| {
            b.iter_batched(
                || {
                    let size = view.cursor().size;
                    log.batch(size..size + BATCH)
                },
                |batch| view.apply(&batch).unwrap(),
                BatchSize::PerIteration,
            );
        });
        view.flush().unwrap();
    }
    group.finish();
}

/// One rebuild of both views, a restart, an idle look at the memory, and look-ups on what was built.
fn rebuild_once(size: u64, only: Option<&str>) {
    let state = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    println!("records\t{size}");
    {
        let (catalog, search) = open(state.path());
        let log = Arc::new(Generated::new(size).published());
        let wanted = |view: &Arc<dyn View>| only.is_none_or(|name| name == view.name());
        let views: Vec<Arc<dyn View>> = vec![catalog.clone(), search.clone()];
        let follower = Follower::new(views.into_iter().filter(wanted).collect(), log, Pace::default());
        let began = Instant::now();
        runtime.block_on(follower.catch_up(&CancellationToken::new())).unwrap();
        let took = began.elapsed();
        #[allow(clippy::cast_precision_loss)]
        let rate = size as f64 / took.as_secs_f64();
        let (peak, anonymous) = (memory("VmHWM"), memory("RssAnon"));
        println!("rebuild\t{rate:.0} records/s\t{took:.1?}\tpeak {peak} MiB, anonymous at the end {anonymous}");
        assert!(only.is_some() || search.archives() == size);
    }
    println!(
        "disk\tcatalog {} MiB\tsearch {} MiB",
        mib(&state.path().join("catalog")),
        mib(&state.path().join("search"))
    );
    drop(runtime);
    if only.is_some() {
        return;
    }
    // Memory freed and not given back would be counted against the idle views: measure them in a process of their own.
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .arg("start-once")
        .arg(state.path())
        .status()
        .unwrap();
    assert!(status.success());
}

fn start_once(state: &Path) {
    let before = memory("VmRSS");
    let began = Instant::now();
    let (catalog, search) = open(state);
    let took = began.elapsed();
    println!("start\t{took:.1?}\tidle {} MiB ({before} before, anonymous {})", memory("VmRSS"), memory("RssAnon"));
    let size = catalog.cursor().size;
    let digest = |n: u64| sha256(&n.to_be_bytes());
    let mut queries: Vec<(&str, Query)> = Vec::new();
    let agency = || Query::new(Audience::Agency("200040475".into()));
    queries.push(("sha256", Query { sha256: Some(digest(size / 2)), ..agency() }));
    queries.push(("external_id", Query { external_id: Some(format!("ACTES-2026-{:08}", size / 3)), ..agency() }));
    queries.push(("newest 100", Query { order: Order::NewestFirst, ..agency() }));
    let from_ms = Some((1_790_000_000 + size) * 1_000);
    queries.push(("last half by date", Query { from_ms, limit: 1_000, ..agency() }));
    for (name, query) in queries {
        assert!(!search.find(&query).unwrap().hits.is_empty());
        let began = Instant::now();
        for _ in 0..20 {
            search.find(&query).unwrap();
        }
        println!("find {name}\t{:.2?}", began.elapsed() / 20);
    }
    let began = Instant::now();
    for n in 0..10_000 {
        assert!(catalog.prior("200040475", &digest(n * size / 10_000)).unwrap().is_some());
    }
    println!("prior\t{:.2?}", began.elapsed() / 10_000);
    println!("after look-ups\tRSS {} MiB, anonymous {}", memory("VmRSS"), memory("RssAnon"));
}

/// A line of `/proc/self/status` in MiB; 0 where there is none.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok()).map_or(0, |kib| kib / 1024)
}

fn mib(dir: &Path) -> u64 {
    fn bytes(dir: &Path) -> u64 {
        let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
        entries.map(|e| if e.path().is_dir() { bytes(&e.path()) } else { e.metadata().unwrap().len() }).sum()
    }
    bytes(dir) >> 20
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|a| a == name);
    if has("start-once") {
        return start_once(Path::new(arguments.last().unwrap()));
    }
    if has("rebuild-once") {
        let size = std::env::var("ARCHILAND_BENCH_RECORDS").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
        let only = ["catalog", "search"].into_iter().find(|name| has(name));
        return rebuild_once(size, only);
    }
    let mut criterion = Criterion::default().configure_from_args();
    parts(&mut criterion);
    criterion.final_summary();
}
