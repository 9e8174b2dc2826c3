//! The archive a command speaks to: `--server`, or that of `--dir`, whose node is started in this process when no daemon
//! serves it.

use super::Unusable;
use super::client::Client;
use super::place::Place;
use crate::config::{Config, secret};
use crate::daemon::{self, ADMIN_TOKEN_FILE, Node, Running};
use crate::timestamp::names;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

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
    /// The node of this process, when it had to be started.
    own: Option<Running>,
}

impl Remote {
    /// Finds the archive, or starts it.
    pub(crate) async fn connect(&self) -> anyhow::Result<Archive> {
        if let Some(server) = &self.server {
            let token = secret(self.token_file.as_deref(), "token")?;
            return Ok(Archive { client: Client::new(server, token, self.ca_file.as_deref())?, own: None });
        }
        let config = self.place.load()?;
        let token = match &self.token_file {
            Some(file) => read_token(file)?,
            None => read_token(&config.keys.join(ADMIN_TOKEN_FILE))?,
        };
        if let Some(found) = daemon::running(&config.state) {
            let authority = self.ca_file.clone().or_else(|| own_authority(&config));
            return Ok(Archive { client: Client::new(&found.url, Some(token), authority.as_deref())?, own: None });
        }
        let running = start_on_loopback(config).await?;
        let client = Client::new(running.url(), Some(token), None)?;
        Ok(Archive { client, own: Some(running) })
    }
}

impl Archive {
    /// The client to speak to it with.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Stops what [`Remote::connect`] started.
    pub(crate) async fn leave(self) -> anyhow::Result<()> {
        if let Some(running) = self.own {
            // Idle connections of our own client would be waited for.
            drop(self.client);
            running.stop().await?;
        }
        Ok(())
    }
}

/// Serves an archive on a free port of loopback, for this process.
pub(crate) async fn start_on_loopback(mut config: Config) -> anyhow::Result<Running> {
    config.http.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.http.tls = None;
    Ok(Node::boot(config, crate::clock::system()).await?.serve().await?)
}

/// A token's secret, from its file.
pub(crate) fn read_token(file: &Path) -> anyhow::Result<String> {
    secret(Some(file), "token")?.ok_or_else(|| Unusable(format!("{} : jeton absent", file.display())).into())
}

/// The archive's own authority, which vouches for a development server certificate.
fn own_authority(config: &Config) -> Option<PathBuf> {
    let path = config.keys.join(names::AUTHORITIES);
    (config.http.tls.is_some() && path.exists()).then_some(path)
}
