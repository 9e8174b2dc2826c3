//! The notation the content models are written in, compiled once into automata.
//!
//! A line declares a type: `Name @attribute:type @required!:type = content`, or `: datatype` for text, with the values of
//! a code list between braces. `root` marks the elements a document may begin with; `group` names a part that `%Name`
//! repeats. In a content, `,` follows, `|` chooses, `? * +` count as usual, `Element:Type` may leave the type out when it
//! has the element's name, `^` allows `xsi:nil`. `{21}` or `{22+}` keep a part for some versions. What follows `~` is not
//! in the official schema but met and accepted: a deviation. `...` marks where elements of no schema are met and accepted,
//! except those after `!`. `!open` takes elements of other namespaces, `!all` its elements in any order.

use super::datatype::Datatype;
use crate::spec::seda::Version;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// An element's name, by number.
pub(in crate::spec::seda) type Symbol = u16;

/// A type, by number.
pub(in crate::spec::seda) type TypeId = u16;

/// A compiled model.
#[derive(Debug, Default)]
pub(in crate::spec::seda) struct Schema {
    symbols: HashMap<String, Symbol, BuildHasherDefault<Fnv>>,
    names: Vec<String>,
    pub(in crate::spec::seda) types: Vec<Type>,
    pub(in crate::spec::seda) roots: Vec<(Symbol, TypeId)>,
    /// What could not be compiled; a test holds it empty.
    pub(in crate::spec::seda) faults: Vec<String>,
}

/// What an element holds.
#[derive(Debug, Default)]
pub(in crate::spec::seda) struct Type {
    pub(in crate::spec::seda) content: Content,
    pub(in crate::spec::seda) attributes: Vec<Attribute>,
}

/// An attribute of a type.
#[derive(Debug)]
pub(in crate::spec::seda) struct Attribute {
    pub(in crate::spec::seda) namespace: &'static str,
    pub(in crate::spec::seda) name: String,
    pub(in crate::spec::seda) required: bool,
    pub(in crate::spec::seda) value: TypeId,
}

/// The content of a type.
#[derive(Debug, Default)]
pub(in crate::spec::seda) enum Content {
    /// Text.
    Simple(Datatype, Vec<String>),
    /// Elements in order.
    Elements(Automaton),
    /// Each of these at most once, in any order.
    All(Vec<Particle>),
    /// Any element of another namespace.
    Open,
    /// Nothing.
    #[default]
    Empty,
    /// Never valid: an abstract type.
    Abstract,
}

/// The automaton of Glushkov: a state is the particle just read (0 before the first), so that what may follow is known
/// from the state alone.
#[derive(Debug, Default)]
pub(in crate::spec::seda) struct Automaton {
    pub(in crate::spec::seda) particles: Vec<Particle>,
    pub(in crate::spec::seda) follow: Vec<Vec<u16>>,
    pub(in crate::spec::seda) last: Vec<bool>,
    pub(in crate::spec::seda) extension: Extension,
    pub(in crate::spec::seda) refused: Vec<Symbol>,
}

/// Where elements of no schema are accepted in a content.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(in crate::spec::seda) enum Extension {
    #[default]
    No,
    /// Once the content could end.
    AtEnd,
    /// As one of the choices.
    Anywhere,
}

/// An element within a content.
#[derive(Debug, Clone, Copy)]
pub(in crate::spec::seda) struct Particle {
    pub(in crate::spec::seda) symbol: Symbol,
    pub(in crate::spec::seda) of: TypeId,
    pub(in crate::spec::seda) nillable: bool,
    pub(in crate::spec::seda) deviation: bool,
}

impl Schema {
    /// Compiles a notation for a version.
    pub(in crate::spec::seda) fn compile(notation: &str, version: Version) -> Self {
        let mut compiler = Compiler { version, ..Compiler::default() };
        let lines: Vec<&str> =
            notation.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
        for line in &lines {
            compiler.declare(line);
        }
        for line in lines {
            compiler.define(line);
        }
        compiler.schema
    }

    /// The number of a name, when the model has it.
    pub(in crate::spec::seda) fn symbol(&self, name: &str) -> Option<Symbol> {
        self.symbols.get(name).copied()
    }

    /// The name of a number.
    pub(in crate::spec::seda) fn name(&self, symbol: Symbol) -> &str {
        self.names.get(usize::from(symbol)).map_or("?", String::as_str)
    }

    fn intern(&mut self, name: &str) -> Symbol {
        if let Some(&symbol) = self.symbols.get(name) {
            return symbol;
        }
        let symbol = Symbol::try_from(self.names.len()).unwrap_or(Symbol::MAX);
        self.names.push(name.to_owned());
        self.symbols.insert(name.to_owned(), symbol);
        symbol
    }
}

struct Compiler<'a> {
    version: Version,
    schema: Schema,
    types: HashMap<&'a str, TypeId>,
    groups: HashMap<&'a str, &'a str>,
}

impl Default for Compiler<'_> {
    fn default() -> Self {
        Self { version: Version::V2_1, schema: Schema::default(), types: HashMap::new(), groups: HashMap::new() }
    }
}

/// A part of a content, before it is numbered.
enum Node {
    Nothing,
    Leaf(Particle),
    Sequence(Vec<Self>),
    Choice(Vec<Self>),
    Repeat(Box<Self>, bool, bool),
}

/// What goes with the content being parsed.
#[derive(Default)]
struct Around {
    extension: Extension,
    refused: Vec<Symbol>,
    deviation: bool,
    depth: usize,
}

impl<'a> Compiler<'a> {
    fn declare(&mut self, line: &'a str) {
        let line = line.strip_prefix("root ").unwrap_or(line);
        if let Some(group) = line.strip_prefix("group ") {
            if let Some((name, body)) = group.split_once(" = ") {
                self.groups.insert(name, body);
            }
            return;
        }
        let name = line.split(' ').next().unwrap_or(line);
        self.new_type(name);
    }

    fn new_type(&mut self, name: &'a str) -> TypeId {
        let id = TypeId::try_from(self.schema.types.len()).unwrap_or(TypeId::MAX);
        self.schema.types.push(Type::default());
        self.types.insert(name, id);
        id
    }

    fn define(&mut self, line: &'a str) {
        let (root, line) = line.strip_prefix("root ").map_or((false, line), |rest| (true, rest));
        if line.starts_with("group ") {
            return;
        }
        let name = line.split(' ').next().unwrap_or(line);
        let mut rest = &line[name.len()..];
        let mut attributes = Vec::new();
        while let Some(declared) = rest.strip_prefix(" @") {
            let end = declared.find(' ').unwrap_or(declared.len());
            attributes.extend(self.attribute(&declared[..end]));
            rest = &declared[end..];
        }
        let content = match (rest.strip_prefix(" : "), rest.strip_prefix(" = ")) {
            (Some(simple), _) => self.simple(simple),
            (_, Some(body)) => self.content(body),
            _ => {
                self.schema.faults.push(format!("{name} : ni texte ni contenu"));
                Content::Empty
            }
        };
        let Some(&id) = self.types.get(name) else { return };
        if root {
            let symbol = self.schema.intern(name);
            self.schema.roots.push((symbol, id));
        }
        self.schema.types[usize::from(id)] = Type { content, attributes };
    }

    fn attribute(&mut self, declared: &'a str) -> Option<Attribute> {
        let (name, value) = declared.rsplit_once(':')?;
        let (name, required) = name.strip_suffix('!').map_or((name, false), |name| (name, true));
        let (namespace, name) = match name.split_once(':') {
            Some(("xml", name)) => ("http://www.w3.org/XML/1998/namespace", name),
            Some(("xlink", name)) => ("http://www.w3.org/1999/xlink", name),
            _ => ("", name),
        };
        Some(Attribute { namespace, name: name.to_owned(), required, value: self.type_of(value) })
    }

    /// The type of that name; the short name of a datatype makes one.
    fn type_of(&mut self, name: &'a str) -> TypeId {
        if let Some(&id) = self.types.get(name) {
            return id;
        }
        let content = self.simple(name);
        let id = self.new_type(name);
        self.schema.types[usize::from(id)].content = content;
        id
    }

    fn simple(&mut self, notation: &str) -> Content {
        let (base, values) = notation.split_once('{').unwrap_or((notation, ""));
        let values = values.trim_end_matches('}').split('|').filter(|v| !v.is_empty()).map(str::to_owned).collect();
        let datatype = Datatype::of_name(base).unwrap_or_else(|| {
            self.schema.faults.push(format!("type « {base} » inconnu"));
            Datatype::Text
        });
        Content::Simple(datatype, values)
    }

    fn content(&mut self, body: &'a str) -> Content {
        match body {
            "!open" => return Content::Open,
            "!empty" => return Content::Empty,
            "!abstract" => return Content::Abstract,
            _ => {}
        }
        if let Some(list) = body.strip_prefix("!all ") {
            let mut around = Around::default();
            return Content::All(list.split(", ").filter_map(|item| self.leaf(item, &mut around)).collect());
        }
        let mut around = Around::default();
        let mut rest = body;
        let node = self.choice(&mut rest, &mut around);
        if !rest.is_empty() {
            self.schema.faults.push(format!("reste : {rest}"));
        }
        let mut automaton = glushkov(&node);
        automaton.extension = around.extension;
        automaton.refused = around.refused;
        Content::Elements(automaton)
    }

    fn choice(&mut self, rest: &mut &'a str, around: &mut Around) -> Node {
        let mut branches = Vec::new();
        let mut alone = true;
        loop {
            let before = around.extension;
            let sequence = self.sequence(rest, around);
            let extended = around.extension != before;
            let more = rest.strip_prefix(" | ");
            alone &= more.is_none();
            if extended && !alone && matches!(&sequence, Node::Sequence(items) if items.is_empty()) {
                around.extension = Extension::Anywhere;
            } else if !matches!(&sequence, Node::Sequence(items) if items.is_empty() && !alone) {
                branches.push(sequence);
            }
            match more {
                Some(next) => *rest = next,
                None => break,
            }
        }
        if branches.len() == 1 { branches.pop().unwrap_or(Node::Nothing) } else { Node::Choice(branches) }
    }

    fn sequence(&mut self, rest: &mut &'a str, around: &mut Around) -> Node {
        let mut items = Vec::new();
        loop {
            match self.item(rest, around) {
                Node::Nothing => {}
                node => items.push(node),
            }
            match rest.strip_prefix(", ") {
                Some(next) => *rest = next,
                None => return Node::Sequence(items),
            }
        }
    }

    fn item(&mut self, rest: &mut &'a str, around: &mut Around) -> Node {
        let mut kept = true;
        if let Some((guard, next)) = rest.strip_prefix('{').and_then(|guarded| guarded.split_once('}')) {
            kept = self.keeps(guard);
            *rest = next;
        }
        let outer = around.deviation;
        if let Some(next) = rest.strip_prefix('~') {
            around.deviation = true;
            *rest = next;
        }
        let node = self.atom(rest, around, kept);
        around.deviation = outer;
        let node = match rest.chars().next() {
            Some('?') => Node::Repeat(Box::new(node), true, false),
            Some('*') => Node::Repeat(Box::new(node), true, true),
            Some('+') => Node::Repeat(Box::new(node), false, true),
            _ => return if kept { node } else { Node::Nothing },
        };
        *rest = &rest[1..];
        if kept { node } else { Node::Nothing }
    }

    fn atom(&mut self, rest: &mut &'a str, around: &mut Around, kept: bool) -> Node {
        if let Some(next) = rest.strip_prefix('(') {
            *rest = next;
            let node = self.choice(rest, around);
            *rest = rest.strip_prefix(')').unwrap_or_else(|| {
                self.schema.faults.push("parenthèse non fermée".into());
                ""
            });
            return node;
        }
        if let Some(next) = rest.strip_prefix("...") {
            *rest = next;
            return self.extension(rest, around, kept);
        }
        let end = rest.find([',', '|', ')', '?', '*', '+', ' ']).unwrap_or(rest.len());
        let word = &rest[..end];
        *rest = &rest[end..];
        if !kept {
            return Node::Nothing;
        }
        match word.strip_prefix('%') {
            Some(group) => self.group(group, around),
            None => self.leaf(word, around).map_or(Node::Nothing, Node::Leaf),
        }
    }

    fn extension(&mut self, rest: &mut &'a str, around: &mut Around, kept: bool) -> Node {
        if kept && around.extension == Extension::No {
            around.extension = Extension::AtEnd;
        }
        let refusal = rest.strip_prefix('{').and_then(|guarded| guarded.split_once('}'));
        if let Some((guard, refused)) = refusal {
            let refused = refused.trim_start_matches('!');
            let end = refused.find([',', ')']).unwrap_or(refused.len());
            if self.keeps(guard) {
                let symbol = self.schema.intern(&refused[..end]);
                around.refused.push(symbol);
            }
            *rest = &refused[end..];
        }
        Node::Nothing
    }

    fn group(&mut self, name: &str, around: &mut Around) -> Node {
        let Some(&body) = self.groups.get(name) else {
            self.schema.faults.push(format!("groupe « {name} » inconnu"));
            return Node::Nothing;
        };
        if around.depth > 8 {
            self.schema.faults.push(format!("groupe « {name} » sans fin"));
            return Node::Nothing;
        }
        around.depth += 1;
        let mut rest = body;
        let node = self.choice(&mut rest, around);
        around.depth -= 1;
        node
    }

    fn leaf(&mut self, word: &'a str, around: &mut Around) -> Option<Particle> {
        let (word, nillable) = word.strip_suffix('^').map_or((word, false), |word| (word, true));
        let (name, of) = word.split_once(':').unwrap_or((word, word));
        if name.is_empty() {
            self.schema.faults.push("élément sans nom".into());
            return None;
        }
        Some(Particle { symbol: self.schema.intern(name), of: self.type_of(of), nillable, deviation: around.deviation })
    }

    fn keeps(&self, guard: &str) -> bool {
        let number = |text: &str| match text {
            "21" => Some(Version::V2_1),
            "22" => Some(Version::V2_2),
            "23" => Some(Version::V2_3),
            _ => None,
        };
        match guard.strip_suffix('+') {
            Some(from) => number(from).is_some_and(|from| self.version >= from),
            None => number(guard) == Some(self.version),
        }
    }
}

/// Numbers the particles and says what may follow what.
fn glushkov(node: &Node) -> Automaton {
    let mut automaton = Automaton { follow: vec![Vec::new()], ..Automaton::default() };
    let shape = number(node, &mut automaton);
    automaton.follow[0] = shape.first;
    automaton.last = vec![false; automaton.follow.len()];
    automaton.last[0] = shape.nullable;
    for state in shape.last {
        automaton.last[usize::from(state)] = true;
    }
    automaton
}

struct Shape {
    nullable: bool,
    first: Vec<u16>,
    last: Vec<u16>,
}

fn number(node: &Node, automaton: &mut Automaton) -> Shape {
    match node {
        Node::Nothing => Shape { nullable: true, first: vec![], last: vec![] },
        Node::Leaf(particle) => {
            automaton.particles.push(*particle);
            automaton.follow.push(Vec::new());
            let state = u16::try_from(automaton.particles.len()).unwrap_or(u16::MAX);
            Shape { nullable: false, first: vec![state], last: vec![state] }
        }
        Node::Sequence(items) => {
            let mut whole = Shape { nullable: true, first: vec![], last: vec![] };
            for item in items {
                let next = number(item, automaton);
                link(automaton, &whole.last, &next.first);
                if whole.nullable {
                    whole.first.extend(&next.first);
                }
                if next.nullable {
                    whole.last.extend(next.last);
                } else {
                    whole.last = next.last;
                }
                whole.nullable &= next.nullable;
            }
            whole
        }
        Node::Choice(branches) => {
            let mut whole = Shape { nullable: false, first: vec![], last: vec![] };
            for branch in branches {
                let next = number(branch, automaton);
                whole.nullable |= next.nullable;
                whole.first.extend(next.first);
                whole.last.extend(next.last);
            }
            whole
        }
        Node::Repeat(inner, optional, many) => {
            let mut shape = number(inner, automaton);
            if *many {
                link(automaton, &shape.last, &shape.first);
            }
            shape.nullable |= *optional;
            shape
        }
    }
}

fn link(automaton: &mut Automaton, from: &[u16], to: &[u16]) {
    for &state in from {
        let follow = &mut automaton.follow[usize::from(state)];
        for next in to {
            if !follow.contains(next) {
                follow.push(*next);
            }
        }
    }
}

/// FNV-1a: names are short.
#[derive(Debug)]
pub(in crate::spec::seda) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
