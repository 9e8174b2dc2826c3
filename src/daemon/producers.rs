//! What the configuration says of producers: their profiles, and the secrets of systems that announce what they have.

use super::DaemonError;
use crate::admission::Policies;
use crate::api::Webhooks;
use crate::config::{Config, Webhook};
use crate::producer::profile::Profiles;
use ring::hmac;

/// The producer profiles: those that the configuration names must be there.
pub(super) fn profiles(config: &Config, policies: &Policies) -> Result<Profiles, DaemonError> {
    let profiles = Profiles::load(config.producers.folder.as_deref(), policies)?;
    let allowed = config.producers.allow.iter().map(|allowed| &allowed.profile);
    let mut named = allowed
        .chain(config.producers.webhook.iter().map(|hook| &hook.profile))
        .chain(config.producers.watch.iter().map(|watched| &watched.profile));
    let unknown = named.find(|code| profiles.get(code).is_none());
    match unknown {
        Some(code) => Err(DaemonError::UnknownProfile { code: code.clone() }),
        None => Ok(profiles),
    }
}

/// The secrets of the systems that announce what they have.
pub(super) fn webhooks(config: &Config) -> Result<Webhooks, DaemonError> {
    let of = |hook: &Webhook| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, hook.secret()?.as_bytes());
        Ok(((hook.profile.clone(), hook.agency.clone()), key))
    };
    config.producers.webhook.iter().map(of).collect()
}
