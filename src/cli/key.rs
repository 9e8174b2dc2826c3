//! `archiland key`: what the archive signs with.

use super::place::Place;
use super::{Ending, Outcome, Unusable, terminal};
use crate::timestamp::{Keyring, names};
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
                let keyring = Keyring::load(&place.load()?.keys)?;
                terminal::say(keyring.trust_toml()?.trim_end())?;
                Ok(Ending::Done)
            }
        }
    }
}

fn list(json: bool, place: &Place) -> Outcome {
    let entries = Keyring::load(&place.load()?.keys)?.inventory();
    if json {
        terminal::say(serde_json::to_string_pretty(&entries)?)?;
        return Ok(Ending::Done);
    }
    for entry in entries {
        let end = match entry.not_after {
            Some(at) => format!("jusqu'au {}", at.format(&Rfc3339)?),
            None => "sans échéance".to_owned(),
        };
        terminal::say(format_args!("{:<7} {:<16} {}", entry.name, entry.algorithm, entry.subject))?;
        terminal::say(format_args!("        {end}, empreinte {}", entry.fingerprint))?;
    }
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
