//! Why an archive does not start, with what to do.

use crate::admission::PolicyError as AdmissionPolicyError;
use crate::config::ConfigError;
use crate::evidence::RenewalPolicyError;
use crate::sequencer::LogError;
use crate::sequencer::head::ProbeError;
use crate::spec::tlog::policy::PolicyError;
use crate::store::BackendError;
use crate::timestamp::{ExternalError, KeyringError};
use crate::views::{FollowError, ShelfError};
use crate::witness::WitnessError;
use std::net::SocketAddr;
use std::path::PathBuf;
use thiserror::Error;

/// Why an archive does not start, or stopped.
#[derive(Debug, Error)]
pub enum DaemonError {
    /// The configuration is unusable.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A policy file is unusable.
    #[error(transparent)]
    Policy(#[from] AdmissionPolicyError),
    /// A producer profile is unusable.
    #[error(transparent)]
    Profile(#[from] crate::producer::profile::ProfileError),
    /// The configuration names a producer profile that does not exist.
    #[error("producers : aucun profil n'a le code « {code} » (policies/producers, ou producers.folder)")]
    UnknownProfile {
        /// The code.
        code: String,
    },
    /// The policy of signature validation, or the certificates it relies on, are unusable.
    #[error(transparent)]
    Signatures(#[from] crate::validation::RulesError),
    /// What is fetched for signatures cannot be set up.
    #[error("trust : {0}")]
    Fetching(String),
    /// The keys are unusable.
    #[error(transparent)]
    Keys(#[from] KeyringError),
    /// The renewal policy is unusable.
    #[error(transparent)]
    RenewalPolicy(#[from] RenewalPolicyError),
    /// An external time-stamping authority cannot be set up.
    #[error(transparent)]
    External(#[from] ExternalError),
    /// The log key is not that of the configuration.
    #[error(
        "la clé du journal est celle de « {key} », la configuration dit « {origin} » : corrigez archive.origin ou keys.path"
    )]
    Origin {
        /// Name of the key.
        key: String,
        /// `archive.origin`.
        origin: String,
    },
    /// The bucket cannot be opened.
    #[error(transparent)]
    Bucket(#[from] BackendError),
    /// The object store does not keep its word on conditional writes.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The log cannot be brought into a published state, or read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The bucket shows less than this node has already seen, or something else.
    #[error(
        "le compartiment est revenu en arrière : ce nœud a vu un journal de {seen} entrées, il en montre {found}{}. \
         Rien n'est écrit. Restaurez le compartiment ou, si vous acceptez ce retour, supprimez {} puis relancez",
        if *forked { " d'une autre histoire" } else { "" }, path.display()
    )]
    Rollback {
        /// Entries seen.
        seen: u64,
        /// Entries found.
        found: u64,
        /// The log found does not extend the one seen.
        forked: bool,
        /// Where this node remembers.
        path: PathBuf,
    },
    /// A witness knows more of our log than the bucket shows, or something else.
    #[error(
        "le témoin « {witness} » a cosigné un journal de {seen} entrées que le compartiment ne prolonge pas : il en montre \
         {found}. Rien n'est écrit. Restaurez le compartiment ; si c'est le témoin qui se trompe, retirez-le de la politique"
    )]
    Witnessed {
        /// Its name in the policy.
        witness: String,
        /// The size it cosigned.
        seen: u64,
        /// Entries found.
        found: u64,
    },
    /// The policy of witnesses is unusable.
    #[error("{} : {source}", path.display())]
    WitnessPolicy {
        /// The file.
        path: PathBuf,
        /// Why.
        source: PolicyError,
    },
    /// Witnesses cannot be asked.
    #[error(transparent)]
    Witness(#[from] WitnessError),
    /// A view cannot be opened.
    #[error(transparent)]
    View(#[from] ShelfError),
    /// The views stopped following.
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// Another daemon serves this archive on this machine.
    #[error("cette archive est déjà servie sur cette machine{} ; arrêtez l'autre démon d'abord", url.as_ref().map(|u| format!(" ({u})")).unwrap_or_default())]
    Running {
        /// Where it listens, if it says so.
        url: Option<String>,
    },
    /// A file of the state or keys folder.
    #[error("{} : {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The address cannot be listened on.
    #[error("impossible d'écouter sur {address} ({source}) : port déjà pris ? changez http.listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The TLS files cannot be used.
    #[error("TLS, {} : {detail}", path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// An archive is there already.
    #[error("{} existe déjà : « init » ne remplace rien ; choisissez un autre dossier", path.display())]
    Exists {
        /// What is there.
        path: PathBuf,
    },
    /// The bucket has a log already.
    #[error(
        "le compartiment contient déjà un journal de {size} entrées : « init » ne commence que des archives neuves"
    )]
    NotEmpty {
        /// Its entries.
        size: u64,
    },
    /// The first records could not be written.
    #[error("les premiers enregistrements n'ont pas pu être écrits : {0}")]
    FirstRecords(String),
    /// A background task ended by itself.
    #[error("une tâche du démon s'est arrêtée ({0}) : le démon s'arrête pour repartir d'un état connu")]
    Task(String),
}

impl DaemonError {
    pub(super) fn file(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::File { path: path.into(), source }
    }
}
