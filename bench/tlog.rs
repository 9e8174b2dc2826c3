//! The log's formats and the offline verifier, in process: what a batch, a proof and a check cost beside the bare hashes
//! they are made of. Compare ratios within one run (`bench/README.md`).
#![allow(clippy::unwrap_used, missing_docs)]

use archiland::spec::tlog::edge::Edge;
use archiland::spec::tlog::proof::verify_inclusion;
use archiland::spec::tlog::tree::{TileSet, inclusion};
use archiland::spec::tlog::{Hash, leaf_hash, node_hash};
use archiland::verify::measure;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ring::digest::{Context, SHA256};
use std::hint::black_box;
use std::io::Write;

/// Entries in the log.
const SIZE: u64 = 1_000_000;

/// Entries in a batch: the sequencer's limit.
const BATCH: usize = 4096;

/// Bytes of the document measured: more than the processor's caches hold.
const DOCUMENT_BYTES: usize = 512 * 1024 * 1024;

fn leaves() -> Vec<Hash> {
    (0..SIZE).map(|i| leaf_hash(&i.to_be_bytes())).collect()
}

fn log(c: &mut Criterion) {
    let leaves = leaves();
    let (mut edge, mut tiles) = (Edge::empty(), TileSet::new());
    for (id, bytes) in edge.append(&leaves) {
        tiles.insert(id, bytes.into()).unwrap();
    }
    let root = edge.root();

    let mut group = c.benchmark_group("batch");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("4096 bare node hashes", |b| {
        b.iter(|| leaves[..BATCH].iter().fold([0; 32], |left, right| node_hash(&left, right)));
    });
    group.bench_function("4096 leaves appended, root included", |b| {
        let append = |mut edge: Edge| (edge.append(&leaves[..BATCH]), edge.root());
        b.iter_batched(|| edge.clone(), append, BatchSize::SmallInput);
    });
    group.finish();

    let mut group = c.benchmark_group("proof");
    group.throughput(Throughput::Elements(1));
    let mut index = 0;
    group.bench_function("inclusion, anywhere in a million, warm tiles", |b| {
        b.iter(|| {
            index = (index + 245_489) % SIZE;
            inclusion(index, SIZE, &tiles).unwrap()
        });
    });
    group.bench_function("inclusion, last batch, warm tiles", |b| {
        b.iter(|| {
            index = SIZE - 1 - (index + 1) % BATCH as u64;
            inclusion(index, SIZE, &tiles).unwrap()
        });
    });
    let proof = inclusion(7, SIZE, &tiles).unwrap();
    group.bench_function("checking one", |b| b.iter(|| verify_inclusion(7, &leaves[7], SIZE, &proof, &root).unwrap()));
    group.finish();
}

fn document(c: &mut Criterion) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let chunk = vec![0x5a; 1024 * 1024];
    for _ in 0..DOCUMENT_BYTES / chunk.len() {
        file.write_all(&chunk).unwrap();
    }
    let mut group = c.benchmark_group("document");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(DOCUMENT_BYTES as u64));
    group.bench_function("SHA-256 of memory (what the processor allows)", |b| {
        b.iter(|| {
            let mut context = Context::new(&SHA256);
            (0..DOCUMENT_BYTES / chunk.len()).for_each(|_| context.update(&chunk));
            black_box(context.finish())
        });
    });
    group.bench_function("verify's measure of a cached file", |b| b.iter(|| measure(file.path()).unwrap()));
    group.finish();
}

criterion_group!(benches, log, document);
criterion_main!(benches);
