//! A writer schema, compiled: what the transcoder goes along.

use std::ops::Range;

/// Which node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NodeId(u32);

/// Items of one of the program's lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Items {
    start: u32,
    pub len: u32,
}

impl Items {
    const fn range(self) -> Range<usize> {
        self.start as usize..(self.start + self.len) as usize
    }
}

/// Bytes of the program's literals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Literal {
    start: u32,
    end: u32,
}

/// How one type is read and written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Node {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Text,
    /// Bytes of any length.
    Bytes,
    Fixed {
        size: u32,
    },
    /// A number of `scale` digits after the point, in bytes of any length or in `size` of them.
    Decimal {
        scale: u32,
        size: Option<u32>,
    },
    /// An `int` of days.
    Date,
    /// A `long` of so many to the millisecond.
    Time {
        per_milli: u32,
    },
    /// Sixteen bytes.
    Uuid,
    Enum {
        symbols: Items,
    },
    /// `item_bytes`: the fewest that an item takes; never 0.
    Array {
        items: NodeId,
        item_bytes: usize,
    },
    /// `item_bytes`: the fewest that a key and a value take.
    Map {
        values: NodeId,
        item_bytes: usize,
    },
    Union {
        branches: Items,
    },
    Record {
        fields: Items,
    },
}

/// A field of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Field {
    /// What stands before its value: `{"name":` of the first, `,"name":` of the others.
    pub before: Literal,
    pub node: NodeId,
}

/// A compiled schema. Types that are used by name are there once, so this is a graph; it has no cycles.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Program {
    nodes: Vec<Node>,
    fields: Vec<Field>,
    branches: Vec<NodeId>,
    symbols: Vec<Literal>,
    literals: String,
}

/// There are as many as text of a bounded length can name.
fn place(len: usize) -> u32 {
    u32::try_from(len).expect("the text of a schema is shorter than 4 GiB")
}

impl Program {
    pub fn node(&self, id: NodeId) -> Node {
        self.nodes[id.0 as usize]
    }

    pub fn fields(&self, fields: Items) -> &[Field] {
        &self.fields[fields.range()]
    }

    /// The branch `choice` of a union, which must have it.
    pub fn branch(&self, branches: Items, choice: u32) -> NodeId {
        self.branches[(branches.start + choice) as usize]
    }

    /// The symbol `choice` of an enum, which must have it, with its quotes.
    pub fn symbol(&self, symbols: Items, choice: u32) -> &[u8] {
        self.literal(self.symbols[(symbols.start + choice) as usize])
    }

    pub fn literal(&self, literal: Literal) -> &[u8] {
        &self.literals.as_bytes()[literal.start as usize..literal.end as usize]
    }

    pub fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(place(self.nodes.len() - 1))
    }

    /// A record of fields with these names. They need no escapes.
    pub fn add_record(&mut self, fields: &[(&str, NodeId)]) -> NodeId {
        let start = place(self.fields.len());
        for (name, node) in fields {
            let first = self.fields.len() == start as usize;
            let before = self.add_literal(if first { '{' } else { ',' }, name, ":");
            self.fields.push(Field { before, node: *node });
        }
        self.add(Node::Record { fields: Items { start, len: place(fields.len()) } })
    }

    pub fn add_union(&mut self, branches: &[NodeId]) -> NodeId {
        let items = Items { start: place(self.branches.len()), len: place(branches.len()) };
        self.branches.extend_from_slice(branches);
        self.add(Node::Union { branches: items })
    }

    /// An enum of these symbols. They need no escapes.
    pub fn add_enum(&mut self, symbols: &[&str]) -> NodeId {
        let items = Items { start: place(self.symbols.len()), len: place(symbols.len()) };
        for symbol in symbols {
            let literal = self.add_literal(None, symbol, "");
            self.symbols.push(literal);
        }
        self.add(Node::Enum { symbols: items })
    }

    fn add_literal(&mut self, before: impl Into<Option<char>>, name: &str, after: &str) -> Literal {
        let start = place(self.literals.len());
        self.literals.extend(before.into());
        self.literals.extend(["\"", name, "\"", after]);
        Literal { start, end: place(self.literals.len()) }
    }
}
