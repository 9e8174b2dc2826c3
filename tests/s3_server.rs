//! The in-process S3 server keeps its own promises, through the client the archive uses: what stands on it proves
//! nothing otherwise.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use archiland::testing::s3::{Asked, Conditions, Fault, Options, S3Server, Verb};
use futures::TryStreamExt as _;
use futures::future::join_all;
use object_store::aws::{AmazonS3, AmazonS3Builder, S3ConditionalPut};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, Error, GetOptions, MultipartUpload as _, ObjectStore, ObjectStoreExt as _, PutMode,
    PutOptions, PutPayload, RetryConfig, UpdateVersion,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Writers of one race.
const WRITERS: usize = 32;
const ROUNDS: usize = 50;

fn client(server: &S3Server) -> AmazonS3 {
    // reqwest wants a provider even for plain HTTP; a second call is refused, and that is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    AmazonS3Builder::new()
        .with_endpoint(server.endpoint())
        .with_allow_http(true)
        .with_bucket_name("archive")
        .with_region("fr-par")
        .with_access_key_id("test")
        .with_secret_access_key("test")
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_retry(RetryConfig { max_retries: 0, retry_timeout: Duration::from_secs(5), ..RetryConfig::default() })
        .build()
        .unwrap()
}

async fn start(options: Options) -> (S3Server, AmazonS3) {
    let server = S3Server::start(options).await.unwrap();
    let client = client(&server);
    (server, client)
}

/// How many of [`WRITERS`] simultaneous conditional writes claim to have won.
async fn race(client: &AmazonS3, key: &Path, mode: PutMode) -> usize {
    let one = |n: usize| {
        let options = PutOptions::from(mode.clone());
        async move { client.put_opts(key, PutPayload::from(format!("writer {n}")), options).await.is_ok() }
    };
    join_all((0..WRITERS).map(one)).await.into_iter().filter(|won| *won).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_race_of_conditional_writes_has_one_winner() {
    let (_server, client) = start(Options::default()).await;
    for round in 0..ROUNDS {
        let key = Path::from(format!("race/{round}"));
        assert_eq!(race(&client, &key, PutMode::Create).await, 1, "round {round}, absent key");
        let e_tag = client.head(&key).await.unwrap().e_tag;
        let update = PutMode::Update(UpdateVersion { e_tag: e_tag.clone(), version: None });
        // Identical bytes keep their ETag: the seed of this race is a content none of the writers has.
        let seed = client.put(&key, PutPayload::from_static(b"seed")).await.unwrap();
        assert!(client.put_opts(&key, "x".into(), PutOptions::from(update)).await.is_err(), "stale ETag accepted");
        let update = PutMode::Update(UpdateVersion { e_tag: seed.e_tag, version: None });
        assert_eq!(race(&client, &key, update).await, 1, "round {round}, known ETag");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_that_lie_are_available_on_demand() {
    for lie in [Conditions::Ignored, Conditions::Racy] {
        let (_server, client) = start(Options { conditions: lie, ..Options::default() }).await;
        let winners = race(&client, &Path::from("race"), PutMode::Create).await;
        assert!(winners > 1, "{lie:?}: {winners} winner of {WRITERS}");
    }
}

#[tokio::test]
async fn a_conditional_write_that_loses_says_why_and_changes_nothing() {
    let (_server, client) = start(Options::default()).await;
    let key = Path::from("head");
    let update = |tag: &str| PutMode::Update(UpdateVersion { e_tag: Some(tag.to_owned()), version: None });
    let absent = client.put_opts(&key, "x".into(), PutOptions::from(update("\"none\""))).await.unwrap_err();
    assert!(matches!(absent, Error::NotFound { .. } | Error::Precondition { .. }), "{absent}");
    client.put_opts(&key, "one".into(), PutOptions::from(PutMode::Create)).await.unwrap();
    let again = client.put_opts(&key, "two".into(), PutOptions::from(PutMode::Create)).await.unwrap_err();
    assert!(matches!(again, Error::AlreadyExists { .. }), "{again}");
    let stale = client.put_opts(&key, "two".into(), PutOptions::from(update("\"none\""))).await.unwrap_err();
    assert!(matches!(stale, Error::Precondition { .. }), "{stale}");
    assert_eq!(client.get(&key).await.unwrap().bytes().await.unwrap(), "one");
}

#[tokio::test]
async fn reads_ranges_conditions_and_attributes() {
    for directory in [None, Some(tempfile::tempdir().unwrap())] {
        let path = directory.as_ref().map(|d| d.path().to_owned());
        let (_server, client) = start(Options { directory: path, ..Options::default() }).await;
        let key = Path::from("payload/été & <b>/x%2F.zst");
        let attributes = Attributes::from_iter([(Attribute::ContentType, "application/zstd")]);
        let options = PutOptions { attributes, ..PutOptions::default() };
        let put = client.put_opts(&key, "0123456789".into(), options).await.unwrap();
        let got = client.get(&key).await.unwrap();
        assert_eq!(got.meta.e_tag, put.e_tag);
        assert_eq!(got.attributes.get(&Attribute::ContentType).unwrap().as_ref(), "application/zstd");
        assert_eq!(got.bytes().await.unwrap(), "0123456789");
        assert_eq!(client.get_range(&key, 3..6).await.unwrap(), "345");
        assert_eq!(client.get_range(&key, 8..99).await.unwrap(), "89");
        assert!(client.get_range(&key, 10..12).await.is_err());
        assert_eq!(client.head(&key).await.unwrap().size, 10);
        let unchanged = GetOptions { if_none_match: put.e_tag.clone(), ..GetOptions::default() };
        assert!(matches!(client.get_opts(&key, unchanged).await.unwrap_err(), Error::NotModified { .. }));
        let other = GetOptions { if_match: Some("\"x\"".to_owned()), ..GetOptions::default() };
        assert!(matches!(client.get_opts(&key, other).await.unwrap_err(), Error::Precondition { .. }));
        client.copy(&key, &Path::from("copy")).await.unwrap();
        client.delete(&key).await.unwrap();
        assert!(matches!(client.get(&key).await.unwrap_err(), Error::NotFound { .. }));
        assert_eq!(client.get(&Path::from("copy")).await.unwrap().bytes().await.unwrap(), "0123456789");
        client.put(&Path::from("empty"), PutPayload::new()).await.unwrap();
        assert_eq!(client.get(&Path::from("empty")).await.unwrap().bytes().await.unwrap().len(), 0);
    }
}

#[tokio::test]
async fn listings_page_fold_and_start_where_told() {
    let (server, client) = start(Options::default()).await;
    for n in 0..1_203 {
        client.put(&Path::from(format!("log/tile/{n:04}")), "t".into()).await.unwrap();
    }
    client.put(&Path::from("head"), "h".into()).await.unwrap();
    client.put(&Path::from("log/checkpoint"), "c".into()).await.unwrap();
    let all: Vec<_> = client.list(Some(&Path::from("log"))).try_collect().await.unwrap();
    assert_eq!(all.len(), 1_204);
    let tail: Vec<_> =
        client.list_with_offset(None, &Path::from("log/tile/1200")).map_ok(|o| o.location).try_collect().await.unwrap();
    assert_eq!(tail, [Path::from("log/tile/1201"), Path::from("log/tile/1202")]);
    let folded = client.list_with_delimiter(None).await.unwrap();
    assert_eq!(folded.common_prefixes, [Path::from("log")]);
    assert_eq!(folded.objects.len(), 1);
    let removed: Vec<_> = client
        .delete_stream(Box::pin(futures::stream::iter(all.into_iter().map(|o| Ok(o.location)))))
        .try_collect()
        .await
        .unwrap();
    assert_eq!(removed.len(), 1_204);
    assert_eq!(server.keys("archive"), ["head"]);
}

#[tokio::test]
async fn multipart_uploads_complete_or_leave_nothing() {
    for directory in [None, Some(tempfile::tempdir().unwrap())] {
        let path = directory.as_ref().map(|d| d.path().to_owned());
        let (server, client) = start(Options { directory: path.clone(), ..Options::default() }).await;
        let key = Path::from("payload/large.zst");
        let parts: Vec<Vec<u8>> = (0..4_u8).map(|n| vec![n; (5 << 20) + usize::from(n)]).collect();
        let mut upload = client.put_multipart(&key).await.unwrap();
        let sent = parts.iter().map(|part| upload.put_part(PutPayload::from(part.clone()))).collect::<Vec<_>>();
        join_all(sent).await.into_iter().for_each(|part| part.unwrap());
        assert!(matches!(client.head(&key).await.unwrap_err(), Error::NotFound { .. }), "visible before completion");
        upload.complete().await.unwrap();
        assert_eq!(client.get(&key).await.unwrap().bytes().await.unwrap(), parts.concat());
        let across = (5 << 20) - 2..(5 << 20) + 3;
        assert_eq!(client.get_range(&key, across).await.unwrap().as_ref(), [0, 0, 1, 1, 1]);
        let mut upload = client.put_multipart(&Path::from("payload/abandoned")).await.unwrap();
        upload.put_part("x".into()).await.unwrap();
        assert_eq!(server.open_uploads(), 1);
        upload.abort().await.unwrap();
        assert_eq!((server.open_uploads(), server.keys("archive").len()), (0, 1));
        client.delete(&key).await.unwrap();
        drop(upload);
        if let Some(path) = path {
            assert_eq!(std::fs::read_dir(path).unwrap().count(), 0, "bodies left behind");
        }
        assert_eq!((server.counts().part, server.counts().complete_upload), (5, 1));
    }
}

#[tokio::test]
async fn faults_happen_as_ordered() {
    let (server, client) = start(Options::default()).await;
    let client = Arc::new(client);
    let put = async |key: &str| client.put(&Path::from(key), "x".into()).await;
    let there = |key: &str| server.keys("archive").iter().any(|k| k == key);

    server.inject(|asked: &Asked<'_>| match asked.key {
        "refused" => Fault::Refuse(500),
        "lied" => Fault::LieAfter(503),
        "cut" => Fault::Cut,
        "lost" => Fault::LoseAnswer,
        "late" => Fault::LandLate(Duration::from_millis(200)),
        "slow" => Fault::Delay(Duration::from_millis(200)),
        "short" if asked.verb == Verb::Get => Fault::Truncate(3),
        _ => Fault::None,
    });
    assert!(put("refused").await.is_err() && !there("refused"));
    assert!(put("lied").await.is_err() && there("lied"));
    assert!(put("cut").await.is_err() && !there("cut"));
    assert!(put("lost").await.is_err() && there("lost"));
    assert!(put("late").await.is_err() && !there("late"));
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(there("late"));
    let began = Instant::now();
    put("slow").await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(200));
    client.put(&Path::from("short"), "0123456789".into()).await.unwrap();
    let short = client.get(&Path::from("short")).await;
    let short = match short {
        Ok(answer) => answer.bytes().await.map(|_| ()),
        Err(error) => Err(error),
    };
    assert!(short.is_err(), "a body cut short passed for whole");
    server.heal();
    put("refused").await.unwrap();
}

#[tokio::test]
async fn latency_is_per_request_and_requests_are_counted() {
    let (server, client) = start(Options { latency: Duration::from_millis(50), ..Options::default() }).await;
    let calls = AtomicU32::new(0);
    let began = Instant::now();
    join_all((0..20).map(|n| {
        calls.fetch_add(1, Ordering::Relaxed);
        let (client, key) = (&client, Path::from(format!("k{n}")));
        async move { client.put(&key, PutPayload::from(vec![0; 100])).await.unwrap() }
    }))
    .await;
    let elapsed = began.elapsed();
    assert!(elapsed >= Duration::from_millis(50), "{elapsed:?}");
    assert!(elapsed < Duration::from_millis(900), "requests in flight wait for one another: {elapsed:?}");
    let counts = server.counts();
    assert_eq!((counts.put, counts.writes(), counts.bytes_in), (20, 20, 2_000));
    server.reset_counts();
    assert_eq!(server.counts(), archiland::testing::s3::Counts::default());
}
