//! CHECK_DATAOBJECTPACKAGE: usages, number of objects, references, graph, orphans.

use super::objects::Holding;
use super::{at, header, unit_name};
use crate::spec::seda::Text;
use crate::spec::seda::manifest::{Attachment, Kind, Manifest, Object, Said, Target};
use crate::transfer::event::Journal;
use crate::transfer::referentials::{Contract, Referentials};
use std::collections::{BTreeSet, HashMap, HashSet};

const DIGITAL: [&str; 4] = ["BinaryMaster", "Dissemination", "Thumbnail", "TextContent"];
const PHYSICAL: &str = "PhysicalMaster";

/// How often one unit may refer to the same object: once says it all.
const SAME_REFERENCES_MAX: usize = 1_000;

/// Checks the package; returns the member of each object, by its index.
pub(super) fn check(
    journal: &mut Journal,
    manifest: &Manifest,
    holding: &Holding<'_>,
    referentials: Option<&Referentials>,
) -> Vec<Option<usize>> {
    usages(journal, manifest);
    let places = numbers(journal, manifest, holding);
    references(journal, manifest, header::contract(manifest, referentials));
    graph(journal, manifest);
    consistency(journal, manifest);
    places
}

/// A usage and its version: `BinaryMaster_2`; without a number, the first.
fn usage(text: &str) -> Option<(&str, u32)> {
    let (usage, version) = text.split_once('_').map_or((text, Some(1)), |(usage, version)| {
        let digits = !version.starts_with('0') && version.bytes().all(|b| b.is_ascii_digit());
        (usage, version.parse().ok().filter(|_| digits))
    });
    Some((usage, version?)).filter(|(usage, _)| DIGITAL.contains(usage) || *usage == PHYSICAL)
}

fn usages(journal: &mut Journal, manifest: &Manifest) {
    const EVENT: &str = "CHECK_DATAOBJECTPACKAGE.CHECK_MANIFEST_DATAOBJECT_VERSION";
    let mut good = true;
    for object in &manifest.objects {
        let id = manifest.text(object.id);
        let mut refuse = |code: &str, detail: String| {
            good = false;
            journal.ko(&format!("{EVENT}.{code}"), detail, at(object.position));
        };
        if let Some(text) = manifest.optional(object.usage) {
            let known = usage(text).filter(|(usage, _)| (*usage == PHYSICAL) == object.physical);
            if known.is_none() {
                let expected = if object.physical { PHYSICAL.to_owned() } else { DIGITAL.join(", ") };
                refuse(
                    "INVALID_DATAOBJECTVERSION",
                    format!("objet {id} : usage « {text} » ; attendu : {expected}, suivi ou non de _ et d'un numéro"),
                );
                continue;
            }
        }
        let second = manifest.version.is_some_and(crate::spec::seda::Version::is_second);
        if object.physical && manifest.optional(object.physical_id).is_none_or(str::is_empty) {
            refuse("EMPTY_REQUIRED_FIELD", format!("objet physique {id} : identifiant (PhysicalId) absent ou vide"));
        } else if !object.physical
            && second
            && object.inline.is_none()
            && object.uri.as_deref().is_none_or(str::is_empty)
        {
            refuse("EMPTY_REQUIRED_FIELD", format!("objet {id} : ni Uri ni contenu (Attachment)"));
        }
    }
    if good {
        journal.ok(EVENT, format!("usages des {} objets reconnus", manifest.objects.len()));
    }
}

/// As many files as objects, and each under the name that one object gives.
fn numbers(journal: &mut Journal, manifest: &Manifest, holding: &Holding<'_>) -> Vec<Option<usize>> {
    const EVENT: &str = "CHECK_DATAOBJECTPACKAGE.CHECK_MANIFEST_OBJECTNUMBER";
    let mut places = vec![None; manifest.objects.len()];
    if holding.is_nothing() {
        return places;
    }
    let expected = |object: &Object| !object.physical && object.inline.is_none();
    let declared = manifest.objects.iter().filter(|object| expected(object)).count();
    let files = holding.files();
    let mut taken = HashSet::new();
    let mut bad = Vec::new();
    for (index, object) in manifest.objects.iter().enumerate().filter(|(_, object)| expected(object)) {
        let uri = object.uri.as_deref().unwrap_or_default();
        let (id, location) = (manifest.text(object.id), at(object.position));
        match holding.find(uri) {
            None => bad.push((format!("objet {id} : aucun fichier « {uri} » dans le paquet"), location)),
            Some(member) if !taken.insert(member) => {
                bad.push((format!("objet {id} : le fichier « {uri} » est déjà celui d'un autre objet"), location));
            }
            Some(member) => places[index] = Some(member),
        }
    }
    let code = match declared.cmp(&files.len()) {
        std::cmp::Ordering::Less => "MANIFEST_INFERIOR_BDO",
        std::cmp::Ordering::Greater => "MANIFEST_SUPERIOR_BDO",
        std::cmp::Ordering::Equal => "INVALID_URI",
    };
    if declared != files.len() {
        let detail =
            format!("le bordereau déclare {declared} objets numériques, le paquet contient {} fichiers", files.len());
        let extra = files.iter().find(|file| !taken.contains(file)).map(|&file| holding.name(file).to_owned());
        journal.ko(&format!("{EVENT}.{code}"), detail, extra);
    }
    for (detail, location) in bad.iter().take(50) {
        journal.ko(&format!("{EVENT}.{code}"), detail.clone(), location.clone());
    }
    if bad.is_empty() && declared == files.len() {
        journal.ok(EVENT, format!("{declared} objets numériques déclarés et présents"));
    }
    places
}

fn references(journal: &mut Journal, manifest: &Manifest, contract: Option<&Contract>) {
    const EVENT: &str = "CHECK_DATAOBJECTPACKAGE.CHECK_MANIFEST";
    let before = journal.outcome();
    let mut good = true;
    let mut refuse = |code: &str, detail: String, location: Option<String>| {
        good = false;
        let event = if code.is_empty() { EVENT.to_owned() } else { format!("{EVENT}.{code}") };
        journal.ko(&event, detail, location);
    };
    let groups: HashSet<Text> = manifest.groups.iter().map(|group| group.id).collect();
    let objects: HashMap<Text, &Object> = manifest.objects.iter().map(|object| (object.id, object)).collect();
    let units: HashSet<Text> = manifest.units.iter().map(|unit| unit.id).collect();
    for object in manifest.objects.iter().filter(|object| object.group_reference) {
        if let Some(group) = object.group.filter(|group| !groups.contains(group)) {
            let (id, group) = (manifest.text(object.id), manifest.text(group));
            refuse("", format!("objet {id} : le groupe « {group} » n'est déclaré nulle part"), at(object.position));
        }
    }
    let mut times: HashMap<(u32, Text), usize> = HashMap::new();
    for used in &manifest.uses {
        let count = times.entry((used.unit, used.target)).or_default();
        *count += 1;
        if *count > SAME_REFERENCES_MAX {
            // Told once, where it goes beyond.
            if *count == SAME_REFERENCES_MAX + 1 {
                let (name, target) = (unit_name(manifest, used.unit), manifest.text(used.target));
                let detail = format!("{name} : plus de {SAME_REFERENCES_MAX} références à « {target} »");
                refuse("", detail, at(used.position));
            }
            continue;
        }
        let (target, name) = (manifest.text(used.target), unit_name(manifest, used.unit));
        let location = at(used.position);
        match (used.kind, objects.get(&used.target)) {
            (Target::Group, _) if groups.contains(&used.target) => {}
            (Target::Object, Some(object)) if object.group.is_none() => {}
            (_, Some(_)) => refuse(
                "EXISTING_OG_NOT_DECLARED",
                format!("{name} : référence à l'objet « {target} » au lieu du groupe qui le contient"),
                location,
            ),
            _ => refuse("", format!("{name} : « {target} » n'est ni un groupe ni un objet"), location),
        }
    }
    for link in manifest.links.iter().filter(|link| !units.contains(&link.child)) {
        let (child, name) = (manifest.text(link.child), unit_name(manifest, link.parent));
        refuse("", format!("{name} : « {child} » n'est pas une unité d'archives"), at(link.position));
    }
    versions(manifest, contract, &mut refuse);
    for (index, unit) in (0..).zip(&manifest.units) {
        if let Attachment::System(id) = unit.attached
            && !is_system_id(manifest.text(id))
        {
            let detail = format!(
                "{} : rattachement à « {} », qui n'est pas un identifiant d'unité déjà archivée",
                unit_name(manifest, index),
                manifest.text(id)
            );
            refuse("INVALID_GUID_ATTACHMENT", detail, at(unit.position));
        }
    }
    if good {
        debug_assert!(journal.outcome() >= before);
        journal.ok(EVENT, format!("{} unités et {} groupes d'objets cohérents", manifest.units.len(), groups.len()));
    }
}

/// One object of each usage and version in a group; a master, and only agreed usages, when the contract says so.
fn versions(manifest: &Manifest, contract: Option<&Contract>, refuse: &mut dyn FnMut(&str, String, Option<String>)) {
    let mut seen: HashMap<(Text, &str, u32), Text> = HashMap::new();
    let mut masters = HashSet::new();
    for object in &manifest.objects {
        let (Some(group), Some((usage, version))) = (object.group, manifest.optional(object.usage).and_then(usage))
        else {
            continue;
        };
        if matches!(usage, "BinaryMaster" | PHYSICAL) {
            masters.insert(group);
        }
        if let Some(other) = seen.insert((group, usage, version), object.id) {
            let (id, other, group) = (manifest.text(object.id), manifest.text(other), manifest.text(group));
            let detail = format!("groupe {group} : {other} et {id} ont le même usage {usage}_{version}");
            refuse("", detail, at(object.position));
        }
        let agreed = contract.filter(|contract| contract.every_data_object_version == Some(false));
        if agreed.is_some_and(|contract| !contract.data_object_version.contains(usage)) {
            let detail = format!("objet {} : l'usage {usage} n'est pas prévu par le contrat", manifest.text(object.id));
            refuse("DATAOBJECTVERSION_NOT_AUTHORIZED", detail, at(object.position));
        }
    }
    if contract.is_some_and(|contract| contract.master_mandatory == Some(true)) {
        let held: HashSet<Text> = manifest.objects.iter().filter_map(|object| object.group).collect();
        for group in manifest.groups.iter().filter(|g| held.contains(&g.id) && !masters.contains(&g.id)) {
            let detail =
                format!("groupe {} : aucun objet original (BinaryMaster, PhysicalMaster)", manifest.text(group.id));
            refuse("MASTER_MANDATORY_REQUIRED", detail, at(group.position));
        }
    }
}

/// An identifier given by a SAE: VITAM's (36 characters of base 32) or an ARK.
fn is_system_id(id: &str) -> bool {
    let guid = id.len() == 36 && id.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'));
    let ark = id.strip_prefix("ark:/").and_then(|rest| rest.split_once('/'));
    guid || ark.is_some_and(|(naan, name)| {
        naan.len() >= 5 && naan.bytes().all(|b| b.is_ascii_alphanumeric()) && !name.is_empty()
    })
}

/// Units form a graph without a cycle: those that no unit contains are taken away, again and again.
fn graph(journal: &mut Journal, manifest: &Manifest) {
    const EVENT: &str = "CHECK_DATAOBJECTPACKAGE.CHECK_MANIFEST_LOOP";
    let children = children(manifest);
    let mut parents = vec![0_u32; manifest.units.len()];
    for child in children.iter().flatten() {
        parents[*child as usize] += 1;
    }
    let mut free: Vec<usize> = (0..parents.len()).filter(|&unit| parents[unit] == 0).collect();
    let mut left = parents.len();
    while let Some(unit) = free.pop() {
        left -= 1;
        for &child in &children[unit] {
            parents[child as usize] -= 1;
            if parents[child as usize] == 0 {
                free.push(child as usize);
            }
        }
    }
    if left > 0 {
        let unit = parents.iter().position(|&count| count > 0).unwrap_or_default();
        let name = unit_name(manifest, u32::try_from(unit).unwrap_or_default());
        let detail = format!("arborescence circulaire : {name} se contient elle-même, directement ou non");
        journal.ko(EVENT, detail, at(manifest.units[unit].position));
    }
}

/// The units under each unit, by containment and by reference.
pub(super) fn children(manifest: &Manifest) -> Vec<Vec<u32>> {
    let index: HashMap<Text, u32> = (0..).zip(&manifest.units).map(|(index, unit)| (unit.id, index)).collect();
    let mut children = vec![Vec::new(); manifest.units.len()];
    for link in &manifest.links {
        if let (Some(&child), Some(below)) = (index.get(&link.child), children.get_mut(link.parent as usize)) {
            below.push(child);
        }
    }
    children
}

fn consistency(journal: &mut Journal, manifest: &Manifest) {
    const EVENT: &str = "CHECK_DATAOBJECTPACKAGE.CHECK_CONSISTENCY";
    let used: HashSet<Text> = manifest.uses.iter().map(|used| used.target).collect();
    let mut good = true;
    for group in manifest.groups.iter().filter(|group| !used.contains(&group.id)) {
        good = false;
        let detail = format!("le groupe d'objets {} n'appartient à aucune unité d'archives", manifest.text(group.id));
        journal.ko(&format!("{EVENT}.ORPHAN_OBJECT"), detail, at(group.position));
    }
    for object in manifest.objects.iter().filter(|object| object.group.is_none() && !used.contains(&object.id)) {
        good = false;
        let detail = format!("l'objet {} n'appartient à aucune unité d'archives", manifest.text(object.id));
        journal.ko(&format!("{EVENT}.ORPHAN_OBJECT"), detail, at(object.position));
    }
    good &= !plausible(journal, manifest, EVENT);
    if good {
        journal.ok(EVENT, "tous les objets appartiennent à une unité d'archives");
    }
}

/// What is allowed and looks like an oversight; returns whether something was told.
fn plausible(journal: &mut Journal, manifest: &Manifest, event: &str) -> bool {
    let destined = manifest
        .categories
        .iter()
        .any(|category| category.kind == Kind::Appraisal && matches!(category.said, Said::FinalAction(_)));
    if manifest.objects.is_empty() && destined {
        let detail = "un sort final est fixé, et le versement ne contient aucun objet à conserver ou à détruire";
        journal.warning(event, detail, None);
        return true;
    }
    let holders: BTreeSet<u32> = manifest.uses.iter().map(|used| used.unit).collect();
    let items: Vec<u32> = (0..)
        .zip(&manifest.units)
        .filter(|(_, unit)| manifest.optional(unit.level) == Some("Item") && unit.attached == Attachment::New)
        .map(|(index, _)| index)
        .collect();
    let empty = items.iter().filter(|unit| !holders.contains(unit)).count();
    if 2 * empty > items.len() {
        let detail = format!("{empty} pièces (niveau Item) sur {} ne portent aucun objet", items.len());
        journal.warning(event, detail, None);
        return true;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{is_system_id, usage};

    #[test]
    fn usages_and_versions() {
        assert_eq!(usage("BinaryMaster"), Some(("BinaryMaster", 1)));
        assert_eq!(usage("PhysicalMaster_12"), Some(("PhysicalMaster", 12)));
        for wrong in
            ["BinaryMaster-1", "BinaryMaster_UN", "BinaryMaster_1,1", "BinaryMaster_", "BinaryMaster_0", "Autre_1", ""]
        {
            assert_eq!(usage(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn identifiers_of_existing_units() {
        assert!(is_system_id("aeaqaaaaaahbl62nabduoak3jc2zqciaadiq"));
        assert!(is_system_id("ark:/12345/lot1-x"));
        assert!(!is_system_id("_REPLACE_ME_") && !is_system_id(""));
    }
}
