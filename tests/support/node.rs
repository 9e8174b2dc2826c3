//! A node on loopback, in this process, and a client that speaks HTTP to it as a producer would.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use archiland::clock::{SharedClock, system};
use archiland::config::{Config, StoreConfig};
use archiland::daemon::{Bucket, Node, Running, init_over};
use archiland::sequencer::head::ConditionalHead;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use std::sync::Arc;

/// An archive that answers.
pub(crate) struct Archive {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) config: Config,
    pub(crate) bucket: Bucket,
    pub(crate) running: Option<Running>,
    pub(crate) admin: String,
    pub(crate) http: reqwest::Client,
    pub(crate) clock: SharedClock,
}

/// Which bucket.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Memory,
    Local,
}

impl Archive {
    pub(crate) async fn start(kind: Kind) -> Self {
        Self::start_with(kind, |_| {}, |objects| objects).await
    }

    /// `wrap` puts something between the node and its objects.
    pub(crate) async fn start_with(
        kind: Kind,
        adjust: impl FnOnce(&mut Config),
        wrap: impl FnOnce(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>,
    ) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::for_directory(dir.path());
        config.http.listen = "127.0.0.1:0".parse().unwrap();
        adjust(&mut config);
        let bucket = match kind {
            Kind::Local => Bucket::open(&config).unwrap(),
            Kind::Memory => {
                config.store = StoreConfig::Memory;
                let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
                Bucket { heads: Arc::new(ConditionalHead::new(objects.clone())), objects }
            }
        };
        Self::start_over(dir, config, bucket, wrap, system()).await
    }

    pub(crate) async fn start_over(
        dir: tempfile::TempDir,
        config: Config,
        bucket: Bucket,
        wrap: impl FnOnce(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>,
        clock: SharedClock,
    ) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let made = init_over(&config, clock.clone(), bucket.clone()).await.unwrap();
        let admin = std::fs::read_to_string(made.admin_token_file).unwrap().trim().to_owned();
        let bucket = Bucket { objects: wrap(bucket.objects), heads: bucket.heads };
        let node = Node::boot_over(config.clone(), clock.clone(), bucket.clone()).await.unwrap();
        let running = node.serve().await.unwrap();
        let http = reqwest::Client::new();
        Self { dir, config, bucket, running: Some(running), admin, http, clock }
    }

    pub(crate) fn url(&self) -> &str {
        self.running.as_ref().unwrap().url()
    }

    pub(crate) async fn stop(&mut self) {
        self.running.take().unwrap().stop().await.unwrap();
    }

    pub(crate) async fn restart(&mut self) {
        if self.running.is_some() {
            self.stop().await;
        }
        let node = Node::boot_over(self.config.clone(), self.clock.clone(), self.bucket.clone()).await.unwrap();
        self.running = Some(node.serve().await.unwrap());
    }

    /// A request with a token.
    pub(crate) fn request(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url())).bearer_auth(token)
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Response {
        self.request(Method::GET, path, token).send().await.unwrap()
    }

    /// A raw deposit with minimal headers.
    pub(crate) fn deposit(&self, token: &str, name: &str, content: impl Into<reqwest::Body>) -> RequestBuilder {
        self.request(Method::POST, "/v1/deposits", token)
            .header("Archiland-Title", "D%C3%A9lib%C3%A9ration%20n%C2%B0%2012")
            .header("Archiland-Type", "deliberation")
            .header("Archiland-Name", percent(name))
            .body(content)
    }

    /// Registers an agency and gives it a token; returns the secret and the token's name.
    pub(crate) async fn agency(&self, code: &str, scopes: &[&str]) -> (String, String) {
        let registered = self
            .request(Method::POST, "/v1/agencies", &self.admin)
            .json(&json!({ "code": code, "name": format!("Commune {code}") }))
            .send()
            .await
            .unwrap();
        assert_eq!(registered.status(), 201, "{}", registered.text().await.unwrap());
        self.token(json!({ "agency": code, "scopes": scopes })).await
    }

    pub(crate) async fn token(&self, request: Value) -> (String, String) {
        let issued = self.request(Method::POST, "/v1/tokens", &self.admin).json(&request).send().await.unwrap();
        assert_eq!(issued.status(), 201);
        let issued: Value = issued.json().await.unwrap();
        (issued["secret"].as_str().unwrap_or_default().to_owned(), issued["token"].as_str().unwrap().to_owned())
    }

    /// Keys of the bucket under a prefix.
    pub(crate) async fn keys(&self, prefix: &str) -> Vec<String> {
        use futures::TryStreamExt;
        let prefix = object_store::path::Path::from(prefix);
        let listed: Vec<_> = self.bucket.objects.list(Some(&prefix)).try_collect().await.unwrap();
        listed.into_iter().map(|object| object.location.to_string()).collect()
    }
}

pub(crate) fn percent(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The problem document of a refused request, and its status checked.
pub(crate) async fn problem(response: Response, status: u16, code: &str) -> Value {
    let found = response.status().as_u16();
    let text = response.text().await.unwrap();
    let problem: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{found} {e}: {text}"));
    assert_eq!((found, problem["code"].as_str()), (status, Some(code)), "{text}");
    assert_eq!(problem["type"], format!("urn:archiland:problem:{code}"));
    problem
}
