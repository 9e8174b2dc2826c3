//! SEDA transfers: from the first byte sent to the outcome, units checked, archived and replied to.

use super::server::{self, Kind, Scratch, Server};
use super::{Where, median, verdict};
use crate::cli::terminal;
use crate::digest::sha256;
use anyhow::{Context, ensure};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Unités par transfert, chacune d'un objet.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    units: usize,
    /// Octets par objet.
    #[arg(long, value_name = "N", default_value_t = 1_024)]
    size: usize,
    /// Transferts mesurés, après un premier qui ne l'est pas.
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    #[command(flatten)]
    place: Where,
}

/// What is asked of a transfer of 1,000 units, in seconds.
const WANTED_S: f64 = 2.0;

impl Args {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let scratch = Scratch::new(self.place.dir.as_deref())?;
        let directory = scratch.join("archive");
        let config = server::configuration(&directory, None);
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(server::make(&config))?;
        let server = Server::start(Kind::Archive, &directory)?;
        let mut taken = Vec::new();
        for round in 0..=self.rounds {
            let sip = package(round, self.units, self.size)?;
            let bytes = sip.len();
            let elapsed = runtime.block_on(send(&server, sip))?;
            if round > 0 {
                taken.push(elapsed.as_secs_f64());
            }
            terminal::say(format_args!(
                "transfert {round} : {} unités, {bytes} octets, {:.3} s",
                self.units,
                elapsed.as_secs_f64()
            ))?;
        }
        verdict("du premier octet envoyé à la réponse, médiane", median(taken), WANTED_S, false, "s")?;
        if let Some(peak) = server.memory_peak_bytes() {
            terminal::say(format_args!("mémoire au plus : {} Mio", peak >> 20))?;
        }
        server.stop()
    }
}

async fn send(server: &Server, sip: Vec<u8>) -> anyhow::Result<Duration> {
    // Another part of the process may have installed it already: the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::new();
    let url = format!("http://{}/v1/transfers?wait=600", server.address);
    let authorization = server.authorization.clone().unwrap_or_default();
    let began = Instant::now();
    let response = client.post(url).header("Authorization", authorization).body(sip).send().await?;
    let status = response.status().as_u16();
    let answer = response.text().await?;
    let elapsed = began.elapsed();
    ensure!(status == 201, "le transfert n'est pas accepté ({status}) : {answer}");
    Ok(elapsed)
}

/// A tar of one bordereau and as many objects as units, all different.
fn package(round: usize, units: usize, size: usize) -> anyhow::Result<Vec<u8>> {
    let (mut objects, mut described) = (String::new(), String::new());
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |name: &str, content: &[u8]| -> std::io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o444);
        tar.append_data(&mut header, name, content)
    };
    for n in 0..units {
        let line = format!("pièce {n} du transfert {round}, ");
        let content: Vec<u8> = line.bytes().cycle().take(size.max(1)).collect();
        let digest = hex::encode(sha256(&content));
        write!(
            objects,
            "<DataObjectGroup id=\"G{n}\"><BinaryDataObject id=\"O{n}\"><DataObjectVersion>BinaryMaster_1</DataObjectVersion>\
             <Uri>content/{n}.txt</Uri><MessageDigest algorithm=\"SHA-256\">{digest}</MessageDigest><Size>{}</Size>\
             <FormatIdentification><FormatId>x-fmt/111</FormatId></FormatIdentification></BinaryDataObject></DataObjectGroup>",
            content.len()
        )?;
        write!(
            described,
            "<ArchiveUnit id=\"U{n}\"><Content><DescriptionLevel>Item</DescriptionLevel><Title>Pièce n° {n}</Title></Content>\
             <DataObjectReference><DataObjectGroupReferenceId>G{n}</DataObjectGroupReferenceId></DataObjectReference></ArchiveUnit>"
        )?;
        add(&format!("content/{n}.txt"), &content).context("pièce")?;
    }
    let manifest = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ArchiveTransfer xmlns=\"fr:gouv:culture:archivesdefrance:seda:v2.2\">\
         <Date>2026-01-01T00:00:00</Date><MessageIdentifier>BENCH-{round}</MessageIdentifier>\
         <ArchivalAgreement>IC</ArchivalAgreement><CodeListVersions/><DataObjectPackage>{objects}<DescriptiveMetadata>{described}\
         </DescriptiveMetadata><ManagementMetadata><OriginatingAgencyIdentifier>BENCH</OriginatingAgencyIdentifier>\
         </ManagementMetadata></DataObjectPackage><ArchivalAgency><Identifier>AD</Identifier></ArchivalAgency>\
         <TransferringAgency><Identifier>BENCH</Identifier></TransferringAgency></ArchiveTransfer>"
    );
    add("manifest.xml", manifest.as_bytes()).context("bordereau")?;
    Ok(tar.into_inner()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::package;
    use crate::transfer::check::{Options, check};
    use crate::transfer::event::Outcome;

    #[test]
    fn what_is_measured_is_a_good_transfer() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), package(1, 3, 40).unwrap()).unwrap();
        let report = check(file.path(), &Options::default()).unwrap().report;
        assert_eq!(report.outcome, Outcome::Ok, "{report:?}");
    }
}
