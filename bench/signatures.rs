//! Signatures of each kind, from bytes to verdict, warm: one after the other, and on two threads at once.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../tests/support/pdf_maker.rs"]
mod pdf_maker;
#[path = "../tests/support/pes_maker.rs"]
mod pes_maker;

use archiland::validation::indication::Indication;
use archiland::validation::policy::SignaturePolicy;
use archiland::validation::trust::TrustMaterial;
use archiland::validation::verdict::{Context, Verdict, judge};
use archiland::validation::{Content, Input, gather};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pdf_maker::{PdfMaker, Seal};
use std::hint::black_box;
use std::time::{Duration, Instant};

const MESSAGE: &[u8] = include_bytes!("../tests/fuzz/fixtures/message.txt");
const DETACHED: &[u8] = include_bytes!("../tests/fuzz/corpus/cms/openssl-ec-detached.p7s");
const STAMPED: &[u8] = include_bytes!("../tests/fuzz/corpus/pdf/stamped-dss.pdf");

struct Rules {
    policy: SignaturePolicy,
    trust: TrustMaterial,
}

impl Rules {
    fn validate(&self, bytes: &[u8], contents: &[Content<'_>]) -> Verdict {
        let facts = gather(&Input { name: None, bytes, contents, certificates: &[] });
        let at = time::macros::datetime!(2026-06-01 0:00 UTC);
        judge(
            &facts,
            &Context {
                policy: &self.policy,
                trust: &self.trust,
                at,
                existence: None,
                beside: None,
                integrity_only: true,
            },
        )
    }
}

/// A PDF signed several times over, by a CMS that is not its own: the same work, one digest differs.
fn pdf(signatures: u32) -> Vec<u8> {
    let mut made = PdfMaker::new();
    for rank in 0..signatures {
        let others: Vec<u32> = (0..rank).map(|rank| 10 + 2 * rank).collect();
        made.sign(&Seal { number: 10 + 2 * rank, others: &others, room: 1024, ..Seal::default() }, |_| {
            DETACHED.to_vec()
        });
    }
    made.bytes
}

fn signatures(c: &mut Criterion) {
    let rules = Rules { policy: SignaturePolicy::embedded().unwrap(), trust: TrustMaterial::default() };
    let beside = [Content { name: "message.txt", bytes: MESSAGE }];
    let (pes, signed, often) = (pes_maker::signed(3_000), pdf(1), pdf(24));
    assert_eq!(rules.validate(&pes, &[]).indication, Some(Indication::TotalPassed));
    assert_eq!(rules.validate(DETACHED, &beside).indication, Some(Indication::TotalPassed));
    assert_eq!(rules.validate(&often, &[]).signatures.len(), 24);
    let cases: [(&str, &[u8], &[Content<'_>]); 5] = [
        ("PES, 9 KB", &pes, &[]),
        ("CMS, detached", DETACHED, &beside),
        ("PDF, one signature", &signed, &[]),
        ("PDF, stamped, with a store", STAMPED, &[]),
        ("PDF, 24 signatures", &often, &[]),
    ];
    let mut group = c.benchmark_group("signatures");
    group.throughput(Throughput::Elements(1));
    for (name, bytes, contents) in cases {
        group.bench_function(name, |b| b.iter(|| rules.validate(black_box(bytes), contents)));
        group.bench_function(format!("{name}, two threads"), |b| {
            b.iter_custom(|count| together(2, count, || drop(rules.validate(black_box(bytes), contents))));
        });
    }
    group.finish();
}

/// The time that `count` times `work` takes, shared among threads.
fn together(threads: u64, count: u64, work: impl Fn() + Sync) -> Duration {
    let began = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (share, work) = ((count + thread) / threads, &work);
            scope.spawn(move || (0..share).for_each(|_| work()));
        }
    });
    began.elapsed()
}

criterion_group!(benches, signatures);
criterion_main!(benches);
