//! The promise: a view followed from day to day, through restarts and crashes, answers as one rebuilt from the log.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "support/views.rs"]
mod support;

use archiland::catalog::{Catalog, CatalogOptions, EmbeddedCatalog, IDEMPOTENCY_WINDOW, Prior};
use archiland::digest::sha256;
use archiland::search::{Audience, Hit, Order, Page, Query, SearchIndex, SearchOptions};
use archiland::views::{FollowError, SourceError, Tally};
use bytes::Bytes;
use proptest::prelude::*;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::{
    AGENCIES, DAY_0, Log, Views, agency, copy_dir, deposit, files, idempotency, issued, rebuilt, revoked, runtime,
    strange,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Clone)]
enum Happens {
    Deposit(usize, u32, i64),
    Agency(usize, u8),
    Issued(usize, u8, u8),
    Revoked(u8),
    Strange(usize),
}

impl Happens {
    fn record(&self) -> Bytes {
        match *self {
            Self::Deposit(who, n, day) => deposit(day, AGENCIES[who], n),
            Self::Agency(who, name) => agency(AGENCIES[who], &format!("nom {name}")),
            Self::Issued(who, name, secret) => issued(AGENCIES[who], &format!("t{name}"), &format!("s{secret}"), None),
            Self::Revoked(name) => revoked(&format!("t{name}")),
            Self::Strange(which) => strange()[which].clone(),
        }
    }
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        6 => (0..3usize, 0..80u32, 0..400i64).prop_map(|(who, n, day)| Happens::Deposit(who, n, day)),
        1 => (0..3usize, 0..4u8).prop_map(|(who, name)| Happens::Agency(who, name)),
        1 => (0..3usize, 0..4u8, 0..4u8).prop_map(|(who, name, secret)| Happens::Issued(who, name, secret)),
        1 => (0..4u8).prop_map(Happens::Revoked),
        1 => (0..5usize).prop_map(Happens::Strange),
    ]
}

#[derive(Debug, Clone)]
struct Session {
    events: Vec<Happens>,
    cuts: Vec<u64>,
    flushed_after: usize,
    killed: bool,
}

fn session() -> impl Strategy<Value = Session> {
    (proptest::collection::vec(happens(), 1..30), proptest::collection::vec(1..9u64, 1..6), 0..6usize, any::<bool>())
        .prop_map(|(events, cuts, flushed_after, killed)| Session { events, cuts, flushed_after, killed })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn followed_view_equals_rebuilt_view(sessions in proptest::collection::vec(session(), 1..4)) {
        let log = Log::with(vec![]);
        let root = tempfile::tempdir().unwrap();
        let mut state = root.path().join("0");
        for (number, session) in sessions.iter().enumerate() {
            log.push(session.events.iter().map(Happens::record));
            let views = Views::open(&state);
            prop_assert_eq!(&views.set_aside, &Vec::<String>::new());
            for view in views.all() {
                let mut size = view.cursor().size;
                prop_assert_eq!(view.cursor().root, log.root(size), "a cursor in the middle of a batch");
                for (done, cut) in session.cuts.iter().enumerate() {
                    let end = log.len().min(size + cut);
                    // Every second batch overlaps what the view has, as when two views share a reader.
                    let first = if done % 2 == 1 { size.saturating_sub(2) } else { size };
                    view.apply(&log.batch(first..end)).unwrap();
                    size = end;
                    if done == session.flushed_after {
                        view.flush().unwrap();
                    }
                }
            }
            if session.killed {
                let next = root.path().join(format!("{}", number + 1));
                copy_dir(&state.join("catalog"), &next.join("catalog"));
                // Dropping tantivy's writer loses what is not committed, as a kill does.
                drop(views);
                copy_dir(&state.join("search"), &next.join("search"));
                state = next;
            }
        }
        let views = Views::open(&state);
        prop_assert_eq!(&views.set_aside, &Vec::<String>::new());
        runtime().block_on(views.catch_up(&log));
        prop_assert_eq!(views.answers(), rebuilt(&log));
    }
}

fn small_log() -> Arc<Log> {
    let mut records = vec![agency("commune-a", "Commune A"), issued("commune-a", "t1", "s1", None)];
    records.extend((0..40).map(|n| deposit(i64::from(n), AGENCIES[(n % 2) as usize], n)));
    Log::with(records)
}

#[test]
fn a_log_with_another_history_empties_the_views() {
    let state = tempfile::tempdir().unwrap();
    let log = small_log();
    let runtime = runtime();
    runtime.block_on(Views::open(state.path()).catch_up(&log));
    let old = log.records.lock().unwrap().clone();

    // Longer fork, same size fork, rollback: each is met with a rebuild, not with a mixture.
    let mut longer = old.clone();
    longer[20] = deposit(3, "sdis", 79);
    longer.push(deposit(50, "sdis", 78));
    let mut same = old.clone();
    same[41] = deposit(3, "sdis", 77);
    let shorter = old[..10].to_vec();
    for other in [longer, same, shorter] {
        let other = Log::with(other);
        let views = Views::open(state.path());
        let ready = views.follower(&other, 7).progress().borrow().applied();
        assert_eq!(ready, 0, "another log's view passes for ready");
        runtime.block_on(views.catch_up(&other));
        assert_eq!(views.answers(), rebuilt(&other));
        // The emptied and refilled view is the one found at the next start.
        drop(views);
        assert_eq!(Views::open(state.path()).answers(), rebuilt(&other));
    }
}

type Spoil = fn(&Path);

#[test]
fn damaged_files_are_set_aside_and_rebuilt() {
    let log = small_log();
    let expected = rebuilt(&log);
    let runtime = runtime();
    let damages: [(&str, Spoil); 3] = [
        ("zeroed", |f| fs::write(f, vec![0; usize::try_from(fs::metadata(f).unwrap().len()).unwrap()]).unwrap()),
        ("cut", |f| {
            fs::OpenOptions::new().write(true).open(f).unwrap().set_len(fs::metadata(f).unwrap().len() / 2).unwrap();
        }),
        ("noise", |f| fs::write(f, sha256(b"noise").repeat(64)).unwrap()),
    ];
    let mut set_aside = 0;
    for view in ["catalog", "search"] {
        for (damage, spoil) in damages {
            let state = tempfile::tempdir().unwrap();
            runtime.block_on(Views::open(state.path()).catch_up(&log));
            for file in files(&state.path().join(view)) {
                spoil(&file);
            }
            let views = Views::open(state.path());
            set_aside += views.set_aside.len();
            runtime.block_on(views.catch_up(&log));
            assert_eq!(views.answers(), expected, "{view} {damage}");
            let reasons = files(state.path()).iter().filter(|f| f.extension().is_some_and(|e| e == "txt")).count();
            assert_eq!(reasons, views.set_aside.len(), "{view} {damage}");
        }
    }
    assert!(set_aside >= 4, "only {set_aside} of 6 damages were noticed at opening");
}

#[test]
fn one_damaged_file_at_a_time_never_stops_the_start() {
    let log = small_log();
    let runtime = runtime();
    let whole = tempfile::tempdir().unwrap();
    runtime.block_on(Views::open(whole.path()).catch_up(&log));
    for number in 0..files(whole.path()).len() {
        let state = tempfile::tempdir().unwrap();
        copy_dir(whole.path(), state.path());
        let file = files(state.path())[number].clone();
        let length = fs::metadata(&file).unwrap().len();
        fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(length / 3).unwrap();
        let views = Views::open(state.path());
        runtime.block_on(views.catch_up(&log));
        assert_eq!(views.catalog.agencies().len(), 1, "{}", file.display());
        assert!(views.catalog.token_by_hash(&sha256(b"s1")).is_some(), "{}", file.display());
    }
}

#[test]
fn a_view_in_use_is_not_opened_twice() {
    let state = tempfile::tempdir().unwrap();
    let _views = Views::open(state.path());
    let refused = EmbeddedCatalog::open(state.path(), CatalogOptions::default()).err().unwrap();
    assert!(refused.to_string().contains("autre processus"), "{refused}");
    assert!(SearchIndex::open(state.path(), SearchOptions::default()).is_err());
}

#[test]
fn tokens_end_and_stay_ended() {
    let end = "2025-11-25T00:00:00.000Z";
    let log = Log::with(vec![
        issued("commune-a", "t1", "s1", Some(end)),
        issued("commune-a", "t2", "s2", None),
        revoked("t2"),
        revoked("never-issued"),
        // A name used again does not bring the credential back.
        issued("commune-a", "t2", "s2", None),
        // A certificate registered again under another name is a decision of the operator, and the newest counts.
        issued("commune-b", "t3", "certificat", None),
        issued("commune-b", "t4", "certificat", None),
        revoked("t4"),
    ]);
    let state = tempfile::tempdir().unwrap();
    runtime().block_on(Views::open(state.path()).catch_up(&log));
    let catalog = Views::open(state.path()).catalog;
    let by_secret = |secret: &str| catalog.token_by_hash(&sha256(secret.as_bytes()));
    let at = |text| archiland::clock::parse_record_time(text).unwrap();
    let t1 = by_secret("s1").unwrap();
    assert!(t1.check(at("2025-11-24T23:59:59.999Z")).is_ok() && t1.check(at(end)).is_err());
    assert!(by_secret("s2").unwrap().check(at(end)).is_err());
    assert_eq!(by_secret("certificat").unwrap().token, "t4");
    assert!(by_secret("certificat").unwrap().check(at(end)).is_err());
    assert!(by_secret("s").is_none());
    let names = |agency| catalog.tokens(agency).into_iter().map(|t| t.token).collect::<Vec<_>>();
    assert_eq!(names(Some("commune-b")), ["t3", "t4"]);
    assert_eq!(names(None).len(), 4);
}

#[test]
fn an_agency_never_sees_anothers_archives() {
    let state = tempfile::tempdir().unwrap();
    let log = small_log();
    let views = Views::open(state.path());
    runtime().block_on(views.catch_up(&log));
    let ask = |audience: Audience, change: fn(&mut Query)| {
        let mut query = Query::new(audience);
        change(&mut query);
        views.find(&query).hits
    };
    let of = |code: &str| Audience::Agency(code.into());
    let changes: [fn(&mut Query); 5] = [
        |_| {},
        |q| q.sha256 = Some(sha256(b"commun")),
        |q| q.document_type = Some("deliberation".into()),
        |q| q.from_ms = Some(0),
        |q| q.created_from = Some(20_260_203),
    ];
    for change in changes {
        let everyone = ask(Audience::AllAgencies, change);
        assert!(!everyone.is_empty());
        let mut apart: Vec<Hit> = Vec::new();
        for code in AGENCIES {
            let hits = ask(of(code), change);
            assert!(hits.iter().all(|hit| hit.agency == code));
            apart.extend(hits);
        }
        apart.sort_by_key(|hit| hit.index);
        assert_eq!(apart, everyone);
    }
    // n = 6 is commune-a's: its identifiers are nothing to commune-b, in either view.
    assert_eq!(ask(of("commune-a"), |q| q.external_id = Some("ext-6".into())).len(), 1);
    assert!(ask(of("commune-b"), |q| q.external_id = Some("ext-6".into())).is_empty());
    assert_eq!(ask(of("commune-a"), |q| q.idempotency = Some(idempotency(6))).len(), 1);
    assert!(ask(of("commune-b"), |q| q.idempotency = Some(idempotency(6))).is_empty());
    assert!(views.catalog.prior("commune-a", &idempotency(6)).unwrap().is_some());
    assert!(views.catalog.prior("commune-b", &idempotency(6)).unwrap().is_none());
    assert!(ask(of("commune"), |_| {}).is_empty());
}

#[test]
fn conditions_combine_and_pages_are_stable() {
    let state = tempfile::tempdir().unwrap();
    let log = small_log();
    let views = Views::open(state.path());
    runtime().block_on(views.catch_up(&log));
    let mut query = Query::new(Audience::Agency("commune-a".into()));
    query.from_ms = Some(u64::try_from(DAY_0 + 10 * 86_400).unwrap() * 1_000);
    query.to_ms = Some(u64::try_from(DAY_0 + 20 * 86_400).unwrap() * 1_000);
    let indexes = |page: &Page| page.hits.iter().map(|h| h.index).collect::<Vec<_>>();
    let whole = views.find(&query);
    assert_eq!((indexes(&whole), whole.next), (vec![12, 14, 16, 18, 20], None));
    query.limit = 2;
    query.order = Order::NewestFirst;
    let first = views.find(&query);
    assert_eq!((indexes(&first), first.next), (vec![20, 18], Some(18)));
    // What arrives between two pages does not shift the second.
    log.push((100..120).map(|n| deposit(15, "commune-a", n)));
    runtime().block_on(views.catch_up(&log));
    query.after = first.next;
    assert_eq!(indexes(&views.find(&query)), [16, 14]);
    query.limit = 0;
    assert_eq!(views.find(&query).hits.len(), 1);
    query.limit = usize::MAX;
    query.created_to = Some(20_260_202);
    assert!(views.find(&query).hits.is_empty());
}

#[test]
fn an_idempotency_key_is_remembered_for_ninety_days_of_the_log() {
    let days = IDEMPOTENCY_WINDOW.whole_days();
    let state = tempfile::tempdir().unwrap();
    let views = Views::open(state.path());
    let day_by_day = (1..=days).map(|day| deposit(day, "sdis", 2));
    let log = Log::with(std::iter::once(deposit(0, "sdis", 1)).chain(day_by_day).collect());
    runtime().block_on(views.catch_up(&log));
    let prior = |n| views.catalog.prior("sdis", &idempotency(n)).unwrap();
    assert_eq!(prior(1), Some(Prior { index: 0, content: sha256(&1u32.to_be_bytes()) }));
    log.push([deposit(days + 1, "sdis", 3)]);
    runtime().block_on(views.catch_up(&log));
    let last = log.len() - 1;
    assert_eq!((prior(1), prior(2).map(|p| p.index), prior(3).map(|p| p.index)), (None, Some(last - 1), Some(last)));
    // A record dated by a clock gone wrong does not close the window for the others.
    log.push([deposit(40_000, "sdis", 5), deposit(days + 1, "sdis", 6)]);
    runtime().block_on(views.catch_up(&log));
    assert_eq!((prior(3).map(|p| p.index), prior(6).map(|p| p.index)), (Some(last), Some(last + 2)));
    // The search view answers beyond.
    let mut query = Query::new(Audience::Agency("sdis".into()));
    query.idempotency = Some(idempotency(1));
    assert_eq!(views.find(&query).hits[0].index, 0);
}

#[test]
fn strange_records_are_counted_and_stop_nothing() {
    let state = tempfile::tempdir().unwrap();
    let mut records = strange();
    records.push(deposit(0, "sdis", 1));
    let log = Log::with(records);
    let views = Views::open(state.path());
    let tally = runtime().block_on(views.catch_up(&log));
    assert_eq!(tally, Tally { records: 6, deposits: 1, unknown: 2, unreadable: 2 });
    assert_eq!(views.answers().hits.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn following_survives_a_store_that_stumbles_and_ends_flushed() {
    let state = tempfile::tempdir().unwrap();
    let log = small_log();
    let views = Views::open(state.path());
    let follower = Arc::new(views.follower(&log, 5));
    let (published, seen) = watch::channel(0);
    let cancel = CancellationToken::new();
    log.failures.store(20, Ordering::SeqCst);
    let running = tokio::spawn({
        let (follower, cancel) = (follower.clone(), cancel.clone());
        async move { follower.follow(seen, &cancel).await }
    });
    let mut progress = follower.progress();
    progress.wait_for(|p| p.applied() == 42).await.unwrap();
    log.failures.store(3, Ordering::SeqCst);
    log.push([deposit(60, "sdis", 70)]);
    published.send(43).unwrap();
    progress.wait_for(|p| p.applied() == 43).await.unwrap();
    // Visible in about a second without any further record.
    tokio::time::timeout(Duration::from_secs(30), async {
        while views.search.archives() != 41 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .unwrap();
    cancel.cancel();
    running.await.unwrap().unwrap();
    drop(follower);
    drop(views);
    let reopened = Views::open(state.path());
    assert!(reopened.all().iter().all(|v| v.cursor().size == 43));
}

#[tokio::test(start_paused = true)]
async fn a_catch_up_gives_up_on_a_store_that_stays_silent() {
    let state = tempfile::tempdir().unwrap();
    let log = small_log();
    log.failures.store(u32::MAX, Ordering::SeqCst);
    let views = Views::open(state.path());
    let ended = views.follower(&log, 5).catch_up(&CancellationToken::new()).await;
    assert!(matches!(ended, Err(FollowError::Source(SourceError::Unavailable { .. }))));
}
