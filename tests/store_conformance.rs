//! One suite, every bucket: memory, local disk, an S3 server inside the process, a real S3 server (CI). What the store,
//! the head and the sequencer promise holds on each, and programs that are not ours read what they wrote.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/bucket.rs"]
mod bucket;
mod support;

use archiland::digest::Digests;
use archiland::package::{Payload, entry_of};
use archiland::sequencer::head::{HeadStore, ProbeError, Swap, probe};
use archiland::sequencer::{CheckpointSigner, Evidence, LogReader, Sequencer, SequencerOptions, SignError, Submission};
use archiland::spec::tlog::checkpoint::Checkpoint;
use archiland::spec::tlog::leaf_hash;
use archiland::spec::tlog::note::NoteSigner;
use archiland::spec::tlog::proof::{verify_consistency, verify_inclusion};
use archiland::store::{GROUP_INTERVAL_MIN, Store, StoreOptions, StoredPayload};
use archiland::testing::s3::{Conditions, Options};
use bucket::Bucket;
use bytes::Bytes;
use futures::future::join_all;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::ObjectStoreExt as _;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

const AGENCY: &str = "200040475";
const RULE: &str = "dua-10";

/// The suite, once per kind of bucket.
macro_rules! on_every_bucket {
    ($($promise:ident)+) => {
        mod memory { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $promise() {
            super::$promise(super::Bucket::memory()).await;
        })+ }
        mod local { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $promise() {
            super::$promise(super::Bucket::local()).await;
        })+ }
        mod s3_inside { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $promise() {
            super::$promise(super::Bucket::s3(super::Options::default()).await).await;
        })+ }
        mod s3_real { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $promise() {
            if let Some(bucket) = super::Bucket::real() {
                super::$promise(bucket).await;
            }
        })+ }
    };
}

on_every_bucket! {
    payloads_of_every_size_read_back_whole_and_in_part
    small_payloads_share_objects_and_foreign_tools_read_them
    a_large_payload_is_a_zstd_file
    an_abandoned_payload_leaves_nothing
    damage_is_refused_at_read
    a_cell_has_one_winner_of_thirty_two
    a_cell_refuses_what_is_stale_or_absent
    two_nodes_share_one_log
}

async fn payloads_of_every_size_read_back_whole_and_in_part(bucket: Bucket) {
    let store = Store::new(bucket.objects.clone(), StoreOptions::default());
    let sizes = [0, 1, 511, 512, 513, 4096, 65_536, 65_537, (1 << 20) - 1, 1 << 20, (4 << 20) + 1, (9 << 20) + 7];
    let contents: Vec<Bytes> = sizes
        .iter()
        .flat_map(|&len| [noise(len), "Délibération. ".repeat(len / 14 + 1).into_bytes()])
        .map(Bytes::from)
        .collect();
    let stored = join_all(contents.iter().map(|content| put(&store, content))).await;
    for (content, stored) in contents.iter().zip(stored) {
        let len = content.len() as u64;
        assert_eq!((stored.size_bytes, stored.digests), (len, Digests::of(content)));
        let payload = payload(&stored);
        assert_eq!(read(&store, &payload, 0..len).await, *content, "{len} bytes, whole");
        let ranges = [0..0, 0..len.min(1), len / 2..len, len.saturating_sub(1)..len, len / 3..len / 2 + len % 2];
        for range in ranges {
            let expected = &content[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
            assert_eq!(read(&store, &payload, range.clone()).await, expected, "{len} bytes, {range:?}");
        }
        assert!(store.read(&payload, 0..len + 1).await.is_err(), "a range beyond the document");
    }
}

async fn small_payloads_share_objects_and_foreign_tools_read_them(bucket: Bucket) {
    let store = Store::new(bucket.objects.clone(), StoreOptions::default());
    let contents: Vec<Bytes> = (0..200).map(|n| Bytes::from(format!("{n} ").repeat(n * 17 + 1))).collect();
    let began = Instant::now();
    let stored = join_all(contents.iter().map(|content| put(&store, content))).await;
    let packs_max = usize::try_from(began.elapsed().as_micros() / GROUP_INTERVAL_MIN.as_micros() + 1).unwrap();
    let packs: BTreeSet<_> = stored.iter().map(|stored| stored.location.object.clone()).collect();
    assert!(packs.len() <= packs_max, "{} objects for {} small payloads", packs.len(), contents.len());
    assert!(packs.iter().all(|pack| pack.starts_with(&format!("payload/{AGENCY}/{RULE}-"))), "{packs:?}");
    if !support::require_tool("zstd") || !support::require_tool("tar") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    for (number, pack) in packs.iter().enumerate() {
        let file = format!("{number}.tar.zst");
        let bytes = bucket.objects.get(&pack.as_str().into()).await.unwrap().bytes().await.unwrap();
        std::fs::write(directory.path().join(&file), &bytes).unwrap();
        support::run_ok(directory.path(), "zstd", &["-q", "-t", &file]);
        support::run_ok(directory.path(), "tar", &["--zstd", "-xf", &file]);
    }
    for (content, stored) in contents.iter().zip(&stored) {
        let member = directory.path().join(hex::encode(stored.digests.sha256));
        assert_eq!(std::fs::read(member).unwrap(), *content, "tar restores the content under its digest");
        let place = &stored.location;
        let (key, bytes) = (place.object.as_str().into(), place.offset..place.offset + place.length);
        let frame = bucket.objects.get_range(&key, bytes).await.unwrap();
        std::fs::write(directory.path().join("frame.zst"), frame).unwrap();
        let alone = support::run_ok(directory.path(), "zstd", &["-q", "-d", "-c", "frame.zst"]);
        assert_eq!(alone, *content, "a ranged read and zstd restore one payload");
    }
}

async fn a_large_payload_is_a_zstd_file(bucket: Bucket) {
    let store = Store::new(bucket.objects.clone(), StoreOptions::default());
    let content = Bytes::from([noise(11 << 20), b"fin".to_vec()].concat());
    let stored = put(&store, &content).await;
    let object = bucket.objects.get(&stored.location.object.as_str().into()).await.unwrap().bytes().await.unwrap();
    assert_eq!(stored.location.length, object.len() as u64);
    if support::require_tool("zstd") {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("large.zst"), object).unwrap();
        let content_again = support::run_ok(directory.path(), "zstd", &["-q", "-d", "-c", "large.zst"]);
        assert!(content_again == content, "zstd restores another content");
    }
}

async fn an_abandoned_payload_leaves_nothing(bucket: Bucket) {
    let store = Store::new(bucket.objects.clone(), StoreOptions::default());
    for len in [100, 40 << 20] {
        let mut writer = store.payload(AGENCY, RULE).unwrap();
        for piece in Bytes::from(noise(len)).chunks(1 << 20) {
            writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        drop(writer);
    }
    // The abort runs behind the caller's back.
    for _ in 0..100 {
        let left: Vec<_> = bucket.objects.list(None).map_ok(|object| object.location).try_collect().await.unwrap();
        let open = bucket.server.as_ref().map_or(0, archiland::testing::s3::S3Server::open_uploads);
        if left.is_empty() && open == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let left: Vec<_> = bucket.objects.list(None).map_ok(|object| object.location).try_collect().await.unwrap();
    panic!("left behind: {left:?}, uploads: {:?}", bucket.server.map(|server| server.open_uploads()));
}

async fn damage_is_refused_at_read(bucket: Bucket) {
    let store = Store::new(bucket.objects.clone(), StoreOptions::default());
    for content in [Bytes::from(noise(5000)), Bytes::from(noise(5 << 20))] {
        let stored = put(&store, &content).await;
        let key = stored.location.object.as_str().into();
        let good = bucket.objects.get(&key).await.unwrap().bytes().await.unwrap();
        let within = usize::try_from(stored.location.offset + stored.location.length / 2).unwrap();
        for damage in ["flipped", "cut", "gone"] {
            let mut bytes = good.to_vec();
            match damage {
                "flipped" => bytes[within] ^= 0x10,
                "cut" => bytes.truncate(within),
                _ => bytes.clear(),
            }
            bucket.objects.put(&key, bytes.into()).await.unwrap();
            let read =
                async { store.read(&payload(&stored), 0..stored.size_bytes).await?.try_collect::<Vec<_>>().await };
            assert!(read.await.is_err(), "{} bytes, {damage}: damage passed for content", content.len());
        }
        bucket.objects.put(&key, good.into()).await.unwrap();
        assert_eq!(read(&store, &payload(&stored), 0..stored.size_bytes).await, content);
    }
}

async fn a_cell_has_one_winner_of_thirty_two(bucket: Bucket) {
    probe(&*bucket.heads).await.unwrap();
    let heads = &bucket.heads;
    for round in 0..10 {
        let key = format!("race/{round}");
        let winner = race(heads, &key, None).await;
        let (content, version) = heads.read(&key).await.unwrap().unwrap();
        assert_eq!(content, winner);
        let winner = race(heads, &key, Some(&version)).await;
        assert_eq!(heads.read(&key).await.unwrap().unwrap().0, winner);
    }
}

/// What the one winner of 32 swaps wrote.
async fn race(heads: &Arc<dyn HeadStore>, key: &str, expected: Option<&archiland::sequencer::head::Version>) -> Bytes {
    let one = async |n: usize| {
        let content = Bytes::from(format!("{n} {}", uuid::Uuid::new_v4()));
        heads.swap(key, expected, content.clone()).await.is_ok_and(|swap| swap == Swap::Taken).then_some(content)
    };
    let winners: Vec<_> = join_all((0..32).map(one)).await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1, "{key}: {} of 32 writers won", winners.len());
    winners[0].clone()
}

async fn a_cell_refuses_what_is_stale_or_absent(bucket: Bucket) {
    let heads = &bucket.heads;
    assert!(heads.read("cell").await.unwrap().is_none());
    assert_eq!(heads.swap("cell", None, "one".into()).await.unwrap(), Swap::Taken);
    let (_, first) = heads.read("cell").await.unwrap().unwrap();
    assert_eq!(heads.swap("other", Some(&first), "x".into()).await.unwrap(), Swap::Refused, "absent cell");
    assert!(heads.read("other").await.unwrap().is_none());
    assert_eq!(heads.swap("cell", None, "x".into()).await.unwrap(), Swap::Refused, "created twice");
    assert_eq!(heads.swap("cell", Some(&first), "two".into()).await.unwrap(), Swap::Taken);
    assert_eq!(heads.swap("cell", Some(&first), "three".into()).await.unwrap(), Swap::Refused, "stale version");
    assert_eq!(heads.read("cell").await.unwrap().unwrap().0, "two");
}

async fn two_nodes_share_one_log(bucket: Bucket) {
    const EACH: usize = 300;
    let signer = Arc::new(Signer(NoteSigner::from_seed("test.example/log", &[7; 32]).unwrap()));
    let node = async || {
        let (objects, heads) = (bucket.objects.clone(), bucket.heads.clone());
        Sequencer::start(objects, heads, signer.clone(), SequencerOptions::default()).await.unwrap().0
    };
    let nodes = [node().await, node().await];
    let submit = async |n: usize| {
        let record = Bytes::from(format!("{{\"n\":{n}}}"));
        nodes[n % 2].submit(Submission { record, idempotency: None }).await.unwrap()
    };
    let mut committed = Vec::new();
    for wave in 0..3 {
        committed.extend(join_all((0..EACH).map(|n| submit(wave * EACH + n))).await);
    }
    let reader = LogReader::new(bucket.objects.clone());
    let published = reader.published().await.unwrap();
    assert_eq!(published.size, 3 * EACH as u64);
    let places: BTreeSet<_> = committed.iter().map(|c| c.index).collect();
    assert_eq!(places.len(), committed.len(), "two records at one place");
    let records = reader.records(0..published.size, published.size).await.unwrap();
    let key = std::slice::from_ref(signer.0.vkey());
    let mut roots = std::collections::BTreeMap::new();
    for c in &committed {
        assert_eq!(records[usize::try_from(c.index).unwrap()], c.record);
        let checkpoint = Checkpoint::open(&c.evidence.note, "test.example/log", key).unwrap();
        assert_eq!(checkpoint.size, c.size);
        let leaf = leaf_hash(&entry_of(&c.record));
        verify_inclusion(c.index, &leaf, c.size, &c.proof, &checkpoint.root).unwrap();
        assert_eq!(*roots.entry(c.size).or_insert(checkpoint.root), checkpoint.root, "two roots of one size");
    }
    for (size, root) in roots {
        let proof = reader.consistency(size, published.size).await.unwrap();
        verify_consistency(size, published.size, &proof, &root, &published.root).unwrap();
    }
    // A node that knows only the bucket goes on from there.
    let third = node().await;
    let last = third.submit(Submission { record: Bytes::from_static(b"{}"), idempotency: None }).await.unwrap();
    assert_eq!(last.index, published.size);
}

/// A store that ignores conditions (Garage) or checks before it writes (s3s-fs) must not carry a log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_lies_is_refused_at_start_up() {
    for conditions in [Conditions::Ignored, Conditions::Racy] {
        let bucket = Bucket::s3(Options { conditions, ..Options::default() }).await;
        let refused = probe(&*bucket.heads).await;
        assert!(matches!(refused, Err(ProbeError::Lies(_))), "{conditions:?}: {refused:?}");
    }
}

/// Signs checkpoints; the token and the seal are somebody else's promise.
struct Signer(NoteSigner);

impl CheckpointSigner for Signer {
    fn origin(&self) -> &'static str {
        "test.example/log"
    }

    fn sign(&self, checkpoint: &Checkpoint) -> Result<Evidence, SignError> {
        let note = self.0.sign(&checkpoint.text()).map_err(|error| SignError(error.to_string()))?;
        Ok(Evidence { note, tsr: Bytes::from_static(b"tsr"), seal: Bytes::from_static(b"seal") })
    }
}

async fn put(store: &Store, content: &Bytes) -> StoredPayload {
    let mut writer = store.payload(AGENCY, RULE).unwrap();
    for piece in content.chunks(100_000) {
        writer.write(content.slice_ref(piece)).await.unwrap();
    }
    writer.finish().await.unwrap()
}

async fn read(store: &Store, payload: &Payload, range: Range<u64>) -> Vec<u8> {
    let pieces: Vec<Bytes> = store.read(payload, range).await.unwrap().map(Result::unwrap).collect().await;
    pieces.concat()
}

fn payload(stored: &StoredPayload) -> Payload {
    Payload {
        name: "document".to_owned(),
        size_bytes: stored.size_bytes,
        sha256: hex::encode(stored.digests.sha256),
        sha512: hex::encode(stored.digests.sha512),
        media_type: "application/octet-stream".to_owned(),
        location: stored.location.clone(),
        puid: None,
    }
}

/// Bytes that do not compress, the same each time (xorshift64).
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64 ^ len as u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes: Vec<u8> = std::iter::repeat_with(|| next().to_le_bytes()).take(len / 8 + 1).flatten().collect();
    bytes.truncate(len);
    bytes
}
