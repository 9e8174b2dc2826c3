//! What a manifest says, in one common model for every version: an arena of compact units and objects, with the place
//! and the extent of each in the document, so that its description can be read again without holding it all.

use super::Version;
use super::texts::{Text, Texts};
use super::xml::Position;

/// Where something is in the document, as UTF-8 without byte order mark.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    /// Offset of its first byte.
    pub start: u64,
    /// Offset after its last byte.
    pub end: u64,
}

/// A message read: header, objects, units and what links them.
#[derive(Debug, Clone, Default)]
pub struct Manifest {
    /// The version of its namespace.
    pub version: Option<Version>,
    /// The name of its root element, `ArchiveTransfer` for a transfer.
    pub message: String,
    /// What the transfer is about.
    pub header: Header,
    /// Rules and agencies that apply to the whole package.
    pub management: Management,
    /// Objects, in the document's order.
    pub objects: Vec<Object>,
    /// Groups of objects that are declared.
    pub groups: Vec<Group>,
    /// Units, in the document's order; references to units are [`Self::links`].
    pub units: Vec<Unit>,
    /// Units within units: containment and references alike.
    pub links: Vec<Link>,
    /// Objects and groups that units refer to.
    pub uses: Vec<Use>,
    /// Rules, by owner in the document's order.
    pub rules: Vec<Rule>,
    /// What is said of a category of rules, by owner.
    pub categories: Vec<Category>,
    /// References between units and objects within descriptions.
    pub relations: Vec<Use>,
    /// Identifiers, dates, names: whatever repeats.
    pub texts: Texts,
}

/// The head and the tail of a message.
#[derive(Debug, Clone, Default)]
pub struct Header {
    /// `Comment`, the first one.
    pub comment: Option<String>,
    /// `Date`.
    pub date: Option<String>,
    /// `MessageIdentifier`, `TransferIdentifier` before 2.0.
    pub identifier: Option<String>,
    /// `ArchivalAgreement`: the ingest contract.
    pub agreement: Option<String>,
    /// `ArchivalAgency`.
    pub archival_agency: Option<Agency>,
    /// `TransferringAgency`.
    pub transferring_agency: Option<Agency>,
    /// `MessageRequestIdentifier` of replies, `MessageReceivedIdentifier` of acknowledgements.
    pub request: Option<String>,
    /// `ReplyCode` of replies.
    pub reply_code: Option<String>,
    /// `UnitIdentifier`s of requests and notifications.
    pub unit_identifiers: Vec<String>,
}

/// An agency as a message names it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Agency {
    /// Its identifier.
    pub identifier: String,
    /// Its name, when given.
    pub name: Option<String>,
    /// Where.
    pub position: Position,
}

/// `ManagementMetadata`.
#[derive(Debug, Clone, Default)]
pub struct Management {
    /// Where it begins.
    pub position: Position,
    /// `ArchivalProfile`.
    pub profile: Option<String>,
    /// `ServiceLevel`.
    pub service_level: Option<String>,
    /// `AcquisitionInformation`.
    pub acquisition: Option<String>,
    /// `LegalStatus`.
    pub legal_status: Option<String>,
    /// `OriginatingAgencyIdentifier`.
    pub originating_agency: Option<String>,
    /// `SubmissionAgencyIdentifier`.
    pub submission_agency: Option<String>,
}

/// A group of objects: the versions of one same thing.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// Its identifier.
    pub id: Text,
    /// Where it is declared.
    pub position: Position,
    /// Whether a `DataObjectGroup` element declares it; else the first object that names it does.
    pub element: bool,
}

/// A data object, digital or physical.
#[derive(Debug, Clone)]
pub struct Object {
    /// Its identifier.
    pub id: Text,
    /// Where.
    pub position: Position,
    /// The group it belongs to, by containment or by name.
    pub group: Option<Text>,
    /// A group it only refers to, that must be declared elsewhere.
    pub group_reference: bool,
    /// Digital or physical.
    pub physical: bool,
    /// `DataObjectVersion` as written (`BinaryMaster_1`); `DataObjectUse` and `DataObjectNumber` put together in 2.3.
    pub usage: Option<Text>,
    /// `Uri` or the file name of the attachment: the member of the package that holds it.
    pub uri: Option<Box<str>>,
    /// The attachment, when its content is in the manifest, in base64.
    pub inline: Option<Extent>,
    /// Algorithm of the digest as written.
    pub algorithm: Option<Text>,
    /// The digest as written.
    pub digest: Option<Box<str>>,
    /// `Size`, in bytes.
    pub size_bytes: Option<u64>,
    /// PRONOM identifier announced.
    pub format: Option<Text>,
    /// Media type announced.
    pub media_type: Option<Text>,
    /// Name of the file before it was put in the package.
    pub file_name: Option<Box<str>>,
    /// `PhysicalId`, possibly empty.
    pub physical_id: Option<Text>,
}

/// An archive unit.
#[derive(Debug, Clone, Copy)]
pub struct Unit {
    /// Its identifier in the message.
    pub id: Text,
    /// Where it begins.
    pub position: Position,
    /// The unit that contains it in the document.
    pub parent: Option<u32>,
    /// The whole element.
    pub whole: Extent,
    /// Its description: `Content`, `ContentDescription` before 2.0.
    pub content: Extent,
    /// Its `Management`.
    pub management: Extent,
    /// `DescriptionLevel`.
    pub level: Option<Text>,
    /// `ArchiveUnitProfile`.
    pub profile: Option<Text>,
    /// First `Title`.
    pub title: Option<Text>,
    /// A `Title` or `Description` is there and empty.
    pub empty_text: bool,
    /// `StartDate`.
    pub start: Option<Text>,
    /// `EndDate`.
    pub end: Option<Text>,
    /// Identifier of the agency it originates from, when it says so.
    pub originating_agency: Option<Text>,
    /// An existing unit it stands for.
    pub attached: Attachment,
    /// Bits of the roles in a signature: see [`Roles`].
    pub roles: Roles,
}

/// Roles in a signature (2.3, `SigningRole`), one bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Roles(pub u8);

impl Roles {
    /// `SignedDocument`.
    pub const DOCUMENT: u8 = 1;
    /// `Timestamp`.
    pub const TIMESTAMP: u8 = 2;
    /// `Signature`.
    pub const SIGNATURE: u8 = 4;
    /// `AdditionalProof`.
    pub const PROOF: u8 = 8;

    /// Whether it has this role.
    pub const fn has(self, role: u8) -> bool {
        self.0 & role != 0
    }
}

/// How a unit stands for one that the archive already has (`UpdateOperation`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Attachment {
    /// It is a new one.
    #[default]
    New,
    /// By the identifier the archive gave.
    System(Text),
    /// By a metadata and its value.
    Key(Text, Text),
}

/// A unit within another.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    /// Index of the unit above.
    pub parent: u32,
    /// Identifier of the unit below.
    pub child: Text,
    /// Where.
    pub position: Position,
}

/// An object or a group that a unit refers to.
#[derive(Debug, Clone, Copy)]
pub struct Use {
    /// Index of the unit.
    pub unit: u32,
    /// What it names.
    pub target: Text,
    /// Whether a group is named, or an object.
    pub kind: Target,
    /// Where.
    pub position: Position,
}

/// What a reference is expected to name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A group of objects.
    Group,
    /// An object.
    Object,
    /// A unit.
    Unit,
}

/// The kinds of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Durée d'utilité courante.
    Storage,
    /// Durée d'utilité administrative et sort final.
    Appraisal,
    /// Communicabilité.
    Access,
    /// Diffusion.
    Dissemination,
    /// Réutilisation.
    Reuse,
    /// Classification.
    Classification,
    /// Gel.
    Hold,
}

impl Kind {
    /// Every kind, in the order of the schema.
    pub const ALL: [Self; 7] = [
        Self::Storage,
        Self::Appraisal,
        Self::Access,
        Self::Dissemination,
        Self::Reuse,
        Self::Classification,
        Self::Hold,
    ];

    /// The element's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Storage => "StorageRule",
            Self::Appraisal => "AppraisalRule",
            Self::Access => "AccessRule",
            Self::Dissemination => "DisseminationRule",
            Self::Reuse => "ReuseRule",
            Self::Classification => "ClassificationRule",
            Self::Hold => "HoldRule",
        }
    }

    /// The kind of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Who bears a rule: the whole package or a unit.
pub type Owner = Option<u32>;

/// A rule borne.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// By whom.
    pub owner: Owner,
    /// Its kind.
    pub kind: Kind,
    /// Its identifier in the reference data; for 0.2 and 1.0, the access code or the duration.
    pub id: Text,
    /// `StartDate`.
    pub start: Option<Text>,
    /// `HoldEndDate`.
    pub hold_end: Option<Text>,
    /// `HoldReassessingDate`.
    pub reassessing: Option<Text>,
    /// Where.
    pub position: Position,
}

/// What is said of a category besides its rules.
#[derive(Debug, Clone, Copy)]
pub struct Category {
    /// By whom.
    pub owner: Owner,
    /// Of which kind.
    pub kind: Kind,
    /// What.
    pub said: Said,
    /// Where.
    pub position: Position,
}

/// A statement on a category of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// `PreventInheritance`.
    PreventInheritance(bool),
    /// `RefNonRuleId`.
    Except(Text),
    /// `FinalAction`.
    FinalAction(Text),
    /// `ClassificationLevel`.
    Level(Text),
    /// `ClassificationOwner`.
    ClassifiedBy(Text),
}

impl Manifest {
    /// A text of the arena.
    pub fn text(&self, text: Text) -> &str {
        self.texts.get(text)
    }

    /// An optional text of the arena.
    pub fn optional(&self, text: Option<Text>) -> Option<&str> {
        text.map(|text| self.texts.get(text))
    }
}
