//! `archiland witness`: the logs that this archive watches and cosigns.

use super::place::Place;
use super::{Ending, Outcome, Unusable, terminal};
use crate::daemon::Bucket;
use crate::spec::tlog::note::{KeyType, VerifierKey};
use crate::timestamp::{Keyring, names};
use crate::witness::Watch;

/// Surveiller d'autres journaux : les ajouter, dire ce qui a été cosigné.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Surveiller un journal ; la clé de témoin est créée la première fois.
    Add {
        /// Son origine (la première ligne de ses points de contrôle).
        #[arg(value_name = "ORIGINE")]
        origin: String,
        /// Sa clé de vérification (C2SP).
        #[arg(value_name = "CLÉ")]
        vkey: String,
        #[command(flatten)]
        place: Place,
    },
    /// Lister les journaux surveillés, et notre clé de témoin.
    List {
        #[command(flatten)]
        place: Place,
    },
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        super::block_on(async {
            match self.what {
                What::Add { origin, vkey, place } => add(&origin, &vkey, &place).await,
                What::List { place } => list(&place).await,
            }
        })
    }
}

async fn add(origin: &str, vkey: &str, place: &Place) -> Outcome {
    let config = place.load()?;
    let key = VerifierKey::parse(vkey).map_err(|e| Unusable(format!("« {vkey} » : {e}")))?;
    if key.key_type() != KeyType::Ed25519 {
        return Err(Unusable("c'est une clé de témoin : donnez celle du journal".into()).into());
    }
    let keyring = Keyring::open(&config)?;
    if origin == config.archive.origin {
        return Err(Unusable("une archive n'est pas son propre témoin".into()).into());
    }
    let mut restart = false;
    if keyring.witness.is_none() {
        Keyring::create_witness(&config.keys, &format!("{}/temoin", config.archive.origin))?;
        restart = true;
    }
    let bucket = Bucket::open(&config)?;
    Watch::new(bucket.heads, bucket.objects).add(origin, &key).await?;
    terminal::say(format_args!("journal surveillé : {origin}"))?;
    let own = std::fs::read_to_string(config.keys.join(names::WITNESS_VKEY))?;
    terminal::say(format_args!("notre clé de témoin, à lui donner : {}", own.trim()))?;
    if restart {
        terminal::note("la clé de témoin vient d'être créée : redémarrez le démon s'il tourne, et sauvegardez keys/");
    }
    Ok(Ending::Done)
}

async fn list(place: &Place) -> Outcome {
    let config = place.load()?;
    let keyring = Keyring::open(&config)?;
    match &keyring.witness {
        Some(cosigner) => terminal::say(format_args!("clé de témoin : {}", cosigner.vkey()))?,
        None => terminal::say("aucune clé de témoin (archiland witness add la crée)")?,
    }
    let bucket = Bucket::open(&config)?;
    let mut watched = Watch::new(bucket.heads, bucket.objects).list().await?;
    watched.sort_by(|a, b| a.origin.cmp(&b.origin));
    for log in watched {
        terminal::say(format_args!("{:<48} {:>12} entrées cosignées   {}", log.origin, log.size, log.vkey))?;
    }
    Ok(Ending::Done)
}
