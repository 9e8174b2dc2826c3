//! What a package holds, decided from the records.
//!
//! A unit that came in a transfer keeps its description, in the version asked for, and its place under the units of the same
//! transfer that leave with it; at the top it bears every rule that applied to it, inherited ones included. An archive that
//! came otherwise is described from its record: one unit, and one more below for each of several documents.

use crate::admission::{Disposition, Policies, Starts};
use crate::package::{AppliedRule, Deposit, Payload, UnitObject};
use crate::spec::seda::Version;
use crate::spec::seda::manifest::Kind;
use crate::spec::seda::write::escaped;
use crate::spec::seda::write::package::{Description, Group, Object, Package, Rule, Unit, What, content, management};
use crate::spec::seda::write::rewrite::{Rewritten, Target, rewrite};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use thiserror::Error;

/// The most archives in a package.
pub const EXPORTED_MAX: usize = 10_000;

/// What a package is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To be read: a dissemination package.
    Dip,
    /// To be archived elsewhere: a restitution.
    Transfer,
}

impl Purpose {
    /// Its name in records and addresses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dip => "dip",
            Self::Transfer => "transfer",
        }
    }

    /// The purpose of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Dip, Self::Transfer].into_iter().find(|purpose| purpose.name() == name)
    }
}

/// An archive to be put in a package.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Archived {
    /// Its identifier.
    pub ark: String,
    /// Its place in the log.
    pub index: u64,
    /// Whose it is.
    pub agency: String,
    /// When it was archived, in record time.
    pub time: String,
    /// Its record.
    pub deposit: Deposit,
    /// The description of a unit: the element of its bordereau, its payload 0.
    pub fragment: Option<Vec<u8>>,
    /// Its title, when it changed since.
    pub title: Option<String>,
    /// The rules that apply to it, when they changed since.
    pub rules: Option<Vec<AppliedRule>>,
    /// It was eliminated: its documents are no more.
    pub eliminated: bool,
}

/// A document of the package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name in the zip.
    pub name: String,
    /// Where it is in the store.
    pub payload: Payload,
}

/// A package decided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What the bordereau says.
    pub package: Package,
    /// The documents, in the order of the zip.
    pub members: Vec<Member>,
    /// `MessageIdentifier`s of the transfers the units came in.
    pub related: BTreeSet<String>,
    /// Names of elements the version has no place for.
    pub left_out: BTreeSet<String>,
}

/// Why there is no package.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PlanError {
    /// Nothing asked for.
    #[error("aucune archive demandée")]
    Nothing,
    /// More than [`EXPORTED_MAX`].
    #[error("plus de {EXPORTED_MAX} archives demandées à la fois")]
    TooMany,
    /// The description of a unit does not read back.
    #[error("description de {ark} illisible : {cause}")]
    Description {
        /// Which.
        ark: String,
        /// Why.
        cause: String,
    },
}

/// Decides what a package of `archives` holds.
pub fn plan(archives: &[Archived], version: Version, purpose: Purpose, policies: &Policies) -> Result<Plan, PlanError> {
    if archives.is_empty() {
        return Err(PlanError::Nothing);
    }
    if archives.len() > EXPORTED_MAX {
        return Err(PlanError::TooMany);
    }
    let mut planning = Planning { archives, version, purpose, policies, plan: Plan::default(), groups: HashMap::new() };
    planning.head();
    planning.units()?;
    Ok(planning.plan)
}

struct Planning<'a> {
    archives: &'a [Archived],
    version: Version,
    purpose: Purpose,
    policies: &'a Policies,
    plan: Plan,
    /// Groups already in the package: by transfer and identifier there.
    groups: HashMap<(String, String), String>,
}

impl Planning<'_> {
    /// What holds for the whole: the agency of all, or of the first.
    fn head(&mut self) {
        let of = |archive: &Archived| match &archive.deposit.unit {
            Some(unit) => unit.originating_agency.clone().unwrap_or_else(|| archive.agency.clone()),
            None => archive.agency.clone(),
        };
        self.plan.package.originating_agency = self.archives.first().map(of);
        let units = self.archives.iter().filter_map(|archive| archive.deposit.unit.as_ref());
        self.plan.related = units.map(|unit| unit.message.clone()).filter(|message| !message.is_empty()).collect();
    }

    fn units(&mut self) -> Result<(), PlanError> {
        // Every unit first, so that references among them are known; then what is below each.
        let mut names: HashMap<&str, BTreeMap<String, String>> = HashMap::new();
        let mut places: HashMap<(&str, &str), usize> = HashMap::new();
        for (place, archive) in self.archives.iter().enumerate() {
            if let Some(unit) = &archive.deposit.unit {
                names.entry(&unit.transfer).or_default().insert(unit.id.clone(), format!("UNIT_{place}"));
                places.insert((&unit.transfer, &unit.id), place);
            }
        }
        for archive in self.archives {
            let Some(unit) = &archive.deposit.unit else { continue };
            for object in &unit.objects {
                let group = self.group(&unit.transfer, object, &archive.deposit.payloads);
                let known = names.entry(&unit.transfer).or_default();
                if let Some(named) = self.object_named(&group, object) {
                    known.insert(object.id.clone(), named);
                }
                if let Some(old) = &object.group {
                    known.insert(old.clone(), group);
                }
            }
        }
        let mut children: Vec<(usize, usize)> = Vec::new();
        let mut below: Vec<(usize, Unit)> = Vec::new();
        for (place, archive) in self.archives.iter().enumerate() {
            let id = format!("UNIT_{place}");
            let mut unit = Unit { id, ..Unit::default() };
            if let Some(came) = &archive.deposit.unit {
                let above: Vec<usize> =
                    came.parents.iter().filter_map(|id| places.get(&(&*came.transfer, &**id)).copied()).collect();
                children.extend(above.iter().map(|&parent| (parent, place)));
                let known = names.get(&*came.transfer);
                self.transferred(&mut unit, archive, known, above.is_empty())?;
            } else {
                below.extend(self.deposited(&mut unit, archive).into_iter().map(|child| (place, child)));
            }
            self.plan.package.units.push(unit);
        }
        for (parent, child) in children {
            self.plan.package.units[parent].children.push(child);
        }
        for (parent, child) in below {
            let at = self.plan.package.units.len();
            self.plan.package.units[parent].children.push(at);
            self.plan.package.units.push(child);
        }
        Ok(())
    }

    /// A unit that came in a transfer.
    fn transferred(
        &mut self,
        unit: &mut Unit,
        archive: &Archived,
        names: Option<&BTreeMap<String, String>>,
        at_top: bool,
    ) -> Result<(), PlanError> {
        let Some(came) = &archive.deposit.unit else { return Ok(()) };
        let none = BTreeMap::new();
        let target = Target {
            version: self.version,
            names: names.unwrap_or(&none),
            prefix: &format!("{}_", unit.id),
            system_id: (self.purpose == Purpose::Dip, &archive.ark),
            management: true,
        };
        let second = archive.fragment.as_deref().filter(|fragment| is_second(fragment));
        let written = match second {
            Some(fragment) => rewrite(fragment, &target)
                .map_err(|error| PlanError::Description { ark: archive.ark.clone(), cause: error.to_string() })?,
            None => Rewritten { content: self.described(archive), ..Rewritten::default() },
        };
        self.plan.left_out.extend(written.left_out);
        unit.content = match &archive.title {
            Some(title) => retitled(&written.content, title),
            None => written.content,
        };
        unit.profile = written.profile;
        let inherited = came.rules.iter().any(|rule| rule.origin.as_deref() != Some(came.id.as_str()));
        unit.management = if (at_top && inherited) || second.is_none() || archive.rules.is_some() {
            self.all_rules(&came.rules)
        } else {
            written.management
        };
        let mut groups: Vec<String> =
            came.objects.iter().map(|object| self.group(&came.transfer, object, &archive.deposit.payloads)).collect();
        groups.dedup();
        unit.groups = groups;
        Ok(())
    }

    /// Every rule that applies, as the unit's own.
    fn all_rules(&mut self, applied: &[AppliedRule]) -> String {
        let rules: Vec<Rule> = applied.iter().filter_map(rule_of).collect();
        if rules.iter().any(|rule| rule.kind == Kind::Classification) {
            self.plan.left_out.insert("ClassificationRule".into());
        }
        management(self.version, &rules)
    }

    /// An archive that came otherwise, and the units below it when it has several documents.
    fn deposited(&mut self, unit: &mut Unit, archive: &Archived) -> Vec<Unit> {
        let deposit = &archive.deposit;
        unit.content = self.described(archive);
        let changed = archive.rules.iter().flatten();
        let mut rules: Vec<Rule> = changed.filter_map(rule_of).collect();
        if !rules.iter().any(|rule| rule.kind == Kind::Appraisal) {
            rules.extend(self.retention(archive));
        }
        unit.management = management(self.version, &rules);
        if let [only] = deposit.payloads.as_slice() {
            unit.groups = vec![self.document(&archive.ark, 0, only)];
            return Vec::new();
        }
        let mut below = Vec::new();
        for (n, payload) in deposit.payloads.iter().enumerate() {
            let description = Description {
                level: "Item".into(),
                title: payload.name.clone(),
                system_id: (self.purpose == Purpose::Dip, format!("{}#{n}", archive.ark)),
                ..Description::default()
            };
            let groups = vec![self.document(&archive.ark, n, payload)];
            below.push(Unit {
                id: format!("{}_{n}", unit.id),
                content: content(&description),
                groups,
                ..Unit::default()
            });
        }
        below
    }

    /// The description of an archive from its record alone.
    fn described(&self, archive: &Archived) -> String {
        let deposit = &archive.deposit;
        let unit = deposit.unit.as_deref();
        let several = unit.is_none() && deposit.payloads.len() > 1;
        let level = unit.and_then(|unit| unit.level.as_deref()).unwrap_or(if several { "RecordGrp" } else { "Item" });
        let date = |text: &Option<String>| text.clone().filter(|text| text.len() >= 10);
        content(&Description {
            level: level.to_owned(),
            title: deposit.title.clone(),
            system_id: (self.purpose == Purpose::Dip, archive.ark.clone()),
            producer_id: deposit.external_id.clone().filter(|id| !id.trim().is_empty()),
            text: deposit.description.clone(),
            document_type: Some(deposit.document_type.clone()).filter(|_| unit.is_none()),
            originating_agency: None,
            created: date(&deposit.dates.created),
            start: date(&unit.map_or_else(|| deposit.dates.start.clone(), |unit| unit.start.clone())),
            end: date(&unit.map_or_else(|| deposit.dates.end.clone(), |unit| unit.end.clone())),
        })
    }

    /// The retention rule of a deposit, as an appraisal rule of the same code.
    fn retention(&self, archive: &Archived) -> Vec<Rule> {
        let deposit = &archive.deposit;
        let Some(rule) = self.policies.rule(&deposit.rule) else { return Vec::new() };
        let deposited = archive.time.get(..10).map(str::to_owned);
        let start = match rule.starts {
            Starts::End => deposit.dates.end.clone().or_else(|| deposit.dates.created.clone()),
            Starts::Created => deposit.dates.created.clone(),
            Starts::Deposited => deposited.clone(),
        };
        let action = if rule.disposition == Disposition::Eliminate { "Destroy" } else { "Keep" };
        vec![Rule {
            kind: Kind::Appraisal,
            rule: deposit.rule.clone(),
            start: start.or(deposited),
            final_action: Some(action.into()),
            hold_end: None,
        }]
    }

    /// The group of an object in the package, made when it is met first.
    fn group(&mut self, transfer: &str, object: &UnitObject, payloads: &[Payload]) -> String {
        let old = object.group.clone().unwrap_or_else(|| object.id.clone());
        let key = (transfer.to_owned(), old);
        let next = self.plan.package.groups.len();
        let id = self.groups.entry(key).or_insert_with(|| format!("GRP_{next}")).clone();
        if id == format!("GRP_{next}") {
            self.plan.package.groups.push(Group { id: id.clone(), objects: Vec::new() });
        }
        let number = id.strip_prefix("GRP_").and_then(|n| n.parse::<usize>().ok()).unwrap_or(0);
        let usage = object.usage.clone();
        let payload = object.payload.and_then(|n| payloads.get(n as usize));
        let usage =
            usage.unwrap_or_else(|| if payload.is_some() { "BinaryMaster_1" } else { "PhysicalMaster_1" }.into());
        if self.plan.package.groups[number].objects.iter().any(|known| known.usage == usage) {
            return id;
        }
        let name = format!("OBJ_{number}_{}", self.plan.package.groups[number].objects.len());
        let what = match payload {
            Some(payload) => self.digital(&name, payload),
            None => What::Physical(object.physical_id.clone()),
        };
        self.plan.package.groups[number].objects.push(Object { id: name, usage, what });
        id
    }

    /// The identifier of an object in its group of the package.
    fn object_named(&self, group: &str, object: &UnitObject) -> Option<String> {
        let number = group.strip_prefix("GRP_")?.parse::<usize>().ok()?;
        let objects = &self.plan.package.groups.get(number)?.objects;
        let found = objects.iter().find(|known| object.usage.as_ref().is_none_or(|usage| *usage == known.usage));
        found.map(|known| known.id.clone())
    }

    /// A document of a deposit, in a group of its own.
    fn document(&mut self, ark: &str, n: usize, payload: &Payload) -> String {
        let object = UnitObject { id: format!("{ark}#{n}"), payload: Some(0), ..UnitObject::default() };
        self.group("", &object, std::slice::from_ref(payload))
    }

    fn digital(&mut self, name: &str, payload: &Payload) -> What {
        let uri = format!("content/{name}{}", extension(&payload.name));
        self.plan.members.push(Member { name: uri.clone(), payload: payload.clone() });
        What::Digital {
            uri,
            sha512: payload.sha512.clone(),
            size_bytes: payload.size_bytes,
            media_type: Some(payload.media_type.clone()).filter(|media| !media.is_empty()),
            puid: payload.puid.clone(),
            file_name: payload.name.clone(),
        }
    }
}

/// Whether a fragment is of the 2.x family; older ones are described from the record.
fn is_second(fragment: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&fragment[..fragment.len().min(4096)]);
    [Version::V2_1, Version::V2_2, Version::V2_3].iter().any(|version| head.contains(version.namespace()))
}

/// A content whose first title is another.
fn retitled(content: &str, title: &str) -> String {
    let end = content.find("</Title>");
    let start = content.find("<Title").and_then(|at| Some(at + content.get(at..)?.find('>')? + 1));
    match (start, end) {
        (Some(start), Some(end)) if start <= end => {
            format!("{}{}{}", &content[..start], escaped(title), &content[end..])
        }
        _ => content.to_owned(),
    }
}

fn rule_of(applied: &AppliedRule) -> Option<Rule> {
    Some(Rule {
        kind: Kind::of_name(&applied.category)?,
        rule: applied.rule.clone(),
        start: applied.start.clone(),
        final_action: applied.final_action.clone(),
        hold_end: None,
    })
}

/// `.pdf`: what follows the last dot, when it is plain.
fn extension(name: &str) -> String {
    match name.rsplit_once('.') {
        Some((stem, extension))
            if !stem.is_empty()
                && (1..=10).contains(&extension.len())
                && extension.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
        {
            format!(".{}", extension.to_ascii_lowercase())
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
