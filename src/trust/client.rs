//! HTTP to the hosts that are allowed, and nobody else: an address in a certificate is a stranger's wish.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Url, redirect};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a host that failed is left alone.
const REST: Duration = Duration::from_secs(60);

/// A client that calls allowed hosts only.
///
/// A name that leads to an address of a private network is refused, unless that address is allowed by itself.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    hosts: Arc<Vec<String>>,
    /// Hosts that failed, and until when they are left alone.
    resting: Arc<Mutex<HashMap<String, Instant>>>,
}

impl Client {
    /// A client of these hosts; no request takes longer than `time_max`. No redirection is followed.
    pub fn new(hosts: &[String], time_max: Duration) -> Result<Self, String> {
        // Another part of the process may have installed it already: the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let addresses = hosts.iter().filter_map(|host| host.parse().ok()).collect();
        let http = reqwest::Client::builder()
            .user_agent(concat!("archiland/", env!("CARGO_PKG_VERSION")))
            .timeout(time_max)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .dns_resolver(Arc::new(PublicOnly { addresses }))
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { http, hosts: Arc::new(hosts.to_vec()), resting: Arc::default() })
    }

    /// Whether an address may be called: HTTP, to a host that was named.
    pub fn allows(&self, url: &Url) -> bool {
        is_allowed(url, &self.hosts)
    }

    /// What an address answers: to a question (OCSP) when there is a `body`.
    pub async fn fetch(&self, url: &Url, body: Option<&[u8]>, bytes_max: usize) -> Result<Vec<u8>, String> {
        if !self.allows(url) {
            return Err("hôte non autorisé".to_owned());
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        if self.resting().get(&host).is_some_and(|until| Instant::now() < *until) {
            return Err("hôte mis de côté une minute après un échec".to_owned());
        }
        let answer = self.ask(url, body, bytes_max).await;
        match &answer {
            Ok(_) => _ = self.resting().remove(&host),
            Err(_) => _ = self.resting().insert(host, Instant::now() + REST),
        }
        answer
    }

    async fn ask(&self, url: &Url, body: Option<&[u8]>, bytes_max: usize) -> Result<Vec<u8>, String> {
        let request = match body {
            None => self.http.get(url.clone()),
            Some(body) => {
                self.http.post(url.clone()).header("content-type", "application/ocsp-request").body(body.to_vec())
            }
        };
        let mut response = request.send().await.map_err(|error| cause(&error.without_url()))?;
        if !response.status().is_success() {
            return Err(format!("réponse {}", response.status()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| cause(&error.without_url()))? {
            if bytes.len() + chunk.len() > bytes_max {
                return Err(format!("réponse de plus de {} Mio", bytes_max >> 20));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    fn resting(&self) -> std::sync::MutexGuard<'_, HashMap<String, Instant>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// HTTP to a host that was named; nothing else, whatever a certificate says.
pub(super) fn is_allowed(url: &Url, hosts: &[String]) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    ["http", "https"].contains(&url.scheme()) && hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
}

/// The innermost cause of an error: the outer ones only say that a request failed.
fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

/// Names lead to public addresses, or to the ones allowed by themselves.
#[derive(Debug)]
struct PublicOnly {
    addresses: Vec<IpAddr>,
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = self.addresses.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0))
                .await?
                .filter(|address| is_public(address.ip()) || allowed.contains(&address.ip()))
                .collect();
            if found.is_empty() {
                return Err(
                    "aucune adresse publique pour cet hôte ; une adresse privée s'autorise par elle-même".into()
                );
            }
            Ok::<Addrs, _>(Box::new(found.into_iter()))
        })
    }
}

/// Whether an address is out in the world: not this machine, its network, or anything that routes nowhere.
pub fn is_public(address: IpAddr) -> bool {
    let v4 = |address: Ipv4Addr| {
        let octets = address.octets();
        let shared = octets[0] == 100 && octets[1] & 0xc0 == 64;
        !(address.is_private()
            || address.is_loopback()
            || address.is_link_local()
            || address.is_unspecified()
            || address.is_broadcast()
            || address.is_multicast()
            || address.is_documentation()
            || shared
            || octets[0] == 0
            || octets[0] >= 240)
    };
    let v6 = |address: Ipv6Addr| {
        let first = address.segments()[0];
        !(address.is_loopback()
            || address.is_unspecified()
            || address.is_multicast()
            || first & 0xfe00 == 0xfc00
            || first & 0xffc0 == 0xfe80)
    };
    match address {
        IpAddr::V4(address) => v4(address),
        IpAddr::V6(address) => address.to_ipv4_mapped().map_or_else(|| v6(address), v4),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_not_public() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "fc00::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in ["8.8.8.8", "2001:4860:4860::8888", "100.128.0.1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn only_hosts_that_were_named() {
        let hosts = ["crl.exemple.fr".to_owned(), "::1".to_owned()];
        let allowed = |url: &str| is_allowed(&Url::parse(url).unwrap(), &hosts);
        assert!(
            allowed("http://crl.exemple.fr/ca.crl")
                && allowed("https://CRL.exemple.fr:8443/")
                && allowed("http://[::1]/")
        );
        assert!(
            !allowed("ftp://crl.exemple.fr/") && !allowed("http://exemple.fr/") && !allowed("file:///crl.exemple.fr")
        );
        assert!(
            !allowed("http://crl.exemple.fr.ailleurs.example/") && !allowed("http://crl.exemple.fr@ailleurs.example/")
        );
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_refused() {
        let client = Client::new(&["localhost".to_owned()], Duration::from_secs(5)).unwrap();
        let url = Url::parse("http://localhost:9/").unwrap();
        let refused = client.fetch(&url, None, 10).await.unwrap_err();
        assert!(refused.contains("aucune adresse publique"), "{refused}");
        assert!(client.fetch(&url, None, 10).await.unwrap_err().contains("mis de côté"));
    }
}
