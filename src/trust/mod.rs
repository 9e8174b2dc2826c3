//! What is relied on, kept up to date: revocation data fetched for the certificates of a deposit, and trusted lists
//! fetched again at intervals. Off by default: nobody is called who is not in the configuration.
//!
//! Everything fetched is bounded (size, time, number), kept on disk ([`Cache`]) so that a restart or a network that is down
//! changes nothing, and believed only for what it is: a CRL, a response or a list is checked by [`crate::validation`] as if
//! it had come with the signature.

mod cache;
mod client;
mod lists;
mod wanted;

pub use cache::Cache;
pub use client::{Client, is_public};
pub use lists::{Found, Refresh};
pub use wanted::{Request, requests};

use crate::config::TrustFetch;
use crate::spec::x509::crl::Crl;
use crate::spec::x509::ocsp::OcspResponse;
use crate::validation::Facts;
use crate::validation::facts::{Der, Material};
use crate::validation::trust::TrustMaterial;
use futures::future::join_all;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

/// The longest CRL or response read, in bytes.
const REVOCATION_BYTES_MAX: usize = 64 << 20;
/// The most requests for one deposit.
const REQUESTS_MAX: usize = 64;
/// Fetches under way together, whoever asked.
const TOGETHER_MAX: usize = 8;
/// What the cache may take on disk, in bytes.
const CACHE_BYTES_MAX: u64 = 1 << 30;

/// Fetches revocation data, and keeps them.
#[derive(Debug, Clone)]
pub struct Fetcher(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Client,
    cache: Cache,
    hosts: Vec<String>,
    deposit_time_max: Duration,
    together: Semaphore,
}

/// What was fetched for one validation, and what could not be.
#[derive(Debug, Default)]
pub struct Fetched {
    /// Lists and responses.
    pub material: Material,
    /// Addresses that gave nothing, and why, in French.
    pub failures: Vec<String>,
}

impl Fetcher {
    /// The fetcher of a configuration, with its cache under `state`; `None` when nobody may be called.
    pub fn open(config: &TrustFetch, state: &Path) -> Result<Option<Self>, String> {
        if config.hosts.is_empty() {
            return Ok(None);
        }
        let cache = Cache::open(&state.join("trust"), CACHE_BYTES_MAX).map_err(|error| error.to_string())?;
        Ok(Some(Self(Arc::new(Inner {
            client: Client::new(&config.hosts, config.request_time_max())?,
            cache,
            hosts: config.hosts.clone(),
            deposit_time_max: config.deposit_time_max(),
            together: Semaphore::new(TOGETHER_MAX),
        }))))
    }

    /// Who is called.
    pub fn client(&self) -> &Client {
        &self.0.client
    }

    /// Where things are kept.
    pub fn cache(&self) -> &Cache {
        &self.0.cache
    }

    /// What the certificates of `facts` need, from the cache when it is still current at `now`, else from where they say.
    ///
    /// Never longer than the configuration's limit: what comes later is kept for the next time.
    pub async fn material(&self, facts: &[&Facts], trust: &TrustMaterial, now: OffsetDateTime) -> Fetched {
        let mut wanted: Vec<Request> = Vec::new();
        for facts in facts {
            for request in requests(facts, &self.0.hosts, trust) {
                if wanted.len() < REQUESTS_MAX && !wanted.iter().any(|known| known.key() == request.key()) {
                    wanted.push(request);
                }
            }
        }
        let deadline = Instant::now() + self.0.deposit_time_max;
        let answers = join_all(wanted.into_iter().map(|request| self.answer(request, now, deadline))).await;
        let mut fetched = Fetched::default();
        for (request, answer) in answers {
            match answer {
                Ok(bytes) => {
                    let kept =
                        if request.body.is_some() { &mut fetched.material.ocsps } else { &mut fetched.material.crls };
                    kept.push(Der(bytes));
                }
                Err(why) => fetched.failures.push(format!("{} : {why}", request.url)),
            }
        }
        fetched
    }

    async fn answer(
        &self,
        request: Request,
        now: OffsetDateTime,
        deadline: Instant,
    ) -> (Request, Result<Vec<u8>, String>) {
        let key = request.key();
        let kept = self.0.cache.get(&key);
        if let Some(bytes) = kept.as_ref().filter(|bytes| next_update(&request, bytes).is_some_and(|next| next > now)) {
            return (request, Ok(bytes.clone()));
        }
        // In a task of its own: what comes too late for this deposit is there for the next.
        let (this, asked) = (self.clone(), request.clone());
        let task = tokio::spawn(async move { this.fetch(&asked).await });
        let late = || Err("pas de réponse à temps".to_owned());
        let answer = match timeout_at(deadline, task).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => late(),
        };
        // An old answer says more than none; whether it is fresh enough is the policy's business.
        (request, answer.or_else(|why| kept.ok_or(why)))
    }

    async fn fetch(&self, request: &Request) -> Result<Vec<u8>, String> {
        let _turn = self.0.together.acquire().await.map_err(|error| error.to_string())?;
        let bytes = self.0.client.fetch(&request.url, request.body.as_deref(), REVOCATION_BYTES_MAX).await?;
        let readable = match request.body {
            Some(_) => OcspResponse::parse(&bytes).is_ok(),
            None => Crl::parse(&bytes).is_ok(),
        };
        if !readable {
            return Err("ce n'est pas ce qui était demandé (DER attendu)".to_owned());
        }
        if let Err(error) = self.0.cache.put(&request.key(), &bytes) {
            tracing::warn!(%error, "donnée de révocation non gardée");
        }
        Ok(bytes)
    }
}

/// Until when an answer is current; `None` when it does not say.
fn next_update(request: &Request, bytes: &[u8]) -> Option<OffsetDateTime> {
    match request.body {
        None => Crl::parse(bytes).ok()?.next_update,
        Some(_) => OcspResponse::parse(bytes).ok()?.singles.iter().filter_map(|single| single.next_update).min(),
    }
}
