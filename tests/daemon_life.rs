//! The daemon's own promises: it ends what it began, is alone on its archive, refuses a bucket that went back in time,
//! knows a client by its certificate, and a retry by its key even after the catalog has forgotten it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/node.rs"]
mod node;

use archiland::clock::{Clock, system};
use archiland::config::{Config, StoreConfig, Tls};
use archiland::daemon::{Bucket, DaemonError, Node, Running, init, init_over};
use archiland::digest::sha256;
use archiland::sequencer::head::ConditionalHead;
use node::{Archive, Kind, problem};
use object_store::memory::InMemory;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use time::OffsetDateTime;

fn memory(objects: InMemory) -> Bucket {
    let objects: Arc<dyn object_store::ObjectStore> = Arc::new(objects);
    Bucket { heads: Arc::new(ConditionalHead::new(objects.clone())), objects }
}

#[tokio::test]
async fn a_stop_waits_for_the_deposit_under_way() {
    let mut archive = Archive::start(Kind::Local).await;
    let (token, _) = archive.agency("aa", &["deposit"]).await;
    let slow = futures::stream::unfold(0, |n| async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        (n < 8).then_some((Ok::<_, std::io::Error>("octets "), n + 1))
    });
    let deposit = tokio::spawn(archive.deposit(&token, "a", reqwest::Body::wrap_stream(slow)).send());
    tokio::time::sleep(Duration::from_millis(300)).await;
    archive.stop().await;
    assert_eq!(deposit.await.unwrap().unwrap().status(), 201);
    archive.restart().await;
    archive.stop().await;
}

#[tokio::test]
async fn one_daemon_and_one_archive_per_folder() {
    let mut archive = Archive::start(Kind::Local).await;
    let second = Node::boot(archive.config.clone(), system()).await.unwrap_err();
    assert!(matches!(&second, DaemonError::Running { url: Some(url) } if url == archive.url()), "{second}");
    assert!(matches!(init(&archive.config, system()).await, Err(DaemonError::Exists { .. })));
    archive.stop().await;
    let other = tempfile::tempdir().unwrap();
    let mut config = Config::for_directory(other.path());
    config.store = archive.config.store.clone();
    assert!(matches!(init(&config, system()).await, Err(DaemonError::NotEmpty { size: 2 })));
    config.archive.origin = "un.autre/journal".into();
    config.keys = archive.config.keys.clone();
    assert!(matches!(Node::boot(config, system()).await, Err(DaemonError::Origin { .. })));
}

#[tokio::test]
async fn a_bucket_that_went_back_in_time_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let objects = InMemory::new();
    let mut config = Config::for_directory(dir.path());
    config.http.listen = "127.0.0.1:0".parse().unwrap();
    let now = memory(objects.fork());
    init_over(&config, system(), now.clone()).await.unwrap();
    let before = tokio::fs::read(config.keys.join("admin.token")).await.unwrap();
    let admin = String::from_utf8(before).unwrap().trim().to_owned();

    // A copy of the bucket as it is now is what a careless restoration would bring back.
    let old = InMemory::new();
    {
        use futures::TryStreamExt;
        use object_store::ObjectStoreExt;
        let all: Vec<_> = now.objects.list(None).try_collect().await.unwrap();
        for object in all {
            let bytes = now.objects.get(&object.location).await.unwrap().bytes().await.unwrap();
            old.put(&object.location, bytes.into()).await.unwrap();
        }
    }
    let running = Node::boot_over(config.clone(), system(), now.clone()).await.unwrap().serve().await.unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let register = async |running: &Running, code: &str| {
        let request = reqwest::Client::new().post(format!("{}/v1/agencies", running.url())).bearer_auth(&admin);
        request.json(&json!({ "code": code, "name": "Aire" })).send().await.unwrap().status()
    };
    assert_eq!(register(&running, "aa").await, 201);
    running.stop().await.unwrap();

    // It is read and not written: an operator decides.
    let running = Node::boot_over(config.clone(), system(), memory(old)).await.unwrap().serve().await.unwrap();
    let readiness = reqwest::get(format!("{}/readyz", running.url())).await.unwrap();
    assert_eq!(readiness.status(), 503);
    let told = readiness.text().await.unwrap();
    assert!(told.contains("a vu un journal de 3 entrées, il en montre 2"), "{told}");
    let refused = register(&running, "bb").await;
    assert!(refused.is_server_error(), "{refused}");
    running.stop().await.unwrap();
    Node::boot_over(config, system(), now).await.unwrap().serve().await.unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn tls_and_a_clients_certificate() {
    let adjust = |config: &mut Config| {
        config.http.tls = Some(Tls {
            certificate: config.keys.join("server.pem"),
            key: config.keys.join("server.key"),
            client_ca: Some(config.base.join("clients.pem")),
        });
    };
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(vec![]).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let client_key = rcgen::KeyPair::generate().unwrap();
    let mut client = rcgen::CertificateParams::new(vec!["logiciel.example".to_owned()]).unwrap();
    client.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let client = client.signed_by(&client_key, &issuer).unwrap();

    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::for_directory(dir.path());
    config.store = StoreConfig::Memory;
    config.http.listen = "127.0.0.1:0".parse().unwrap();
    std::fs::write(dir.path().join("clients.pem"), authority_pem).unwrap();
    adjust(&mut config);
    let mut archive = Archive::start_over(dir, config, memory(InMemory::new()), |objects| objects, system()).await;
    assert!(archive.url().starts_with("https://127.0.0.1:"));
    let server = std::fs::read(archive.config.keys.join("ca.pem")).unwrap();
    let builder = || reqwest::Client::builder().tls_certs_only(reqwest::Certificate::from_pem_bundle(&server).unwrap());
    archive.http = builder().build().unwrap();
    archive.agency("aa", &["read"]).await;
    let fingerprint = hex::encode(sha256(client.der()));
    archive.token(json!({ "agency": "aa", "scopes": ["deposit"], "certificate_sha256": fingerprint })).await;

    let identity = format!("{}{}", client.pem(), client_key.serialize_pem());
    let known = builder().identity(reqwest::Identity::from_pem(identity.as_bytes()).unwrap()).build().unwrap();
    let deposit = |http: &reqwest::Client| {
        http.request(Method::POST, format!("{}/v1/deposits", archive.url()))
            .header("Archiland-Title", "T")
            .header("Archiland-Type", "ticket")
            .header("Archiland-Name", "a")
            .body("contenu")
            .send()
    };
    let receipt: Value = deposit(&known).await.unwrap().json().await.unwrap();
    assert_eq!(receipt["record"]["actor"], format!("certificate:{fingerprint}"));
    problem(deposit(&archive.http).await.unwrap(), 401, "unauthenticated").await;
    archive.stop().await;
}

/// A clock that the test moves.
struct Moved(AtomicI64);

impl Clock for Moved {
    fn now(&self) -> OffsetDateTime {
        system().now() + time::Duration::days(self.0.load(Ordering::SeqCst))
    }
}

#[tokio::test]
async fn a_key_is_known_when_the_catalog_has_forgotten_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::for_directory(dir.path());
    config.store = StoreConfig::Memory;
    config.http.listen = "127.0.0.1:0".parse().unwrap();
    let clock = Arc::new(Moved(AtomicI64::new(0)));
    let mut archive = Archive::start_over(dir, config, memory(InMemory::new()), |objects| objects, clock.clone()).await;
    let (token, _) = archive.agency("aa", &["deposit"]).await;
    let send =
        |archive: &Archive, key: String| archive.deposit(&token, "a", "contenu").header("Idempotency-Key", key).send();
    let first = send(&archive, "k".into()).await.unwrap().bytes().await.unwrap();
    clock.0.store(100, Ordering::SeqCst);
    for n in 0..8 {
        assert_eq!(send(&archive, format!("k{n}")).await.unwrap().status(), 201);
    }
    // Neither the memory of this node nor that of the sequencer.
    archive.restart().await;
    let stored = archive.keys("payload").await.len();
    let again = send(&archive, "k".into()).await.unwrap();
    assert_eq!(again.status(), 200);
    assert_eq!(again.bytes().await.unwrap(), first);
    // Known before a byte was stored, so by the look-up view and not by the sequencer.
    assert_eq!(archive.keys("payload").await.len(), stored);
    archive.stop().await;
}
