//! Digests: what a deposit costs at least, whatever becomes of it.
#![allow(clippy::unwrap_used, missing_docs)]

use archiland::digest::{Digests, Hasher, sha256};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

fn digests(c: &mut Criterion) {
    let mut group = c.benchmark_group("digest");
    for (name, length) in [("4 KiB", 4096usize), ("1 MiB", 1 << 20)] {
        let bytes = vec![0x5A; length];
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(format!("sha256, {name}"), |b| b.iter(|| sha256(black_box(&bytes))));
        group.bench_function(format!("both, {name}"), |b| b.iter(|| Digests::of(black_box(&bytes))));
        group.bench_function(format!("both streamed, {name}"), |b| {
            b.iter(|| {
                let mut hasher = Hasher::new();
                black_box(&bytes).chunks(64 * 1024).for_each(|chunk| hasher.update(chunk));
                hasher.finish()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, digests);
criterion_main!(benches);
