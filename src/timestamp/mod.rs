//! The keys of the archive and what they vouch for: the log's notes, time-stamp tokens, seals.
//!
//! * [`Keyring`] loads and checks the keys of a folder and of a PKCS#11 token, or makes a development PKI; one key takes
//!   over from another once the log tells it ([`Change`]);
//! * [`Tsa`] stamps a message with the time (RFC 3161);
//! * [`TimestampService`] answers requests from outside: tokens are journalled in the log, by batches, before they are signed;
//! * [`ClockTrust`] says whether the clock may be relied on: against steps, and against NTP servers under a quorum;
//! * [`ExternalTsas`] asks other authorities;
//! * [`Sealer`] seals a document with the archive's name (CMS); [`SealOffice`] announces it first ([`Intents`]).
//!
//! Both refuse to sign when the clock goes backward or their certificate is out of its validity: a token that says the
//! wrong time is worse than none.

mod development;
mod external;
mod files;
mod generations;
mod guard;
mod hsm;
mod intent;
mod keyring;
mod office;
mod seal;
mod service;
mod trust;
mod tsa;

pub use external::{ExternalError, ExternalToken, ExternalTsas};
pub use files::KeyFileError;
pub use generations::{Generation, KeyState, KeyUse, Revocation, RevocationReason};
pub use hsm::{HsmError, LOOK_EVERY as HSM_LOOK_EVERY};
pub use intent::Intents;
pub use keyring::{Change, KeyEntry, Keyring, KeyringError, NewKey, Staged, names};
pub use office::{SealForm, SealOffice};
pub use seal::Sealer;
pub use service::{Answer, JOURNAL_DELAY_MAX, TimestampService};
pub use trust::{ClockOptions, ClockState, ClockTrust, ROUNDS_MISSED_MAX, watch_clock};
pub use tsa::{ACCEPTED, ACCURACY_S, Asked, DEFAULT_POLICY, RANKS_MAX, Refusal, Tsa};

use crate::spec::cms::CmsError;

/// Why a token or a seal was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// The clock says an earlier time than one already signed.
    #[error(
        "l'horloge a reculé : {at} après {last}. Rien n'est signé tant qu'elle n'a pas rattrapé cette date ; vérifiez la synchronisation du serveur (chronyc tracking)"
    )]
    ClockWentBackward {
        /// The latest time signed by this process.
        last: String,
        /// The time asked for.
        at: String,
    },
    /// The clock cannot be relied on.
    #[error("l'horloge n'est pas sûre : {0}")]
    ClockUntrusted(String),
    /// Tokens are ordered by their times, and this time is taken.
    #[error("un jeton porte déjà cette milliseconde, et les jetons sont ordonnés par leur heure")]
    SameInstant,
    /// The certificate is not valid at that time.
    #[error(
        "le certificat « {subject} » n'est pas valable à la date du {at} (il l'est du {from} au {to}) ; renouvelez-le"
    )]
    CertificateNotValid {
        /// Whose.
        subject: String,
        /// The time asked for.
        at: String,
        /// Start of validity.
        from: String,
        /// End of validity.
        to: String,
    },
    /// The system's random generator failed.
    #[error("le générateur d'aléa du système ne répond pas")]
    Random,
    /// A policy that is not an object identifier.
    #[error(
        "« {0} » n'est pas un identifiant d'objet (attendu : des nombres séparés par des points, comme 1.3.6.1.4.1.32473.1)"
    )]
    Policy(String),
    /// The request cannot be honoured.
    #[error("demande d'horodatage refusée : {0}")]
    Request(String),
    /// The log did not take the record of the tokens.
    #[error("les jetons n'ont pu être consignés dans le journal : {0}")]
    Journal(String),
    /// No external authority gave a good token.
    #[error("aucune autorité d'horodatage externe : {0}")]
    External(String),
    /// Signing failed.
    #[error(transparent)]
    Cms(#[from] CmsError),
}
