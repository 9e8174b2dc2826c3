//! Gathering a transfer of SEDA 0.2 or 1.0 into the common model: an archive and its objects become units, each document
//! a unit of level Item with a group of one object, the appraisal and access codes rules.

use super::Leaf;
use crate::spec::seda::Version;
use crate::spec::seda::manifest::{
    Agency, Attachment, Category, Extent, Group, Kind, Link, Manifest, Object, Roles, Rule, Said, Target, Unit, Use,
};
use crate::spec::seda::xml::{Element, Position};
use std::collections::HashMap;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Root,
    Archive,
    Description,
    Document,
    Rule(Kind),
    Agency,
    Party { archival: bool },
    Hash,
    Leaf(Field),
    Skip,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Comment,
    Date,
    Identifier,
    PartyIdentifier { archival: bool },
    PartyName { archival: bool },
    Agreement,
    Profile,
    ServiceLevel,
    Name,
    Level,
    Oldest,
    Latest,
    Originating,
    Code(Kind),
    Duration,
    RuleStart,
    Attachment,
    Integrity,
    Size,
    DocumentTitle,
    HashValue,
    HashedName,
}

/// The state of the gathering.
#[derive(Debug)]
pub(super) struct First {
    manifest: Manifest,
    stack: Vec<At>,
    pub(super) leaf: Leaf,
    place: Position,
    offset: u64,
    open: Vec<u32>,
    version: Version,
    made: usize,
    /// The rule being read: code, duration, start.
    rule: [Option<String>; 3],
    /// The digest being read at the head of a 0.2 transfer: algorithm and value.
    hash: (Option<String>, String),
    /// Digests by the name of the file.
    hashes: HashMap<String, (Option<String>, String)>,
}

impl First {
    pub(super) fn new(version: Version) -> Self {
        Self {
            manifest: Manifest::default(),
            stack: Vec::new(),
            leaf: Leaf::default(),
            place: Position::default(),
            offset: 0,
            open: Vec::new(),
            version,
            made: 0,
            rule: [None, None, None],
            hash: (None, String::new()),
            hashes: HashMap::new(),
        }
    }

    /// Takes an element; returns how many units have been met.
    pub(super) fn start(&mut self, element: &Element<'_>) -> usize {
        let next = match self.stack.last() {
            None => At::Root,
            Some(at) => self.enter(*at, element),
        };
        if matches!(next, At::Leaf(_) | At::Rule(_)) {
            self.place = element.position;
        }
        self.leaf.begin(matches!(next, At::Leaf(_)));
        self.stack.push(next);
        self.manifest.units.len()
    }

    fn enter(&mut self, at: At, element: &Element<'_>) -> At {
        match at {
            At::Root => self.root(element),
            At::Party { archival } => match element.name {
                "Identification" => At::Leaf(Field::PartyIdentifier { archival }),
                "Name" => At::Leaf(Field::PartyName { archival }),
                _ => At::Skip,
            },
            At::Archive => self.archive(element),
            At::Description => self.description(element),
            At::Document => self.document(element),
            At::Rule(kind) => match element.name {
                "Code" => At::Leaf(Field::Code(kind)),
                "Duration" => At::Leaf(Field::Duration),
                "StartDate" => At::Leaf(Field::RuleStart),
                _ => At::Skip,
            },
            At::Agency if element.name == "Identification" => At::Leaf(Field::Originating),
            At::Hash => match element.name {
                "Contains" => {
                    self.hash.0 = element.attribute("algorithme").map(str::to_owned);
                    At::Leaf(Field::HashValue)
                }
                "UnitIdentifier" => At::Leaf(Field::HashedName),
                _ => At::Skip,
            },
            At::Agency | At::Leaf(_) | At::Skip => At::Skip,
        }
    }

    fn root(&mut self, element: &Element<'_>) -> At {
        At::Leaf(match element.name {
            "Comment" => Field::Comment,
            "Date" => Field::Date,
            "TransferIdentifier" | "MessageReceivedIdentifier" => Field::Identifier,
            "ArchivalAgency" => return At::Party { archival: true },
            "TransferringAgency" => return At::Party { archival: false },
            "Integrity" if self.version == Version::V0_2 => return At::Hash,
            "Archive" | "Contains" => return self.new_unit(element, None),
            _ => return At::Skip,
        })
    }

    fn archive(&mut self, element: &Element<'_>) -> At {
        At::Leaf(match element.name {
            "ArchivalAgreement" => Field::Agreement,
            "ArchivalProfile" => Field::Profile,
            "ServiceLevel" => Field::ServiceLevel,
            "Name" => Field::Name,
            "DescriptionLevel" => Field::Level,
            "ContentDescription" => {
                self.with_unit(|unit| unit.content.start = element.offset);
                return At::Description;
            }
            "AppraisalRule" | "Appraisal" => return self.new_rule(Kind::Appraisal),
            "AccessRestrictionRule" | "AccessRestriction" => return self.new_rule(Kind::Access),
            "ArchiveObject" | "Contains" => return self.new_unit(element, None),
            "Document" => return self.new_document(element),
            _ => return At::Skip,
        })
    }

    fn description(&mut self, element: &Element<'_>) -> At {
        At::Leaf(match element.name {
            "DescriptionLevel" => Field::Level,
            "OldestDate" => Field::Oldest,
            "LatestDate" => Field::Latest,
            "OriginatingAgency" => return At::Agency,
            "AccessRestrictionRule" | "AccessRestriction" => return self.new_rule(Kind::Access),
            _ => return At::Skip,
        })
    }

    fn new_rule(&mut self, kind: Kind) -> At {
        self.rule = [None, None, None];
        At::Rule(kind)
    }

    fn new_id(&mut self, element: &Element<'_>, prefix: &str) -> String {
        element.attribute("Id").map_or_else(
            || {
                self.made += 1;
                format!("{prefix}{}", self.made)
            },
            str::to_owned,
        )
    }

    fn new_unit(&mut self, element: &Element<'_>, level: Option<&str>) -> At {
        let id = self.new_id(element, "_unite-");
        let id = self.manifest.texts.keep(&id);
        let parent = self.open.last().copied();
        let index = u32::try_from(self.manifest.units.len()).unwrap_or(u32::MAX);
        if let Some(parent) = parent {
            self.manifest.links.push(Link { parent, child: id, position: element.position });
        }
        let level = level.map(|level| self.manifest.texts.keep(level));
        self.manifest.units.push(Unit {
            id,
            position: element.position,
            parent,
            whole: super::extent(element.offset, element.offset),
            content: Extent::default(),
            management: Extent::default(),
            level,
            profile: None,
            title: None,
            empty_text: false,
            start: None,
            end: None,
            originating_agency: None,
            attached: Attachment::New,
            roles: Roles::default(),
        });
        self.open.push(index);
        At::Archive
    }

    fn new_document(&mut self, element: &Element<'_>) -> At {
        self.new_unit(element, Some("Item"));
        self.made += 1;
        let (object, group) = (format!("_objet-{}", self.made), format!("_groupe-{}", self.made));
        let (id, group) = (self.manifest.texts.keep(&object), self.manifest.texts.keep(&group));
        let usage = Some(self.manifest.texts.keep("BinaryMaster_1"));
        let position = element.position;
        self.manifest.groups.push(Group { id: group, position, element: true });
        self.manifest.objects.push(Object {
            id,
            position,
            group: Some(group),
            group_reference: false,
            physical: false,
            usage,
            uri: None,
            inline: None,
            algorithm: None,
            digest: None,
            size_bytes: None,
            format: None,
            media_type: None,
            file_name: None,
            physical_id: None,
        });
        if let Some(&unit) = self.open.last() {
            self.manifest.uses.push(Use { unit, target: group, kind: Target::Group, position });
        }
        At::Document
    }

    fn document(&mut self, element: &Element<'_>) -> At {
        At::Leaf(match element.name {
            "Attachment" => {
                self.attachment(element);
                Field::Attachment
            }
            "Integrity" => {
                let algorithm = element.attribute("algorithme").map(|name| self.manifest.texts.keep(name.trim()));
                if let Some(object) = self.manifest.objects.last_mut() {
                    object.algorithm = algorithm;
                }
                Field::Integrity
            }
            // In octets when the unit of measure says so (UN/ECE recommendation 20: AD is byte).
            "Size" if matches!(element.attribute("unitCode"), None | Some("AD")) => Field::Size,
            "Description" => Field::DocumentTitle,
            _ => return At::Skip,
        })
    }

    fn attachment(&mut self, element: &Element<'_>) {
        let mut keep = |name: &str| element.attribute(name).map(|value| self.manifest.texts.keep(value));
        let (format, media_type) = (keep("format"), keep("mimeCode"));
        let named = |name: &str| element.attribute(name).filter(|value| !value.is_empty()).map(Box::from);
        if let Some(object) = self.manifest.objects.last_mut() {
            object.format = format;
            object.media_type = media_type;
            object.file_name = named("filename");
            object.uri = named("uri").or_else(|| named("filename"));
        }
        self.offset = element.offset;
    }

    /// Takes the end of the innermost element.
    pub(super) fn end(&mut self, offset: u64) {
        let Some(at) = self.stack.pop() else { return };
        match at {
            At::Leaf(field) => {
                let leaf = std::mem::take(&mut self.leaf);
                self.take(field, leaf.value(), offset);
                self.leaf = leaf;
                self.leaf.begin(false);
            }
            At::Archive | At::Document => {
                self.with_unit(|unit| unit.whole.end = offset);
                self.open.pop();
            }
            At::Description => self.with_unit(|unit| unit.content.end = offset),
            At::Rule(kind) => self.close_rule(kind),
            _ => {}
        }
    }

    fn close_rule(&mut self, kind: Kind) {
        let [code, duration, start] = std::mem::take(&mut self.rule);
        let (owner, position) = (self.open.last().copied(), self.place);
        let texts = &mut self.manifest.texts;
        let start = start.map(|start| texts.keep(&start));
        let id = if kind == Kind::Appraisal { duration } else { code.clone() };
        if let Some(id) = id {
            let id = texts.keep(&id);
            self.manifest.rules.push(Rule { owner, kind, id, start, hold_end: None, reassessing: None, position });
        }
        let action = match code.as_deref() {
            Some("conserver") => "Keep",
            Some("detruire") => "Destroy",
            _ => return,
        };
        if kind == Kind::Appraisal {
            let said = Said::FinalAction(texts.keep(action));
            self.manifest.categories.push(Category { owner, kind, said, position });
        }
    }

    fn with_unit(&mut self, change: impl FnOnce(&mut Unit)) {
        if let Some(unit) = self.open.last().and_then(|&index| self.manifest.units.get_mut(index as usize)) {
            change(unit);
        }
    }

    fn take(&mut self, field: Field, value: &str, offset: u64) {
        match field {
            Field::Comment => self.manifest.header.comment = Some(value.to_owned()),
            Field::Date => self.manifest.header.date = Some(value.to_owned()),
            Field::Identifier => self.manifest.header.identifier = Some(value.to_owned()),
            Field::Agreement => self.manifest.header.agreement = Some(value.to_owned()),
            Field::Profile => self.manifest.management.profile = Some(value.to_owned()),
            Field::ServiceLevel => self.manifest.management.service_level = Some(value.to_owned()),
            Field::PartyIdentifier { archival } | Field::PartyName { archival } => {
                let header = &mut self.manifest.header;
                let agency = if archival { &mut header.archival_agency } else { &mut header.transferring_agency };
                let agency = agency.get_or_insert_with(Agency::default);
                if let Field::PartyIdentifier { .. } = field {
                    value.clone_into(&mut agency.identifier);
                    agency.position = self.place;
                } else {
                    agency.name = Some(value.to_owned());
                }
            }
            Field::Code(_) => self.rule[0] = Some(value.to_owned()),
            Field::Duration => self.rule[1] = Some(value.to_owned()),
            Field::RuleStart => self.rule[2] = Some(value.to_owned()),
            Field::HashValue => value.clone_into(&mut self.hash.1),
            Field::HashedName => {
                let hash = std::mem::take(&mut self.hash);
                self.hashes.insert(value.to_owned(), hash);
            }
            Field::Attachment | Field::Integrity | Field::Size => self.take_object(field, value, offset),
            _ => self.take_unit(field, value),
        }
    }

    fn take_object(&mut self, field: Field, value: &str, offset: u64) {
        let start = self.offset;
        let Some(object) = self.manifest.objects.last_mut() else { return };
        match field {
            Field::Attachment if !value.is_empty() => object.inline = Some(super::extent(start, offset)),
            Field::Integrity => object.digest = Some(value.into()),
            Field::Size => object.size_bytes = value.parse().ok(),
            _ => {}
        }
    }

    fn take_unit(&mut self, field: Field, value: &str) {
        let kept = self.manifest.texts.keep(if field == Field::Level { level(value) } else { value });
        if field == Field::Originating && self.manifest.management.originating_agency.is_none() {
            self.manifest.management.originating_agency = Some(value.to_owned());
        }
        self.with_unit(|unit| match field {
            Field::Name | Field::DocumentTitle => {
                unit.title = unit.title.or(Some(kept));
                unit.empty_text |= value.is_empty();
            }
            Field::Level => unit.level = Some(kept),
            Field::Oldest => unit.start = Some(kept),
            Field::Latest => unit.end = Some(kept),
            Field::Originating => unit.originating_agency = Some(kept),
            _ => {}
        });
    }

    pub(super) fn finish(mut self) -> Manifest {
        for object in self.manifest.objects.iter_mut().filter(|object| object.digest.is_none()) {
            let named = [object.uri.as_deref(), object.file_name.as_deref()];
            if let Some((algorithm, value)) = named.into_iter().flatten().find_map(|name| self.hashes.get(name)) {
                object.digest = Some(value.as_str().into());
                object.algorithm = algorithm.as_deref().map(|name| self.manifest.texts.keep(name));
            }
        }
        if self.manifest.management.originating_agency.is_none() {
            let transferring = self.manifest.header.transferring_agency.as_ref();
            self.manifest.management.originating_agency = transferring.map(|agency| agency.identifier.clone());
        }
        self.manifest
    }
}

/// The level of 2.x for one of 0.2 or 1.0: the same words, with capitals.
pub(in crate::spec::seda) fn level(value: &str) -> &str {
    match value {
        "class" => "Class",
        "collection" => "Collection",
        "file" => "File",
        "fonds" => "Fonds",
        "item" => "Item",
        "recordgrp" => "RecordGrp",
        "series" => "Series",
        "subfonds" => "Subfonds",
        "subgrp" => "SubGrp",
        "subseries" => "Subseries",
        other => other,
    }
}
