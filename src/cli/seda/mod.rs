//! `archiland seda`: transfers of archives as the standard has them.

mod check;
mod conformance;
mod convert;
mod eliminate;
mod export;
mod modify;
mod referential;
mod transfer;

use super::Outcome;
use crate::transfer::referentials::Referentials;
use std::path::Path;

/// Contrôler, convertir et verser des transferts SEDA.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Check(check::Args),
    Convert(convert::Args),
    Conformance(conformance::Args),
    Eliminate(eliminate::Args),
    Export(export::Args),
    Modify(modify::Args),
    Referential(referential::Args),
    Transfer(transfer::Args),
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        match self.what {
            What::Check(args) => args.run(),
            What::Convert(args) => args.run(),
            What::Conformance(args) => args.run(),
            What::Eliminate(args) => args.run(),
            What::Export(args) => args.run(),
            What::Modify(args) => args.run(),
            What::Referential(args) => args.run(),
            What::Transfer(args) => args.run(),
        }
    }
}

/// The reference data of a directory.
fn referentials(directory: &Path) -> anyhow::Result<Referentials> {
    Referentials::load(directory).map_err(|error| super::Unusable(error.to_string()).into())
}
