//! Every fuzz target, over every seed and every past crash kept in `tests/fuzz/corpus/`.
#![allow(clippy::expect_used)]

#[path = "fuzz/targets.rs"]
mod targets;

/// A target and its name, which is that of its corpus.
type Target = (&'static str, fn(&[u8]));

const TARGETS: &[Target] = &[
    ("record", targets::record),
    ("ark", targets::ark),
    ("pack", targets::pack),
    ("head", targets::head),
    ("metadata", targets::metadata),
    ("multipart", targets::multipart),
    ("note", targets::note),
    ("checkpoint", targets::checkpoint),
    ("witness", targets::witness),
    ("tile", targets::tile),
    ("tlog_proof", targets::tlog_proof),
    ("cms", targets::cms),
    ("tsp", targets::tsp),
    ("ers", targets::ers),
    ("receipt", targets::receipt),
    ("xml", targets::xml),
    ("seda_manifest", targets::seda_manifest),
    ("seda_unit", targets::seda_unit),
    ("relaxng", targets::relaxng),
    ("json_schema", targets::json_schema),
    ("referential", targets::referential),
    ("pronom", targets::pronom),
    ("sip", targets::sip),
    ("xmldsig", targets::xmldsig),
    ("certificate", targets::certificate),
    ("crl", targets::crl),
    ("ocsp", targets::ocsp),
    ("trusted_list", targets::trusted_list),
    ("signature_policy", targets::signature_policy),
    ("validation", targets::validation),
    ("ber", targets::ber),
    ("signed_data", targets::signed_data),
    ("pdf", targets::pdf),
    ("asic", targets::asic),
    ("pes", targets::pes),
    ("sealed_report", targets::sealed_report),
    ("evidence_batch", targets::evidence_batch),
    ("warc", targets::warc),
    ("premis", targets::premis),
];

#[test]
fn every_seed_keeps_its_promise() {
    for (name, target) in TARGETS {
        let corpus = format!("tests/fuzz/corpus/{name}");
        let mut seeds = 0;
        for seed in std::fs::read_dir(&corpus).expect("a corpus").map(|entry| entry.expect("a seed").path()) {
            let data = std::fs::read(&seed).expect("a readable seed");
            let kept = std::panic::catch_unwind(|| target(&data)).is_ok();
            assert!(kept, "target {name} breaks its promise on {}", seed.display());
            seeds += 1;
        }
        assert!(seeds > 0, "{corpus} is empty");
    }
}

/// Cheap neighbours of the seeds, so that a promise broken by a truncated or damaged input shows without cargo-fuzz.
#[test]
fn damaged_seeds_keep_the_promise_too() {
    for (name, target) in TARGETS {
        for seed in std::fs::read_dir(format!("tests/fuzz/corpus/{name}")).expect("a corpus") {
            let seed = seed.expect("a seed").path();
            let data = std::fs::read(&seed).expect("a readable seed");
            // At most some two hundred places, spread over the seed.
            for at in (0..data.len()).step_by(data.len() / 200 + 1) {
                let mut damaged = data.clone();
                damaged[at] ^= 1 << (at % 8);
                let cut = &data[..at];
                let kept = std::panic::catch_unwind(|| (target(&damaged), target(cut))).is_ok();
                assert!(kept, "target {name} breaks its promise on {} damaged or cut at byte {at}", seed.display());
            }
        }
    }
}
