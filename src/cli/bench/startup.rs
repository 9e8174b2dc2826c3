//! Start-up with a large log: intact views, then no views at all.

use super::server::{Kind, Scratch, Server, configuration, make};
use super::{Where, verdict};
use crate::cli::terminal;
use crate::clock::{format_record_time, system};
use crate::config::Config;
use crate::daemon::{Bucket, KeyringSigner};
use crate::package::{Body, Deposit, Location, Payload, Record, fresh_salt};
use crate::sequencer::{Sequencer, SequencerOptions, Submission};
use crate::timestamp::Keyring;
use futures::{StreamExt, TryStreamExt, stream};
use std::sync::Arc;
use std::time::Instant;
use uuid::Uuid;

/// Records waiting for the sequencer at once.
const IN_FLIGHT: usize = 8192;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Enregistrements du journal.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    records: u32,
    #[command(flatten)]
    place: Where,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let scratch = Scratch::new(self.place.dir.as_deref())?;
        let directory = scratch.join("archive");
        let config = configuration(&directory, None);
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(make(&config))?;
        let began = Instant::now();
        runtime.block_on(fill(&config, self.records))?;
        let rate = f64::from(self.records) / began.elapsed().as_secs_f64();
        terminal::say(format_args!("journal de {} enregistrements fait à {rate:.0}/s", self.records))?;

        // The first start makes the views: a rebuild like any other.
        let rebuilt = Server::start(Kind::Archive, &directory)?;
        let rate = f64::from(self.records) / rebuilt.ready_after.as_secs_f64();
        let rebuild_memory = rebuilt.memory_peak_bytes();
        rebuilt.stop()?;
        let intact = Server::start(Kind::Archive, &directory)?;
        std::thread::sleep(std::time::Duration::from_secs(2));
        let (ready, idle) = (intact.ready_after.as_secs_f64(), intact.memory_bytes());
        intact.stop()?;
        let mebibytes =
            |bytes: Option<u64>| bytes.and_then(|bytes| u32::try_from(bytes >> 20).ok()).map_or(f64::NAN, f64::from);
        verdict("démarrage, vues intactes", ready, 1.0, false, "s")?;
        verdict("reconstruction des deux vues", rate, 20_000.0, true, "/s")?;
        verdict("mémoire de la reconstruction, au plus", mebibytes(rebuild_memory), 400.0, false, "Mio")?;
        verdict("mémoire du démon au repos", mebibytes(idle), 80.0, false, "Mio")?;
        Ok(())
    }
}

/// Puts deposits without documents into the log, as fast as it takes them.
async fn fill(config: &Config, records: u32) -> anyhow::Result<()> {
    let bucket = Bucket::open(config)?;
    let signer = Arc::new(KeyringSigner::new(Arc::new(Keyring::load(&config.keys)?), system()));
    let options = SequencerOptions { pool_max: 2 * IN_FLIGHT, ..SequencerOptions::default() };
    let (sequencer, task) = Sequencer::start(bucket.objects, bucket.heads, signer, options).await?;
    stream::iter(0..records)
        .map(|number| {
            let sequencer = sequencer.clone();
            async move {
                let record = record(number)?.to_canonical()?.into();
                sequencer.submit(Submission { record, idempotency: None }).await?;
                anyhow::Ok(())
            }
        })
        .buffer_unordered(IN_FLIGHT)
        .try_collect::<()>()
        .await?;
    drop(sequencer);
    task.await?;
    Ok(())
}

/// A deposit like those of a town hall, one of 500 agencies.
fn record(number: u32) -> anyhow::Result<Record> {
    let agency = format!("2140{:05}", number % 500);
    let digest = hex::encode(crate::digest::sha256(&number.to_be_bytes()));
    let payload = Payload {
        name: "courrier.pdf".to_owned(),
        size_bytes: 4096,
        sha256: digest.clone(),
        sha512: format!("{digest}{digest}"),
        media_type: "application/pdf".to_owned(),
        puid: Some("fmt/276".to_owned()),
        location: Location { object: format!("payload/{agency}/essai-{number}.tar.zst"), offset: 512, length: 4100 },
    };
    Ok(Record {
        v: 1,
        time: format_record_time(system().now()),
        agency,
        actor: "system:bench".to_owned(),
        id: Uuid::now_v7(),
        references: Vec::new(),
        salt: fresh_salt()?,
        body: Body::Deposit(Deposit {
            title: format!("Courrier n° {number}"),
            document_type: "courrier-arrive".to_owned(),
            rule: "courrier-5-ans".to_owned(),
            external_id: Some(format!("GEC-{number}")),
            content: digest,
            payloads: vec![payload],
            ..Deposit::default()
        }),
    })
}
