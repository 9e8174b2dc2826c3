//! The sandbox: the states of a transmission and the accountant's answer, made up for tests. Every message, title and
//! file says so; a sandbox is a daemon of its own, whose log holds nothing else.

use super::{answers, record};
use crate::api::auth::Caller;
use crate::api::problem::Problem;
use crate::api::services::App;
use crate::package::{Flow, Transmission};
use crate::producer::helios::{State, sandbox_answer};

/// Plays the way of a file received to its answer.
pub(super) async fn play(app: App, caller: Caller, number: u64, flow: Flow) {
    if let Err(problem) = played(&app, &caller, number, &flow).await {
        tracing::warn!(transaction = number, detail = %problem.detail, "le bac à sable n'a pas répondu");
    }
}

async fn played(app: &App, caller: &Caller, number: u64, flow: &Flow) -> Result<(), Problem> {
    for (state, message) in [
        (State::Waiting, "dans la file d'attente (simulation)"),
        (State::Sent, "transmission simulée : rien n'a été transmis"),
    ] {
        let message = format!("Transaction {number} {message}");
        let body = Transmission { transaction: Some(number), state: state.code(), message, flow: None };
        record(app, &caller.agency, &caller.actor, Vec::new(), body).await?;
    }
    let name = format!("BAC-A-SABLE-ACK-{number}.xml");
    answers::take(app, caller, Some(name), sandbox_answer(flow).into()).await?;
    Ok(())
}
