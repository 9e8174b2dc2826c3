//! Where the archive is on this machine: the folder of `archiland.toml`.

use super::Unusable;
use crate::config::{Config, FILE_NAME};
use std::path::PathBuf;

/// Options of the commands that work on an archive of this machine.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Place {
    /// Dossier de l'archive, celui d'archiland.toml.
    #[arg(long, value_name = "DOSSIER", env = "ARCHILAND_DIR", default_value = ".", help_heading = "Archive")]
    pub(crate) dir: PathBuf,
    /// Fichier de configuration [défaut : archiland.toml du dossier].
    #[arg(long, value_name = "FICHIER", env = "ARCHILAND_CONFIG", help_heading = "Archive")]
    pub(crate) config: Option<PathBuf>,
}

impl Place {
    /// The configuration file's path.
    pub(crate) fn file(&self) -> PathBuf {
        self.config.clone().unwrap_or_else(|| self.dir.join(FILE_NAME))
    }

    /// Reads the configuration.
    pub(crate) fn load(&self) -> anyhow::Result<Config> {
        let file = self.file();
        if self.config.is_none() && !file.exists() {
            let dir = self.dir.display();
            return Err(Unusable(format!(
                "pas d'archive dans {dir} (aucun {FILE_NAME}) ; donnez son dossier avec --dir, ou créez-la : archiland init --dir {dir}"
            ))
            .into());
        }
        Ok(Config::load(&file)?)
    }
}

/// Writes a secret that only the owner may read; an existing file is never overwritten.
pub(crate) fn write_secret(path: &std::path::Path, secret: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(secret.as_bytes())?;
    file.sync_all()
}
