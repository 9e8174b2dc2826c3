//! What is to be archived of a transfer: its tree, and for each unit its objects, the rules that apply to it, and whether
//! it stands for a unit of an earlier transfer.

use crate::package::{AppliedRule, UnitObject};
use crate::spec::seda::manifest::{Attachment, Kind, Manifest, Owner, Said, Target};
use crate::spec::seda::{Text, Version};
use crate::transfer::check::{Applied, Seen, compute};
use crate::transfer::event::{Journal, Outcome};
use crate::transfer::referentials::{Duration, Measure, Referentials, Rule};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Most objects of one unit: its record names them all.
const UNIT_OBJECTS_MAX: usize = 32;

/// Most bytes of what a unit's record says of it beside its payloads; the record's own limit is 64 KiB.
const UNIT_TEXTS_BYTES_MAX: usize = 24 * 1024;

/// Everything but the bytes.
#[derive(Debug)]
pub(super) struct Plan {
    /// In the bordereau's order.
    pub(super) units: Vec<Planned>,
    /// Rules that apply to each unit.
    rules: Vec<Arc<[Applied]>>,
    /// `FinalAction` by who says it and of which kind.
    actions: HashMap<(Owner, Kind), Text>,
    /// `StartDate` of each rule borne.
    starts: HashMap<(Owner, Kind, Text), Text>,
}

/// An archive unit.
#[derive(Debug, Default)]
pub(super) struct Planned {
    /// The units that contain it, by their place.
    pub(super) parents: Vec<u32>,
    /// Its objects, by their place among the manifest's.
    pub(super) objects: Vec<u32>,
    /// The identifier of the existing unit it stands for, as the bordereau gives it.
    pub(super) existing: Option<String>,
}

impl Plan {
    /// Plans; what an archive cannot hold is told in the journal.
    pub(super) fn make(journal: &mut Journal, manifest: &Manifest, referentials: Option<&Referentials>) -> Self {
        let mut units: Vec<Planned> = manifest.units.iter().map(|_| Planned::default()).collect();
        link(manifest, &mut units);
        objects(manifest, &mut units);
        for (index, unit) in manifest.units.iter().enumerate() {
            units[index].existing = match unit.attached {
                Attachment::New => None,
                Attachment::System(id) => Some(manifest.text(id).to_owned()),
                Attachment::Key(name, value) => {
                    let (name, value) = (manifest.text(name), manifest.text(value));
                    let detail = format!(
                        "unité {} : rattachement par « {name} = {value} » : seul l'identifiant donné par l'archive (SystemId) est admis",
                        manifest.text(unit.id)
                    );
                    journal.ko(ATTACHMENT, detail, Some(format!("bordereau, {}", unit.position)));
                    None
                }
            };
            if units[index].existing.is_some() && !units[index].objects.is_empty() {
                let detail = format!(
                    "unité {} : des objets ne peuvent être ajoutés à une unité déjà archivée ; donnez-lui des unités filles",
                    manifest.text(unit.id)
                );
                journal.ko(ATTACHMENT, detail, Some(format!("bordereau, {}", unit.position)));
            }
        }
        let rules = rules(manifest, referentials);
        let rules = compute(manifest, &rules).map(|computed| computed.units);
        if rules.is_none() && journal.outcome() != Outcome::Ko {
            // Nothing is archived without the rules that apply to it.
            journal.ko("UNITS_RULES_COMPUTE.TOO_MANY", "l'héritage des règles ne peut être calculé", None);
        }
        let rules = rules.unwrap_or_default();
        let mut plan = Self { units, rules, actions: HashMap::new(), starts: HashMap::new() };
        for category in &manifest.categories {
            if let Said::FinalAction(action) = category.said {
                plan.actions.insert((category.owner, category.kind), action);
            }
        }
        for rule in &manifest.rules {
            if let Some(start) = rule.start {
                plan.starts.insert((rule.owner, rule.kind, rule.id), start);
            }
        }
        plan.bound(journal, manifest);
        plan
    }

    /// How many units are to be archived.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.units.iter().filter(|unit| unit.existing.is_none()).count()).unwrap_or(u32::MAX)
    }

    /// The rules of a unit, as its record says them.
    pub(super) fn applied(&self, manifest: &Manifest, unit: usize) -> Vec<AppliedRule> {
        let rules = self.rules.get(unit).map(|rules| &rules[..]).unwrap_or_default();
        let applied = rules.iter().map(|rule| AppliedRule {
            category: rule.kind.name().to_owned(),
            rule: manifest.text(rule.rule).to_owned(),
            start: self.starts.get(&(rule.origin, rule.kind, rule.rule)).map(|start| manifest.text(*start).to_owned()),
            end: rule.end.map(|end| format!("{:04}-{:02}-{:02}", end.year(), u8::from(end.month()), end.day())),
            final_action: self.actions.get(&(rule.origin, rule.kind)).map(|action| manifest.text(*action).to_owned()),
            origin: rule.origin.and_then(|unit| Some(manifest.text(manifest.units.get(unit as usize)?.id).to_owned())),
        });
        applied.collect()
    }

    /// The class payloads of a unit are packed by: those that are to be destroyed together lie together.
    pub(super) fn class(&self, manifest: &Manifest, unit: usize) -> String {
        let rules = self.rules.get(unit).map(|rules| &rules[..]).unwrap_or_default();
        let mut appraisal = rules.iter().filter(|rule| rule.kind == Kind::Appraisal);
        let (Some(rule), None) = (appraisal.next(), appraisal.next()) else { return super::RULE.to_owned() };
        let year = rule.end.map_or_else(String::new, |end| format!("-{}", end.year()));
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let name: String = manifest.text(rule.rule).chars().map(plain).take(40).collect();
        format!("seda-{name}{year}")
    }

    /// The objects of a unit, as its record says them; `payload` gives the place of a digital one.
    pub(super) fn described(
        &self,
        manifest: &Manifest,
        unit: usize,
        mut payload: impl FnMut(u32) -> Option<u32>,
    ) -> Vec<UnitObject> {
        let described = self.units[unit].objects.iter().filter_map(|&index| {
            let object = manifest.objects.get(index as usize)?;
            Some(UnitObject {
                id: manifest.text(object.id).to_owned(),
                group: manifest.optional(object.group).map(str::to_owned),
                usage: manifest.optional(object.usage).map(str::to_owned),
                payload: payload(index),
                uri: object.uri.as_deref().map(str::to_owned),
                physical_id: manifest.optional(object.physical_id).map(str::to_owned),
            })
        });
        described.collect()
    }

    /// Refuses what a record cannot say.
    fn bound(&self, journal: &mut Journal, manifest: &Manifest) {
        for (index, unit) in manifest.units.iter().enumerate() {
            let planned = &self.units[index];
            let objects = planned.objects.iter().filter_map(|object| manifest.objects.get(*object as usize));
            let text = |text: Option<Text>| manifest.optional(text).map_or(0, str::len);
            let mut bytes = 6 * text(unit.title).min(2_000) + text(Some(unit.id)) + text(unit.level);
            bytes += planned
                .parents
                .iter()
                .map(|parent| 16 + text(Some(manifest.units[*parent as usize].id)))
                .sum::<usize>();
            for object in objects {
                let uri = object.uri.as_deref().map_or(0, str::len);
                bytes += 96 + 2 * uri + text(Some(object.id)) + text(object.group) + text(object.physical_id);
            }
            let rules = self.rules.get(index).map(|rules| &rules[..]).unwrap_or_default();
            bytes += rules.iter().map(|rule| 192 + text(Some(rule.rule))).sum::<usize>();
            if planned.objects.len() > UNIT_OBJECTS_MAX || bytes > UNIT_TEXTS_BYTES_MAX {
                let detail = format!(
                    "unité {} : {} objets et {bytes} octets de parents, de règles et de noms ; une unité en porte {UNIT_OBJECTS_MAX} et {UNIT_TEXTS_BYTES_MAX} au plus",
                    manifest.text(unit.id).chars().take(80).collect::<String>(),
                    planned.objects.len(),
                );
                journal.ko("CHECK_UNIT_SCHEMA.TOO_LARGE", detail, Some(format!("bordereau, {}", unit.position)));
            }
        }
    }
}

/// The event of an attachment that cannot be made.
pub(super) const ATTACHMENT: &str = "CHECK_DATAOBJECTPACKAGE.CHECK_MANIFEST.NOT_FOUND_ATTACHMENT";

fn link(manifest: &Manifest, units: &mut [Planned]) {
    let places: HashMap<Text, usize> = manifest.units.iter().zip(0..).map(|(unit, place)| (unit.id, place)).collect();
    let mut seen = HashSet::new();
    for link in &manifest.links {
        if let Some(&child) = places.get(&link.child)
            && seen.insert((link.parent, child))
        {
            units[child].parents.push(link.parent);
        }
    }
}

fn objects(manifest: &Manifest, units: &mut [Planned]) {
    let mut groups: HashMap<Text, Vec<u32>> = HashMap::new();
    let mut single: HashMap<Text, u32> = HashMap::new();
    for (index, object) in (0_u32..).zip(&manifest.objects) {
        single.insert(object.id, index);
        if let Some(group) = object.group {
            groups.entry(group).or_default().push(index);
        }
    }
    let mut seen = HashSet::new();
    for used in &manifest.uses {
        if !seen.insert((used.unit, used.target)) {
            continue;
        }
        let Some(unit) = units.get_mut(used.unit as usize) else { continue };
        let found = match (used.kind, groups.get(&used.target), single.get(&used.target)) {
            (Target::Group | Target::Object, Some(group), _) => group.as_slice(),
            (Target::Group | Target::Object, None, Some(object)) => std::slice::from_ref(object),
            _ => continue,
        };
        for object in found {
            if !unit.objects.contains(object) {
                unit.objects.push(*object);
            }
            // Told once for the unit, whatever it refers to.
            if unit.objects.len() > UNIT_OBJECTS_MAX {
                break;
            }
        }
    }
}

/// The rules of the reference data; for 0.2 and 1.0, where the rule is its own duration, what that says.
fn rules<'a>(manifest: &Manifest, referentials: Option<&'a Referentials>) -> Cow<'a, BTreeMap<String, Rule>> {
    if manifest.version.is_some_and(Version::is_second) {
        return referentials.and_then(|r| r.rules.as_ref()).map_or_else(|| Cow::Owned(BTreeMap::new()), Cow::Borrowed);
    }
    let made = manifest.rules.iter().filter_map(|rule| {
        let id = manifest.text(rule.id);
        let duration = duration(id)?;
        Some((id.to_owned(), Rule { kind: rule.kind, value: id.to_owned(), duration }))
    });
    Cow::Owned(made.collect())
}

/// An ISO 8601 duration of one unit.
fn duration(text: &str) -> Option<Duration> {
    let (count, measure) = text.strip_prefix('P')?.split_at_checked(text.len().checked_sub(2)?)?;
    let measure = match measure {
        "Y" => Measure::Year,
        "M" => Measure::Month,
        "D" => Measure::Day,
        _ => return None,
    };
    Some(Duration::Of(count.parse().ok()?, measure))
}

/// The digital objects that have been seen, with what their payload needs.
pub(super) fn stored(manifest: &Manifest, seen: &[Seen], object: u32) -> bool {
    let index = object as usize;
    manifest.objects.get(index).is_some_and(|object| !object.physical)
        && seen.get(index).is_some_and(|seen| seen.digests.is_some())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn durations_of_the_first_versions() {
        assert_eq!(duration("P10Y"), Some(Duration::Of(10, Measure::Year)));
        assert_eq!(duration("P18M"), Some(Duration::Of(18, Measure::Month)));
        for none in ["P", "Y", "PY", "P1Y6M", "AR048", "", "P1é"] {
            assert_eq!(duration(none), None, "{none}");
        }
    }
}
