//! `archiland token`: the agencies' credentials.

use super::archive::Remote;
use super::{Ending, Outcome, Unusable, terminal};
use crate::package::Scope;
use anyhow::Context;
use serde::Deserialize;
use serde_json::json;
use std::path::PathBuf;

/// Administrer les jetons d'accès.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Créer un jeton : son secret n'est montré qu'une fois.
    Create(Create),
    /// Lister les jetons (jamais leurs secrets).
    List {
        #[command(flatten)]
        remote: Remote,
    },
    /// Révoquer un jeton, tout de suite et pour toujours.
    Revoke {
        /// Nom public du jeton, tel que donné par « token list ».
        #[arg(value_name = "JETON")]
        token: String,
        #[command(flatten)]
        remote: Remote,
    },
}

#[derive(Debug, clap::Args)]
struct Create {
    /// Code du service versant.
    #[arg(long, value_name = "CODE")]
    agency: String,
    /// Droits, séparés par des virgules : deposit, read, audit, admin, archivist.
    #[arg(long, value_name = "DROITS", value_delimiter = ',', value_parser = scope, default_value = "deposit,read")]
    scope: Vec<Scope>,
    /// À quoi sert ce jeton.
    #[arg(long, value_name = "TEXTE", default_value = "")]
    label: String,
    /// Fin de validité, AAAA-MM-JJ (minuit UTC) ou date et heure RFC 3339.
    #[arg(long, value_name = "DATE")]
    expires: Option<String>,
    /// Empreinte SHA-256 d'un certificat de client (TLS mutuel), au lieu d'un secret.
    #[arg(long, value_name = "HEX")]
    certificate_sha256: Option<String>,
    /// Empreinte SHA-256 du certificat de client sans lequel le secret ne vaut rien (compte d'un certificat partagé).
    #[arg(long, value_name = "HEX", conflicts_with = "certificate_sha256")]
    with_certificate_sha256: Option<String>,
    /// Écrire le secret dans ce fichier (lisible de vous seul) au lieu de l'afficher.
    #[arg(long, value_name = "FICHIER")]
    output: Option<PathBuf>,
    #[command(flatten)]
    remote: Remote,
}

fn scope(text: &str) -> Result<Scope, String> {
    serde_json::from_value(json!(text)).map_err(|_| "droits admis : deposit, read, audit, admin, archivist".to_owned())
}

/// A token as the archive lists it.
#[derive(Debug, Deserialize)]
struct Token {
    #[serde(rename = "token")]
    name: String,
    #[serde(default)]
    agency: String,
    #[serde(default)]
    scopes: Vec<Scope>,
    #[serde(default)]
    label: String,
    #[serde(default)]
    expires: Option<String>,
    #[serde(default)]
    revoked: bool,
}

#[derive(Debug, Deserialize)]
struct Created {
    token: String,
    #[serde(default)]
    secret: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Tokens {
    tokens: Vec<Token>,
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        super::block_on(async {
            match self.what {
                What::Create(create) => create.run().await,
                What::List { remote } => {
                    let archive = remote.connect().await?;
                    let answer: Tokens = archive.client().get("/v1/tokens", &[]).await?;
                    archive.leave().await?;
                    for token in answer.tokens {
                        terminal::say(token.line())?;
                    }
                    Ok(Ending::Done)
                }
                What::Revoke { token, remote } => {
                    let archive = remote.connect().await?;
                    archive.client().delete(&format!("/v1/tokens/{}", super::client::segment(&token))).await?;
                    archive.leave().await?;
                    terminal::say(format_args!("{token} : révoqué"))?;
                    Ok(Ending::Done)
                }
            }
        })
    }
}

impl Create {
    async fn run(self) -> Outcome {
        let body = json!({
            "agency": self.agency,
            "scopes": self.scope,
            "label": self.label,
            "expires": self.expires.as_deref().map(expiry).transpose()?,
            "certificate_sha256": self.certificate_sha256,
            "with_certificate_sha256": self.with_certificate_sha256,
        });
        // An option that was not given is absent, not null.
        let body = match body {
            serde_json::Value::Object(map) => map.into_iter().filter(|(_, value)| !value.is_null()).collect(),
            other => other,
        };
        let archive = self.remote.connect().await?;
        let created: Created = archive.client().post("/v1/tokens", &body).await?;
        archive.leave().await?;
        match (created.secret, self.output) {
            (Some(secret), Some(path)) => {
                super::place::write_secret(&path, &format!("{secret}\n")).with_context(|| {
                    format!("{} : secret non écrit ; révoquez {} et recommencez", path.display(), created.token)
                })?;
                terminal::say(format_args!("{} : secret écrit dans {}", created.token, path.display()))?;
            }
            (Some(secret), None) => {
                terminal::note(format_args!("Jeton {} ; son secret, montré cette seule fois :", created.token));
                terminal::say(secret)?;
            }
            (None, _) => terminal::say(format_args!("{} : certificat accepté", created.token))?,
        }
        Ok(Ending::Done)
    }
}

/// A day or an instant, as record time.
fn expiry(text: &str) -> anyhow::Result<String> {
    use time::format_description::well_known::Rfc3339;
    let instant = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let at = time::OffsetDateTime::parse(&instant, &Rfc3339).map_err(|_| {
        Unusable(format!("--expires « {text} » : donnez AAAA-MM-JJ ou une date RFC 3339 comme 2030-12-31T23:59:59Z"))
    })?;
    Ok(crate::clock::format_record_time(at))
}

impl Token {
    fn line(&self) -> String {
        let scopes: Vec<String> = self
            .scopes
            .iter()
            .filter_map(|scope| serde_json::to_value(scope).ok()?.as_str().map(str::to_owned))
            .collect();
        let state = match (&self.expires, self.revoked) {
            (_, true) => "révoqué".to_owned(),
            (Some(at), false) => format!("jusqu'au {at}"),
            (None, false) => "valable".to_owned(),
        };
        format!("{:<24} {:<16} {:<24} {:<32} {}", self.name, self.agency, scopes.join(","), state, self.label)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn expiry_is_a_day_or_an_instant() {
        assert_eq!(expiry("2030-12-31").unwrap(), "2030-12-31T00:00:00.000Z");
        assert_eq!(expiry("2030-12-31T12:00:00+01:00").unwrap(), "2030-12-31T11:00:00.000Z");
        assert!(expiry("31/12/2030").is_err());
    }

    #[test]
    fn scopes_have_their_record_names() {
        assert_eq!(scope("deposit"), Ok(Scope::Deposit));
        assert!(scope("root").is_err());
    }
}
