//! `archiland producer`: what a profile makes of a sample, before a daemon is told of it.

use super::{Ending, Outcome, Unusable, terminal};
use crate::admission::Policies;
use crate::producer::profile::{Content, Draft, Input, InputFile, Loaded, Profiles, Refusals, SCHEMA};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Longest sample held in memory, in bytes.
const SAMPLE_BYTES_MAX: u64 = 128 << 20;

/// Vérifier un profil de producteur, ou en lister.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Dire ce qu'un profil fait d'un échantillon ; les erreurs sont situées dans le profil et dans l'échantillon.
    Check(Check),
    /// Lister les profils que le programme porte.
    List,
    /// Écrire le schéma JSON des profils, pour un éditeur de texte.
    Schema,
}

#[derive(Debug, clap::Args)]
struct Check {
    /// Fichier du profil (TOML), ou code d'un profil que le programme porte.
    profile: String,
    /// Échantillon : JSON, CSV, XML ou ZIP, selon le profil.
    sample: PathBuf,
    /// Fichier qui accompagne l'échantillon ; peut être répété.
    #[arg(long = "file", value_name = "FICHIER")]
    files: Vec<PathBuf>,
    /// Présentation.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Pour les gens.
    Text,
    /// Pour les programmes.
    Json,
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        match self.what {
            What::Check(check) => check.run(),
            What::Schema => {
                terminal::say(format_args!("{}", SCHEMA.trim_end()))?;
                Ok(Ending::Done)
            }
            What::List => {
                for Loaded { profile, .. } in Profiles::load(None, &Policies::embedded()?)?.iter() {
                    terminal::say(format_args!(
                        "{:<20} {:<10} {}",
                        profile.code,
                        profile.intake.as_str(),
                        profile.title
                    ))?;
                }
                Ok(Ending::Done)
            }
        }
    }
}

impl Check {
    fn run(self) -> Outcome {
        let loaded = match profile_of(&self.profile) {
            Ok(loaded) => loaded,
            Err(error) if self.format == Format::Json => {
                let told = json!({ "profile": self.profile, "ok": false, "profile_error": error.to_string() });
                terminal::say(format_args!("{told:#}"))?;
                return Ok(Ending::Unusable);
            }
            Err(error) => return Err(error),
        };
        let scratch = tempdir()?;
        let input = self.input(&loaded, &scratch);
        let outcome = input.map(|input| loaded.drafts(&input));
        let told = outcome.map(|outcome| self.tell(&loaded, &outcome));
        let removed = std::fs::remove_dir_all(&scratch);
        let ending = told??;
        removed?;
        Ok(ending)
    }

    fn input(&self, loaded: &Loaded, scratch: &Path) -> anyhow::Result<Input> {
        if loaded.profile.intake.is_on_disk() {
            return Ok(Input { archive: Some((self.sample.clone(), scratch.to_owned())), ..Input::default() });
        }
        let mut input = Input { data: read(&self.sample)?.into(), ..Input::default() };
        for path in &self.files {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            input.files.push(InputFile { name, content: read(path)?.into() });
        }
        Ok(input)
    }

    fn tell(&self, loaded: &Loaded, outcome: &Result<Vec<Draft>, Refusals>) -> Outcome {
        let sample = self.sample.display().to_string();
        if self.format == Format::Json {
            let told = match outcome {
                Ok(drafts) => {
                    let drafts: Vec<Value> = drafts.iter().map(shown).collect();
                    json!({ "profile": loaded.file, "sample": sample, "ok": true, "deposits": drafts })
                }
                Err(refusals) => json!({
                    "profile": loaded.file, "sample": sample, "ok": false,
                    "errors": refusals.list, "more": refusals.more,
                }),
            };
            terminal::say(format_args!("{told:#}"))?;
        } else {
            match outcome {
                Ok(drafts) => in_words(&sample, drafts)?,
                Err(refusals) => refused(loaded, &sample, refusals)?,
            }
        }
        Ok(if outcome.is_ok() { Ending::Done } else { Ending::No })
    }
}

fn in_words(sample: &str, drafts: &[Draft]) -> std::io::Result<()> {
    terminal::say(format_args!("{sample} : conforme, {} dépôt(s)", drafts.len()))?;
    for draft in drafts {
        let rule = draft.rule.as_deref().unwrap_or("règle du type");
        terminal::say(format_args!("  {} [{}, {rule}]", draft.title, draft.document_type))?;
        if let Some(id) = &draft.external_id {
            terminal::say(format_args!("    identifiant  {id}"))?;
        }
        if let Some(access) = &draft.produced.access {
            terminal::say(format_args!("    accès        {access}"))?;
        }
        for (name, value) in &draft.produced.fields {
            terminal::say(format_args!("    {name:<12} {value}"))?;
        }
        for payload in &draft.payloads {
            terminal::say(format_args!("    fichier      {}", payload.name))?;
        }
        for warning in &draft.produced.warnings {
            terminal::say(format_args!("    avertissement : {warning}"))?;
        }
    }
    Ok(())
}

fn refused(loaded: &Loaded, sample: &str, refusals: &Refusals) -> std::io::Result<()> {
    for refusal in &refusals.list {
        let place = refusal.location.as_deref().unwrap_or("envoi");
        terminal::say(format_args!("{sample}, {place} : {} [{}]", refusal.detail, refusal.code))?;
        if let Some(key) = &refusal.profile {
            terminal::say(format_args!("  demandé par {}, {key}", loaded.file))?;
        }
    }
    if refusals.more > 0 {
        terminal::say(format_args!("et {} autres erreurs", refusals.more))?;
    }
    Ok(())
}

fn shown(draft: &Draft) -> Value {
    let payloads = draft.payloads.iter().map(|payload| match &payload.content {
        Content::Bytes(bytes) => json!({ "name": payload.name, "size_bytes": bytes.len() }),
        Content::File(_) => json!({ "name": payload.name }),
    });
    let links = draft.links.iter().map(|link| json!({ "relation": link.relation, "target": link.target }));
    json!({
        "title": draft.title,
        "type": draft.document_type,
        "rule": draft.rule,
        "external_id": draft.external_id,
        "description": draft.description,
        "dates": draft.dates,
        "agents": draft.agents,
        "links": links.collect::<Vec<_>>(),
        "produced": draft.produced,
        "payloads": payloads.collect::<Vec<_>>(),
    })
}

fn profile_of(named: &str) -> anyhow::Result<Loaded> {
    let path = Path::new(named);
    if path.is_file() {
        return Loaded::read(path).map_err(|error| Unusable(error.to_string()).into());
    }
    let profiles = Profiles::load(None, &Policies::embedded()?)?;
    let found = profiles.get(named).cloned();
    found.ok_or_else(|| Unusable(format!("« {named} » : ni un fichier, ni le code d'un profil du programme")).into())
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let unusable = |why: String| Unusable(format!("{} : {why}", path.display()));
    let length = std::fs::metadata(path).map_err(|error| unusable(error.to_string()))?.len();
    if length > SAMPLE_BYTES_MAX {
        return Err(unusable(format!("plus de {SAMPLE_BYTES_MAX} octets")).into());
    }
    Ok(std::fs::read(path).map_err(|error| unusable(error.to_string()))?)
}

fn tempdir() -> anyhow::Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("archiland-producer-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir(&path)?;
    Ok(path)
}
