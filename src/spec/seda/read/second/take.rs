//! What each text of a 2.x message becomes in the common model.

use super::super::extent;
use super::{Field, Party, Second, Statement};
use crate::spec::seda::manifest::{Agency, Attachment, Category, Roles, Rule, Said, Target, Use};

impl Second {
    pub(super) fn take(&mut self, field: Field, value: &str, offset: u64) {
        match field {
            Field::PartyIdentifier(_) | Field::PartyName(_) => self.take_party(field, value),
            Field::Comment
            | Field::Date
            | Field::Identifier
            | Field::Agreement
            | Field::Request
            | Field::ReplyCode
            | Field::UnitIdentifier => self.take_header(field, value),
            Field::Profile
            | Field::ServiceLevel
            | Field::Acquisition
            | Field::LegalStatus
            | Field::Originating
            | Field::Submission => self.take_management(field, value),
            Field::GroupId
            | Field::GroupReference
            | Field::Usage
            | Field::Use
            | Field::Number
            | Field::Uri
            | Field::Inline
            | Field::Digest
            | Field::Size
            | Field::FormatId
            | Field::MediaType
            | Field::FileName
            | Field::PhysicalId => self.take_object(field, value, offset),
            Field::RuleId(_) | Field::RuleStart | Field::HoldEnd | Field::Reassessing | Field::Said(..) => {
                self.take_rule(field, value);
            }
            _ => self.take_unit(field, value),
        }
    }

    fn take_header(&mut self, field: Field, value: &str) {
        let header = &mut self.manifest.header;
        let slot = match field {
            Field::Comment if header.comment.is_some() => return,
            Field::Comment => &mut header.comment,
            Field::Date => &mut header.date,
            Field::Identifier => &mut header.identifier,
            Field::Agreement => &mut header.agreement,
            Field::Request => &mut header.request,
            Field::ReplyCode => &mut header.reply_code,
            _ => {
                header.unit_identifiers.push(value.to_owned());
                return;
            }
        };
        *slot = Some(value.to_owned());
    }

    fn take_party(&mut self, field: Field, value: &str) {
        let header = &mut self.manifest.header;
        let (Field::PartyIdentifier(party) | Field::PartyName(party)) = field else { return };
        let agency = match party {
            Party::Archival => &mut header.archival_agency,
            Party::Transferring => &mut header.transferring_agency,
        };
        let agency = agency.get_or_insert_with(Agency::default);
        if let Field::PartyIdentifier(_) = field {
            value.clone_into(&mut agency.identifier);
            agency.position = self.place;
        } else {
            agency.name = Some(value.to_owned());
        }
    }

    fn take_management(&mut self, field: Field, value: &str) {
        let management = &mut self.manifest.management;
        let slot = match field {
            Field::Profile => &mut management.profile,
            Field::ServiceLevel => &mut management.service_level,
            Field::Acquisition => &mut management.acquisition,
            Field::LegalStatus => &mut management.legal_status,
            Field::Originating => &mut management.originating_agency,
            _ => &mut management.submission_agency,
        };
        *slot = Some(value.to_owned());
    }

    fn take_object(&mut self, field: Field, value: &str, offset: u64) {
        let kept = match field {
            Field::Uri | Field::Inline | Field::Digest | Field::Size | Field::FileName => None,
            _ => Some(self.manifest.texts.keep(value)),
        };
        if let (Field::Number, Some(used)) = (field, self.used) {
            let usage = format!("{}_{value}", self.manifest.texts.get(used));
            let usage = self.manifest.texts.keep(&usage);
            if let Some(object) = self.manifest.objects.last_mut() {
                object.usage = Some(usage);
            }
            return;
        }
        let (position, contained) = (self.place, self.group);
        let Some(object) = self.manifest.objects.last_mut() else { return };
        match field {
            Field::GroupId | Field::GroupReference if contained.is_some() => {}
            Field::GroupId => {
                object.group = kept;
                if let Some(id) = kept {
                    self.declare(id, position, false);
                }
            }
            Field::GroupReference => {
                object.group = kept;
                object.group_reference = true;
            }
            Field::Usage => object.usage = kept,
            Field::Use => {
                self.used = kept;
                if object.usage.is_none() {
                    object.usage = kept;
                }
            }
            Field::Uri => object.uri = Some(value.into()),
            // Without content it only names a file, as Maarch writes it.
            Field::Inline if !value.is_empty() => object.inline = Some(extent(self.offset, offset)),
            Field::Digest => object.digest = Some(value.into()),
            Field::Size => object.size_bytes = value.trim_start_matches('+').parse().ok(),
            Field::FormatId => object.format = kept,
            Field::MediaType => object.media_type = kept,
            Field::FileName => object.file_name = Some(value.into()),
            Field::PhysicalId => object.physical_id = kept,
            _ => {}
        }
    }

    fn take_rule(&mut self, field: Field, value: &str) {
        let (owner, position) = (self.owner(), self.place);
        let kept = self.manifest.texts.keep(value);
        match field {
            Field::RuleId(kind) => self.manifest.rules.push(Rule {
                owner,
                kind,
                id: kept,
                start: None,
                hold_end: None,
                reassessing: None,
                position,
            }),
            Field::RuleStart | Field::HoldEnd | Field::Reassessing => {
                let given = Some(kept).filter(|_| !value.is_empty());
                if let Some(rule) = self.manifest.rules.last_mut().filter(|rule| rule.owner == owner) {
                    match field {
                        Field::RuleStart => rule.start = given,
                        Field::HoldEnd => rule.hold_end = given,
                        _ => rule.reassessing = given,
                    }
                }
            }
            Field::Said(kind, statement) => {
                let said = match statement {
                    Statement::Prevent => Said::PreventInheritance(matches!(value, "true" | "1")),
                    Statement::Except => Said::Except(kept),
                    Statement::FinalAction => Said::FinalAction(kept),
                    Statement::Level => Said::Level(kept),
                    Statement::Owner => Said::ClassifiedBy(kept),
                };
                self.manifest.categories.push(Category { owner, kind, said, position });
            }
            _ => {}
        }
    }

    fn take_unit(&mut self, field: Field, value: &str) {
        let Some(unit) = self.owner() else { return };
        if field == Field::Description {
            return self.with_unit(|unit| unit.empty_text |= value.is_empty());
        }
        let kept = self.manifest.texts.keep(value);
        let position = self.place;
        let one = |kind| Use { unit, target: kept, kind, position };
        match field {
            Field::UnitReference => self.refer(unit, kept, position),
            Field::UsedGroup => self.manifest.uses.push(one(Target::Group)),
            Field::UsedObject => self.manifest.uses.push(one(Target::Object)),
            Field::RelatedUnit | Field::SignedDocument => self.manifest.relations.push(one(Target::Unit)),
            Field::RelatedGroup => self.manifest.relations.push(one(Target::Group)),
            Field::RelatedData => self.manifest.relations.push(one(Target::Object)),
            Field::KeyName => self.key = Some(kept),
            _ => {
                let key = self.key;
                self.with_unit(|unit| match field {
                    Field::UnitProfile => unit.profile = Some(kept),
                    Field::SystemId => unit.attached = Attachment::System(kept),
                    Field::KeyValue => unit.attached = Attachment::Key(key.unwrap_or(kept), kept),
                    Field::Level => unit.level = Some(kept),
                    Field::Title => {
                        unit.title = unit.title.or(Some(kept));
                        unit.empty_text |= value.is_empty();
                    }
                    Field::Start => unit.start = Some(kept),
                    Field::End => unit.end = Some(kept),
                    Field::UnitOriginating => unit.originating_agency = Some(kept),
                    Field::Role => {
                        unit.roles.0 |= match value {
                            "SignedDocument" => Roles::DOCUMENT,
                            "Timestamp" => Roles::TIMESTAMP,
                            "Signature" => Roles::SIGNATURE,
                            "AdditionalProof" => Roles::PROOF,
                            _ => 0,
                        }
                    }
                    _ => {}
                });
            }
        }
    }
}
