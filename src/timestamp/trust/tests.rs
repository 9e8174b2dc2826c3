#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use super::*;
use crate::clock::{Clock, system};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use time::OffsetDateTime;
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// Seconds from the epoch of NTP to that of Unix.
const NTP_TO_UNIX_S: i64 = 2_208_988_800;

/// A server of time that is wrong by some seconds, as told; silent when told so by `i64::MAX`.
async fn server(offset_s: Arc<AtomicI64>) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut request = [0; 64];
        loop {
            let (length, from) = socket.recv_from(&mut request).await.unwrap();
            let offset = offset_s.load(Ordering::SeqCst);
            if length < 48 || offset == i64::MAX {
                continue;
            }
            let mut reply = [0_u8; 48];
            // Version 4, server; stratum 2; the client's transmit time comes back as originate time.
            (reply[0], reply[1]) = (0x24, 2);
            reply[24..32].copy_from_slice(&request[40..48]);
            let now = system().now().unix_timestamp_nanos();
            let seconds = (now / 1_000_000_000) as i64 + NTP_TO_UNIX_S + offset;
            let fraction = ((now % 1_000_000_000) << 32) / 1_000_000_000;
            for at in [16, 32, 40] {
                reply[at..at + 4].copy_from_slice(&(seconds as u32).to_be_bytes());
                reply[at + 4..at + 8].copy_from_slice(&(fraction as u32).to_be_bytes());
            }
            socket.send_to(&reply, from).await.unwrap();
        }
    });
    address
}

fn options(servers: Vec<String>, quorum: usize) -> ClockOptions {
    ClockOptions { servers, quorum, drift_max: Duration::from_millis(500), every: Duration::from_millis(100) }
}

async fn becomes(trust: &ClockTrust, wanted: impl Fn(&ClockState) -> bool) -> ClockState {
    let mut state = trust.0.clone().unwrap();
    timeout(Duration::from_secs(20), state.wait_for(|state| wanted(state))).await.unwrap().unwrap().clone()
}

#[tokio::test]
async fn a_quorum_opens_and_closes() {
    let offsets: Vec<Arc<AtomicI64>> =
        [0, 0, 3600].into_iter().map(|offset| Arc::new(AtomicI64::new(offset))).collect();
    let mut servers = Vec::new();
    for offset in &offsets {
        servers.push(server(offset.clone()).await);
    }
    let cancel = CancellationToken::new();
    let trust = watch_clock(options(servers, 2), system(), cancel.clone());
    assert!(
        matches!(trust.state(), ClockState::Unknown(_)) && trust.require().is_err() && trust.refuse_wrong().is_ok()
    );
    becomes(&trust, |state| *state == ClockState::Trusted).await;
    assert!(trust.require().is_ok());
    // Two of three now say another time: ours is wrong.
    offsets[0].store(-3600, Ordering::SeqCst);
    becomes(&trust, |state| matches!(state, ClockState::Wrong(_))).await;
    assert!(trust.require().is_err() && trust.refuse_wrong().is_err());
    // Silence does not make it right again; a quorum does.
    offsets[0].store(i64::MAX, Ordering::SeqCst);
    offsets[1].store(i64::MAX, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(matches!(trust.state(), ClockState::Wrong(_)));
    offsets[0].store(0, Ordering::SeqCst);
    offsets[1].store(0, Ordering::SeqCst);
    becomes(&trust, |state| *state == ClockState::Trusted).await;
    cancel.cancel();
}

#[derive(Debug)]
struct Settable(Mutex<time::Duration>);

impl Clock for Settable {
    fn now(&self) -> OffsetDateTime {
        system().now() + *self.0.lock().unwrap()
    }
}

#[tokio::test]
async fn a_step_closes_until_a_restart_when_nobody_can_be_asked() {
    let clock = Arc::new(Settable(Mutex::default()));
    let trust = watch_clock(options(Vec::new(), 0), clock.clone(), CancellationToken::new());
    assert_eq!(trust.state(), ClockState::Trusted);
    tokio::time::sleep(Duration::from_millis(1200)).await;
    *clock.0.lock().unwrap() = time::Duration::seconds(-3);
    let state = becomes(&trust, |state| matches!(state, ClockState::Wrong(_))).await;
    assert!(matches!(state, ClockState::Wrong(why) if why.contains("décalée de -")));
}

#[test]
fn a_server_without_a_port_is_asked_at_123() {
    for (written, meant) in [
        ("a.example", "a.example:123"),
        ("a.example:1123", "a.example:1123"),
        ("[::1]:5", "[::1]:5"),
        ("[::1]", "[::1]:123"),
    ] {
        assert_eq!(with_port(written), meant);
    }
}
