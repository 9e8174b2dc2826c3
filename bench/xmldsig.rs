//! XML signatures: a PES of a few kilobytes with a signed bordereau, and one of 100 MiB signed as a whole, made here.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../tests/support/pes_maker.rs"]
mod pes_maker;

use archiland::spec::xml::{Document, Limits};
use archiland::validation::Input;
use archiland::validation::gather::xades::gather;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

fn signatures(c: &mut Criterion) {
    let mut group = c.benchmark_group("xmldsig");
    for (name, attachment_bytes, samples) in [("9 KB", 3_000, 100), ("100 MiB", 100 << 20, 10)] {
        let pes = pes_maker::signed(attachment_bytes);
        let input = Input { name: None, bytes: &pes, contents: &[], certificates: &[] };
        let facts = gather(&input);
        assert!(facts.members.iter().all(|unit| unit.covered), "{:?}", facts.signatures);
        group.throughput(Throughput::Bytes(pes.len() as u64));
        group.sample_size(samples);
        group.bench_function(format!("PES gathered, {name}"), |b| b.iter(|| gather(black_box(&input))));
        group.bench_function(format!("XML read, {name}"), |b| {
            b.iter(|| Document::parse(black_box(&pes), &Limits::default()).unwrap().size_bytes());
        });
    }
    group.finish();
}

criterion_group!(benches, signatures);
criterion_main!(benches);
