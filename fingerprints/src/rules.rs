//! Rules, loaded, checked and indexed by field.

/// All rules.
pub struct Rules {}

impl Rules {
    /// The rules that are compiled in.
    pub fn builtin() -> Self {
        Self {}
    }
}
