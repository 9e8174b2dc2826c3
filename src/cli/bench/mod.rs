//! `archiland bench`: how fast, as ratios measured in one run. `bench/README.md` says how to read them.

mod large;
mod load;
mod naive;
mod reread;
mod s3;
mod server;
mod signatures;
mod small;
mod startup;
mod transfers;
mod tsa;

use super::{Ending, Outcome, terminal};
use std::path::PathBuf;

/// Mesurer : charge, comparaison avec un stockage naïf, gros documents, relecture, démarrage.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Chaque mesure travaille dans un dossier temporaire qu'elle efface, avec fsync : choisissez par --dir un disque réel, pas
un tmpfs. Les chiffres n'ont de sens que comme rapports pris dans la même exécution (bench/README.md).")]
pub(super) struct Args {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Debug, clap::Subcommand)]
enum Mode {
    /// Petits documents dans l'archive.
    Archive(small::Args),
    /// Les mêmes dans un stockage naïf : un objet synchronisé par document.
    Baseline(small::Args),
    /// Archive et stockage naïf en alternance, et leur rapport.
    Compare(small::CompareArgs),
    /// Petits documents dans une archive sur un serveur S3 lent.
    S3(s3::Args),
    /// Gros documents, face à l'empreinte, à zstd et à l'écriture seules.
    Large(large::Args),
    /// Relecture complète et vérification, face à SHA-256 seul.
    Verify(reread::Args),
    /// Démarrage avec un grand journal, vues intactes puis reconstruites.
    Startup(startup::Args),
    /// Jetons d'horodatage par HTTP, à côté d'openssl ts -reply.
    Tsa(tsa::Args),
    /// Validation de signatures, à côté de xmlsec1, openssl cms et pdfsig.
    Signatures(signatures::Args),
    /// Transferts SEDA : contrôlés, archivés, répondus.
    Transfers(transfers::Args),
    /// Serveur d'essai des autres mesures.
    #[command(hide = true)]
    Serve(ServeArgs),
}

#[derive(Debug, clap::Args)]
struct ServeArgs {
    #[arg(long, value_enum)]
    kind: server::Kind,
    #[arg(long)]
    dir: PathBuf,
}

/// Where a measurement works.
#[derive(Debug, Clone, clap::Args)]
struct Where {
    /// Dossier dans lequel travailler [défaut : dossier temporaire du système].
    #[arg(long, value_name = "DOSSIER")]
    dir: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        match self.mode {
            Mode::Archive(args) => args.run(server::Kind::Archive)?,
            Mode::Baseline(args) => args.run(server::Kind::Naive)?,
            Mode::Compare(args) => args.run()?,
            Mode::S3(args) => args.run()?,
            Mode::Large(args) => args.run()?,
            Mode::Verify(args) => args.run()?,
            Mode::Startup(args) => args.run()?,
            Mode::Tsa(args) => args.run()?,
            Mode::Signatures(args) => args.run()?,
            Mode::Transfers(args) => args.run()?,
            Mode::Serve(args) => {
                return super::block_on(async move {
                    server::serve(args.kind, &args.dir).await?;
                    Ok(Ending::Done)
                });
            }
        }
        Ok(Ending::Done)
    }
}

/// The value in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A line of a measurement: what was asked, what was found, and whether it is enough.
fn verdict(what: &str, found: f64, wanted: f64, at_least: bool, unit: &str) -> std::io::Result<()> {
    let met = if at_least { found >= wanted } else { found <= wanted };
    let (sign, mark) = (if at_least { "≥" } else { "≤" }, if met { "tenu" } else { "NON TENU" });
    terminal::say(format_args!("{what:<52} {found:>10.2} {unit:<8} (demandé {sign} {wanted}) {mark}"))
}

/// Millions of bytes a second.
fn megabytes_per_second(bytes: u64, elapsed: std::time::Duration) -> f64 {
    let mebibytes = u32::try_from(bytes >> 10).map_or(f64::from(u32::MAX), f64::from) * 1024.0;
    mebibytes / 1e6 / elapsed.as_secs_f64().max(1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_rates() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!(median(vec![]).is_nan());
        let rate = megabytes_per_second(1 << 30, std::time::Duration::from_secs(1));
        assert!((rate - 1_073.741_824).abs() < 1e-6, "{rate}");
    }
}
