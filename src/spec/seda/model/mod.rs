//! What each element of SEDA holds and in which order, modelled by hand from the published schemas: one notation for 2.1,
//! 2.2 and 2.3, one for 1.0, one for the transfer and delivery messages of 0.2.
//!
//! Where the model is broader than the schemas: the long code lists of 0.2 and 1.0 (languages, PRONOM, MIME types,
//! character sets, countries, units of measure) are held to their form, not to their entries, and the inside of an XML
//! signature is not looked at.

mod datatype;
mod grammar;

pub use datatype::Datatype;
pub(super) use grammar::{Automaton, Content, Extension, Particle, Schema, Symbol, Type, TypeId};

use super::Version;
use std::sync::LazyLock;

static V0_2: LazyLock<Schema> = LazyLock::new(|| Schema::compile(include_str!("v0_2.model"), Version::V0_2));
static V1_0: LazyLock<Schema> = LazyLock::new(|| Schema::compile(include_str!("v1_0.model"), Version::V1_0));
static V2_1: LazyLock<Schema> = LazyLock::new(|| Schema::compile(include_str!("v2.model"), Version::V2_1));
static V2_2: LazyLock<Schema> = LazyLock::new(|| Schema::compile(include_str!("v2.model"), Version::V2_2));
static V2_3: LazyLock<Schema> = LazyLock::new(|| Schema::compile(include_str!("v2.model"), Version::V2_3));

/// The model of a version, compiled at its first use.
pub(super) fn schema(version: Version) -> &'static Schema {
    match version {
        Version::V0_2 => &V0_2,
        Version::V1_0 => &V1_0,
        Version::V2_1 => &V2_1,
        Version::V2_2 => &V2_2,
        Version::V2_3 => &V2_3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_compiles_without_a_fault() {
        for version in Version::ALL {
            let schema = schema(version);
            assert!(schema.faults.is_empty(), "{version}: {:?}", schema.faults);
            assert!(schema.roots.len() >= 10 && schema.types.len() > 40, "{version}");
        }
    }

    /// XML Schema's unique particle attribution: within the official part, a name decides alone.
    #[test]
    fn no_state_hesitates_between_two_particles() {
        for version in Version::ALL {
            let schema = schema(version);
            for of in &schema.types {
                let Content::Elements(automaton) = &of.content else { continue };
                for follow in &automaton.follow {
                    let mut seen = std::collections::HashSet::new();
                    for &next in follow {
                        let particle = automaton.particles[usize::from(next) - 1];
                        let name = schema.name(particle.symbol);
                        assert!(particle.deviation || seen.insert(particle.symbol), "{version}: {name}");
                    }
                }
            }
        }
    }
}
