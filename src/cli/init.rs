//! `archiland init`: a development archive, ready to serve.

use super::{Ending, Outcome, Unusable, terminal};
use crate::config::{Config, FILE_NAME};
use crate::daemon;
use crate::timestamp::names;
use anyhow::Context;
use std::path::{Path, PathBuf};

/// What verifiers need, beside the configuration: a copy of the one in the keys' folder, which only the operator reads.
pub(super) const TRUST_FILE: &str = "trust.toml";

/// Créer une archive : configuration, clés de développement, premier jeton.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
N'écrase jamais rien. Les clés sont de développement : docs/exploitation.md dit comment mettre les vôtres.
Les trois noms (--naan, --log, --origin) sont dans chaque identifiant et chaque preuve : ils ne changent plus.")]
pub(super) struct Args {
    /// Dossier à créer.
    #[arg(long, value_name = "DOSSIER", env = "ARCHILAND_DIR", default_value = ".")]
    dir: PathBuf,
    /// Numéro d'autorité nommante des identifiants ARK [défaut : 99999, réservé aux essais].
    #[arg(long, value_name = "NAAN")]
    naan: Option<String>,
    /// Nom court du journal dans les identifiants [défaut : d1].
    #[arg(long, value_name = "NOM")]
    log: Option<String>,
    /// Origine du journal (C2SP), par exemple archives.example/journal-1.
    #[arg(long, value_name = "ORIGINE")]
    origin: Option<String>,
    /// Configuration toute prête à employer au lieu de celle par défaut : pour S3, par exemple.
    #[arg(long, value_name = "FICHIER", conflicts_with_all = ["naan", "log", "origin"])]
    from: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        let config = self.configuration()?;
        super::block_on(async {
            create(&self.dir, &config).await?;
            let dir = self.dir.display();
            terminal::say(format_args!("Archive créée dans {dir} (clés de développement)"))?;
            terminal::note(format_args!(
                "Ensuite : archiland serve --dir {dir}, puis archiland agency add CODE NOM --dir {dir}"
            ));
            Ok(Ending::Done)
        })
    }

    fn configuration(&self) -> anyhow::Result<Config> {
        let place = self.dir.join(FILE_NAME);
        if let Some(file) = &self.from {
            let path = file.display();
            let text = std::fs::read_to_string(file).map_err(|e| Unusable(format!("{path} : illisible ({e})")))?;
            return Ok(Config::parse(&text, file, &self.dir)?);
        }
        let mut config = Config::for_directory(&self.dir);
        let archive = &mut config.archive;
        for (given, field) in
            [(&self.naan, &mut archive.naan), (&self.log, &mut archive.log), (&self.origin, &mut archive.origin)]
        {
            if let Some(value) = given {
                field.clone_from(value);
            }
        }
        // Read back, so that a bad name is refused here and not at the first start.
        Ok(Config::parse(&config.to_toml(), &place, &self.dir)?)
    }
}

/// Makes the archive that `config` describes, and in `dir` the trust file to hand out.
pub(super) async fn create(dir: &Path, config: &Config) -> anyhow::Result<()> {
    let file = dir.join(FILE_NAME);
    if file.exists() {
        let file = file.display();
        return Err(Unusable(format!("{file} existe déjà : init n'écrase rien ; choisissez un autre dossier")).into());
    }
    daemon::init(config, crate::clock::system()).await?;
    let (from, to) = (config.keys.join(names::TRUST), dir.join(TRUST_FILE));
    std::fs::copy(&from, &to).with_context(|| format!("copie de {} dans {}", from.display(), to.display()))?;
    Ok(())
}
