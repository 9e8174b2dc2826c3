//! Witnesses that lie, stall or talk too much: each gets a defined answer in bounded time, and no line of theirs gets in.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::clock::{Clock, SystemClock};
use crate::spec::tlog::note::{Cosigner, NoteSigner};
use axum::Router;
use axum::body::Body;
use axum::http::{Response, header};
use object_store::memory::InMemory;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

const ED25519_PKCS8: &str = "302e020100300506032b657004220420";

fn cosigner(seed: u8) -> Cosigner {
    let pkcs8 = [&hex::decode(ED25519_PKCS8).unwrap()[..], &[seed; 32]].concat();
    Cosigner::from_pkcs8(&format!("w{seed}.example/w"), &pkcs8).unwrap()
}

fn shown() -> (String, Checkpoint) {
    let checkpoint = Checkpoint { origin: "log.example/a".to_owned(), size: 7, root: [3; 32] };
    let log = NoteSigner::from_seed("log.example/a", &[9; 32]).unwrap();
    (log.sign(&checkpoint.text()).unwrap(), checkpoint)
}

/// A witness that answers everything like this; where it is.
async fn answering(answer: impl Fn() -> Response<Body> + Clone + Send + Sync + 'static) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(move || {
        let answer = answer.clone();
        async move { answer() }
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    at
}

fn with(status: u16, body: impl Into<Body>) -> Response<Body> {
    Response::builder().status(status).body(body.into()).unwrap()
}

/// Asks a witness that should have the key of seed 1, at `url`; quorum: itself.
async fn ask(url: &str) -> Gathered {
    let policy = format!("witness W {} {url}\nquorum W\n", cosigner(1).vkey());
    let log = LogReader::new(Arc::new(InMemory::new()));
    let gatherer = Gatherer::new(Policy::parse(&policy).unwrap(), log, Arc::new(SystemClock)).unwrap();
    let (note, checkpoint) = shown();
    gatherer.gather(&note, &checkpoint).await.unwrap()
}

fn now() -> u64 {
    u64::try_from(SystemClock.now().unix_timestamp()).unwrap()
}

#[tokio::test]
async fn an_honest_cosignature_is_taken_and_nothing_else_of_the_answer() {
    let (note, checkpoint) = shown();
    let (line, stranger) =
        (cosigner(1).cosign(&checkpoint.text(), now()), cosigner(2).cosign(&checkpoint.text(), now()));
    let (line, stranger) = (line.unwrap(), stranger.unwrap());
    let body = format!("noise\n{stranger}{line}");
    let gathered = ask(&answering(move || with(200, body.clone())).await).await;
    assert_eq!(gathered.note, format!("{note}{line}"));
    assert!(gathered.enough && gathered.doubts.is_empty());
}

#[tokio::test]
async fn lies_give_no_line_and_no_quorum() {
    let (note, checkpoint) = shown();
    let text = checkpoint.text();
    let other = Checkpoint { size: 8, ..checkpoint.clone() }.text();
    let lies = [
        // The key of another, another text, a time of yesterday, a time of tomorrow.
        (200, cosigner(2).cosign(&text, now()).unwrap()),
        (200, cosigner(1).cosign(&other, now()).unwrap()),
        (200, cosigner(1).cosign(&text, now() - 86_400).unwrap()),
        (200, cosigner(1).cosign(&text, now() + 86_400).unwrap()),
        (200, "200 merci".to_owned()),
        (200, String::new()),
        (200, "— w1.example/w AAAA\n".to_owned()),
        // Contradictions: sizes that are none, or the very size it was told.
        (409, String::new()),
        (409, "-1\n".to_owned()),
        (409, "0\n".to_owned()),
        (409, "99999999999999999999999\n".to_owned()),
        (302, String::new()),
        (404, String::new()),
        (422, String::new()),
        (500, "x".repeat(1000)),
    ];
    for (status, body) in lies {
        let told = body.clone();
        let gathered = ask(&answering(move || with(status, told.clone())).await).await;
        assert_eq!((gathered.note.as_str(), gathered.enough), (note.as_str(), false), "{status} {body}");
        assert!(gathered.doubts.is_empty(), "{status} {body}");
    }
}

#[tokio::test]
async fn what_would_be_grave_if_it_were_true_is_told() {
    // More than we show, another root at our size.
    for (status, body, size) in [(409, "8\n", 8), (409, "7\n", 7)] {
        let gathered = ask(&answering(move || with(status, body)).await).await;
        assert_eq!(gathered.doubts, [Doubt { witness: "W".to_owned(), size }], "{status} {body}");
        assert!(!gathered.enough);
    }
}

#[tokio::test]
async fn stalling_and_endless_answers_are_cut() {
    let begun = Instant::now();
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_at = format!("http://{}", silent.local_addr().unwrap());
    let endless = answering(|| {
        let chunks = futures::stream::repeat_with(|| Ok::<_, Infallible>(vec![b'x'; 4096]));
        Response::new(Body::from_stream(chunks))
    });
    let dripping = answering(|| {
        let chunks = futures::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            Some((Ok::<_, Infallible>(vec![b'x']), ()))
        });
        Response::new(Body::from_stream(chunks))
    });
    let moved = answering(|| {
        Response::builder().status(307).header(header::LOCATION, "http://127.0.0.1:1/").body(Body::empty()).unwrap()
    });
    let (endless, dripping, moved) = (endless.await, dripping.await, moved.await);
    let answers =
        futures::join!(ask(&silent_at), ask(&endless), ask(&dripping), ask(&moved), ask("http://127.0.0.1:1"));
    for gathered in [answers.0, answers.1, answers.2, answers.3, answers.4] {
        assert!(!gathered.enough && gathered.doubts.is_empty() && gathered.note == shown().0);
    }
    assert!(begun.elapsed() < ANSWER_MAX + Duration::from_secs(3), "{:?}", begun.elapsed());
}
