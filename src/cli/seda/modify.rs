//! `archiland seda modify`: another title, other rules for an archive.

use super::super::archive::Remote;
use super::super::client::segment;
use super::super::{Ending, Outcome, Unusable, terminal};
use serde::Deserialize;
use serde_json::{Value, json};

/// Changer l'intitulé ou les règles d'une archive : un nouvel enregistrement, et une notification au service producteur.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Les règles données remplacent toutes celles de l'archive :
  archiland seda modify ark:/… --rule AppraisalRule,APP-00001,debut=2020-01-01,sort=Destroy --reason « tri »
  archiland seda modify ark:/… --rule HoldRule,HOL-00001 --reason contentieux

Codes de retour : 0 enregistré ; 1 refusé ; 2 entrée inutilisable.")]
pub(super) struct Args {
    /// Identifiant de l'archive (ARK).
    archive: String,
    /// Nouvel intitulé.
    #[arg(long, value_name = "INTITULÉ")]
    title: Option<String>,
    /// Une règle : `SORTE,IDENTIFIANT`, puis au choix `,debut=AAAA-MM-JJ`, `,fin=AAAA-MM-JJ`, `,sort=SORT`.
    #[arg(long = "rule", value_name = "RÈGLE")]
    rules: Vec<String>,
    /// L'archive n'a plus aucune règle.
    #[arg(long, conflicts_with = "rules")]
    no_rule: bool,
    /// Motif.
    #[arg(long, value_name = "TEXTE")]
    reason: String,
    /// Version du SEDA de la notification : 2.1, 2.2 ou 2.3.
    #[arg(long, value_name = "VERSION", default_value = "2.2")]
    version: String,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Deserialize)]
struct Modified {
    archive: String,
    record: String,
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        super::super::block_on(self.modify())
    }

    async fn modify(self) -> Outcome {
        let rules = self.rules.iter().map(|rule| parse(rule)).collect::<anyhow::Result<Vec<Value>>>()?;
        let given = !rules.is_empty() || self.no_rule;
        let request = json!({
            "title": self.title, "rules": given.then_some(rules), "reason": self.reason, "version": self.version,
        });
        let archive = self.remote.connect().await?;
        let path = format!("/v1/archives/{}/modifications", segment(&self.archive));
        let modified: anyhow::Result<Modified> = archive.client().post(&path, &request).await;
        archive.leave().await?;
        let modified = modified?;
        terminal::say(format_args!("{} : modification enregistrée ({})", modified.archive, modified.record))?;
        Ok(Ending::Done)
    }
}

fn parse(rule: &str) -> anyhow::Result<Value> {
    let unusable = || Unusable(format!("règle « {rule} » : SORTE,IDENTIFIANT[,debut=…][,fin=…][,sort=…] attendu"));
    let mut parts = rule.split(',');
    let (Some(category), Some(id)) = (parts.next(), parts.next()) else { return Err(unusable().into()) };
    let mut read = json!({ "category": category, "rule": id });
    for part in parts {
        let (name, value) = part.split_once('=').ok_or_else(unusable)?;
        let member = match name {
            "debut" => "start",
            "fin" => "end",
            "sort" => "final_action",
            _ => return Err(unusable().into()),
        };
        read[member] = value.into();
    }
    Ok(read)
}
