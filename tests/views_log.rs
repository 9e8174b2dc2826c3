//! The promise: views fed by the sequencer's own log end where it was published, after restarts too, and take in nothing
//! that the published root does not stand for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "support/views.rs"]
#[allow(dead_code)]
mod support;

use archiland::catalog::Catalog;
use archiland::sequencer::head;
use archiland::sequencer::{CheckpointSigner, Evidence, LogReader, Sequencer, SequencerOptions, SignError, Submission};
use archiland::spec::tlog::checkpoint::Checkpoint;
use archiland::store::{Backend, open_backend};
use archiland::views::{Cursor, FollowError, Follower, LogSource, Pace, SourceError};
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, path::Path as Key};
use std::sync::Arc;
use support::{Views, deposit, idempotency, issued, runtime};
use tokio_util::sync::CancellationToken;

struct Unsigned;

impl CheckpointSigner for Unsigned {
    fn origin(&self) -> &'static str {
        "test.example/log"
    }

    fn sign(&self, checkpoint: &Checkpoint) -> Result<Evidence, SignError> {
        let note = format!("{}\n— test AAAA\n", checkpoint.text());
        Ok(Evidence { note, tsr: Bytes::from_static(b"tsr"), seal: Bytes::from_static(b"seal") })
    }
}

async fn sequencer(backend: &Backend) -> (Sequencer, Arc<dyn ObjectStore>) {
    let objects = open_backend(backend).unwrap();
    let heads = head::open(backend, &objects);
    let options = SequencerOptions::default();
    (Sequencer::start(objects.clone(), heads, Arc::new(Unsigned), options).await.unwrap().0, objects)
}

async fn submit(sequencer: &Sequencer, records: impl IntoIterator<Item = Bytes>) {
    let all = records.into_iter().map(|record| sequencer.submit(Submission { record, idempotency: None }));
    for committed in futures::future::join_all(all).await {
        committed.unwrap();
    }
}

fn follower(views: &Views, objects: &Arc<dyn ObjectStore>, read_records_max: u64) -> Follower {
    let source = Arc::new(LogSource::new(LogReader::new(objects.clone())));
    Follower::new(views.all(), source, Pace { read_records_max, ..Pace::default() })
}

#[tokio::test(flavor = "multi_thread")]
async fn views_follow_the_sequencer_and_restart_anywhere() {
    let (sequencer, objects) = sequencer(&Backend::Memory).await;
    let state = tempfile::tempdir().unwrap();
    let cancel = CancellationToken::new();
    let views = Views::open(state.path());
    let live = Arc::new(follower(&views, &objects, 100));
    let running = tokio::spawn({
        let (live, seen, cancel) = (live.clone(), sequencer.published(), cancel.clone());
        async move { live.follow(seen, &cancel).await }
    });
    let mut next = 0;
    for round in [1u32, 2, 300, 7, 520] {
        submit(&sequencer, (next..next + round).map(|n| deposit(0, "sdis", n))).await;
        next += round;
    }
    live.progress().wait_for(|p| p.applied() == 830).await.unwrap();
    assert!(views.catalog.prior("sdis", &idempotency(829)).unwrap().is_some());
    cancel.cancel();
    running.await.unwrap().unwrap();
    drop((live, views));

    // From any size, with any batch, the cursor is the published one.
    for (more, batch) in [(3, 1_000), (400, 77), (1, 256), (65, 64)] {
        submit(&sequencer, (next..next + more).map(|n| deposit(0, "sdis", n))).await;
        next += more;
        let views = Views::open(state.path());
        assert!(views.set_aside.is_empty());
        let follower = follower(&views, &objects, batch);
        follower.catch_up(&CancellationToken::new()).await.unwrap();
        assert_eq!(follower.progress().borrow().tally.records, u64::from(more), "resumed, not rebuilt");
        let published = *sequencer.published().borrow();
        let published = Cursor { size: published.size, root: published.root };
        assert!(views.all().iter().all(|v| v.cursor() == published));
        assert_eq!(views.search.archives(), u64::from(next));
    }
    let fresh = tempfile::tempdir().unwrap();
    let rebuilt = Views::open(fresh.path());
    follower(&rebuilt, &objects, 2_048).catch_up(&CancellationToken::new()).await.unwrap();
    let views = Views::open(state.path());
    assert_eq!(views.answers(), rebuilt.answers());
}

/// Whoever can write in the bucket still cannot give himself a token.
#[test]
fn forged_records_are_refused() {
    runtime().block_on(async {
        let (sequencer, objects) = sequencer(&Backend::Memory).await;
        submit(&sequencer, [deposit(0, "sdis", 1)]).await;
        let objects_now: Vec<_> = objects.list(Some(&Key::from("records"))).try_collect().await.unwrap();
        let [bundle] = &objects_now[..] else { panic!("one bundle expected") };
        let forged = zstd::encode_all(&issued("sdis", "t", "secret", None)[..], 3).unwrap();
        objects.put(&bundle.location, forged.into()).await.unwrap();

        let state = tempfile::tempdir().unwrap();
        let views = Views::open(state.path());
        let refused = follower(&views, &objects, 10).catch_up(&CancellationToken::new()).await;
        assert!(matches!(refused, Err(FollowError::Diverged { size: 1 })), "{refused:?}");
        assert!(views.catalog.tokens(None).is_empty());

        objects.put(&bundle.location, Bytes::from_static(b"rot").into()).await.unwrap();
        let refused = follower(&views, &objects, 10).catch_up(&CancellationToken::new()).await;
        assert!(matches!(refused, Err(FollowError::Source(SourceError::Damaged { .. }))), "{refused:?}");
    });
}
