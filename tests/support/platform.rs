//! An archive behind mutual TLS, and clients with certificates, as software that transmits to the accountant has them. Beside
//! `node`.
#![allow(dead_code, clippy::unwrap_used)]

use crate::node::{Archive, Kind};
use archiland::clock::system;
use archiland::config::{Config, HeliosMode, StoreConfig, Tls};
use archiland::daemon::Bucket;
use archiland::digest::sha256;
use archiland::sequencer::head::ConditionalHead;
use object_store::memory::InMemory;
use reqwest::{Client, Identity};
use serde_json::json;
use std::sync::Arc;

/// Where PES files go in.
pub(crate) const IMPORT: &str = "/modules/helios/api/helios_importer_fichier.php";

pub(crate) struct ClientCertificate {
    pub(crate) pem: String,
    pub(crate) fingerprint: String,
}

pub(crate) struct Platform {
    pub(crate) archive: Archive,
    pub(crate) server: Vec<u8>,
    pub(crate) certificates: Vec<ClientCertificate>,
}

impl Platform {
    /// An archive behind TLS that knows three client certificates of one authority: the first is the account of commune
    /// `aa`, the second serves two accounts by login, the third is nobody's.
    pub(crate) async fn start() -> Self {
        Self::start_in(HeliosMode::Archive).await
    }

    pub(crate) async fn start_in(mode: HeliosMode) -> Self {
        Self::start_with(Kind::Memory, |config| config.helios.mode = mode).await
    }

    pub(crate) async fn start_with(kind: Kind, adjust: impl FnOnce(&mut Config)) -> Self {
        let authority_key = rcgen::KeyPair::generate().unwrap();
        let mut authority = rcgen::CertificateParams::new(vec![]).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
        let issuer = rcgen::Issuer::new(authority, authority_key);
        let certificates = (0..3)
            .map(|n| {
                let key = rcgen::KeyPair::generate().unwrap();
                let mut client = rcgen::CertificateParams::new(vec![format!("logiciel{n}.example")]).unwrap();
                client.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
                let client = client.signed_by(&key, &issuer).unwrap();
                let fingerprint = hex::encode(sha256(client.der()));
                ClientCertificate { pem: format!("{}{}", client.pem(), key.serialize_pem()), fingerprint }
            })
            .collect();
        let dir = tempfile::tempdir_in(
            std::env::var_os("ARCHILAND_BENCH_DIR").unwrap_or_else(|| std::env::temp_dir().into()),
        )
        .unwrap();
        let mut config = Config::for_directory(dir.path());
        config.http.listen = "127.0.0.1:0".parse().unwrap();
        std::fs::write(dir.path().join("clients.pem"), authority_pem).unwrap();
        config.http.tls = Some(Tls {
            certificate: config.keys.join("server.pem"),
            key: config.keys.join("server.key"),
            client_ca: Some(config.base.join("clients.pem")),
        });
        adjust(&mut config);
        let bucket = match kind {
            Kind::Local => Bucket::open(&config).unwrap(),
            Kind::Memory => {
                config.store = StoreConfig::Memory;
                let objects: Arc<dyn object_store::ObjectStore> = Arc::new(InMemory::new());
                Bucket { heads: Arc::new(ConditionalHead::new(objects.clone())), objects }
            }
        };
        let mut archive = Archive::start_over(dir, config, bucket, |objects| objects, system()).await;
        let server = std::fs::read(archive.config.keys.join("ca.pem")).unwrap();
        let mut platform = Self { archive, server, certificates };
        archive = platform.archive;
        archive.http = builder(&platform.server).build().unwrap();
        archive.agency("aa", &["read"]).await;
        archive.agency("bb", &["read"]).await;
        let (own, shared) = (&platform.certificates[0].fingerprint, &platform.certificates[1].fingerprint);
        let scopes = ["deposit", "read", "archivist"];
        archive.token(json!({ "agency": "aa", "scopes": scopes, "label": "compta", "certificate_sha256": own })).await;
        platform.archive = archive;
        for (agency, login) in [("aa", "agent-aa"), ("bb", "agent-bb")] {
            let account =
                json!({ "agency": agency, "scopes": ["deposit"], "label": login, "with_certificate_sha256": shared });
            let (secret, _) = platform.archive.token(account).await;
            std::fs::write(platform.archive.dir.path().join(login), secret).unwrap();
        }
        platform
    }

    pub(crate) fn client(&self, certificate: usize) -> Client {
        let identity = Identity::from_pem(self.certificates[certificate].pem.as_bytes()).unwrap();
        builder(&self.server).identity(identity).build().unwrap()
    }

    pub(crate) fn password(&self, login: &str) -> String {
        std::fs::read_to_string(self.archive.dir.path().join(login)).unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.archive.url())
    }
}

pub(crate) fn builder(server: &[u8]) -> reqwest::ClientBuilder {
    Client::builder().tls_certs_only(reqwest::Certificate::from_pem_bundle(server).unwrap())
}
