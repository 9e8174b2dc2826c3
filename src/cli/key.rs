//! `archiland key`: what the archive signs with.

use super::place::Place;
use super::{Ending, Outcome, Unusable, terminal};
use crate::clock::{Clock, SystemClock};
use crate::timestamp::{KeyState, KeyUse, Keyring, NewKey, RevocationReason, names};
use std::path::PathBuf;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Afficher les clés de l'archive (jamais les clés privées).
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Lister les clés, leurs certificats et leurs échéances.
    List {
        /// Sortie JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Afficher une clé publique ou un certificat.
    Show {
        /// Laquelle : log (journal), tsa (horodatage), seal (cachet), server (TLS), ca (autorité).
        #[arg(value_name = "CLÉ", value_enum)]
        key: Key,
        /// La clé de vérification du journal, au format C2SP (pour log).
        #[arg(long)]
        vkey: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Préparer une autre clé d'horodatage ou de cachet ; elle sert au prochain démarrage du démon.
    Rotate {
        /// Laquelle.
        #[arg(value_name = "CLÉ", value_enum)]
        key: Rotated,
        /// Le certificat délivré par votre autorité, puis ses intermédiaires (PEM) ; sans lui, une clé de développement.
        #[arg(long, value_name = "FICHIER")]
        certificate: Option<PathBuf>,
        /// Sa clé privée (PKCS#8 PEM).
        #[arg(long, value_name = "FICHIER", requires = "certificate", conflicts_with = "hsm")]
        private_key: Option<PathBuf>,
        /// L'étiquette de sa clé privée dans le jeton PKCS#11.
        #[arg(long, value_name = "ÉTIQUETTE", requires = "certificate")]
        hsm: Option<String>,
        /// Le certificat de l'autorité (PEM), s'il n'est pas encore dans ca.pem.
        #[arg(long, value_name = "FICHIER", requires = "certificate")]
        authority: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// Déclarer qu'une clé ne vaut plus à partir d'une date.
    Revoke {
        /// L'empreinte de son certificat, ou son début (8 chiffres au moins) : archiland key list.
        #[arg(value_name = "EMPREINTE")]
        fingerprint: String,
        /// Depuis quand (RFC 3339, comme 2026-11-24T08:00:00Z).
        #[arg(long, value_name = "DATE")]
        since: String,
        /// Pourquoi.
        #[arg(long, value_enum)]
        reason: Reason,
        #[command(flatten)]
        place: Place,
    },
    /// Afficher trust.toml, ce qu'il faut pour vérifier des récépissés hors ligne.
    Trust {
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Key {
    /// Le journal.
    Log,
    /// L'horodatage.
    Tsa,
    /// Le cachet.
    Seal,
    /// Le serveur HTTP.
    Server,
    /// L'autorité des certificats.
    Ca,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Rotated {
    /// L'horodatage.
    Tsa,
    /// Le cachet.
    Seal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Reason {
    /// Quelqu'un d'autre peut l'avoir.
    Compromise,
    /// Elle ne sert plus.
    Superseded,
}

impl Key {
    fn certificate_file(self) -> Option<&'static str> {
        match self {
            Self::Log => None,
            Self::Tsa => Some(names::TSA_CERTIFICATE),
            Self::Seal => Some(names::SEAL_CERTIFICATE),
            Self::Server => Some(names::SERVER_CERTIFICATE),
            Self::Ca => Some(names::AUTHORITIES),
        }
    }
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        match self.what {
            What::List { json, place } => list(json, &place),
            What::Show { key, vkey, place } => show(key, vkey, &place),
            What::Trust { place } => {
                let keyring = Keyring::open(&place.load()?)?;
                terminal::say(keyring.trust_toml()?.trim_end())?;
                Ok(Ending::Done)
            }
            What::Rotate { key, certificate, private_key, hsm, authority, place } => {
                let new = match certificate {
                    None => NewKey::Development,
                    Some(certificate) => NewKey::Issued { key: private_key, hsm, certificate, authority },
                };
                rotate(key, &new, &place)
            }
            What::Revoke { fingerprint, since, reason, place } => revoke(&fingerprint, &since, reason, &place),
        }
    }
}

fn list(json: bool, place: &Place) -> Outcome {
    let entries = Keyring::open(&place.load()?)?.inventory();
    if json {
        terminal::say(serde_json::to_string_pretty(&entries)?)?;
        return Ok(Ending::Done);
    }
    for entry in entries {
        let end = match entry.not_after {
            Some(at) => format!("jusqu'au {}", at.format(&Rfc3339)?),
            None => "sans échéance".to_owned(),
        };
        let (name, state, algorithm) = (entry.name, state_in_french(entry.state), entry.algorithm);
        terminal::say(format_args!("{name:<7} {state:<11} {algorithm:<16} {}", entry.subject))?;
        terminal::say(format_args!("        {end}, empreinte {}", entry.fingerprint))?;
        terminal::say(format_args!("        {}", entry.place))?;
    }
    Ok(Ending::Done)
}

fn state_in_french(state: &str) -> &'static str {
    match state {
        "current" => "en service",
        "next" => "suivante",
        "retired" => "remplacée",
        "revoked" => "révoquée",
        _ => "",
    }
}

fn rotate(key: Rotated, new: &NewKey, place: &Place) -> Outcome {
    let config = place.load()?;
    if let NewKey::Issued { key: None, hsm: None, .. } = new {
        return Err(Unusable("un certificat demande sa clé : --private-key, ou --hsm".into()).into());
    }
    let key_use = match key {
        Rotated::Tsa => KeyUse::Tsa,
        Rotated::Seal => KeyUse::Seal,
    };
    let staged = Keyring::open(&config)?.stage(key_use, new, SystemClock.now())?;
    let end = staged.certificate.not_after().format(&Rfc3339)?;
    terminal::say(format_args!("clé « {} » prête : {}", staged.name, staged.certificate.subject()))?;
    terminal::say(format_args!("jusqu'au {end}, empreinte {}", staged.certificate.fingerprint()))?;
    terminal::note(
        "redémarrez le démon : il consigne le changement, signé de l'ancienne clé, puis passe à la nouvelle",
    );
    terminal::note("sauvegardez keys/, et donnez le nouveau trust.toml à qui vérifie (archiland key trust)");
    Ok(Ending::Done)
}

fn revoke(fingerprint: &str, since: &str, reason: Reason, place: &Place) -> Outcome {
    let config = place.load()?;
    let since = OffsetDateTime::parse(since, &Rfc3339)
        .map_err(|_| Unusable(format!("« {since} » : date RFC 3339 attendue, comme 2026-11-24T08:00:00Z")))?;
    let reason = match reason {
        Reason::Compromise => RevocationReason::Compromise,
        Reason::Superseded => RevocationReason::Superseded,
    };
    let revoked = Keyring::open(&config)?.revoke(fingerprint, since, reason)?;
    terminal::say(format_args!("clé « {} » révoquée depuis le {}", revoked.name, since.format(&Rfc3339)?))?;
    if revoked.state == KeyState::Current {
        terminal::note("elle est en service : préparez la suivante (archiland key rotate), puis redémarrez le démon");
    } else {
        terminal::note("redémarrez le démon : il consigne la révocation dans le journal");
    }
    terminal::note("donnez le nouveau trust.toml à qui vérifie (archiland key trust) ; la suite est dans docs/cles.md");
    Ok(Ending::Done)
}

fn show(key: Key, vkey: bool, place: &Place) -> Outcome {
    let folder = place.load()?.keys;
    match (key.certificate_file(), vkey) {
        // The log's key has no certificate: its verifier key is its public form, with or without --vkey.
        (None, _) => {
            let path = folder.join(names::LOG_VKEY);
            let text = std::fs::read_to_string(&path)
                .map_err(|e| Unusable(format!("{} : illisible ({e}) ; vérifiez [keys] path", path.display())))?;
            let key = crate::spec::tlog::note::VerifierKey::parse(text.trim())
                .map_err(|e| Unusable(format!("{} : {e}", path.display())))?;
            terminal::say(key)?;
        }
        (Some(_), true) => {
            return Err(Unusable("--vkey ne va qu'avec « log » ; les autres clés ont un certificat".into()).into());
        }
        (Some(file), false) => {
            let path = folder.join(file);
            let pem = std::fs::read_to_string(&path)
                .map_err(|e| Unusable(format!("{} : illisible ({e})", path.display())))?;
            terminal::say(pem.trim_end())?;
        }
    }
    Ok(Ending::Done)
}
