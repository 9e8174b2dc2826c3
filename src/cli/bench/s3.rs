//! Small documents on an S3 server that takes its time: what batching is for.

use super::load::{self, Documents, Load, Until};
use super::server::{self, Kind, Scratch, Server};
use super::small::{tell, tell_memory};
use super::{Where, verdict};
use crate::cli::terminal;
use crate::testing::s3::{Options, S3Server};
use std::time::Duration;

/// Deposits one after the other, for the latency of a lone one.
const LONE: u64 = 30;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Secondes de la mesure.
    #[arg(long, value_name = "S", default_value_t = 15)]
    seconds: u64,
    /// Octets par document.
    #[arg(long, value_name = "N", default_value_t = 4096)]
    size: usize,
    /// Dépôts en cours.
    #[arg(long, value_name = "N", default_value_t = 4096)]
    in_flight: usize,
    /// Attente ajoutée à chaque requête S3, en millisecondes.
    #[arg(long, value_name = "MS", default_value_t = 20)]
    latency: u64,
    #[command(flatten)]
    place: Where,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let scratch = Scratch::new(self.place.dir.as_deref())?;
        // The store has a runtime of its own: the generator's thread must not be what it waits for.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let directory = Some(scratch.join("s3"));
        let latency = Duration::from_millis(self.latency);
        let s3 = runtime.block_on(S3Server::start(Options { directory, latency, ..Options::default() }))?;
        let archive = scratch.join("archive");
        let store = server::s3_store(&scratch.join("keys"), &s3.endpoint())?;
        runtime.block_on(server::make(&server::configuration(&archive, Some(store))))?;
        let server = Server::start(Kind::Archive, &archive)?;
        let documents = Documents::new(1);
        let mut load = Load {
            address: server.address,
            authorization: server.authorization.clone(),
            size_bytes: self.size,
            in_flight: 1,
            until: Until::Sent(LONE),
        };
        let lone = load::run(&load, &documents)?;
        terminal::say("un dépôt à la fois")?;
        tell(Kind::Archive, &lone)?;
        terminal::say(format_args!("{} dépôts en cours", self.in_flight))?;
        load.in_flight = self.in_flight;
        load.until = Until::Elapsed(Duration::from_secs(3));
        load::run(&load, &documents)?;
        s3.reset_counts();
        load.until = Until::Elapsed(Duration::from_secs(self.seconds));
        let many = load::run(&load, &documents)?;
        let counts = s3.counts();
        tell(Kind::Archive, &many)?;
        tell_memory(&server)?;
        terminal::say(format_args!(
            "requêtes S3 : {} écritures, {} lectures, {} suppressions, {} énumérations\n",
            counts.writes(),
            counts.get + counts.head,
            counts.delete,
            counts.list
        ))?;
        let count = |n: u64| u32::try_from(n).map_or(f64::INFINITY, f64::from);
        verdict("dépôts accusés par seconde", many.per_second(), 2500.0, true, "/s")?;
        verdict("écritures S3 par dépôt", count(counts.writes()) / count(many.acknowledged.max(1)), 0.05, false, "")?;
        verdict("un dépôt seul, au plus", lone.latency_ms(100), 200.0, false, "ms")?;
        server.stop()
    }
}
