//! I1 and I8 against a failing disk: the real binary under `strace`, which makes file-system calls fail (EIO, ENOSPC) or
//! kills the process at one of them. Whatever was acknowledged verifies afterwards, on a healthy disk, and is there once.
//!
//! A fault may stop the daemon, refuse a deposit, make it wait. It may not make it lie. Where in the run a fault falls
//! depends on the threads; the sweep samples places, more of them under `CI=true`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/deposits.rs"]
mod deposits;
mod support;

use daemon::{Archive, Daemon};
use deposits::{Acknowledged, Asked, Attempt};
use futures::future::join_all;
use reqwest::Client;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The calls that make bytes and names durable, by family (older and newer names of one call).
const CALLS: &[&str] = &[
    "openat",
    "write,pwrite64,writev",
    "fsync,fdatasync",
    "rename,renameat,renameat2",
    "link,linkat",
    "unlink,unlinkat",
    "mkdir,mkdirat",
    "ftruncate",
];

/// What happens at the chosen call.
const FAULTS: &[&str] = &["error=EIO", "error=ENOSPC", "signal=KILL"];

/// Deposits of one wave.
const WAVE: u64 = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_disk_makes_no_liar() {
    if !support::require_tool("strace") || !may_trace() {
        return;
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut model = Archive::init();
    let mut daemon = model.serve(&[]);
    assert!(model.ready(&mut daemon, Duration::from_secs(60)).await, "never ready: {}", model.log());
    model.open_for_deposits().await;
    let before = wave(&model, 0).await;
    assert_eq!(before.len() as u64, WAVE, "a healthy archive acknowledges everything: {}", model.log());
    assert!(daemon.stop().success(), "{}", model.log());

    let mut outcomes: BTreeMap<String, u32> = BTreeMap::new();
    let mut number = 1;
    for phase in [Phase::Start, Phase::Load] {
        let busiest = busiest_threads(&model, phase).await;
        eprintln!("{phase:?}: calls of the busiest thread: {busiest:?}");
        for case in sample(phase, &busiest) {
            number += 1;
            let outcome = one_case(&model, &before, number, &case).await;
            eprintln!("{case}: {outcome}");
            *outcomes.entry(format!("{phase:?}: {outcome}")).or_default() += 1;
        }
    }
    eprintln!("{outcomes:?}");
    for phase in [Phase::Start, Phase::Load] {
        let of_phase = outcomes.iter().filter(|(outcome, _)| outcome.starts_with(&format!("{phase:?}")));
        let struck = of_phase.filter(|(outcome, _)| !outcome.ends_with(UNTOUCHED)).map(|(_, count)| count).sum::<u32>();
        assert!(struck > 0, "{phase:?}: no fault was felt, the sweep proves nothing");
    }
}

const UNTOUCHED: &str = "overcome, or not reached";

/// When the faults begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// With the process.
    Start,
    /// Once the daemon is ready, before a wave of deposits.
    Load,
}

/// One fault to try.
struct Case {
    phase: Phase,
    /// The family of calls.
    calls: &'static str,
    fault: &'static str,
    /// `N`: the N-th call of each thread; `N+S`: that one and every S-th after.
    when: String,
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}: {} {} when={}", self.phase, self.calls, self.fault, self.when)
    }
}

/// One fault on a copy of the archive: a wave under it, then a healthy restart.
async fn one_case(model: &Archive, before: &[Acknowledged], number: u64, case: &Case) -> &'static str {
    let archive = model.copy();
    let expressions =
        [format!("trace={}", case.calls), format!("inject={}:{}:when={}", case.calls, case.fault, case.when)];
    let mut traced = Traced::start(&archive, case.phase, &expressions, Path::new("/dev/null")).await;
    let acknowledged = if traced.ready { wave(&archive, number).await } else { Vec::new() };
    let died = traced.daemon.ended().is_some();
    let started = traced.ready;
    drop(traced);
    // Ours never panic. sled's are caught, and a fault on the runtime's own wake-up descriptor is no disk's.
    assert!(!archive.log().contains("panicked at src/"), "{case}: a panic: {}", archive.log());

    let mut daemon = archive.serve(&[]);
    let healthy = archive.ready(&mut daemon, Duration::from_secs(60)).await;
    assert!(healthy, "{case}: no restart on a healthy disk: {}", archive.log());
    // Those that were not acknowledged are tried again with their key, as their depositor would.
    let after = wave(&archive, number).await;
    assert_eq!(after.len() as u64, WAVE, "{case}: a healthy disk refuses: {}", archive.log());
    assert!(daemon.stop().success(), "{case}: {}", archive.log());
    let all: Vec<_> = before.iter().chain(&acknowledged).chain(&after).cloned().collect();
    deposits::receipts_verify(&archive, &all);
    deposits::nothing_is_missing(&archive, &all).await;
    match (started, died, acknowledged.len() as u64) {
        (false, ..) => "did not start",
        (true, true, _) => "died",
        (true, false, WAVE) => UNTOUCHED,
        (true, false, _) => "refused or kept some waiting",
    }
}

/// A daemon under strace.
struct Traced {
    /// Killed before the tracer, which would let it go on otherwise.
    daemon: Daemon,
    /// Only when it was attached afterwards; else it is the daemon's wrapper.
    _tracer: Option<Killed>,
    /// The daemon answered before the time was over.
    ready: bool,
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Traced {
    async fn start(archive: &Archive, phase: Phase, expressions: &[String], output: &Path) -> Self {
        let mut strace = vec!["strace".to_owned(), "-f".to_owned(), "-qq".to_owned(), "-o".to_owned()];
        strace.push(output.to_str().unwrap().to_owned());
        strace.extend(expressions.iter().flat_map(|expression| ["-e".to_owned(), expression.clone()]));
        if phase == Phase::Start {
            let mut daemon = archive.serve(&strace);
            let ready = archive.ready(&mut daemon, Duration::from_secs(10)).await;
            return Self { daemon, _tracer: None, ready };
        }
        let mut daemon = archive.serve(&[]);
        assert!(archive.ready(&mut daemon, Duration::from_secs(60)).await, "{}", archive.log());
        let process = daemon.process().to_string();
        let tracer = Command::new(&strace[0]).args(&strace[1..]).args(["-p", &process]).stderr(Stdio::null()).spawn();
        let tracer = Killed(tracer.expect("strace starts"));
        until_traced(&process).await;
        Self { daemon, _tracer: Some(tracer), ready: true }
    }
}

/// Waits until every thread of a process has a tracer, or is dead: the first call that the sweep kills at may come before
/// the last thread is attached.
async fn until_traced(process: &str) {
    let traced = |task: std::io::Result<std::fs::DirEntry>| {
        let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap_or_default();
        !status.contains("TracerPid:\t0\n") || status.contains("State:\tZ")
    };
    for _ in 0..6_000 {
        if std::fs::read_dir(format!("/proc/{process}/task")).is_ok_and(|mut tasks| tasks.all(traced)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("strace does not attach to the daemon");
}

/// One attempt at each deposit of a wave, all at once.
async fn wave(archive: &Archive, number: u64) -> Vec<Acknowledged> {
    let client = Client::builder().timeout(Duration::from_secs(6)).build().unwrap();
    let one = async |n: u64| {
        let asked = Asked::number(number * WAVE + n);
        match asked.deposit(&client, archive).await {
            Attempt::Acknowledged(receipt) => Some(Acknowledged { asked, receipt }),
            Attempt::Again(_) => None,
        }
    };
    join_all((0..WAVE).map(one)).await.into_iter().flatten().collect()
}

/// Cases spread over what the busiest thread of a healthy run does.
fn sample(phase: Phase, busiest: &BTreeMap<&'static str, u32>) -> Vec<Case> {
    let ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    let places_max = match (ci, phase) {
        (true, Phase::Load) => 10,
        (true, Phase::Start) => 4,
        (false, Phase::Load) => 2,
        (false, Phase::Start) => 1,
    };
    let mut cases = Vec::new();
    for (c, (calls, most)) in (1..).zip(busiest) {
        for (f, fault) in (1..).zip(FAULTS) {
            // Not the same places for each call and fault: the sweep is finer than each of its combs.
            let places = places_max.min(*most);
            let places: BTreeSet<u32> = (0..places).map(|p| (p * most / places + c * f) % most + 1).collect();
            let mut whens: Vec<_> = places.iter().map(u32::to_string).collect();
            if ci && phase == Phase::Load {
                whens.push(format!("{f}+3"));
            }
            cases.extend(whens.into_iter().map(|when| Case { phase, calls, fault, when }));
        }
    }
    cases
}

/// For each family of calls, how many of them the busiest thread makes in a phase.
async fn busiest_threads(model: &Archive, phase: Phase) -> BTreeMap<&'static str, u32> {
    let archive = model.copy();
    let output = archive.path().join("trace");
    let traced = Traced::start(&archive, phase, &[format!("trace={}", CALLS.join(","))], &output).await;
    assert!(traced.ready, "{}", archive.log());
    if phase == Phase::Load {
        assert_eq!(wave(&archive, 1).await.len() as u64, WAVE, "{}", archive.log());
    }
    drop(traced);
    let mut counts: BTreeMap<(&str, String), u32> = BTreeMap::new();
    for line in std::fs::read_to_string(output).unwrap().lines() {
        // `<thread> <call>(<arguments> = <result>`
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let call = rest.trim_start().split('(').next().unwrap_or_default();
        if let Some(family) = CALLS.iter().find(|family| family.split(',').any(|member| member == call)) {
            *counts.entry((family, thread.to_owned())).or_default() += 1;
        }
    }
    let mut busiest = BTreeMap::new();
    for ((family, _), count) in counts {
        let most: &mut u32 = busiest.entry(family).or_default();
        *most = count.max(*most);
    }
    busiest
}

/// Whether this machine lets one process trace another (containers may not).
fn may_trace() -> bool {
    let traced = std::process::Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    if traced.is_ok_and(|status| status.success()) {
        return true;
    }
    let ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!ci, "CI=true, and strace may not trace here (ptrace is forbidden)");
    eprintln!("skipped: strace may not trace here (ptrace is forbidden)");
    false
}
