//! `archiland agency`: who may deposit.

use super::archive::Remote;
use super::{Ending, Outcome, terminal};
use serde_json::json;

/// Administrer les services versants (collectivités).
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Inscrire un service versant, ou changer son nom.
    Add {
        /// Code : SIREN, code INSEE ou nom court (a-z, 0-9, tiret).
        #[arg(value_name = "CODE")]
        code: String,
        /// Nom officiel.
        #[arg(value_name = "NOM")]
        name: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Lister les services versants.
    List {
        #[command(flatten)]
        remote: Remote,
    },
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        super::block_on(async {
            match self.what {
                What::Add { code, name, remote } => {
                    let archive = remote.connect().await?;
                    let _: serde_json::Value =
                        archive.client().post("/v1/agencies", &json!({ "code": code, "name": name })).await?;
                    archive.leave().await?;
                    terminal::say(format_args!("{code} : {name}, inscrit"))?;
                    terminal::note(format_args!(
                        "Ensuite : archiland token create --agency {code} --scope deposit,read"
                    ));
                }
                What::List { remote } => {
                    let archive = remote.connect().await?;
                    let answer: Agencies = archive.client().get("/v1/agencies", &[]).await?;
                    archive.leave().await?;
                    for agency in answer.agencies {
                        terminal::say(format_args!("{:<24} {}", agency.code, agency.name))?;
                    }
                }
            }
            Ok(Ending::Done)
        })
    }
}

#[derive(Debug, serde::Deserialize)]
struct Agencies {
    agencies: Vec<crate::package::Agency>,
}
