//! One key after another. A new key is staged by the command, told in the log by the daemon under the signatures of the
//! old one, and only then signs: whoever follows the log knows it before its first signature.

use super::super::generations::{Generation, Generations, KeyState, KeyUse, Revocation, RevocationReason};
use super::super::{development, files};
use super::{Keyring, KeyringError, Kind, load_certificates, names, pem_of};
use crate::spec::cms::path::{self, Purpose};
use crate::spec::cms::{Anchors, Certificate, CmsSigner};
use der::pem::{LineEnding, encode_string};
use std::path::PathBuf;
use std::sync::PoisonError;
use time::OffsetDateTime;

/// Where a new key comes from.
#[derive(Debug, Clone)]
pub enum NewKey {
    /// A development key under a development authority of its own.
    Development,
    /// What the operator's authority issued.
    Issued {
        /// PKCS#8 PEM; none when the key is in the PKCS#11 token.
        key: Option<PathBuf>,
        /// Its label in the token.
        hsm: Option<String>,
        /// The certificate, then intermediates, PEM.
        certificate: PathBuf,
        /// The authority, when `ca.pem` does not have it yet.
        authority: Option<PathBuf>,
    },
}

/// A key that is ready to take over.
#[derive(Debug, Clone)]
pub struct Staged {
    /// Its name: that of its files.
    pub name: String,
    /// Its certificate.
    pub certificate: Certificate,
}

/// A change that the log must tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Another key takes over.
    Rotation {
        /// What for.
        key_use: KeyUse,
        /// The one that takes over.
        next: Box<Certificate>,
        /// Fingerprint of the one that signed.
        replaces: String,
    },
    /// A key is not to be relied on.
    Revocation {
        /// What for.
        key_use: KeyUse,
        /// Its certificate's fingerprint.
        certificate: String,
        /// From when.
        since: OffsetDateTime,
        /// Why.
        reason: RevocationReason,
    },
}

impl Keyring {
    /// Every generation, as `keys.toml` has them; certificates are filled in.
    pub fn generations(&self) -> Generations {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for generation in &mut generations.list {
            if generation.certificate.is_empty() && generation.state == KeyState::Current {
                generation.certificate = match generation.key_use {
                    KeyUse::Tsa => self.tsa.certificate().fingerprint(),
                    KeyUse::Seal => self.seal.certificate().fingerprint(),
                };
            }
        }
        generations
    }

    /// Puts a new key beside the one that signs; it takes over when the daemon next starts. Nothing is overwritten.
    pub fn stage(&self, key_use: KeyUse, new: &NewKey, now: OffsetDateTime) -> Result<Staged, KeyringError> {
        let mut generations = self.generations();
        if generations.of(key_use, KeyState::Next).is_some() {
            let why = format!("une clé « {} » attend déjà : redémarrez le démon pour qu'elle serve", key_use.name());
            return Err(KeyringError::Rotation(why));
        }
        let name = generations.next_name(key_use);
        let made = match new {
            NewKey::Development => Made::development(key_use, now)?,
            NewKey::Issued { key, hsm, certificate, authority } => {
                Made::issued(key.as_deref(), hsm.clone(), certificate, authority.as_deref())?
            }
        };
        let (anchors, authorities) = self.with_authority(made.authority.as_deref())?;
        let certificates = Anchors::from_pem(made.certificates.as_bytes());
        let certificates =
            certificates.map_err(|source| KeyringError::Certificate { path: made.path.clone(), source })?;
        let (leaf, intermediates) = certificates
            .certificates()
            .split_first()
            .ok_or_else(|| KeyringError::Rotation("aucun certificat".to_owned()))?;
        let purpose = if key_use == KeyUse::Tsa { Purpose::TimeStamping } else { Purpose::Signature };
        // Today: a key that cannot sign tomorrow morning is no use.
        path::find(leaf, intermediates, &anchors, now, purpose)
            .map_err(|source| KeyringError::Path { path: made.path.clone(), source })?;
        if generations.list.iter().any(|generation| generation.certificate == leaf.fingerprint()) {
            return Err(KeyringError::Rotation("ce certificat sert ou a déjà servi : demandez-en un autre".to_owned()));
        }
        if let Some(pkcs8) = &made.key {
            CmsSigner::new(pkcs8, leaf.clone(), intermediates)
                .map_err(|source| KeyringError::Signer { path: made.path.clone(), source })?;
            let pem = encode_string("PRIVATE KEY", LineEnding::LF, pkcs8);
            let pem = pem.map_err(|error| KeyringError::Generation(error.to_string()))?;
            files::create(&self.folder, &format!("{name}.key"), pem.as_bytes(), Kind::Secret)?;
        }
        files::create(&self.folder, &format!("{name}.pem"), made.certificates.as_bytes(), Kind::Public)?;
        if let Some(authorities) = authorities {
            files::replace(&self.folder, names::AUTHORITIES, authorities.as_bytes())?;
        }
        // The generation last: before it, the files are nobody's.
        generations.list.push(Generation {
            key_use,
            name: name.clone(),
            state: KeyState::Next,
            certificate: leaf.fingerprint(),
            hsm: made.hsm,
            since: None,
            until: None,
            revoked: None,
        });
        generations.save(&self.folder)?;
        Ok(Staged { name, certificate: leaf.clone() })
    }

    /// Says that a key, named by its certificate's fingerprint or a beginning of it, is not to be relied on from a date.
    pub fn revoke(
        &self,
        fingerprint: &str,
        since: OffsetDateTime,
        reason: RevocationReason,
    ) -> Result<Generation, KeyringError> {
        let mut generations = self.generations();
        let wanted = fingerprint.to_ascii_lowercase();
        let mut named = generations.list.iter_mut().filter(|found| found.certificate.starts_with(&wanted));
        let generation = match (named.next(), named.next()) {
            (Some(generation), None) if wanted.len() >= 8 => generation,
            (Some(_), Some(_)) => {
                return Err(KeyringError::Rotation(
                    "plusieurs certificats commencent ainsi : donnez-en plus".to_owned(),
                ));
            }
            _ => {
                let why = format!("aucun certificat « {fingerprint} » (8 chiffres au moins ; voir archiland key list)");
                return Err(KeyringError::Rotation(why));
            }
        };
        if let Some(before) = &generation.revoked
            && (before.since < since
                || (before.reason, reason) == (RevocationReason::Compromise, RevocationReason::Superseded))
        {
            let why =
                "cette clé est déjà révoquée, plus tôt ou pour une raison plus grave : une révocation ne s'adoucit pas";
            return Err(KeyringError::Rotation(why.to_owned()));
        }
        generation.revoked = Some(Revocation { since, reason, recorded: false });
        let revoked = generation.clone();
        generations.save(&self.folder)?;
        *self.generations.lock().unwrap_or_else(PoisonError::into_inner) = generations;
        self.save_trust()?;
        Ok(revoked)
    }

    /// What the log does not tell yet, revocations first.
    pub fn changes(&self) -> Vec<Change> {
        let generations = self.generations();
        let untold = generations.list.iter().filter_map(|generation| {
            let revoked = generation.revoked.as_ref().filter(|revoked| !revoked.recorded)?;
            Some(Change::Revocation {
                key_use: generation.key_use,
                certificate: generation.certificate.clone(),
                since: revoked.since,
                reason: revoked.reason,
            })
        });
        let next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let rotations = KeyUse::ALL.into_iter().filter_map(|key_use| {
            let replaces = generations.of(key_use, KeyState::Current)?.certificate.clone();
            let next = Box::new(next.get(&key_use)?.certificate().clone());
            Some(Change::Rotation { key_use, next, replaces })
        });
        untold.chain(rotations).collect()
    }

    /// Whether the key that signs may: within its certificate's validity, and not revoked.
    pub fn may_sign(&self, key_use: KeyUse, now: OffsetDateTime) -> bool {
        let certificate = match key_use {
            KeyUse::Tsa => self.tsa.certificate(),
            KeyUse::Seal => self.seal.certificate(),
        };
        let revoked =
            self.generations().of(key_use, KeyState::Current).is_some_and(|current| current.revoked.is_some());
        !revoked && (certificate.not_before()..=certificate.not_after()).contains(&now)
    }

    /// The next key of a use signs from now on, in this process: what is on disk follows with [`Keyring::settle`].
    pub fn adopt(&self, key_use: KeyUse) {
        let next = self.next.lock().unwrap_or_else(PoisonError::into_inner).remove(&key_use);
        match (next, key_use) {
            (Some(signer), KeyUse::Tsa) => self.tsa.adopt(signer),
            (Some(signer), KeyUse::Seal) => self.seal.adopt(signer),
            (None, _) => {}
        }
    }

    /// Notes on disk that the log has told a change. Told twice after a crash in between, which harms nobody.
    pub fn settle(&self, change: &Change, now: OffsetDateTime) -> Result<(), KeyringError> {
        // Certificates are filled in before a state changes.
        let mut generations = self.generations();
        match change {
            Change::Rotation { key_use, .. } => {
                if let Some(current) = generations.of_mut(*key_use, KeyState::Current) {
                    current.state = KeyState::Retired;
                    current.until = Some(now);
                }
                if let Some(next) = generations.of_mut(*key_use, KeyState::Next) {
                    next.state = KeyState::Current;
                    next.since = Some(now);
                }
            }
            Change::Revocation { certificate, .. } => {
                let of = generations.list.iter_mut().filter(|generation| generation.certificate == *certificate);
                of.filter_map(|generation| generation.revoked.as_mut()).for_each(|revoked| revoked.recorded = true);
            }
        }
        generations.save(&self.folder)?;
        *self.generations.lock().unwrap_or_else(PoisonError::into_inner) = generations;
        self.save_trust()
    }

    fn save_trust(&self) -> Result<(), KeyringError> {
        Ok(files::replace(&self.folder, names::TRUST, self.trust_toml()?.as_bytes())?)
    }

    /// The authorities with one more, and the new `ca.pem` if it is one more.
    fn with_authority(&self, authority: Option<&str>) -> Result<(Anchors, Option<String>), KeyringError> {
        let Some(pem) = authority else { return Ok((self.anchors.clone(), None)) };
        let wrong = |source| KeyringError::Certificate { path: self.folder.join(names::AUTHORITIES), source };
        let added = Anchors::from_pem(pem.as_bytes()).map_err(wrong)?;
        let known = self.anchors.certificates();
        let new: Vec<_> = added.certificates().iter().filter(|found| !known.contains(found)).collect();
        if new.is_empty() {
            return Ok((self.anchors.clone(), None));
        }
        let all = format!("{}{}", self.anchors_pem, pem_of(&added)?);
        Ok((Anchors::from_pem(all.as_bytes()).map_err(wrong)?, Some(all)))
    }
}

/// A key and its certificates, not yet anywhere of ours.
struct Made {
    /// PKCS#8, DER.
    key: Option<Vec<u8>>,
    hsm: Option<String>,
    /// PEM, the leaf first.
    certificates: String,
    /// PEM.
    authority: Option<String>,
    /// Named in errors.
    path: PathBuf,
}

impl Made {
    fn development(key_use: KeyUse, now: OffsetDateTime) -> Result<Self, KeyringError> {
        let pki = development::make(now)?;
        let issued = if key_use == KeyUse::Tsa { pki.tsa } else { pki.seal };
        Ok(Self {
            key: Some(issued.key_pkcs8),
            hsm: None,
            certificates: issued.certificate_pem,
            authority: Some(pki.authority_pem),
            path: PathBuf::from("(développement)"),
        })
    }

    fn issued(
        key: Option<&std::path::Path>,
        hsm: Option<String>,
        certificate: &std::path::Path,
        authority: Option<&std::path::Path>,
    ) -> Result<Self, KeyringError> {
        let source = |path: &std::path::Path| {
            let folder = path.parent().map(std::path::Path::to_owned).unwrap_or_default();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            (super::Source::new(&folder, None), name)
        };
        let (folder, name) = source(certificate);
        let (path, found) = load_certificates(&folder, &name)?;
        let certificates = found.iter().map(|found| encode_string("CERTIFICATE", LineEnding::LF, found.der()));
        let certificates = certificates.collect::<Result<String, _>>();
        let certificates = certificates.map_err(|error| KeyringError::Generation(error.to_string()))?;
        let key = key.map(|key| {
            let (folder, name) = source(key);
            super::load_key(&folder, &name).map(|(_, pkcs8)| pkcs8.secret_pkcs8_der().to_vec())
        });
        let authority = authority.map(|authority| {
            let (folder, name) = source(authority);
            let (_, bytes) = folder.read(&name, Kind::Public)?;
            Ok::<_, KeyringError>(String::from_utf8_lossy(&bytes).into_owned())
        });
        Ok(Self { key: key.transpose()?, hsm, certificates, authority: authority.transpose()?, path })
    }
}
