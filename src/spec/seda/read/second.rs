//! Gathering a message of the 2.x family.

mod take;

use super::Leaf;
use crate::spec::seda::manifest::{Attachment, Extent, Group, Kind, Link, Manifest, Object, Owner, Roles, Unit};
use crate::spec::seda::texts::Text;
use crate::spec::seda::xml::{Element, Position};
use std::collections::HashSet;

/// Where the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Root,
    Package,
    Management,
    Group,
    Object,
    Format,
    FileInfo,
    Descriptive,
    Unit,
    UnitManagement,
    Category(Kind),
    Update,
    UpdateKey,
    Content,
    UnitAgency,
    Signing,
    Related,
    RelatedOne,
    RelatedObject,
    ObjectReference,
    Party(Party),
    PartyDetails(Party),
    /// A text that is wanted.
    Leaf(Field),
    /// Nothing below is wanted.
    Skip,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Party {
    Archival,
    Transferring,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Comment,
    Date,
    Identifier,
    Agreement,
    Request,
    ReplyCode,
    UnitIdentifier,
    PartyIdentifier(Party),
    PartyName(Party),
    Profile,
    ServiceLevel,
    Acquisition,
    LegalStatus,
    Originating,
    Submission,
    GroupId,
    GroupReference,
    Usage,
    Use,
    Number,
    Uri,
    Inline,
    Digest,
    Size,
    FormatId,
    MediaType,
    FileName,
    PhysicalId,
    UnitReference,
    UnitProfile,
    RuleId(Kind),
    RuleStart,
    HoldEnd,
    Reassessing,
    Said(Kind, Statement),
    SystemId,
    KeyName,
    KeyValue,
    Level,
    Title,
    Description,
    Start,
    End,
    UnitOriginating,
    Role,
    SignedDocument,
    RelatedUnit,
    RelatedGroup,
    RelatedData,
    UsedGroup,
    UsedObject,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Statement {
    Prevent,
    Except,
    FinalAction,
    Level,
    Owner,
}

/// The state of the gathering.
#[derive(Debug, Default)]
pub(super) struct Second {
    manifest: Manifest,
    stack: Vec<At>,
    pub(super) leaf: Leaf,
    /// Where the open leaf begins.
    place: Position,
    offset: u64,
    /// Units that are open, by index, with whether they turned out to be references.
    open: Vec<(u32, bool)>,
    group: Option<Text>,
    declared: HashSet<Text>,
    key: Option<Text>,
    used: Option<Text>,
}

impl Second {
    /// Takes an element; returns how many units have been met.
    pub(super) fn start(&mut self, element: &Element<'_>) -> usize {
        let next = match self.stack.last() {
            None => At::Root,
            Some(at) => self.enter(*at, element),
        };
        if let At::Leaf(_) = next {
            self.place = element.position;
        }
        self.leaf.begin(matches!(next, At::Leaf(field) if field != Field::Inline));
        self.stack.push(next);
        self.manifest.units.len()
    }

    fn enter(&mut self, at: At, element: &Element<'_>) -> At {
        match at {
            At::Root => Self::root(element.name),
            At::Party(party) => match element.name {
                "Identifier" => At::Leaf(Field::PartyIdentifier(party)),
                "OrganizationDescriptiveMetadata" => At::PartyDetails(party),
                _ => At::Skip,
            },
            At::PartyDetails(party) if matches!(element.name, "Name" | "OrganizationName") => {
                At::Leaf(Field::PartyName(party))
            }
            At::Package => self.package(element),
            At::Management => Self::management(element),
            At::Group | At::Object | At::Format | At::FileInfo => self.object(at, element),
            At::Descriptive | At::Unit | At::ObjectReference => self.unit(at, element),
            At::UnitManagement => Self::unit_management(element),
            At::Category(kind) => Self::category(kind, element.name),
            At::Update => match element.name {
                "SystemId" => At::Leaf(Field::SystemId),
                "ArchiveUnitIdentifierKey" => At::UpdateKey,
                _ => At::Skip,
            },
            At::UpdateKey => match element.name {
                "MetadataName" => At::Leaf(Field::KeyName),
                "MetadataValue" => At::Leaf(Field::KeyValue),
                _ => At::Skip,
            },
            At::Content | At::UnitAgency | At::Signing => Self::content(at, element.name),
            At::Related => At::RelatedOne,
            At::RelatedOne => match element.name {
                "ArchiveUnitRefId" => At::Leaf(Field::RelatedUnit),
                "DataObjectReference" => At::RelatedObject,
                _ => At::Skip,
            },
            At::RelatedObject => match element.name {
                "DataObjectGroupReferenceId" => At::Leaf(Field::RelatedGroup),
                "DataObjectReferenceId" => At::Leaf(Field::RelatedData),
                _ => At::Skip,
            },
            At::PartyDetails(_) | At::Leaf(_) | At::Skip => At::Skip,
        }
    }

    fn root(name: &str) -> At {
        At::Leaf(match name {
            "Comment" => Field::Comment,
            "Date" => Field::Date,
            "MessageIdentifier" => Field::Identifier,
            "ArchivalAgreement" => Field::Agreement,
            "MessageRequestIdentifier" | "MessageReceivedIdentifier" => Field::Request,
            "ReplyCode" => Field::ReplyCode,
            "UnitIdentifier" => Field::UnitIdentifier,
            "DataObjectPackage" => return At::Package,
            "ArchivalAgency" | "Sender" => return At::Party(Party::Archival),
            "TransferringAgency" | "Requester" | "OriginatingAgency" | "ControlAuthority" | "Receiver" => {
                return At::Party(Party::Transferring);
            }
            _ => return At::Skip,
        })
    }

    fn package(&mut self, element: &Element<'_>) -> At {
        match element.name {
            "DataObjectGroup" => {
                let id = self.manifest.texts.keep(element.attribute("id").unwrap_or_default());
                self.declare(id, element.position, true);
                self.group = Some(id);
                At::Group
            }
            "BinaryDataObject" | "PhysicalDataObject" => self.new_object(element, None),
            "DescriptiveMetadata" => At::Descriptive,
            "ManagementMetadata" => {
                self.manifest.management.position = element.position;
                At::Management
            }
            _ => At::Skip,
        }
    }

    fn declare(&mut self, id: Text, position: Position, element: bool) {
        if self.declared.insert(id) {
            self.manifest.groups.push(Group { id, position, element });
        }
    }

    fn new_object(&mut self, element: &Element<'_>, group: Option<Text>) -> At {
        let id = self.manifest.texts.keep(element.attribute("id").unwrap_or_default());
        self.manifest.objects.push(Object {
            id,
            position: element.position,
            group,
            group_reference: false,
            physical: element.name == "PhysicalDataObject",
            usage: None,
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
        At::Object
    }

    fn object(&mut self, at: At, element: &Element<'_>) -> At {
        At::Leaf(match (at, element.name) {
            (At::Group, "BinaryDataObject" | "PhysicalDataObject") => return self.new_object(element, self.group),
            (At::Object, "DataObjectGroupId") => Field::GroupId,
            (At::Object, "DataObjectGroupReferenceId") => Field::GroupReference,
            (At::Object, "DataObjectVersion") => Field::Usage,
            (At::Object, "DataObjectUse") => Field::Use,
            (At::Object, "DataObjectNumber") => Field::Number,
            (At::Object, "Uri") => Field::Uri,
            (At::Object, "PhysicalId") => Field::PhysicalId,
            (At::Object, "Size") => Field::Size,
            (At::Object, "FormatIdentification") => return At::Format,
            (At::Object, "FileInfo") => return At::FileInfo,
            (At::Object, "Attachment") => {
                let named = element.attribute("uri").or_else(|| element.attribute("filename")).map(Into::into);
                if let Some(object) = self.manifest.objects.last_mut() {
                    object.uri = named;
                }
                self.offset = element.offset;
                Field::Inline
            }
            (At::Object, "MessageDigest") => {
                let algorithm = element.attribute("algorithm").map(|name| self.manifest.texts.keep(name.trim()));
                if let Some(object) = self.manifest.objects.last_mut() {
                    object.algorithm = algorithm;
                }
                Field::Digest
            }
            (At::Format, "FormatId") => Field::FormatId,
            (At::Format, "MimeType") => Field::MediaType,
            (At::FileInfo, "Filename") => Field::FileName,
            _ => return At::Skip,
        })
    }

    fn unit(&mut self, at: At, element: &Element<'_>) -> At {
        At::Leaf(match (at, element.name) {
            (At::Descriptive | At::Unit, "ArchiveUnit") => {
                self.new_unit(element);
                return At::Unit;
            }
            (At::Unit, "ArchiveUnitRefId") => Field::UnitReference,
            (At::Unit, "ArchiveUnitProfile") => Field::UnitProfile,
            (At::Unit, "Management") => {
                self.offset = element.offset;
                self.with_unit(|unit| unit.management.start = element.offset);
                return At::UnitManagement;
            }
            (At::Unit, "Content") => {
                self.with_unit(|unit| unit.content.start = element.offset);
                return At::Content;
            }
            (At::Unit, "DataObjectReference") => return At::ObjectReference,
            (At::ObjectReference, "DataObjectGroupReferenceId") => Field::UsedGroup,
            (At::ObjectReference, "DataObjectReferenceId") => Field::UsedObject,
            _ => return At::Skip,
        })
    }

    fn new_unit(&mut self, element: &Element<'_>) {
        let id = self.manifest.texts.keep(element.attribute("id").unwrap_or_default());
        let parent = self.open.last().map(|(parent, _)| *parent);
        let index = u32::try_from(self.manifest.units.len()).unwrap_or(u32::MAX);
        if let Some(parent) = parent {
            self.manifest.links.push(Link { parent, child: id, position: element.position });
        }
        self.manifest.units.push(Unit {
            id,
            position: element.position,
            parent,
            whole: super::extent(element.offset, element.offset),
            content: Extent::default(),
            management: Extent::default(),
            level: None,
            profile: None,
            title: None,
            empty_text: false,
            start: None,
            end: None,
            originating_agency: None,
            attached: Attachment::New,
            roles: Roles::default(),
        });
        self.open.push((index, false));
    }

    fn management(element: &Element<'_>) -> At {
        At::Leaf(match element.name {
            "ArchivalProfile" => Field::Profile,
            "ServiceLevel" => Field::ServiceLevel,
            "AcquisitionInformation" => Field::Acquisition,
            "LegalStatus" => Field::LegalStatus,
            "OriginatingAgencyIdentifier" => Field::Originating,
            "SubmissionAgencyIdentifier" => Field::Submission,
            _ => return Self::unit_management(element),
        })
    }

    fn unit_management(element: &Element<'_>) -> At {
        match Kind::of_name(element.name) {
            Some(kind) => At::Category(kind),
            None if element.name == "UpdateOperation" => At::Update,
            None => At::Skip,
        }
    }

    fn category(kind: Kind, name: &str) -> At {
        At::Leaf(match name {
            "Rule" => Field::RuleId(kind),
            "StartDate" => Field::RuleStart,
            "HoldEndDate" => Field::HoldEnd,
            "HoldReassessingDate" => Field::Reassessing,
            "PreventInheritance" => Field::Said(kind, Statement::Prevent),
            "RefNonRuleId" => Field::Said(kind, Statement::Except),
            "FinalAction" => Field::Said(kind, Statement::FinalAction),
            "ClassificationLevel" => Field::Said(kind, Statement::Level),
            "ClassificationOwner" => Field::Said(kind, Statement::Owner),
            _ => return At::Skip,
        })
    }

    fn content(at: At, name: &str) -> At {
        At::Leaf(match (at, name) {
            (At::Content, "DescriptionLevel") => Field::Level,
            (At::Content, "Title") => Field::Title,
            (At::Content, "Description") => Field::Description,
            (At::Content, "StartDate") => Field::Start,
            (At::Content, "EndDate") => Field::End,
            (At::Content, "OriginatingAgency") => return At::UnitAgency,
            (At::Content, "SigningInformation") => return At::Signing,
            (At::Content, "RelatedObjectReference") => return At::Related,
            (At::UnitAgency, "Identifier") => Field::UnitOriginating,
            (At::Signing, "SigningRole") => Field::Role,
            (At::Signing, "SignedDocumentReferenceId") => Field::SignedDocument,
            _ => return At::Skip,
        })
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
            At::Unit => {
                self.with_unit(|unit| unit.whole.end = offset);
                self.close_unit();
            }
            At::Content => self.with_unit(|unit| unit.content.end = offset),
            At::UnitManagement => self.with_unit(|unit| unit.management.end = offset),
            At::Group => self.group = None,
            At::Object => self.used = None,
            _ => {}
        }
    }

    /// A unit that only refers to another is a link, not a unit.
    fn close_unit(&mut self) {
        if let Some((index, true)) = self.open.pop() {
            // It holds nothing else, by the schema: it is the last one.
            if index as usize + 1 == self.manifest.units.len() {
                self.manifest.units.pop();
            }
        }
    }

    fn with_unit(&mut self, change: impl FnOnce(&mut Unit)) {
        if let Some(unit) = self.open.last().and_then(|(index, _)| self.manifest.units.get_mut(*index as usize)) {
            change(unit);
        }
    }

    fn owner(&self) -> Owner {
        self.open.last().map(|(index, _)| *index)
    }

    /// The open unit is a reference: its parent is linked to what it names instead.
    fn refer(&mut self, unit: u32, target: Text, position: Position) {
        if let Some((_, reference)) = self.open.last_mut() {
            *reference = true;
        }
        let id = self.manifest.units.get(unit as usize).map(|unit| unit.id);
        if let Some(link) = self.manifest.links.last_mut().filter(|link| Some(link.child) == id) {
            link.child = target;
            link.position = position;
        }
    }

    pub(super) fn finish(self) -> Manifest {
        self.manifest
    }
}
