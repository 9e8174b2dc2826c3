//! The s2low interface: signed PES of 100 KB posted over mutual TLS into an archive on local disk, fsync on, validated on their
//! way in; then one of 128 MiB. Generator, TLS on both sides and server share the cores.
//!
//! The files are signed once, at the level of the bordereau as parapheurs do, and each has a `NomFic` of its own, which that
//! signature does not cover: every one is another file with a good signature.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

#[path = "../tests/support/node.rs"]
mod node;
#[path = "../tests/support/pes_maker.rs"]
mod pes_maker;
#[path = "../tests/support/platform.rs"]
mod platform;

use bytes::Bytes;
use futures::{StreamExt, stream};
use node::Kind;
use pes_maker::{ECDSA, digest, reference, signature};
use platform::{IMPORT, Platform};
use reqwest::Client;
use reqwest::multipart::{Form, Part};
use std::time::{Duration, Instant};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Posted at once.
const IN_FLIGHT: usize = 16;
/// Files of a round, and rounds; the first warms up.
const FILES: u32 = 1_200;
const ROUNDS: usize = 4;
/// Bytes of a small file, and of the largest that s2low takes.
const SMALL: usize = 100_000;
const LARGE: usize = 128 << 20;

/// A PES in three parts: what comes before its name, what comes after.
struct Template {
    before: String,
    after: String,
}

impl Template {
    /// Of about so many bytes, most of them one attachment.
    fn new(bytes: usize) -> Self {
        let root = "<n:PES_Aller xmlns:n=\"http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/aller\">";
        let piece = |n| {
            format!("<Piece><BlocPiece><InfoPce><IdPce V=\"{n}\"/></InfoPce></BlocPiece><MtHT V=\"{n}.75\"/></Piece>")
        };
        let pieces = (0..60).map(piece).collect::<Vec<String>>().concat();
        let bordereau = |inside: &str, signed: &str| {
            format!(
                "<Bordereau Id=\"B\"{inside}><BlocBordereau><Exer V=\"2026\"/><IdBord V=\"1\"/></BlocBordereau>{pieces}{signed}</Bordereau>"
            )
        };
        // The bordereau is digested in its exclusive canonical form: no namespace of the root is used in it.
        let transforms = pes_maker::transforms();
        let own = reference("#B", &transforms, &digest(&bordereau("", "")));
        let signed = bordereau("", &signature(&own, ECDSA));
        // Incompressible enough, and no multiple of a block.
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let mut attachment = String::with_capacity(bytes);
        while attachment.len() < bytes.saturating_sub(signed.len() + 900) {
            let chunk = [random(), random(), random()].map(u64::to_le_bytes).concat();
            attachment.push_str(&base64::Engine::encode(&base64::engine::general_purpose::STANDARD, chunk));
        }
        let before = format!(
            "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n{root}<Enveloppe><Parametres><Version V=\"2\"/><TypFic V=\"PESALR2\"/><NomFic V=\""
        );
        let after = format!(
            "\"/></Parametres></Enveloppe><EnTetePES><DteStr V=\"2026-03-05\"/><IdPost V=\"040999\"/><IdColl V=\"21409999800019\"/>\
             <CodCol V=\"999\"/><CodBud V=\"00\"/></EnTetePES><PES_DepenseAller>{signed}</PES_DepenseAller><PES_PJ><PJ><Contenu>\
             <Fichier MIMEType=\"application/octet-stream\">{attachment}</Fichier></Contenu><IdUnique V=\"PJ\"/><NomPJ V=\"pj.bin\"/></PJ></PES_PJ></n:PES_Aller>"
        );
        Self { before, after }
    }

    fn file(&self, name: &str) -> Bytes {
        [self.before.as_str(), name, &self.after].concat().into()
    }
}

async fn post(client: &Client, url: &str, file: Bytes) -> String {
    let part = Part::stream_with_length(file.clone(), file.len() as u64).file_name("pes.xml");
    let response = client.post(url).multipart(Form::new().part("enveloppe", part)).send().await.unwrap();
    let text = response.text().await.unwrap();
    assert!(text.contains("<resultat>OK</resultat>"), "{text}");
    text
}

#[tokio::main]
async fn main() {
    let mut platform = Platform::start_with(Kind::Local, |config| {
        config.limits.agency_requests_per_second_max = 1_000_000;
        config.limits.agency_requests_burst_max = 1_000_000;
    })
    .await;
    let (client, url) = (platform.client(0), platform.url(IMPORT));
    let template = Template::new(SMALL);
    let mut rates = Vec::new();
    for round in 0..=ROUNDS {
        let began = Instant::now();
        let posts = stream::iter(0..FILES).map(|n| post(&client, &url, template.file(&format!("PES-{round}-{n}"))));
        posts.buffer_unordered(IN_FLIGHT).for_each(|_| async {}).await;
        let rate = f64::from(FILES) / began.elapsed().as_secs_f64();
        if round > 0 {
            rates.push(rate);
        }
    }
    // The signature was looked at, and holds.
    let answer = post(&client, &url, template.file("PES-VU")).await;
    let number = answer.split_once("<id>").and_then(|(_, rest)| rest.split_once("</id>")).unwrap().0.to_owned();
    let (token, _) = platform.archive.token(serde_json::json!({ "agency": "aa", "scopes": ["read"] })).await;
    let path = format!("/v1/transmissions/{number}");
    let row: serde_json::Value = platform.archive.get(&path, &token).await.json().await.unwrap();
    let ark = row["archive"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let archive: serde_json::Value =
        platform.archive.get(&format!("/v1/archives/{ark}"), &token).await.json().await.unwrap();
    let signatures = &archive["record"]["body"]["signatures"];
    println!(
        "signatures, as kept               {:>12}  {}",
        signatures["indication"].as_str().unwrap(),
        signatures["sub_indication"]
    );
    rates.sort_by(f64::total_cmp);
    println!("signed PES of {SMALL} bytes       {:>12.0}/s  (asked: 300/s)", rates[rates.len() / 2]);

    let large = Template::new(LARGE - 4096);
    let mut times = Vec::new();
    for n in 0..4 {
        let file = large.file(&format!("GRAND-{n}"));
        assert!(file.len() <= LARGE);
        let before = resident();
        let began = Instant::now();
        post(&client, &url, file).await;
        times.push(began.elapsed());
        println!(
            "  one of {} MiB: {:.2} s; at most {} MiB more than before",
            LARGE >> 20,
            times[n].as_secs_f64(),
            (peak() - before) >> 20
        );
    }
    times.sort_unstable();
    println!("PES of 128 MiB, median            {:>12.2} s  (asked: under 3 s)", median(&times).as_secs_f64());
    platform.archive.stop().await;
}

fn median(sorted: &[Duration]) -> Duration {
    sorted[sorted.len() / 2]
}

/// Resident memory of this process, generator and server, in bytes.
fn resident() -> u64 {
    // What was freed is given back, and the peak counts from here.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    status("VmRSS:")
}

fn peak() -> u64 {
    status("VmHWM:")
}

fn status(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
}
