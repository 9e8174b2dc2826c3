//! Which depositing service may use which producer profile: nobody may, but where it is said.

use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Producers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Producers {
    /// Folder of profiles beside those the program carries.
    pub folder: Option<PathBuf>,
    /// Who deposits by which profile.
    pub allow: Vec<Allowed>,
    /// Who else reads what came by a profile; each reading is recorded.
    pub read: Vec<Allowed>,
    /// Systems that call us, by a shared secret.
    pub webhook: Vec<Webhook>,
}

/// Depositing services allowed something about a profile.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowed {
    /// Code of the profile.
    pub profile: String,
    /// Codes of agencies; `*` is all of them.
    pub agencies: Vec<String>,
}

/// A system that calls us.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Code of the profile.
    pub profile: String,
    /// The agency whose archives they become.
    pub agency: String,
    /// File of the secret; the systemd credential `webhook-<profile>-<agency>` without.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// Where the rest of a document is fetched.
    #[serde(default)]
    pub pull: Option<Pull>,
}

/// Where the rest of a document is fetched: this address and no other.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pull {
    /// Address of GLPI's REST API, as `https://glpi.example.fr/apirest.php`.
    pub url: String,
    /// File of the user's token.
    pub user_token_file: PathBuf,
    /// File of the application's token, where one is asked for.
    #[serde(default)]
    pub app_token_file: Option<PathBuf>,
    /// PEM authorities of a private PKI; without, those of Mozilla.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

impl Producers {
    /// With its paths from `base`.
    pub(super) fn at(self, base: &Path) -> Self {
        let at = |path: PathBuf| base.join(path);
        let webhook = self.webhook.into_iter().map(|hook| Webhook {
            secret_file: hook.secret_file.map(at),
            pull: hook.pull.map(|pull| Pull {
                user_token_file: at(pull.user_token_file),
                app_token_file: pull.app_token_file.map(at),
                ca_file: pull.ca_file.map(at),
                url: pull.url,
            }),
            ..hook
        });
        Self { folder: self.folder.map(at), webhook: webhook.collect(), ..self }
    }

    /// Whether an agency deposits by a profile.
    pub fn allows(&self, profile: &str, agency: &str) -> bool {
        granted(&self.allow, profile, agency)
    }

    /// Whether an agency reads what others deposited by a profile.
    pub fn lets_read(&self, profile: &str, agency: &str) -> bool {
        granted(&self.read, profile, agency)
    }

    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        for hook in &self.webhook {
            let Some(pull) = &hook.pull else { continue };
            let plain = pull.url.strip_prefix("http://").is_some_and(|rest| {
                let host = rest.split(['/', ':']).next().unwrap_or_default();
                matches!(host, "127.0.0.1" | "localhost")
            });
            if !pull.url.starts_with("https://") && !plain {
                return Err(("producers.webhook.pull.url", "adresse https:// attendue".into()));
            }
        }
        Ok(())
    }
}

fn granted(list: &[Allowed], profile: &str, agency: &str) -> bool {
    let named = |allowed: &&Allowed| allowed.profile == profile;
    list.iter().filter(named).any(|allowed| allowed.agencies.iter().any(|code| code == "*" || code == agency))
}

/// As the configuration file writes it.
pub(super) fn render(out: &mut String, producers: &Producers, base: &Path) -> std::fmt::Result {
    use super::template::{path, text};
    use std::fmt::Write as _;
    writeln!(out, "# Producteurs : qui verse par quel profil (docs/producteurs-profils.md). Sans ligne, personne.")?;
    if *producers == Producers::default() {
        return writeln!(
            out,
            "# [[producers.allow]]\n# profile = \"courrier\"\n# agencies = [\"214099998\"] # \"*\" : tous\n# [[producers.webhook]]\n# profile = \"assistance\"\n# agency = \"214099998\"\n# secret_file = \"keys/glpi.secret\"\n"
        );
    }
    writeln!(out, "[producers]")?;
    if let Some(folder) = &producers.folder {
        writeln!(out, "folder = {}", path(folder, base))?;
    }
    for (key, list) in [("allow", &producers.allow), ("read", &producers.read)] {
        for allowed in list {
            let agencies: Vec<String> = allowed.agencies.iter().map(|code| text(code)).collect();
            let agencies = agencies.join(", ");
            writeln!(out, "[[producers.{key}]]\nprofile = {}\nagencies = [{agencies}]", text(&allowed.profile))?;
        }
    }
    for hook in &producers.webhook {
        writeln!(out, "[[producers.webhook]]\nprofile = {}\nagency = {}", text(&hook.profile), text(&hook.agency))?;
        if let Some(file) = &hook.secret_file {
            writeln!(out, "secret_file = {}", path(file, base))?;
        }
        if let Some(pull) = &hook.pull {
            writeln!(out, "[producers.webhook.pull]\nurl = {}", text(&pull.url))?;
            writeln!(out, "user_token_file = {}", path(&pull.user_token_file, base))?;
            for (key, file) in [("app_token_file", &pull.app_token_file), ("ca_file", &pull.ca_file)] {
                if let Some(file) = file {
                    writeln!(out, "{key} = {}", path(file, base))?;
                }
            }
        }
    }
    writeln!(out)
}
