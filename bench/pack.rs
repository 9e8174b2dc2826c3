//! Packs: compressing small documents and putting them together, and reading one back whole.
#![allow(clippy::unwrap_used, missing_docs)]

use archiland::digest::sha256;
use archiland::store::{Pack, PackBuilder, compress};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

/// Documents in a pack: as many as deposits under way in the load test.
const MEMBERS: usize = 256;

const MEMBER_BYTES: usize = 4096;

/// What does not compress (a PDF, a ZIP), and what does (XML, CSV).
fn documents(dense: bool) -> Vec<Vec<u8>> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut draw = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let line = "40220;Labastide-d'Armagnac;fonctionnement;011;60612;énergie;1234,56\n";
    (0..MEMBERS)
        .map(|n| {
            if dense {
                std::iter::repeat_with(|| draw().to_le_bytes()).flatten().take(MEMBER_BYTES).collect()
            } else {
                format!("{n};{line}").bytes().cycle().take(MEMBER_BYTES).collect()
            }
        })
        .collect()
}

fn pack(documents: &[Vec<u8>]) -> Vec<u8> {
    let mut pack = PackBuilder::default();
    for document in documents {
        let frame = compress(document).unwrap();
        pack.push(&sha256(document), document.len() as u64, &frame).unwrap();
    }
    pack.finish().unwrap()
}

fn packs(c: &mut Criterion) {
    let mut group = c.benchmark_group("pack");
    group.throughput(Throughput::Elements(MEMBERS as u64));
    for (name, dense) in [("dense", true), ("text", false)] {
        let documents = documents(dense);
        group.bench_function(format!("{MEMBERS} × 4 KiB, {name}"), |b| b.iter(|| pack(black_box(&documents))));
        let bytes = pack(&documents);
        group.bench_function(format!("read whole, {name}"), |b| {
            b.iter(|| Pack::parse(black_box(&bytes), 16 << 20).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, packs);
criterion_main!(benches);
