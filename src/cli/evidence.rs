//! `archiland evidence`: evidence records (RFC 4998, RFC 6283), fetched, checked offline, renewed.

use super::archive::Remote;
use super::client::segment;
use super::timestamp::{digest_of, read_small};
use super::verify::trust_place;
use super::{Ending, Outcome, Unusable, terminal};
use crate::spec::cms::Anchors;
use crate::spec::cms::algorithm::Digest;
use crate::spec::ers::{DataObject, ErsError, MAX_RECORD_BYTES};
use crate::verify::{self, EvidenceProof, EvidenceRefusal, Trust};
use anyhow::Context;
use std::io::Read;
use std::path::{Path, PathBuf};
use time::format_description::well_known::Rfc3339;

/// Dossiers de preuve (RFC 4998) : les obtenir, les vérifier hors ligne, les renouveler.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Obtenir le dossier de preuve d'une archive.
    Get {
        /// Identifiant de l'archive (ark:/… ou sa dernière partie).
        #[arg(value_name = "IDENTIFIANT")]
        id: String,
        /// Où l'écrire.
        #[arg(short, long, value_name = "FICHIER")]
        output: PathBuf,
        #[command(flatten)]
        remote: Remote,
    },
    /// Vérifier des fichiers et leur dossier de preuve, hors ligne.
    Verify {
        /// Les documents.
        #[arg(value_name = "FICHIER", required = true)]
        files: Vec<PathBuf>,
        /// Le dossier de preuve (RFC 4998, ou RFC 6283 en XML).
        #[arg(long, value_name = "FICHIER")]
        evidence: PathBuf,
        /// Les autorités d'horodatage auxquelles on se fie (PEM), quand ce ne sont pas celles d'une archive.
        #[arg(long, value_name = "FICHIER", conflicts_with = "trust")]
        anchors: Option<PathBuf>,
        /// Le fichier de confiance de l'archive : ses autorités, et ses clés remplacées ou révoquées.
        #[arg(long, value_name = "FICHIER", env = "ARCHILAND_TRUST")]
        trust: Option<PathBuf>,
    },
    /// Renouveler maintenant les preuves qui doivent l'être.
    Renew {
        #[command(flatten)]
        remote: Remote,
    },
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        match self.what {
            What::Get { id, output, remote } => super::block_on(get(id, output, remote)),
            What::Verify { files, evidence, anchors, trust } => {
                verify(&files, &evidence, &relied_on(anchors.as_deref(), trust.as_deref())?)
            }
            What::Renew { remote } => super::block_on(renew(remote)),
        }
    }
}

async fn get(id: String, output: PathBuf, remote: Remote) -> Outcome {
    let archive = remote.connect().await?;
    let fetched = archive.client().get_bytes(&format!("/v1/archives/{}/evidence.ers", segment(&id)), &[]).await;
    archive.leave().await?;
    std::fs::write(&output, fetched?).with_context(|| format!("{} : écriture impossible", output.display()))?;
    terminal::say(format_args!("écrit dans {}", output.display()))?;
    Ok(Ending::Done)
}

async fn renew(remote: Remote) -> Outcome {
    let archive = remote.connect().await?;
    let renewed = archive.client().post::<serde_json::Value>("/v1/evidence/renewals", &serde_json::json!({})).await;
    archive.leave().await?;
    let renewed = renewed?;
    let count = |name: &str| renewed[name].as_array().map_or(0, Vec::len);
    terminal::say(format_args!("{} lots de preuves passés en revue", renewed["seen"]))?;
    terminal::say(format_args!("  horodatage renouvelé : {}", count("restamped")))?;
    terminal::say(format_args!("  arbre refait         : {}", count("rehashed")))?;
    terminal::say(format_args!("  en attente           : {}", count("waiting")))?;
    if count("waiting") > 0 {
        terminal::say("  le certificat d'horodatage actuel ne durerait pas plus que ceux à renouveler : remplacez-le")?;
        return Ok(Ending::No);
    }
    Ok(Ending::Done)
}

/// Authorities alone know of no revoked key; a trust file does.
fn relied_on(anchors: Option<&Path>, trust: Option<&Path>) -> Result<Trust, Unusable> {
    let Some(path) = anchors else {
        let place = trust_place(trust)?;
        return Trust::load(&place).map_err(|e| Unusable(format!("{} : {e}", place.display())));
    };
    let pem = read_small(path).map_err(|e| Unusable(format!("{e:#}")))?;
    let anchors = Anchors::from_pem(&pem).map_err(|e| Unusable(format!("{} : {e}", path.display())))?;
    Ok(Trust::in_authorities(anchors))
}

fn verify(files: &[PathBuf], evidence: &Path, trust: &Trust) -> Outcome {
    let record = read_evidence(evidence)?;
    let digests = files.iter().map(|file| digests_of(file)).collect::<anyhow::Result<Vec<_>>>()?;
    let borrowed: Vec<Vec<(Digest, &[u8])>> =
        digests.iter().map(|known| known.iter().map(|(digest, value)| (*digest, value.as_slice())).collect()).collect();
    let documents: Vec<DataObject<'_>> = borrowed.iter().map(|known| DataObject::Digests(known)).collect();
    match verify::evidence(&record, &documents, trust) {
        Ok(proof) => tell(files, &proof),
        Err(EvidenceRefusal::Record(error @ (ErsError::Der(_) | ErsError::Xml(_) | ErsError::TooLarge { .. }))) => {
            Err(Unusable(format!("{} : {error}", evidence.display())).into())
        }
        Err(error) => {
            terminal::say(format_args!("preuve NON valide : {error}"))?;
            Ok(Ending::No)
        }
    }
}

fn tell(files: &[PathBuf], proof: &EvidenceProof) -> Outcome {
    let verified = &proof.verified;
    for file in files {
        terminal::say(format_args!("{} : preuve valide", file.display()))?;
    }
    for stamp in &verified.stamps {
        let token = &stamp.token;
        terminal::say(format_args!(
            "  {} : {} par {}",
            stamp.place,
            token.time.format(&Rfc3339)?,
            token.signer.subject()
        ))?;
    }
    for left_out in &proof.left_out {
        terminal::say(format_args!("  ne compte pas : {left_out}"))?;
    }
    terminal::say(format_args!("  prouvé depuis le {}", proof.since.format(&Rfc3339)?))?;
    if let Some(until) = verified.until() {
        terminal::say(format_args!("  à renouveler avant le {}", until.format(&Rfc3339)?))?;
    }
    Ok(Ending::Done)
}

fn digests_of(file: &Path) -> anyhow::Result<Vec<(Digest, Vec<u8>)>> {
    [Digest::Sha256, Digest::Sha384, Digest::Sha512]
        .into_iter()
        .map(|digest| Ok((digest, digest_of(file, digest)?)))
        .collect()
}

fn read_evidence(file: &Path) -> anyhow::Result<Vec<u8>> {
    let unreadable = |e: std::io::Error| Unusable(format!("{} : illisible ({e})", file.display()));
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_RECORD_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    std::fs::File::open(file).map_err(unreadable)?.take(limit).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}
