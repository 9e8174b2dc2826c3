//! `archiland timestamp`: a time-stamp token for a file (RFC 3161), and checking one offline.

use super::archive::Remote;
use super::client::{Client, read_all};
use super::{Ending, Outcome, Unusable, terminal};
use crate::spec::cms::Anchors;
use crate::spec::cms::algorithm::Digest;
use crate::spec::cms::asn1::tag;
use crate::spec::tsp::{Request, SignedToken, TspError, token_of};
use anyhow::Context;
use reqwest::Method;
use ring::rand::{SecureRandom, SystemRandom};
use std::io::Read;
use std::path::{Path, PathBuf};
use time::format_description::well_known::Rfc3339;

/// A token or a certificate is a few kilobytes.
const SMALL_BYTES_MAX: u64 = 1 << 20;

/// Horodater un fichier (RFC 3161), ou vérifier un horodatage.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    stamp: Stamp,
}

#[derive(Debug, clap::Args)]
struct Stamp {
    /// Le fichier à horodater ; seule son empreinte est envoyée.
    #[arg(value_name = "FICHIER", required = true)]
    file: Option<PathBuf>,
    /// L'empreinte envoyée.
    #[arg(long, value_name = "CONDENSAT", value_enum, default_value_t = Algorithm::Sha256)]
    digest: Algorithm,
    /// Où écrire la réponse [défaut : FICHIER.tsr].
    #[arg(short, long, value_name = "FICHIER")]
    output: Option<PathBuf>,
    /// Autre autorité d'horodatage (adresse complète), au lieu de celle de l'archive.
    #[arg(long, value_name = "URL")]
    tsa: Option<String>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Vérifier l'horodatage d'un fichier, hors ligne.
    Verify {
        /// Le fichier.
        #[arg(value_name = "FICHIER")]
        file: PathBuf,
        /// L'horodatage : réponse (.tsr) ou jeton seul (.tst).
        #[arg(long, value_name = "FICHIER")]
        token: PathBuf,
        /// Les autorités auxquelles on se fie (PEM), et si besoin le certificat qui n'est pas dans le jeton.
        #[arg(long, value_name = "FICHIER")]
        anchors: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Algorithm {
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    fn digest(self) -> Digest {
        match self {
            Self::Sha256 => Digest::Sha256,
            Self::Sha384 => Digest::Sha384,
            Self::Sha512 => Digest::Sha512,
        }
    }
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        match self.what {
            Some(What::Verify { file, token, anchors }) => verify(&file, &token, &anchors),
            None => super::block_on(self.stamp.run()),
        }
    }
}

impl Stamp {
    async fn run(self) -> Outcome {
        let Some(file) = self.file else { return Err(Unusable("il manque le fichier à horodater".into()).into()) };
        let digest = self.digest.digest();
        let imprint = digest_of(&file, digest)?;
        let mut nonce = [0_u8; 16];
        SystemRandom::new().fill(&mut nonce).map_err(|_| anyhow::anyhow!("aléa du système indisponible"))?;
        let query = Request::encode(digest, &imprint, Some(&nonce));
        let response = if let Some(url) = &self.tsa {
            ask(&Client::new(url, None, self.remote.ca_file.as_deref())?, "", query).await?
        } else {
            let archive = self.remote.connect().await?;
            let response = ask(archive.client(), "/tsa", query).await;
            archive.leave().await?;
            response?
        };
        // Its signature is checked as far as it carries its certificate; who vouches for it is for `verify`.
        let token = SignedToken::open(token_of(&response)?, &[])?;
        let expected = nonce.iter().copied().skip_while(|octet| *octet == 0).collect::<Vec<_>>();
        let received = token.nonce.as_deref().unwrap_or_default();
        if received.iter().copied().skip_while(|octet| *octet == 0).ne(expected) {
            anyhow::bail!("l'autorité n'a pas rendu le nonce envoyé : cette réponse n'est pas à notre demande");
        }
        if (token.digest, token.imprint.as_slice()) != (digest, imprint.as_slice()) {
            return Err(TspError::WrongImprint.into());
        }
        let output = self.output.unwrap_or_else(|| with_suffix(&file, ".tsr"));
        std::fs::write(&output, &response).with_context(|| format!("{} : écriture impossible", output.display()))?;
        tell(&token)?;
        terminal::say(format_args!("écrit dans {}", output.display()))?;
        Ok(Ending::Done)
    }
}

async fn ask(client: &Client, path: &str, query: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    let response = client
        .persist(4, async || {
            let request = client.request(Method::POST, path).body(query.clone());
            Ok(request.header("content-type", "application/timestamp-query"))
        })
        .await?;
    read_all(response).await
}

fn verify(file: &Path, token: &Path, anchors: &Path) -> Outcome {
    let pem = read_small(anchors)?;
    let anchors = Anchors::from_pem(&pem).map_err(|e| Unusable(format!("{} : {e}", anchors.display())))?;
    let response = read_small(token)?;
    let checked = bare_token(&response).and_then(|bare| {
        let token = SignedToken::open(bare, anchors.certificates())?;
        let anchor = token.vouched(&anchors)?;
        Ok((token, anchor))
    });
    let (token, anchor) = match checked {
        Ok(checked) => checked,
        Err(error) => return no(&error),
    };
    if digest_of(file, token.digest)? != token.imprint {
        return no(&TspError::WrongImprint);
    }
    terminal::say(format_args!("{} : horodatage valide", file.display()))?;
    tell(&token)?;
    terminal::say(format_args!("autorité de confiance : {}", anchor.subject()))?;
    Ok(Ending::Done)
}

fn no(error: &TspError) -> Outcome {
    terminal::say(format_args!("horodatage NON valide : {error}"))?;
    Ok(Ending::No)
}

fn tell(token: &SignedToken) -> anyhow::Result<()> {
    terminal::say(format_args!("date       : {}", token.time.format(&Rfc3339)?))?;
    if let Some(accuracy) = token.accuracy {
        terminal::say(format_args!("précision  : {accuracy}"))?;
    }
    terminal::say(format_args!("n° de série : {}", token.serial))?;
    terminal::say(format_args!("politique  : {}", token.policy))?;
    terminal::say(format_args!("signataire : {}", token.signer.subject()))?;
    Ok(())
}

/// A response's token, or the token itself: the first field of a response is a SEQUENCE, that of a token an identifier.
fn bare_token(bytes: &[u8]) -> Result<&[u8], TspError> {
    use crate::spec::cms::asn1::Reader;
    let first = Reader::new(bytes).sequence("un horodatage")?.peek_tag();
    if first == Some(tag::OID) { Ok(bytes) } else { token_of(bytes) }
}

/// The digest of a file of any size.
pub(super) fn digest_of(file: &Path, digest: Digest) -> anyhow::Result<Vec<u8>> {
    let unreadable = |e: std::io::Error| Unusable(format!("{} : illisible ({e})", file.display()));
    let mut source = std::fs::File::open(file).map_err(unreadable)?;
    let mut context = digest.context();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match source.read(&mut buffer).map_err(unreadable)? {
            0 => return Ok(context.finish().as_ref().to_vec()),
            read => context.update(&buffer[..read]),
        }
    }
}

pub(super) fn read_small(file: &Path) -> anyhow::Result<Vec<u8>> {
    read_up_to(file, SMALL_BYTES_MAX)
}

/// A file no longer than this, whole.
pub(super) fn read_up_to(file: &Path, bytes_max: u64) -> anyhow::Result<Vec<u8>> {
    let unreadable = |e: String| Unusable(format!("{} : illisible ({e})", file.display()));
    let mut bytes = Vec::new();
    let source = std::fs::File::open(file).map_err(|e| unreadable(e.to_string()))?;
    source.take(bytes_max + 1).read_to_end(&mut bytes).map_err(|e| unreadable(e.to_string()))?;
    if bytes.len() as u64 > bytes_max {
        return Err(unreadable(format!("plus de {bytes_max} octets")).into());
    }
    Ok(bytes)
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
