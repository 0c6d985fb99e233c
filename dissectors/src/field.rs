//! The hinge between dissectors, which fill fields, and rules, which match them.

/// A property that a dissector can fill: declared beside it, matched by rules, printed by `otoscope fields`.
#[derive(Debug)]
pub struct Field {
    /// `protocol.property`.
    pub name: &'static str,
    /// What it holds and where the standard says so.
    pub doc: &'static str,
}

impl Field {
    /// A field of a protocol's table.
    pub const fn new(name: &'static str, doc: &'static str) -> Self {
        Self { name, doc }
    }
}

/// Fields are the same when their names are.
impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Field {}
