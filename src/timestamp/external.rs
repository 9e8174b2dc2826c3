//! Other authorities: a client of RFC 3161 over HTTP, with a list in order of preference.
//!
//! An answer counts once it is checked: granted, over what was asked, with the nonce sent, signed under this authority's
//! own anchors, at a time near ours. One that fails repeatedly is left alone for a while, longer each time (circuit
//! breaker), and the next in the list is asked.

use super::TimestampError;
use crate::clock::SharedClock;
use crate::config::ExternalTsaConfig;
use crate::spec::cms::algorithm::Digest;
use crate::spec::cms::{Anchors, Certificate, CertificateError};
use crate::spec::tsp::{Request, verify_response};
use ring::rand::{SecureRandom, SystemRandom};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The longest answer read.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// How far the time of a token may be from ours: more, and one of the two clocks is wrong.
const APART_MAX: time::Duration = time::Duration::minutes(5);

/// Failures in a row before an authority is left alone.
const FAILURES_MAX: u32 = 3;

/// How long it is left alone at first; it doubles, up to [`REST_MAX`].
const REST_FIRST: Duration = Duration::from_secs(30);
const REST_MAX: Duration = Duration::from_secs(600);

/// Why an external authority cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ExternalError {
    /// Its anchors cannot be read.
    #[error("ancres de l'autorité d'horodatage externe, {} : {detail}", path.display())]
    Anchors {
        /// The file.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// The HTTP client cannot be made.
    #[error("client HTTP : {0}")]
    Http(String),
}

/// The authorities, the preferred one first.
pub struct ExternalTsas {
    tsas: Vec<ExternalTsa>,
    http: reqwest::Client,
    clock: SharedClock,
}

impl std::fmt::Debug for ExternalTsas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.tsas.iter().map(|tsa| &tsa.url)).finish()
    }
}

struct ExternalTsa {
    url: String,
    anchors: Anchors,
    timeout: Duration,
    breaker: Mutex<Breaker>,
}

#[derive(Debug, Default)]
struct Breaker {
    failures: u32,
    rest: Option<Duration>,
    /// Left alone until then.
    until: Option<Instant>,
}

/// A token of another authority.
#[derive(Debug, Clone)]
pub struct ExternalToken {
    /// The TimeStampResp, checked.
    pub response: Vec<u8>,
    /// Whose.
    pub url: String,
}

fn anchors_of(tsa: &ExternalTsaConfig) -> Result<Anchors, ExternalError> {
    let unusable = |detail: String| ExternalError::Anchors { path: tsa.anchors.clone(), detail };
    let pem = std::fs::read(&tsa.anchors).map_err(|error| unusable(error.to_string()))?;
    Anchors::from_pem(&pem).map_err(|error: CertificateError| unusable(error.to_string()))
}

impl ExternalTsas {
    /// The authorities of a configuration; anchors are read now.
    pub fn load(tsas: &[ExternalTsaConfig], clock: SharedClock) -> Result<Self, ExternalError> {
        // Another part of the process may have installed it already: the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .user_agent(concat!("archiland/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| ExternalError::Http(error.to_string()))?;
        let tsas = tsas.iter().map(|tsa| {
            Ok(ExternalTsa {
                url: tsa.url.clone(),
                anchors: anchors_of(tsa)?,
                timeout: Duration::from_millis(tsa.timeout_ms_max),
                breaker: Mutex::default(),
            })
        });
        Ok(Self { tsas: tsas.collect::<Result<_, ExternalError>>()?, http, clock })
    }

    /// The authorities that the tokens of a configuration lead to.
    pub fn authorities(tsas: &[ExternalTsaConfig]) -> Result<Vec<Certificate>, ExternalError> {
        let anchors = tsas.iter().map(anchors_of).collect::<Result<Vec<_>, _>>()?;
        Ok(anchors.iter().flat_map(Anchors::certificates).cloned().collect())
    }

    /// A token over the SHA-256 of `message`, from the first authority that gives a good one.
    pub async fn stamp(&self, message: &[u8]) -> Result<ExternalToken, TimestampError> {
        let mut refusals = Vec::new();
        for tsa in &self.tsas {
            if !tsa.breaker().admits(Instant::now()) {
                refusals.push(format!("{} : mise de côté après des échecs répétés", tsa.url));
                continue;
            }
            let asked = timeout(tsa.timeout, self.ask(tsa, message)).await;
            let answer = asked.unwrap_or_else(|_| Err(format!("pas de réponse en {} ms", tsa.timeout.as_millis())));
            match answer {
                Ok(response) => {
                    *tsa.breaker() = Breaker::default();
                    return Ok(ExternalToken { response, url: tsa.url.clone() });
                }
                Err(why) => {
                    tracing::warn!(tsa = %tsa.url, %why, "autorité d'horodatage externe sans réponse utilisable");
                    tsa.breaker().failed(Instant::now());
                    refusals.push(format!("{} : {why}", tsa.url));
                }
            }
        }
        Err(TimestampError::External(refusals.join(" ; ")))
    }

    async fn ask(&self, tsa: &ExternalTsa, message: &[u8]) -> Result<Vec<u8>, String> {
        let mut nonce = [0_u8; 16];
        SystemRandom::new().fill(&mut nonce).map_err(|_| "aléa du système indisponible".to_owned())?;
        // Neither a leading zero nor a high bit: one encoding only, whatever the authority does with it.
        nonce[0] = (nonce[0] & 0x3f) | 0x40;
        let query = Request::encode(Digest::Sha256, Digest::Sha256.of(message).as_ref(), Some(&nonce));
        let request = self.http.post(&tsa.url).header("content-type", "application/timestamp-query").body(query);
        let mut answer = request.send().await.map_err(|error| error.without_url().to_string())?;
        if !answer.status().is_success() {
            return Err(format!("statut HTTP {}", answer.status().as_u16()));
        }
        let mut response = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| error.without_url().to_string())? {
            if response.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err("réponse trop longue".to_owned());
            }
            response.extend_from_slice(&chunk);
        }
        let token = verify_response(&response, message, &tsa.anchors).map_err(|error| error.to_string())?;
        if token.nonce.as_deref() != Some(&nonce) {
            return Err("le nonce rendu n'est pas celui qui a été envoyé".to_owned());
        }
        if (token.time - self.clock.now()).abs() > APART_MAX {
            return Err(format!("l'heure du jeton ({}) est à plus de cinq minutes de la nôtre", token.time));
        }
        Ok(response)
    }
}

impl ExternalTsa {
    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Breaker {
    fn admits(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now >= until)
    }

    fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES_MAX {
            // Once it has rested, one failure is enough to rest again.
            let rest = self.rest.map_or(REST_FIRST, |rest| (rest * 2).min(REST_MAX));
            self.rest = Some(rest);
            self.until = Some(now + rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_that_keeps_failing_is_left_alone_longer_and_longer() {
        let (mut breaker, start) = (Breaker::default(), Instant::now());
        for _ in 0..FAILURES_MAX - 1 {
            breaker.failed(start);
            assert!(breaker.admits(start));
        }
        breaker.failed(start);
        assert!(!breaker.admits(start) && breaker.admits(start + REST_FIRST));
        breaker.failed(start + REST_FIRST);
        assert!(!breaker.admits(start + REST_FIRST * 2) && breaker.admits(start + REST_FIRST * 3));
        for _ in 0..20 {
            breaker.failed(start);
        }
        assert!(breaker.admits(start + REST_MAX));
    }
}
