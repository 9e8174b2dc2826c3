//! Help and usage errors in French: clap's own words are English.

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::fmt::Write as _;
use std::io::Write;
use std::process::ExitCode;

/// The help page.
const TEMPLATE: &str = "\
{about-with-newline}
Usage : {usage}

{all-args}{after-help}";

/// The whole command line, said in French down to the last sub-command.
pub(super) fn command() -> Command {
    command_of::<super::Command>()
}

/// The command line as if it had no other commands than these.
pub(super) fn command_of<C: clap::Subcommand>() -> Command {
    french(<super::Cli<C> as clap::CommandFactory>::command())
}

fn french(command: Command) -> Command {
    let command = command
        .help_template(TEMPLATE)
        .subcommand_help_heading("Commandes")
        .subcommand_value_name("COMMANDE")
        .disable_help_subcommand(true)
        .mut_args(french_argument);
    let names: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, french))
}

/// clap writes `[default: …]` and `[env: …]` in English: said in the help itself instead.
fn french_argument(argument: clap::Arg) -> clap::Arg {
    if !argument.get_action().takes_values() {
        return argument;
    }
    let mut notes = String::new();
    let defaults: Vec<_> = argument.get_default_values().iter().filter_map(|v| v.to_str()).collect();
    if !defaults.concat().is_empty() {
        let _ = write!(notes, " [défaut : {}]", defaults.join(","));
    }
    if let Some(variable) = argument.get_env().and_then(|v| v.to_str()) {
        let _ = write!(notes, " [variable : {variable}]");
    }
    let possible: Vec<_> = argument.get_possible_values().iter().map(|v| v.get_name().to_owned()).collect();
    if !possible.is_empty() {
        let _ = write!(notes, " [au choix : {}]", possible.join(", "));
    }
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    argument.help(format!("{help}{notes}")).hide_default_value(true).hide_env(true).hide_possible_values(true)
}

/// Prints a help page or a usage error; the exit code is 0 for what was asked for, else 2.
pub(super) fn tell(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // Nothing to do when the terminal is gone.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return ExitCode::from(2);
    }
    let _ = writeln!(std::io::stderr(), "archiland : {}\nVoir : archiland --help", sentence(error));
    ExitCode::from(2)
}

fn sentence(error: &clap::Error) -> String {
    let argument = context(error, ContextKind::InvalidArg).unwrap_or_default();
    let value = context(error, ContextKind::InvalidValue).unwrap_or_default();
    let mut text = match error.kind() {
        ErrorKind::InvalidValue if value.is_empty() => format!("il manque une valeur à {argument}"),
        ErrorKind::InvalidValue => format!("valeur « {value} » refusée pour {argument}"),
        ErrorKind::ValueValidation => {
            let cause = std::error::Error::source(error).map(|cause| format!(" : {cause}")).unwrap_or_default();
            format!("valeur « {value} » refusée pour {argument}{cause}")
        }
        ErrorKind::UnknownArgument => format!("argument inconnu : {argument}"),
        ErrorKind::InvalidSubcommand => {
            format!("commande inconnue : {}", context(error, ContextKind::InvalidSubcommand).unwrap_or_default())
        }
        ErrorKind::NoEquals => format!("{argument} s'écrit {argument}=VALEUR"),
        ErrorKind::TooManyValues => format!("valeur « {value} » de trop pour {argument}"),
        ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            format!("nombre de valeurs incorrect pour {argument}")
        }
        ErrorKind::ArgumentConflict => {
            let other = context(error, ContextKind::PriorArg).unwrap_or_default();
            if other.is_empty() {
                format!("{argument} est donné deux fois")
            } else {
                format!("{argument} ne va pas avec {other}")
            }
        }
        ErrorKind::MissingRequiredArgument => format!("il manque : {argument}"),
        ErrorKind::MissingSubcommand => "il manque une commande".to_owned(),
        ErrorKind::InvalidUtf8 => "un argument n'est pas en UTF-8".to_owned(),
        // Kinds to come: clap's words rather than none.
        _ => error.to_string(),
    };
    if let Some(valid) = context(error, ContextKind::ValidValue) {
        let _ = write!(text, " ; valeurs admises : {valid}");
    }
    for kind in [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue] {
        // clap gives them from the least alike to the most.
        let closest = match error.get(kind) {
            Some(ContextValue::Strings(texts)) => texts.last().cloned(),
            _ => context(error, kind),
        };
        if let Some(suggested) = closest {
            let _ = write!(text, " ; vouliez-vous dire {suggested} ?");
        }
    }
    text
}

fn context(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => Some(texts.join(", ")),
        ContextValue::StyledStr(text) => Some(text.to_string()),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::sentence;

    fn told(arguments: &[&str]) -> String {
        sentence(&super::command().try_get_matches_from([&["archiland"], arguments].concat()).unwrap_err())
    }

    #[test]
    fn usage_errors_are_french() {
        assert_eq!(told(&["dposit"]), "commande inconnue : dposit ; vouliez-vous dire deposit ?");
        assert!(told(&["deposit"]).starts_with("il manque : <FICHIER>"), "{}", told(&["deposit"]));
        assert!(told(&["deposit", "--couleur", "f"]).starts_with("argument inconnu : --couleur"));
        assert!(told(&["completions", "dos"]).contains("valeurs admises : bash"));
    }
}
