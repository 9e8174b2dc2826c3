//! Small documents: the archive, the naive store, and one against the other.

use super::load::{self, Documents, Load, Taken, Until};
use super::server::{self, Kind, Scratch, Server};
use super::{Where, median, verdict};
use crate::cli::terminal;
use std::time::Duration;

/// Sent before a measurement, so that connections, caches and allocators have warmed up.
const WARM_UP: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, clap::Args)]
pub(super) struct Args {
    /// Secondes par mesure.
    #[arg(long, value_name = "S", default_value_t = 10)]
    seconds: u64,
    /// Octets par document.
    #[arg(long, value_name = "N", default_value_t = 4096)]
    size: usize,
    /// Dépôts en cours.
    #[arg(long, value_name = "N", default_value_t = 256)]
    in_flight: usize,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, clap::Args)]
pub(super) struct CompareArgs {
    /// Tours ; chacun mesure l'un puis l'autre.
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    #[command(flatten)]
    load: Args,
}

impl Args {
    pub(super) fn run(self, kind: Kind) -> anyhow::Result<()> {
        let scratch = Scratch::new(self.place.dir.as_deref())?;
        let server = Self::server(kind, &scratch)?;
        let documents = Documents::new(1);
        self.measure(&server, &documents, WARM_UP)?;
        let taken = self.measure(&server, &documents, Duration::from_secs(self.seconds))?;
        tell(kind, &taken)?;
        tell_memory(&server)?;
        server.stop()
    }

    fn server(kind: Kind, scratch: &Scratch) -> anyhow::Result<Server> {
        let directory = scratch.join(if kind == Kind::Archive { "archive" } else { "naive" });
        if kind == Kind::Archive {
            let config = server::configuration(&directory, None);
            tokio::runtime::Runtime::new()?.block_on(server::make(&config))?;
        }
        Server::start(kind, &directory)
    }

    fn measure(&self, server: &Server, documents: &Documents, elapsed: Duration) -> anyhow::Result<Taken> {
        let load = Load {
            address: server.address,
            authorization: server.authorization.clone(),
            size_bytes: self.size,
            in_flight: self.in_flight,
            until: Until::Elapsed(elapsed),
        };
        load::run(&load, documents)
    }
}

impl CompareArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let scratch = Scratch::new(self.load.place.dir.as_deref())?;
        let servers = [Kind::Archive, Kind::Naive].map(|kind| Ok((kind, Args::server(kind, &scratch)?)));
        let servers: Vec<(Kind, Server)> = servers.into_iter().collect::<anyhow::Result<_>>()?;
        let documents = Documents::new(1);
        for (_, server) in &servers {
            self.load.measure(server, &documents, WARM_UP)?;
        }
        let (mut rates, mut ratios, mut p99) = ([Vec::new(), Vec::new()], Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            let mut round = [0.0; 2];
            for (which, (kind, server)) in servers.iter().enumerate() {
                let taken = self.load.measure(server, &documents, Duration::from_secs(self.load.seconds))?;
                tell(*kind, &taken)?;
                round[which] = taken.per_second();
                rates[which].push(taken.per_second());
                if *kind == Kind::Archive {
                    p99.push(taken.latency_ms(99));
                }
            }
            ratios.push(round[0] / round[1]);
        }
        let [archive, naive] = rates.map(median);
        terminal::say(format_args!("\nmédianes : archive {archive:.0}/s, stockage naïf {naive:.0}/s"))?;
        verdict("dépôts accusés par seconde", archive, 3000.0, true, "/s")?;
        verdict("99e centile", median(p99), 1000.0, false, "ms")?;
        verdict("archive / stockage naïf (médiane des tours)", median(ratios), 1.2, true, "×")?;
        for (kind, server) in servers {
            if kind == Kind::Archive {
                tell_memory(&server)?;
            }
            server.stop()?;
        }
        Ok(())
    }
}

/// One line for one measurement.
pub(super) fn tell(kind: Kind, taken: &Taken) -> std::io::Result<()> {
    let name = if kind == Kind::Archive { "archive" } else { "stockage naïf" };
    terminal::say(format_args!(
        "{name:<14} {:>9.0} dépôts/s   médiane {:>7.1} ms   99e centile {:>7.1} ms   erreurs {}",
        taken.per_second(),
        taken.latency_ms(50),
        taken.latency_ms(99),
        taken.errors.values().sum::<u64>(),
    ))?;
    for (kind, count) in &taken.errors {
        terminal::say(format_args!("    {count} × {kind}"))?;
    }
    Ok(())
}

/// What the server's memory came to.
pub(super) fn tell_memory(server: &Server) -> std::io::Result<()> {
    match server.memory_peak_bytes() {
        Some(bytes) => terminal::say(format_args!("mémoire du serveur, au plus : {}", indicatif::HumanBytes(bytes))),
        None => terminal::say("mémoire du serveur : ce système ne la dit pas"),
    }
}
