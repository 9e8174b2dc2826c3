//! The archive a command speaks to: `--server`, or the daemon of `--dir`.

use super::Unusable;
use super::client::Client;
use super::place::Place;
use crate::config::secret;
use std::path::PathBuf;

/// The first token's file within the keys' folder: whoever can read it administers the archive.
pub(crate) const ADMIN_TOKEN_FILE: &str = "admin.token";

/// Options of the commands that speak to an archive.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Remote {
    /// Adresse de l'archive, https://… ; sans elle, celle de --dir.
    #[arg(long, value_name = "URL", env = "ARCHILAND_SERVER", help_heading = "Archive")]
    pub(crate) server: Option<String>,
    /// Fichier du secret du jeton [défaut : keys/admin.token de --dir, ou le justificatif systemd « token »].
    #[arg(long, value_name = "FICHIER", env = "ARCHILAND_TOKEN_FILE", help_heading = "Archive")]
    pub(crate) token_file: Option<PathBuf>,
    /// Autorité (PEM) du certificat du serveur, si elle n'est pas publique.
    #[arg(long, value_name = "FICHIER", env = "ARCHILAND_CA_FILE", help_heading = "Archive")]
    pub(crate) ca_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// An archive within reach.
pub(crate) struct Archive {
    client: Client,
}

impl Remote {
    /// Finds the archive.
    pub(crate) async fn connect(&self) -> anyhow::Result<Archive> {
        if let Some(server) = &self.server {
            let token = secret(self.token_file.as_deref(), "token")?;
            return Ok(Archive { client: Client::new(server, token, self.ca_file.as_deref())? });
        }
        let _config = self.place.load()?;
        Err(Unusable("donnez l'adresse de l'archive avec --server".into()).into())
    }
}

impl Archive {
    /// The client to speak to it with.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Stops what [`Remote::connect`] started.
    pub(crate) async fn leave(self) -> anyhow::Result<()> {
        Ok(())
    }
}
