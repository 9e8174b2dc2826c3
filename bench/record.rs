//! Records: canonical bytes, the entry that commits to them, and reading them back.
#![allow(clippy::unwrap_used, missing_docs)]

use archiland::package::{Body, Dates, Deposit, Location, Payload, Record, entry_of};
use archiland::spec::tlog::leaf_hash;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use uuid::Uuid;

fn record() -> Record {
    Record {
        v: 1,
        time: "2026-11-23T20:06:13.042Z".into(),
        agency: "200040475".into(),
        actor: "token:0193-bench".into(),
        id: Uuid::from_u128(0x0193_5555_7777_7abc_8def_0123_4567_89ab),
        references: vec![],
        salt: "5a".repeat(32),
        body: Body::Deposit(Deposit {
            title: "Délibération n° 2026-118 du 23 novembre 2026 : budget supplémentaire".into(),
            document_type: "deliberation".into(),
            rule: "deliberation".into(),
            external_id: Some("ACTES-2026-0042".into()),
            dates: Dates { created: Some("2026-11-23".into()), ..Dates::default() },
            content: "ab".repeat(32),
            payloads: vec![Payload {
                name: "délibération.pdf".into(),
                size_bytes: 4096,
                sha256: "cd".repeat(32),
                sha512: "ef".repeat(64),
                media_type: "application/pdf".into(),
                puid: Some("fmt/276".into()),
                location: Location {
                    object: "payload/200040475/deliberation-01935555-7777-7abc-8def-0123456789ab.tar.zst".into(),
                    offset: 4711,
                    length: 4101,
                },
            }],
            ..Deposit::default()
        }),
    }
}

fn records(c: &mut Criterion) {
    let record = record();
    let bytes = record.to_canonical().unwrap();
    let mut group = c.benchmark_group("record");
    group.throughput(Throughput::Elements(1));
    group.bench_function("canonical bytes", |b| b.iter(|| black_box(&record).to_canonical().unwrap()));
    group.bench_function("entry and leaf hash", |b| b.iter(|| leaf_hash(&entry_of(black_box(&bytes)))));
    group.bench_function("parse", |b| b.iter(|| Record::parse(black_box(&bytes)).unwrap()));
    group.finish();
}

criterion_group!(benches, records);
criterion_main!(benches);
