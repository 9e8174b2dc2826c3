//! The command line: one file per command, French for people, exit codes for scripts.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done; for `verify` and `audit`: everything is right |
//! | 1 | the answer is no: a proof that does not hold, a refused deposit, a failure on the way |
//! | 2 | unusable input: command line, configuration, unreadable or malformed file |
//!
//! `validate` has five codes of its own: see [`validate`].
//!
//! Commands that need an archive speak HTTP to it (`client`), to `--server` or to the daemon of `--dir`; when none runs
//! there, the node is started in this process for the time of the command (`archive`).

mod agency;
mod archive;
mod attestation;
mod audit;
mod bench;
mod check;
mod client;
mod completions;
mod demo;
mod deposit;
mod evidence;
mod find;
mod init;
mod key;
mod man;
mod place;
mod producer;
mod push;
mod rebuild;
mod receipt;
mod report;
mod samples;
mod seda;
mod serve;
mod terminal;
mod timestamp;
mod token;
mod upload;
mod usage;
mod validate;
mod verify;
mod witness;

use crate::config::ConfigError;
use crate::timestamp::KeyringError;
use crate::verify::TrustError;
use clap::{FromArgMatches, Parser, Subcommand};
use std::process::ExitCode;
use thiserror::Error;

const EXIT_CODES: &str = "\
Codes de retour :
  0  fait ; pour verify et audit : tout est exact
  1  la réponse est non : preuve qui ne tient pas, dépôt refusé, échec en chemin
  2  entrée inutilisable : ligne de commande, configuration, fichier illisible ou mal formé";

/// Archive et services de confiance : dépôts durables, journal de Merkle, récépissés vérifiables hors ligne.
#[derive(Debug, Parser)]
#[command(
    name = "archiland",
    version,
    after_help = EXIT_CODES,
    disable_help_flag = true,
    disable_version_flag = true,
    subcommand_required = true,
    arg_required_else_help = true,
    propagate_version = true
)]
struct Cli<C: Subcommand> {
    #[command(subcommand)]
    command: C,
    /// Afficher l'aide.
    #[arg(short, long, global = true, action = clap::ArgAction::Help, help_heading = "Aide")]
    help: Option<bool>,
    /// Afficher la version.
    #[arg(short = 'V', long, action = clap::ArgAction::Version, help_heading = "Aide")]
    version: Option<bool>,
}

/// Every command.
#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Args),
    Serve(serve::Args),
    Demo(demo::Args),
    Deposit(deposit::Args),
    Push(push::Args),
    Receipt(receipt::Args),
    Verify(verify::Args),
    Timestamp(timestamp::Args),
    Evidence(evidence::Args),
    Report(report::Args),
    Attestation(attestation::Args),
    Witness(witness::Args),
    Validate(validate::Args),
    Audit(audit::Args),
    Seda(seda::Args),
    Producer(producer::Args),
    Rebuild(rebuild::Args),
    Find(find::Args),
    Agency(agency::Args),
    Token(token::Args),
    Key(key::Args),
    Config(check::Args),
    Completions(completions::Args),
    Bench(bench::Args),
    Man(man::Args),
}

/// The command that is called once per file: building the other twenty takes longer than validating a signature.
#[derive(Debug, Subcommand)]
enum Alone {
    Validate(validate::Args),
}

/// How a command that could run to its end ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Done, or everything is right.
    Done,
    /// The answer is no, and has been told.
    No,
    /// The input is unusable, and that has been told.
    Unusable,
    /// A code of the command's own, and all has been told.
    Code(u8),
}

/// What a command returns.
pub(crate) type Outcome = anyhow::Result<Ending>;

/// Input that cannot be used at all: exit code 2.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct Unusable(pub(crate) String);

/// Reads the command line, runs the command, tells an error once.
pub fn main() -> ExitCode {
    let command = if std::env::args_os().nth(1).is_some_and(|first| first == "validate") {
        read::<Alone>().map(|Alone::Validate(args)| Command::Validate(args))
    } else {
        read::<Command>()
    };
    let command = match command {
        Ok(command) => command,
        Err(error) => return usage::tell(&error),
    };
    match command.run() {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::No) => ExitCode::from(1),
        Ok(Ending::Unusable) => ExitCode::from(2),
        Ok(Ending::Code(code)) => ExitCode::from(code),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::tell_error(&error);
            ExitCode::from(code_of(&error))
        }
    }
}

/// The names of the commands.
pub fn command_names() -> Vec<String> {
    usage::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

/// Reads the command line as one of `C`.
fn read<C: Subcommand>() -> Result<C, clap::Error> {
    let matches = usage::command_of::<C>().try_get_matches()?;
    Cli::<C>::from_arg_matches(&matches).map(|cli| cli.command)
}

impl Command {
    fn run(self) -> Outcome {
        match self {
            Self::Init(args) => args.run(),
            Self::Serve(args) => args.run(),
            Self::Demo(args) => args.run(),
            Self::Deposit(args) => args.run(),
            Self::Push(args) => args.run(),
            Self::Receipt(args) => args.run(),
            Self::Verify(args) => args.run(),
            Self::Timestamp(args) => args.run(),
            Self::Evidence(args) => args.run(),
            Self::Report(args) => args.run(),
            Self::Attestation(args) => args.run(),
            Self::Witness(args) => args.run(),
            Self::Validate(args) => args.run(),
            Self::Audit(args) => args.run(),
            Self::Seda(args) => args.run(),
            Self::Producer(args) => args.run(),
            Self::Rebuild(args) => args.run(),
            Self::Find(args) => args.run(),
            Self::Agency(args) => args.run(),
            Self::Token(args) => args.run(),
            Self::Key(args) => args.run(),
            Self::Config(args) => args.run(),
            Self::Completions(args) => args.run(),
            Self::Bench(args) => args.run(),
            Self::Man(args) => args.run(),
        }
    }
}

/// 2 when the blame is on what was given to us, else 1.
fn code_of(error: &anyhow::Error) -> u8 {
    use crate::daemon::DaemonError as Daemon;
    let unusable = error.chain().any(|cause| {
        let refused_at_start = matches!(
            cause.downcast_ref(),
            Some(
                Daemon::Config(_)
                    | Daemon::Policy(_)
                    | Daemon::RenewalPolicy(_)
                    | Daemon::Signatures(_)
                    | Daemon::WitnessPolicy { .. }
                    | Daemon::Keys(_)
                    | Daemon::External(_)
                    | Daemon::Origin { .. }
                    | Daemon::Tls { .. }
                    | Daemon::Profile(_)
                    | Daemon::UnknownProfile { .. }
                    | Daemon::Exists { .. }
                    | Daemon::NotEmpty { .. }
            )
        );
        let other_input = cause.is::<ConfigError>() || cause.is::<KeyringError>() || cause.is::<TrustError>();
        refused_at_start || other_input || cause.is::<Unusable>()
    });
    if unusable { 2 } else { 1 }
}

/// Whoever read our output has had enough (`archiland find | head`): no error.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Runs an asynchronous command on a runtime of its own.
fn block_on<F: Future<Output = Outcome>>(command: F) -> Outcome {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(command)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        usage::command().debug_assert();
        usage::command_of::<Alone>().debug_assert();
    }

    #[test]
    fn blame_decides_the_exit_code() {
        assert_eq!(code_of(&anyhow::Error::from(Unusable("x".into())).context("y")), 2);
        assert_eq!(code_of(&anyhow::anyhow!("x")), 1);
    }

    #[test]
    fn every_command_is_said_in_one_french_line() {
        for command in usage::command().get_subcommands() {
            let about = command.get_about().unwrap().to_string();
            assert!(!about.is_empty() && about.chars().count() < 100, "{}: {about}", command.get_name());
        }
    }
}
